"""A table with a column of every kind, the fields over it, and random rows and filters to try on it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import FastAPI
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from app.kit.filter_sql import Attribute, FilterField, FilterFields, compare, json_attributes
from app.kit.filter_values import TYPE_OPERATORS
from app.kit.filters import OPERATORS, Filter
from app.kit.schemas import Input

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STAGES = ("lead", "customer", "gone")

metadata = sa.MetaData()
people = sa.Table(
    "filter_people",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("handle", sa.Text),
    sa.Column("score", sa.Numeric),
    sa.Column("visits", sa.Integer),
    sa.Column("active", sa.Boolean),
    sa.Column("seen_at", sa.DateTime(timezone=True)),
    sa.Column("born_on", sa.Date),
    sa.Column("owner_id", sa.Uuid),
    sa.Column("stage", sa.Text),
    sa.Column("tags", ARRAY(sa.Text)),
    sa.Column("attributes", JSONB(none_as_null=True)),
)
phones = sa.Table(
    "filter_phones",
    metadata,
    sa.Column("person_id", sa.Integer, index=True),
    sa.Column("number", sa.Text),
)
other = people.alias("other")


def any_phone(operator: Any, value: Any) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        phones.c.person_id == people.c.id, compare(phones.c.number, "text", operator, value)
    )


def ids_by_handle(operator: Any, value: Any) -> sa.ColumnElement[bool] | None:
    """Stands for a function that looks ids up in an index of its own."""
    if operator not in ("eq", "in"):
        return None
    values = value if operator == "in" else [value]
    return people.c.id.in_(sa.select(other.c.id).where(other.c.handle.in_(values)))


def ids_by_attribute(key: str, values: list[Any]) -> sa.ColumnElement[bool]:
    holds = [other.c.attributes.contains({key: value}) for value in values]
    return people.c.id.in_(sa.select(other.c.id).where(sa.or_(*holds)))


ATTRIBUTES = {
    "plan": Attribute("select", ("free", "pro", "team")),
    "note": Attribute("text"),
    "size": Attribute("number"),
    "vip": Attribute("boolean"),
    "renews_on": Attribute("date"),
}
PLAIN_FIELDS = FilterFields(
    FilterField("name", "text", people.c.name),
    FilterField("email", "text", people.c.email, fold=True),
    FilterField("handle", "text", people.c.handle, ids_by_handle),
    FilterField("score", "number", people.c.score),
    FilterField("visits", "number", people.c.visits),
    FilterField("active", "boolean", people.c.active),
    FilterField("seen_at", "timestamp", people.c.seen_at),
    FilterField("born_on", "date", people.c.born_on),
    FilterField("owner_id", "uuid", people.c.owner_id),
    FilterField("stage", "choice", people.c.stage, choices=STAGES),
    FilterField("tags", "text_list", people.c.tags),
    FilterField("phones", "text", condition=any_phone),
)
SCANNED = PLAIN_FIELDS.with_family(json_attributes(people.c.attributes, ATTRIBUTES))
FIELDS = PLAIN_FIELDS.with_family(json_attributes(people.c.attributes, ATTRIBUTES, ids_by_attribute))
TYPES = {each.name: each.type for each in FIELDS.describe()} | {"email": "folded_text"}

_texts = st.text(alphabet="aAbB%_\\'\"é É ß İ Σσς🙂", max_size=4)
_numbers = st.sampled_from([0, 1, -1, 0.1, 0.25, 2.5, 9, 10, 100, 1e-7, 10**17, 12345678.9]) | st.integers(
    -3, 3
)
_instants = st.sampled_from([timedelta(), timedelta(hours=1), timedelta(days=2), timedelta(days=14)]).flatmap(
    lambda step: st.sampled_from([NOW - step, NOW + step, NOW - step - timedelta(microseconds=1)])
)
_days = st.integers(-15, 15).map(lambda days: NOW.date() + timedelta(days=days))
_uuids = st.integers(1, 3).map(lambda number: UUID(int=number))
_tags = st.sampled_from(["vip", "VIP", "new", "", "a,b", "%"])
_json_texts = _texts | st.sampled_from(
    ["10", "true", "free", "2026-02-28", "2026-02-30", "1899-12-31", "2026-02-28 "]
)
_json = (
    st.none() | st.booleans() | _numbers | _json_texts | st.lists(_json_texts, max_size=1) | st.just({"a": 1})
)

_attributes = st.fixed_dictionaries(
    {},
    optional={
        "plan": st.sampled_from(["free", "pro", "old"]) | _json,
        "note": _texts | _json,
        "size": _numbers | _json,
        "vip": st.booleans() | _json,
        "renews_on": _days.map(date.isoformat) | _json,
    },
)


def _maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


rows = st.lists(
    st.fixed_dictionaries(
        {
            "name": _maybe(_texts),
            "email": _maybe(_texts.map(str.lower)),
            "handle": _maybe(_texts),
            "score": _maybe(_numbers.map(lambda number: Decimal(str(number)))),
            "visits": _maybe(st.integers(-3, 10)),
            "active": _maybe(st.booleans()),
            "seen_at": _maybe(_instants),
            "born_on": _maybe(_days),
            "owner_id": _maybe(_uuids),
            "stage": st.sampled_from(STAGES),
            "tags": _maybe(st.lists(_tags, max_size=3)),
            "attributes": _maybe(_attributes),
            "phones": st.lists(_texts, max_size=2),
        }
    ),
    min_size=1,
    max_size=8,
)

_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": _texts,
    "folded_text": _texts,
    "number": _numbers,
    "boolean": st.booleans(),
    "timestamp": _instants.map(datetime.isoformat),
    "date": _days.map(date.isoformat),
    "uuid": _uuids.map(str),
    "text_list": _tags,
}
_DURATIONS = {
    "timestamp": st.sampled_from(["1h", "2d", "2w", "100000h"]),
    "date": st.sampled_from(["1d", "2d", "2w"]),
}


def _operand(name: str, op: str) -> st.SearchStrategy[Any]:
    type = TYPES[name]
    choices = STAGES if name == "stage" else ATTRIBUTES["plan"].choices
    values = st.sampled_from(choices) if type == "choice" else _VALUES[type]
    match op:
        case "exists":
            return st.booleans()
        case "in" | "not_in":
            return st.lists(values, min_size=1, max_size=3)
        case "between":
            return st.lists(values, min_size=2, max_size=2).map(sorted)
        case "within_last":
            return _DURATIONS[type]
    return values


def _predicate(choice: tuple[str, str]) -> st.SearchStrategy[Any]:
    name, op = choice
    return st.fixed_dictionaries({"field": st.just(name), "op": st.just(op), "value": _operand(name, op)})


_pairs = [(each.name, op) for each in FIELDS.describe() for op in TYPE_OPERATORS[each.type]]
predicates = st.sampled_from(_pairs).flatmap(_predicate)


def _combined(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(parts, min_size=1, max_size=3)
    return st.one_of(
        st.builds(lambda inner: {"and": inner}, several),
        st.builds(lambda inner: {"or": inner}, several),
        st.builds(lambda inner: {"not": inner}, parts),
    )


filters = st.recursive(predicates, lambda parts: st.one_of(predicates, _combined(parts)), max_leaves=6)


_scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["30d", "ada", "0"])
)
_nearly_predicates = st.fixed_dictionaries(
    {
        "field": st.sampled_from(list(TYPES)) | _scalars,
        "op": st.sampled_from(OPERATORS) | _scalars,
        "value": _scalars | st.lists(_scalars, max_size=3),
    }
)
nearly_filters = st.recursive(
    st.one_of(_scalars, _nearly_predicates, predicates),
    lambda parts: st.one_of(
        _combined(parts),
        st.lists(parts, max_size=3),
        st.dictionaries(
            st.sampled_from(["and", "or", "not", "field", "op", "value"]) | st.text(), parts, max_size=3
        ),
    ),
    max_leaves=6,
)
"""Any JSON, but mostly such as just misses to be a filter."""


class Search(Input):
    """A body as a room would declare it."""

    filter: Filter | None = None


def document_of_a_search() -> dict[str, Any]:
    """The OpenAPI document of an app that takes a filter and answers with one."""
    app = FastAPI()

    @app.post("/search")
    def search(body: Search) -> Search:
        return body

    return app.openapi()


def predicate(field: str, op: str, value: Any) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


def nested(levels: int) -> Any:
    """A predicate inside so many negations."""
    tree: Any = predicate("name", "eq", "Ada")
    for _ in range(levels):
        tree = {"not": tree}
    return tree


async def store(connection: AsyncConnection, people_rows: Sequence[dict[str, Any]]) -> None:
    """Put the rows into the table; their place in the list is their id."""
    columns = [{**row, "id": index} for index, row in enumerate(people_rows)]
    numbers = [{"person_id": row["id"], "number": number} for row in columns for number in row.pop("phones")]
    await connection.execute(sa.insert(people), columns)
    if numbers:
        await connection.execute(sa.insert(phones), numbers)
