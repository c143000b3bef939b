"""The one filter grammar: how a filter is written and read. `filter_sql` gives it a meaning.

A filter is one of four nodes, as JSON:

    {"and": [filter, ...]}     every one holds
    {"or":  [filter, ...]}     at least one holds
    {"not": filter}            it does not hold
    {"field": name, "op": operator, "value": value}

A body declares it as `filter: Filter`. Reading checks shape and size only; field names and the types of
values are checked when a room's `FilterFields` turns the filter into SQL. What is wrong is reported in
one go, each place by its own location, never with the value that was sent. Codes: `wrong_shape`, `missing`,
`extra_key`, `empty`, `too_deep`, `too_many_predicates`, `too_many_values`, `too_long`, `wrong_type`,
`bad_text`, `out_of_range`, `unknown_operator`.

Semantics. There are two truth values and no third one:

- A predicate on a missing value is false, whatever the operator, except for `ne` and `not_in`, which are
  true, and `exists`. A null is missing, and so are an attribute that holds another JSON type than the one
  it is defined with, and an empty list.
- `not` is plain negation: `not eq` is `ne` and `not in` is `not_in`, but `not lt` is `gte` or missing.
- `eq ne in not_in` on text are exact and case-sensitive, except on fields that fold case (email addresses,
  language tags).
- `contains` and `starts_with` on text ignore case; `%`, `_` and backslash in the value stand for themselves.
- On a list of texts `contains` is "has this element" and `in` is "has any of these", both exact; `not_in` is
  "has none of these". There is no `eq`: lists have no order that callers could rely on.
- Numbers compare exactly, by value: 1, 1.0 and 1e0 are equal.
- `between` takes `[lower, upper]` and includes both; the lower bound must not lie above the upper.
- `within_last` takes a count and a unit, `"12h"`, `"30d"` or `"2w"` (up to 100 years), and means from that
  long ago until now, both included; what lies in the future is not in it. On calendar days (`d` and `w` only)
  it means from the day that many days before today until today, in the time zone of the `now` handed in.
- `exists` takes true or false.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from typing_extensions import TypeAliasType

from app.kit.errors import MOST_ERRORS
from app.kit.schemas import Input

MOST_DEPTH: Final = 8
"""Of nodes inside each other: a predicate alone has depth 1, `{"not": predicate}` has 2."""
MOST_PREDICATES: Final = 100
MOST_VALUES: Final = 500
LONGEST_TEXT: Final = 1_000
LONGEST_FIELD: Final = 200
LARGEST_NUMBER: Final = 10**18

Operator = Literal[
    "eq", "ne", "lt", "lte", "gt", "gte", "in", "not_in",
    "contains", "starts_with", "exists", "between", "within_last",
]  # fmt: skip
OPERATORS: Final[tuple[Operator, ...]] = get_args(Operator)

_IN_RANGE: Final = Field(gt=-LARGEST_NUMBER, lt=LARGEST_NUMBER)

Scalar = (
    Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]
    | Annotated[int, _IN_RANGE]
    | Annotated[float, _IN_RANGE]
    | bool
)
Scalars = Annotated[tuple[Scalar, ...], Field(min_length=1, max_length=MOST_VALUES)]

_EXAMPLE: Final = {
    "and": [
        {"field": "attributes.plan", "op": "in", "value": ["pro", "team"]},
        {"not": {"field": "created_at", "op": "within_last", "value": "30d"}},
    ]
}


class _Node(Input):
    # Without the fixed mode the recursion would make each node appear twice in the OpenAPI document.
    model_config = ConfigDict(frozen=True, serialize_by_alias=True, json_schema_mode_override="validation")


class FilterAnd(_Node):
    """Holds where every one of the filters holds."""

    and_: tuple["Filter", ...] = Field(
        alias="and", min_length=1, max_length=MOST_PREDICATES, description="The filters, at least one."
    )


class FilterOr(_Node):
    """Holds where at least one of the filters holds."""

    or_: tuple["Filter", ...] = Field(
        alias="or", min_length=1, max_length=MOST_PREDICATES, description="The filters, at least one."
    )


class FilterNot(_Node):
    """Holds where the filter does not hold, a missing value included."""

    not_: "Filter" = Field(alias="not", description="The filter to negate.")


class FilterPredicate(_Node):
    """Compares one field with a value. A missing value only matches `ne`, `not_in` and `exists: false`."""

    field: str = Field(
        min_length=1, max_length=LONGEST_FIELD, description="The field's name, such as `attributes.plan`."
    )
    op: Operator = Field(
        description="The comparison. `contains` and `starts_with` ignore case; `between` includes both ends; "
        "`within_last` looks back from now. Which ones a field takes depends on its type."
    )
    value: Scalar | Scalars = Field(
        description="What to compare with: a list for `in`, `not_in` and `between` (`[lower, upper]`), true "
        'or false for `exists`, a count and a unit such as `"30d"`, `"12h"` or `"2w"` for `within_last`, '
        "and one value of the field's type for the others."
    )


def parse_filter(data: object) -> "Filter":
    """Read a filter from JSON values. A filter that was read before is returned as it is.

    Raises `pydantic.ValidationError` with one error for each wrong place, at most 20. Needs no more stack
    for a filter nested ten thousand deep than for one that is allowed.
    """
    if isinstance(data, FilterAnd | FilterOr | FilterNot | FilterPredicate):
        return data
    reader = _Reader()
    node = reader.node(data, (), 1)
    if node is None or reader.problems:
        raise ValidationError.from_exception_data("Filter", reader.problems[:MOST_ERRORS], hide_input=True)
    return node


Filter = TypeAliasType(
    "Filter",
    Annotated[
        FilterAnd | FilterOr | FilterNot | FilterPredicate,
        BeforeValidator(parse_filter),
        Field(
            title="Filter",
            description="A condition: `and`, `or` and `not` over predicates. "
            f"Up to {MOST_DEPTH} deep, with up to {MOST_PREDICATES} predicates.",
            examples=[_EXAMPLE],
        ),
    ],
)
for _node in (FilterAnd, FilterOr, FilterNot):
    _node.model_rebuild()

_Location = tuple[int | str, ...]


class _Reader:
    """Turns JSON into nodes and collects what is wrong on the way. A part that is wrong reads as None."""

    def __init__(self) -> None:
        self.problems: list[InitErrorDetails] = []
        self.predicates = 0

    def wrong(self, at: _Location, code: Any, message: Any) -> None:
        self.problems.append({"type": PydanticCustomError(code, message), "loc": at, "input": None})

    def full(self) -> bool:
        """Whether to stop: enough is wrong, or the filter is too large to look at the rest of it."""
        return len(self.problems) >= MOST_ERRORS or self.predicates > MOST_PREDICATES

    def node(self, data: object, at: _Location, depth: int) -> "Filter | None":
        if depth > MOST_DEPTH:
            self.wrong(at, "too_deep", f"Filters nest at most {MOST_DEPTH} deep.")
        elif isinstance(data, dict) and ("field" in data or "op" in data):
            return self.predicate(data, at)
        elif isinstance(data, dict) and len(data) == 1:
            return self.combined(data, at, depth)
        else:
            self.wrong(at, "wrong_shape", _SHAPES)
        return None

    def combined(self, data: Mapping[Any, object], at: _Location, depth: int) -> "Filter | None":
        match data:
            case {"and": parts}:
                return FilterAnd.model_construct(and_=self.parts(parts, (*at, "and"), depth + 1))
            case {"or": parts}:
                return FilterOr.model_construct(or_=self.parts(parts, (*at, "or"), depth + 1))
            case {"not": part}:
                node = self.node(part, (*at, "not"), depth + 1)
                return FilterNot.model_construct(not_=node) if node else None
        self.wrong(at, "wrong_shape", _SHAPES)
        return None

    def parts(self, data: object, at: _Location, depth: int) -> tuple["Filter", ...]:
        if not isinstance(data, list | tuple):
            self.wrong(at, "wrong_type", "Must be a list of filters.")
            return ()
        if not data:
            self.wrong(at, "empty", "Must hold at least one filter.")
        nodes = []
        for index, part in enumerate(data):
            if self.full():
                break
            nodes.append(self.node(part, (*at, index), depth))
        return tuple(node for node in nodes if node is not None)

    def predicate(self, data: Mapping[Any, object], at: _Location) -> FilterPredicate | None:
        self.predicates += 1
        if self.predicates > MOST_PREDICATES:
            self.wrong(at, "too_many_predicates", f"A filter has at most {MOST_PREDICATES} predicates.")
            return None
        if data.keys() - {"field", "op", "value"}:
            self.wrong(at, "extra_key", "A predicate has the keys field, op and value, and no other.")
        missing = [key for key in ("field", "op", "value") if key not in data]
        for key in missing:
            self.wrong((*at, key), "missing", "A predicate needs field, op and value.")
        if missing:
            return None
        field = self.field(data["field"], (*at, "field"))
        operator = self.operator(data["op"], (*at, "op"))
        value = self.value(data["value"], (*at, "value"))
        if field is None or operator is None or value is None:
            return None
        return FilterPredicate.model_construct(field=field, op=operator, value=value)

    def field(self, data: object, at: _Location) -> str | None:
        if isinstance(data, str) and 0 < len(data) <= LONGEST_FIELD:
            return data
        self.wrong(at, "wrong_type", f"Must be the name of a field, of 1 to {LONGEST_FIELD} characters.")
        return None

    def operator(self, data: object, at: _Location) -> Operator | None:
        for known in OPERATORS:
            if data == known:
                return known
        self.wrong(at, "unknown_operator", f"No such operator. There are: {', '.join(OPERATORS)}.")
        return None

    def value(self, data: object, at: _Location) -> Scalar | Scalars | None:
        if not isinstance(data, list | tuple):
            return self.scalar(data, at)
        if not data:
            self.wrong(at, "empty", "Must hold at least one value.")
        if len(data) > MOST_VALUES:
            self.wrong(at, "too_many_values", f"A list has at most {MOST_VALUES} values.")
            return None
        scalars = [self.scalar(item, (*at, index)) for index, item in enumerate(data)]
        return tuple(scalar for scalar in scalars if scalar is not None)

    def scalar(self, data: object, at: _Location) -> Scalar | None:
        if isinstance(data, str):
            return self.text(data, at)
        if not isinstance(data, int | float):
            self.wrong(
                at, "wrong_type", "Must be a string, a number or a boolean; null is asked for by `exists`."
            )
            return None
        if abs(data) < LARGEST_NUMBER:
            return data
        self.wrong(at, "out_of_range", f"Must lie between -{LARGEST_NUMBER:.0e} and {LARGEST_NUMBER:.0e}.")
        return None

    def text(self, data: str, at: _Location) -> str | None:
        if len(data) > LONGEST_TEXT:
            self.wrong(at, "too_long", f"Texts have at most {LONGEST_TEXT} characters.")
        elif _BAD_TEXT.search(data):
            self.wrong(at, "bad_text", "Texts hold no NUL characters and no lone surrogates.")
        else:
            return data
        return None


_BAD_TEXT: Final = re.compile("[\\0\\ud800-\\udfff]")

_SHAPES: Final = (
    'A filter is one of {"and": [...]}, {"or": [...]}, {"not": {...}} and '
    '{"field": ..., "op": ..., "value": ...}, with no other keys.'
)
