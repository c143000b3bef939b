"""Turns a filter into SQL over the fields that a room offers.

    FIELDS = FilterFields(
        FilterField("company", "text", Contact.company),
        FilterField("email", "text", condition=any_email, fold=True),
    )
    condition = FIELDS.with_family(json_attributes(Contact.attributes, definitions)).to_sql(filter, now=now)

The semantics are written down in `filters`. Negations are pushed down to the predicates, so that a positive
predicate stays one that an index can answer: `column = value`, not hidden in a coalesce. A predicate
may be NULL where it is not true; it is only ever negated as `(…) IS NOT TRUE`, so that nothing else than true
and "not true" is ever told apart.

Under row-level security only leakproof operators use an index: those of text equality, uuid and instants do,
those of jsonb, arrays, patterns and numeric do not. A field may therefore bring its own `condition`, such as
`Contact.id.in_(select(func.contact_ids_by_tag(value)))`.
"""

import operator as op
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.kit.errors import MOST_ERRORS, FieldError, Invalid
from app.kit.filter_values import TYPE_OPERATORS, FieldType, ValueReader, WrongValue
from app.kit.filters import Filter, FilterAnd, FilterNot, FilterOr, FilterPredicate, Operator

Condition = Callable[[Operator, Any], sa.ColumnElement[bool] | None]
"""`(operator, typed value)` to SQL, or None to compare the field's column.

Asked for positive operators only: `ne` comes as `eq`, `not_in` as `in`, `exists` always with true, and
`within_last` as `between`. Values: str, Decimal, bool, datetime, date or UUID; a list of them for `in`,
a pair for `between`. The answer must be true for exactly the matching rows; elsewhere false and NULL are
the same.
"""


@dataclass(frozen=True)
class FilterField:
    """One field to filter by: its public name, its type, and where its value is.

    `column` is any SQL expression over the row, a correlated subquery included. `condition` answers where
    there is no such expression (child rows) or where there is a faster way; with both, negated predicates
    use the column. `choices` limits the values of a `choice`; `fold` says that the column holds lower-cased
    text, so that values are lower-cased too; `operators` narrows those of the type.
    """

    name: str
    type: FieldType
    column: sa.SQLColumnExpression[Any] | None = None
    condition: Condition | None = None
    choices: tuple[str, ...] = ()
    fold: bool = False
    operators: tuple[Operator, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.column is None and self.condition is None:
            raise TypeError(f"{self.name} needs a column or a condition")
        if not self.operators:
            object.__setattr__(self, "operators", TYPE_OPERATORS[self.type])


@dataclass(frozen=True)
class FieldFamily:
    """Fields that share a prefix and are known only when a request comes, such as `attributes.`.

    `names` are the names behind the prefix, `find` gives the field of one of them; `noun` is for refusals.
    """

    prefix: str
    noun: str
    names: Collection[str]
    find: Callable[[str], FilterField]


@dataclass(frozen=True)
class FieldDescription:
    """What a caller may know of a field. `choices` is empty where any value of the type goes."""

    name: str
    type: FieldType
    operators: tuple[Operator, ...]
    choices: tuple[str, ...]


class FilterFields:
    """The fields of one noun. Higher rooms may register theirs at start; a family is added per request."""

    def __init__(self, *fields: FilterField, family: FieldFamily | None = None) -> None:
        self._fields: dict[str, FilterField] = {}
        self._family = family
        self.register(*fields)

    def register(self, *fields: FilterField) -> None:
        """Add fields. Raises `ValueError` for a name that is taken."""
        for new in fields:
            if new.name in self._fields:
                raise ValueError(f"the filter field {new.name} is registered twice")
            self._fields[new.name] = new

    def with_family(self, family: FieldFamily) -> "FilterFields":
        """These fields and the family's, for one request."""
        return FilterFields(*self._fields.values(), family=family)

    def describe(self) -> list[FieldDescription]:
        """Every field by name with its type and operators, those of the family included."""
        known = list(self._fields.values())
        if self._family:
            known += [self._family.find(name) for name in self._family.names]
        described = [FieldDescription(each.name, each.type, each.operators, each.choices) for each in known]
        return sorted(described, key=lambda each: each.name)

    def to_sql(self, filter: Filter, *, now: datetime, pointer: str = "/filter") -> sa.ColumnElement[bool]:
        """The condition for a WHERE: true for exactly the rows that match. To negate it, negate the filter.

        `now` is timezone-aware; its zone says which calendar day it is. Raises `Invalid` with an error for
        each wrong place below `pointer`, at most 20.
        """
        compiler = _Compiler(self, now)
        condition = compiler.node(filter, pointer, negated=False)
        if compiler.errors:
            raise Invalid("The filter is not valid.", errors=compiler.errors[:MOST_ERRORS])
        return condition

    def find(self, name: str) -> FilterField:
        """The field of that name. Raises `KeyError` with a sentence that names the known ones."""
        if name in self._fields:
            return self._fields[name]
        family = self._family
        if family and name.startswith(family.prefix):
            key = name.removeprefix(family.prefix)
            if key in family.names:
                return family.find(key)
            raise KeyError(f"There is no {family.noun}{_quoted(key)}. Known: {_listing(family.names)}.")
        prefixes = [f"{family.prefix}…"] if family else []
        raise KeyError(f"There is no such field. Known: {_listing([*self._fields, *prefixes])}.")


class _Compiler:
    """One walk over one filter, with the errors found so far."""

    def __init__(self, fields: FilterFields, now: datetime) -> None:
        self.fields = fields
        self.now = now
        self.errors: list[FieldError] = []

    def node(self, node: Filter, pointer: str, *, negated: bool) -> sa.ColumnElement[bool]:
        match node:
            case FilterNot():
                return self.node(node.not_, f"{pointer}/not", negated=not negated)
            case FilterAnd():
                parts = self.parts(node.and_, f"{pointer}/and", negated)
                return sa.or_(*parts) if negated else sa.and_(*parts)
            case FilterOr():
                parts = self.parts(node.or_, f"{pointer}/or", negated)
                return sa.and_(*parts) if negated else sa.or_(*parts)
        return self.predicate(node, pointer, negated)

    def parts(self, nodes: Sequence[Filter], pointer: str, negated: bool) -> list[sa.ColumnElement[bool]]:
        return [self.node(node, f"{pointer}/{index}", negated=negated) for index, node in enumerate(nodes)]

    def predicate(self, node: FilterPredicate, pointer: str, negated: bool) -> sa.ColumnElement[bool]:
        try:
            found = self.fields.find(node.field)
        except KeyError as unknown:
            return self.refuse(f"{pointer}/field", unknown.args[0], "unknown_field")
        if node.op not in found.operators:
            allowed = ", ".join(found.operators)
            return self.refuse(f"{pointer}/op", f"This field takes: {allowed}.", "unknown_operator")
        try:
            value = ValueReader(found.type, found.choices, found.fold, self.now).read(node.op, node.value)
        except WrongValue as wrong:
            for error in wrong.errors:
                self.refuse(f"{pointer}/value{error.pointer}", error.detail, error.code)
            return sa.false()
        return _condition(found, node.op, value, negated)

    def refuse(self, pointer: str, detail: str, code: str) -> sa.ColumnElement[bool]:
        self.errors.append(FieldError(pointer, detail, code))
        return sa.false()


_POSITIVE: Final[Mapping[Operator, Operator]] = {"ne": "eq", "not_in": "in", "within_last": "between"}


def _condition(found: FilterField, operator: Operator, value: Any, negated: bool) -> sa.ColumnElement[bool]:
    if operator in ("ne", "not_in") or (operator == "exists" and value is False):
        negated = not negated
    if operator == "exists":
        value = True
    holds = _positive(found, _POSITIVE.get(operator, operator), value, negated)
    return holds.is_not(sa.true()) if negated else holds


def _positive(found: FilterField, operator: Operator, value: Any, negated: bool) -> sa.ColumnElement[bool]:
    """A negated predicate reads every row anyway, which the column does at less cost than a list of ids."""
    answer = None
    if found.condition and not (negated and found.column is not None):
        answer = found.condition(operator, value)
    if answer is not None:
        return answer
    if found.column is None:
        raise TypeError(f"{found.name} has no column and no condition for {operator}")
    return compare(found.column, found.type, operator, value)


def compare(
    column: sa.SQLColumnExpression[Any], type: FieldType, operator: Operator, value: Any
) -> sa.ColumnElement[bool]:
    """A positive predicate over a column, as `Condition` is asked for it; for conditions over child rows."""
    one: sa.types.TypeEngine[Any] = _BIND_TYPES[type]
    match operator:
        case "exists":
            return sa.func.cardinality(column) > 0 if type == "text_list" else column.is_not(None)
        case "contains" if type == "text_list":
            return column.bool_op("@>")(_bind([value], ARRAY(one)))
        case "in" if type == "text_list":
            return column.bool_op("&&")(_bind(value, ARRAY(one)))
        case "in":
            return column == sa.any_(_bind(value, ARRAY(one)))
        case "between":
            return sa.and_(column >= _bind(value[0], one), column <= _bind(value[1], one))
        case "contains":
            return column.ilike(_bind(f"%{_escaped(value)}%", one))
        case "starts_with":
            return column.ilike(_bind(f"{_escaped(value)}%", one))
    return _COMPARISONS[operator](column, _bind(value, one))


_COMPARISONS: Final[Mapping[Operator, Callable[[Any, Any], sa.ColumnElement[bool]]]] = {
    "eq": op.eq,
    "lt": op.lt,
    "lte": op.le,
    "gt": op.gt,
    "gte": op.ge,
}

_BIND_TYPES: Final[Mapping[FieldType, sa.types.TypeEngine[Any]]] = {
    "text": sa.Text(),
    "number": sa.Numeric(),
    "boolean": sa.Boolean(),
    "timestamp": sa.DateTime(timezone=True),
    "date": sa.Date(),
    "uuid": sa.Uuid(),
    "choice": sa.Text(),
    "text_list": sa.Text(),
}


def _bind(value: Any, type: sa.types.TypeEngine[Any]) -> sa.BindParameter[Any]:
    return sa.bindparam(None, value, type, unique=True)


def _escaped(text: str) -> str:
    """Text that a LIKE pattern takes literally; backslash is PostgreSQL's own default escape."""
    return re.sub(r"([\\%_])", r"\\\1", text)


AttributeType = Literal["text", "number", "boolean", "date", "select"]


@dataclass(frozen=True)
class Attribute:
    """The definition of one key of a JSON object. `choices` are those of a `select`; none means any text."""

    type: AttributeType
    choices: tuple[str, ...] = ()


ByValue = Callable[[str, list[Any]], sa.ColumnElement[bool]]
"""`(key, JSON values)` to SQL that is true where the key holds one of the values: str, int, float or bool."""


def json_attributes(
    column: sa.SQLColumnExpression[Any],
    definitions: Mapping[str, Attribute],
    by_value: ByValue | None = None,
    *,
    prefix: str = "attributes.",
) -> FieldFamily:
    """The keys of a jsonb object as a family. `by_value` is the indexed way for positive `eq` and `in`."""

    def find(key: str) -> FilterField:
        defined = definitions[key]
        return FilterField(
            name=prefix + key,
            type="choice" if defined.type == "select" else defined.type,
            column=_json_value(column, key, defined.type),
            condition=_by_value_condition(key, by_value) if by_value else None,
            choices=defined.choices,
        )

    return FieldFamily(prefix, "attribute", definitions.keys(), find)


def _by_value_condition(key: str, by_value: ByValue) -> Condition:
    def condition(operator: Operator, value: Any) -> sa.ColumnElement[bool] | None:
        if operator not in ("eq", "in"):
            return None
        return by_value(key, [_as_json(each) for each in (value if operator == "in" else [value])])

    return condition


def _as_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value if isinstance(value, str | bool) else value.isoformat()


def _json_value(column: sa.SQLColumnExpression[Any], key: str, type: AttributeType) -> sa.ColumnElement[Any]:
    """The key's value as SQL, NULL where it has another JSON type than defined.

    Only a CASE keeps PostgreSQL from casting first, and failing on what does not fit.
    """
    name = _bind(key, sa.Text())
    value = column.op("->", return_type=JSONB())(name)
    text = column.op("->>", return_type=sa.Text())(name)
    holds = sa.func.jsonb_typeof(value)
    match type:
        case "number":
            return sa.case((holds == "number", sa.cast(value, sa.Numeric())))
        case "boolean":
            return sa.case((holds == "boolean", sa.cast(value, sa.Boolean())))
        case "date":
            day = sa.and_(holds == "string", text.regexp_match(_DAY))
            return sa.case((day, sa.cast(text, sa.Date())))
    return sa.case((holds == "string", text))


_DAY: Final = (
    "^((19|20|21)[0-9]{2}-("
    "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    "|((19|20|21)(0[48]|[2468][048]|[13579][26])|2000)-02-29)$"
)
"""Exactly the days of the years 1900 to 2199: a text that passes can be cast to a date without fail."""


def _quoted(key: str) -> str:
    """Input is repeated only where it can do no harm to whoever reads the message."""
    return f" {key}" if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", key) else " of that name"


def _listing(names: Collection[str]) -> str:
    most = 60
    shown = sorted(names)[:most]
    rest = len(names) - len(shown)
    return (", ".join(shown) or "none") + (f" and {rest} more" if rest else "")
