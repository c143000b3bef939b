"""All SQL of the touchpoints room."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, get_args
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import JSONB

from app.contacts.models import Channel
from app.contacts.service.stats import Stats
from app.kit.database import Unit
from app.kit.filter_sql import (
    Attribute,
    Condition,
    FieldFamily,
    FilterField,
    FilterFields,
    compare,
    json_attributes,
)
from app.kit.filters import Filter, FilterAnd, FilterNot, FilterOr, FilterPredicate, Operator
from app.kit.pages import PageRequest, Sorting, SortKey
from app.touchpoints.models import TouchpointRecord, TouchpointRow
from app.touchpoints.schemas import Direction, Kind, Stage

SORTING = Sorting(
    TouchpointRow.id,
    {
        "occurred_at": SortKey(TouchpointRow.occurred_at, "instant"),
        "recorded_at": SortKey(TouchpointRow.recorded_at, "instant"),
    },
    default="-occurred_at",
)

_FIELDS = FilterFields(
    FilterField("id", "uuid", TouchpointRow.id),
    FilterField("contact_id", "uuid", TouchpointRow.contact_id),
    FilterField("channel", "choice", TouchpointRow.channel, choices=get_args(Channel)),
    FilterField("kind", "choice", TouchpointRow.kind, choices=get_args(Kind)),
    FilterField("direction", "choice", TouchpointRow.direction, choices=get_args(Direction)),
    FilterField("stage", "choice", TouchpointRow.stage, choices=get_args(Stage)),
    FilterField("occurred_at", "timestamp", TouchpointRow.occurred_at),
    FilterField("summary", "text", TouchpointRow.summary),
    FilterField("value", "number", TouchpointRow.amount),
    FilterField("campaign", "text", TouchpointRow.campaign),
    FilterField("source", "text", TouchpointRow.source),
    FilterField("external_id", "text", TouchpointRow.external_id),
    FilterField("recorded_at", "timestamp", TouchpointRow.recorded_at),
    FilterField("updated_at", "timestamp", TouchpointRow.updated_at),
)


def filter_fields(wanted: Filter) -> FilterFields:
    """The fields that a filter over touchpoints may name.

    Attributes are free JSON, so the filter itself says of which type each one is meant to be.
    """
    meant = {key: _meant_type(predicates) for key, predicates in _by_attribute(wanted).items()}
    typed = json_attributes(TouchpointRow.attributes, meant)

    def find(key: str) -> FilterField:
        return FilterField(f"{_PREFIX}{key}", typed.find(key).type, condition=_free(key, typed.find(key)))

    return _FIELDS.with_family(FieldFamily(_PREFIX, "attribute", meant.keys(), find))


class TouchpointRepository:
    """Reads and writes the touchpoints of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._connection = unit.connection
        self._workspace_id = unit.workspace_id

    async def get(self, touchpoint_id: UUID, *, lock: bool = False) -> TouchpointRecord | None:
        row = await self._connection.fetchrow(_LOCK_ONE if lock else _ONE, self._workspace_id, touchpoint_id)
        return None if row is None else _record(row)

    async def page(
        self,
        page: PageRequest,
        *,
        where: Iterable[sa.ColumnElement[bool]] = (),
        include_deleted: bool = False,
    ) -> Sequence[TouchpointRecord]:
        statement = _SELECT.where(TouchpointRow.workspace_id == self._workspace_id, *where)
        if not include_deleted:
            statement = statement.where(TouchpointRow.deleted_at.is_(None))
        return [_record(row) for row in await self._unit.session.execute(page.apply(statement))]

    async def insert(self, records: Sequence[TouchpointRecord]) -> set[UUID]:
        """Writes those whose (source, external_id) is free; returns their ids.

        Waits for whoever is about to take one. The records must be in the order of those keys, so that two
        batches cannot wait for each other.
        """
        if not records:
            return set()
        rows = await self._connection.fetch(_INSERT, self._workspace_id, _rows_json(records))
        return {row["id"] for row in rows}

    async def locked_by_key(
        self, keys: Sequence[tuple[str, str]]
    ) -> dict[tuple[str | None, str | None], TouchpointRecord]:
        """The touchpoints with these (source, external_id), locked in the order given."""
        if not keys:
            return {}
        rows = await self._connection.fetch(_LOCK_BY_KEY, self._workspace_id, *zip(*keys, strict=True))
        records = [_record(row) for row in rows]
        return {(record.source, record.external_id): record for record in records}

    async def update(self, records: Sequence[TouchpointRecord]) -> None:
        """Writes records that are locked."""
        if records:
            await self._connection.execute(_UPDATE, self._workspace_id, _rows_json(records))

    async def stats(self, contact_ids: Collection[UUID]) -> dict[UUID, Stats]:
        """What the touchpoints of these contacts add up to, from the rows themselves."""
        rows = await self._connection.fetch(_STATS, self._workspace_id, list(contact_ids))
        return {row[0]: Stats(*row[1:]) for row in rows}


_COLUMNS: Final = {
    "id": "uuid",
    "contact_id": "uuid",
    "channel": "text",
    "kind": "text",
    "direction": "text",
    "stage": "text",
    "occurred_at": "timestamptz",
    "summary": "text",
    "amount": "numeric",
    "campaign": "text",
    "source": "text",
    "external_id": "text",
    "attributes": "jsonb",
    "recorded_at": "timestamptz",
    "updated_at": "timestamptz",
    "deleted_at": "timestamptz",
    "version": "int",
}
"""The columns in the order of `TouchpointRecord`, with their SQL types."""

_NAMES: Final = ", ".join(_COLUMNS)
# One JSON text costs the driver a third of what seventeen arrays do, and the server about the same.
_ROWS: Final = f"""
    json_to_recordset($2::json) AS sent ({", ".join(f"{name} {type}" for name, type in _COLUMNS.items())})
"""

_SELECT = select(*(getattr(TouchpointRow, column) for column in _COLUMNS))

_ONE: Final = f"SELECT {_NAMES} FROM touchpoints WHERE workspace_id = $1 AND id = $2"
_LOCK_ONE: Final = f"{_ONE} FOR NO KEY UPDATE"

_INSERT: Final = f"""
    INSERT INTO touchpoints (workspace_id, {_NAMES})
    SELECT $1, {_NAMES} FROM {_ROWS}
    ON CONFLICT (workspace_id, source, external_id) WHERE external_id IS NOT NULL DO NOTHING
    RETURNING id
"""

# Where many workspaces are small, PostgreSQL takes each for small and would rather read the whole of one
# than look a thousand keys up in it. LATERAL and ON CONFLICT leave it no choice but the index.
_LOCK_BY_KEY: Final = f"""
    SELECT held.* FROM unnest($2::text[], $3::text[]) AS key (source, external_id)
    CROSS JOIN LATERAL (
        SELECT {_NAMES} FROM touchpoints
        WHERE workspace_id = $1 AND source = key.source AND external_id = key.external_id
            AND external_id IS NOT NULL
        FOR NO KEY UPDATE
    ) AS held
"""

_CHANGEABLE: Final = [name for name in _COLUMNS if name not in ("id", "source", "external_id", "recorded_at")]

_UPDATE: Final = f"""
    INSERT INTO touchpoints (workspace_id, {_NAMES})
    SELECT $1, {_NAMES} FROM {_ROWS}
    ON CONFLICT (workspace_id, id) DO UPDATE
    SET {", ".join(f"{column} = excluded.{column}" for column in _CHANGEABLE)}
"""

_STATS: Final = """
    SELECT wanted.id, found.* FROM unnest($2::uuid[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT count(*), max(occurred_at), count(*) FILTER (WHERE kind = 'purchase'),
            coalesce(sum(CASE kind WHEN 'purchase' THEN amount WHEN 'refund' THEN -amount END), 0),
            min(occurred_at) FILTER (WHERE kind = 'purchase'),
            max(occurred_at) FILTER (WHERE kind = 'purchase')
        FROM touchpoints
        WHERE workspace_id = $1 AND contact_id = wanted.id AND deleted_at IS NULL
    ) AS found
"""


def _rows_json(records: Sequence[TouchpointRecord]) -> str:
    rows = [
        {**dict(zip(_COLUMNS, record, strict=True)), "attributes": orjson.Fragment(record.attributes)}
        for record in records
    ]
    return orjson.dumps(rows, default=str).decode()


def _record(row: Any) -> TouchpointRecord:
    return TouchpointRecord._make(canonical(value) if type(value) is dict else value for value in row)


def canonical(attributes: Mapping[str, Any]) -> str:
    """JSON text with its keys in order: one spelling for each content."""
    return orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS).decode()


_PREFIX: Final = "attributes."


def _by_attribute(node: Filter) -> dict[str, list[FilterPredicate]]:
    """The predicates over attributes, by the attribute's key."""
    found: dict[str, list[FilterPredicate]] = {}
    pending: list[Filter] = [node]
    while pending:
        match pending.pop():
            case FilterAnd(and_=parts) | FilterOr(or_=parts):
                pending += parts
            case FilterNot(not_=part):
                pending.append(part)
            case FilterPredicate() as predicate if predicate.field.startswith(_PREFIX):
                found.setdefault(predicate.field.removeprefix(_PREFIX), []).append(predicate)
    return found


def _meant_type(predicates: Sequence[FilterPredicate]) -> Attribute:
    compared = [predicate for predicate in predicates if predicate.op != "exists"]
    values = [value for predicate in compared for value in _values(predicate)]
    if any(isinstance(value, bool) for value in values):
        return Attribute("boolean")
    if any(isinstance(value, int | float) for value in values):
        return Attribute("number")
    dated = any(
        predicate.op in ("lt", "lte", "gt", "gte", "between", "within_last") for predicate in compared
    )
    return Attribute("date" if dated else "text")


def _values(predicate: FilterPredicate) -> Sequence[Any]:
    return predicate.value if isinstance(predicate.value, tuple) else (predicate.value,)


def _free(key: str, typed: FilterField) -> Condition:
    """A predicate over an attribute that nobody has defined: it exists whatever its type."""
    value = TouchpointRow.attributes.op("->", return_type=JSONB())(
        sa.bindparam(None, key, sa.Text(), unique=True)
    )

    def condition(operator: Operator, wanted: Any) -> sa.ColumnElement[bool]:
        if operator == "exists":
            return value != sa.literal([], JSONB())
        assert typed.column is not None
        holds = compare(typed.column, typed.type, operator, wanted)
        if operator == "contains":
            element = sa.bindparam(None, [wanted], JSONB(), unique=True)
            return sa.or_(holds, sa.and_(sa.func.jsonb_typeof(value) == "array", value.contains(element)))
        return holds

    return condition
