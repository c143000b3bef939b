"""The SQL of contacts, their keys and their attributes."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args
from uuid import UUID

import orjson
import sqlalchemy as sa
from asyncpg import Record
from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.contacts.models import (
    AttributeDefinitionRow,
    ContactRow,
    IdentityKey,
    IdentityRow,
    LifecycleStage,
)
from app.kit.database import Unit
from app.kit.filter_sql import Attribute as FilterAttribute
from app.kit.filter_sql import FilterField, FilterFields, json_attributes
from app.kit.filters import Operator
from app.kit.hot import HotStatement
from app.kit.pages import PageRequest, Sorting, SortKey
from app.kit.searching import rows_found

SORTING = Sorting(
    ContactRow.id,
    {
        "created_at": SortKey(ContactRow.created_at, "instant"),
        "updated_at": SortKey(ContactRow.updated_at, "instant"),
        "acquired_at": SortKey(ContactRow.acquired_at, "instant"),
        "display_name": SortKey(ContactRow.display_name, "text"),
    },
    default="-created_at",
)
DEFINITION_SORTING = Sorting(
    AttributeDefinitionRow.id,
    {
        "created_at": SortKey(AttributeDefinitionRow.created_at, "instant"),
        "key": SortKey(AttributeDefinitionRow.key, "text"),
    },
    default="key",
)

# Inside a subquery the workspace cannot be named by a parameter, since the fields are made once at import.
_CURRENT = sa.literal_column("nullif(current_setting('app.workspace_id', true), '')::uuid", sa.Uuid())


def _known_by(kind: str) -> Any:
    """A filter condition over the keys a contact is known by; text equality can use the index."""

    def condition(operator: Operator, value: Any) -> sa.ColumnElement[bool] | None:
        match operator:
            case "eq":
                matches = IdentityRow.value == value
            case "in":
                matches = IdentityRow.value == sa.any_(
                    sa.bindparam(None, value, ARRAY(sa.Text()), unique=True)
                )
            case "contains":
                matches = IdentityRow.value.icontains(value, autoescape=True)
            case "starts_with":
                matches = IdentityRow.value.istartswith(value, autoescape=True)
            case _:
                matches = sa.true()
        known = select(IdentityRow.contact_id).where(
            IdentityRow.workspace_id == _CURRENT, IdentityRow.kind == kind, matches
        )
        return ContactRow.id.in_(known)

    return condition


def _tagged(operator: Operator, value: Any) -> sa.ColumnElement[bool] | None:
    if operator not in ("contains", "in"):
        return None
    wanted = sa.bindparam(None, [value] if operator == "contains" else value, ARRAY(sa.Text()), unique=True)
    found = func.contacts_with_tags(wanted).table_valued(sa.column("id", sa.Uuid())).render_derived()
    return ContactRow.id.in_(select(found.c.id))


def _with_attribute(key: str, values: list[Any]) -> sa.ColumnElement[bool]:
    wanted = sa.bindparam(None, [{key: value} for value in values], ARRAY(JSONB()), unique=True)
    found = func.contacts_with_attribute(wanted).table_valued(sa.column("id", sa.Uuid())).render_derived()
    return ContactRow.id.in_(select(found.c.id))


FILTER_FIELDS = FilterFields(
    FilterField("id", "uuid", ContactRow.id),
    FilterField("given_name", "text", ContactRow.given_name),
    FilterField("family_name", "text", ContactRow.family_name),
    FilterField("display_name", "text", ContactRow.display_name),
    FilterField("email", "text", condition=_known_by("email"), fold=True),
    FilterField("external_id", "text", condition=_known_by("external_id")),
    FilterField("company", "text", ContactRow.company),
    FilterField("job_title", "text", ContactRow.job_title),
    FilterField("lifecycle_stage", "choice", ContactRow.lifecycle_stage, choices=get_args(LifecycleStage)),
    FilterField("owner_id", "uuid", ContactRow.owner_id),
    FilterField("tags", "text_list", ContactRow.tags, condition=_tagged),
    FilterField("locale", "text", func.lower(ContactRow.locale), fold=True),
    FilterField("timezone", "text", ContactRow.timezone),
    FilterField("acquired_at", "timestamp", ContactRow.acquired_at),
    FilterField("acquisition_channel", "text", ContactRow.acquisition_channel),
    FilterField("acquisition_campaign", "text", ContactRow.acquisition_campaign),
    FilterField("created_at", "timestamp", ContactRow.created_at),
    FilterField("updated_at", "timestamp", ContactRow.updated_at),
    FilterField("stats.touchpoint_count", "number", ContactRow.touchpoint_count),
    FilterField("stats.last_touchpoint_at", "timestamp", ContactRow.last_touchpoint_at),
    FilterField("stats.purchase_count", "number", ContactRow.purchase_count),
    FilterField("stats.net_revenue", "number", ContactRow.net_revenue),
    FilterField("stats.first_purchase_at", "timestamp", ContactRow.first_purchase_at),
    FilterField("stats.last_purchase_at", "timestamp", ContactRow.last_purchase_at),
)


def filter_fields(definitions: Mapping[str, AttributeDefinitionRow]) -> FilterFields:
    """The fields that contacts of a workspace can be filtered by, its own attributes included."""
    attributes = {
        key: FilterAttribute(row.type, tuple(row.options))  # type: ignore[arg-type]
        for key, row in definitions.items()
    }
    return FILTER_FIELDS.with_family(json_attributes(ContactRow.attributes, attributes, _with_attribute))


class ContactRepository:
    """Reads and writes the contacts of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._workspace_id = unit.workspace_id

    async def get(self, contact_id: UUID) -> ContactRow | None:
        statement = self._contacts().where(ContactRow.id == contact_id)
        return (await self._unit.session.execute(statement)).scalar_one_or_none()

    async def locked(self, ids: Iterable[UUID]) -> dict[UUID, ContactRow]:
        """The contacts, locked in the order of their ids until the unit ends.

        The lock is the weaker one that lets others insert rows that refer to the contact.
        """
        statement = (
            self._contacts()
            .where(ContactRow.id.in_(list(ids)))
            .order_by(ContactRow.id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
        return {row.id: row for row in (await self._unit.session.execute(statement)).scalars()}

    async def existing(self, ids: Iterable[UUID]) -> set[UUID]:
        wanted = list(ids)
        if not wanted:
            return set()
        rows = await self._unit.connection.fetch(_EXISTING, self._workspace_id, wanted)
        return {row["id"] for row in rows}

    async def page(
        self,
        page: PageRequest,
        *,
        where: Sequence[sa.ColumnElement[bool]] = (),
        include_archived: bool = False,
    ) -> Sequence[ContactRow]:
        statement = self._contacts().where(*where)
        if not include_archived:
            statement = statement.where(ContactRow.archived_at.is_(None))
        return await rows_found(self._unit, page.apply(statement))

    async def record(self, contact_id: UUID) -> Record | None:
        """The fast lane of `get`."""
        return await _RECORD.fetchrow(self._unit, id=contact_id)

    async def record_page(
        self, page: PageRequest, equal: Mapping[str, Any], *, include_archived: bool
    ) -> Sequence[Record]:
        """The fast lane of `page`, for columns that equal a value; None asks for nothing."""
        values: dict[str, Any] = {name: value for name, value in equal.items() if value is not None}
        position = page.position()
        statement = _record_page(page.order.text, tuple(values), include_archived, position is not None)
        if position is not None:
            values["after"], values["after_id"] = position
        return await statement.fetch(self._unit, most=page.limit + 1, **values)

    async def add(self, rows: Sequence[ContactRow]) -> None:
        """Writes new contacts past the session, whose flush takes 230 µs more for one row."""
        values = [[_STORED[name](getattr(row, name)) for name in _INSERT.order] for row in rows]
        if values:
            await self._unit.connection.executemany(_INSERT.sql, values)

    async def save(self) -> None:
        await self._unit.session.flush()

    async def holders(self, keys: Iterable[IdentityKey]) -> dict[IdentityKey, UUID]:
        """Which contact each of these keys belongs to."""
        wanted = sorted(set(keys))
        if not wanted:
            return {}
        rows = await self._unit.connection.fetch(_HOLDERS, self._workspace_id, *_columns(wanted))
        return {IdentityKey(kind, source, value): contact_id for kind, source, value, contact_id in rows}

    async def claim(self, owners: Mapping[IdentityKey, UUID]) -> set[IdentityKey]:
        """Gives each free key to its contact; returns the keys that somebody else was faster to take.

        Waits for whoever is about to take one, in the keys' order, so that two claims cannot deadlock.
        """
        wanted = sorted(owners)
        if not wanted:
            return set()
        contact_ids = [owners[key] for key in wanted]
        rows = await self._unit.connection.fetch(_CLAIM, self._workspace_id, *_columns(wanted), contact_ids)
        return set(wanted) - {IdentityKey(row["kind"], row["source"], row["value"]) for row in rows}

    async def release(self, keys: Iterable[IdentityKey]) -> None:
        wanted = sorted(set(keys))
        if wanted:
            await self._unit.connection.execute(_RELEASE, self._workspace_id, *_columns(wanted))

    async def forget(self, ids: Sequence[UUID]) -> None:
        """Removes contacts that this unit made and nobody has seen."""
        await self._unit.connection.execute(_FORGET, self._workspace_id, list(ids))

    async def add_stats(self, columns: Sequence[Sequence[Any]]) -> None:
        """Adds to the statistics: arrays of id, touchpoints, last at, purchases, revenue, first and last
        purchase, in the order of the ids.
        """
        await self._unit.connection.execute(_ADD_STATS, self._workspace_id, *columns)

    async def replace_stats(self, columns: Sequence[Sequence[Any]]) -> None:
        """Sets the statistics: the same arrays."""
        await self._unit.connection.execute(_REPLACE_STATS, self._workspace_id, *columns)

    async def lock(self, ids: Iterable[UUID]) -> None:
        await self._unit.connection.execute(_LOCK, self._workspace_id, list(ids))

    async def definitions(self) -> dict[str, AttributeDefinitionRow]:
        statement = select(AttributeDefinitionRow).where(
            AttributeDefinitionRow.workspace_id == self._workspace_id
        )
        return {row.key: row for row in (await self._unit.session.execute(statement)).scalars()}

    async def definitions_page(self, page: PageRequest) -> Sequence[AttributeDefinitionRow]:
        statement = select(AttributeDefinitionRow).where(
            AttributeDefinitionRow.workspace_id == self._workspace_id
        )
        return (await self._unit.session.execute(page.apply(statement))).scalars().all()

    async def definition(self, definition_id: UUID, *, lock: bool = False) -> AttributeDefinitionRow | None:
        statement = select(AttributeDefinitionRow).where(
            AttributeDefinitionRow.workspace_id == self._workspace_id,
            AttributeDefinitionRow.id == definition_id,
        )
        if lock:
            statement = statement.with_for_update()
        return (await self._unit.session.execute(statement)).scalar_one_or_none()

    async def add_definition(self, row: AttributeDefinitionRow) -> bool:
        """False when the key is taken."""
        statement = (
            sa.dialects.postgresql.insert(AttributeDefinitionRow)
            .values({column: getattr(row, column) for column in _DEFINITION_COLUMNS})
            .on_conflict_do_nothing(index_elements=["workspace_id", "key"])
            .returning(AttributeDefinitionRow.id)
        )
        return (await self._unit.session.execute(statement)).scalar_one_or_none() is not None

    def _contacts(self) -> sa.Select[ContactRow]:
        return select(ContactRow).where(ContactRow.workspace_id == self._workspace_id)


_COLUMNS = ContactRow.__table__.columns

_INSERT = HotStatement(
    sa.insert(ContactRow).values({column.key: bindparam(column.key) for column in _COLUMNS})
)


def _json_text(value: Any) -> str:
    return orjson.dumps(value).decode()


def _as_it_is(value: Any) -> Any:
    return value


_STORED = {column.key: _json_text if isinstance(column.type, JSONB) else _as_it_is for column in _COLUMNS}
"""How the driver takes a value of each column."""

_RECORDS = select(*_COLUMNS).where(ContactRow.workspace_id == bindparam("workspace_id"))
_RECORD = HotStatement(_RECORDS.where(ContactRow.id == bindparam("id")))


@functools.cache
def _record_page(sort: str, equal: tuple[str, ...], include_archived: bool, continued: bool) -> HotStatement:
    """The statement of a page of that shape: of four orders either way, with or without each condition."""
    order = SORTING.parse(sort)
    statement = _RECORDS.where(*(_COLUMNS[name] == bindparam(name) for name in equal))
    if not include_archived:
        statement = statement.where(ContactRow.archived_at.is_(None))
    if continued:
        statement = statement.where(order.after(bindparam("after"), bindparam("after_id", type_=sa.Uuid())))
    return HotStatement(statement.order_by(*order.order_by()).limit(bindparam("most")))


_DEFINITION_COLUMNS = [column.key for column in sa.inspect(AttributeDefinitionRow).column_attrs]


def _columns(keys: Sequence[IdentityKey]) -> tuple[list[str], list[str], list[str]]:
    return [key.kind for key in keys], [key.source for key in keys], [key.value for key in keys]


_EXISTING = "SELECT id FROM contacts WHERE workspace_id = $1 AND id = ANY ($2)"

_LOCK = "SELECT id FROM contacts WHERE workspace_id = $1 AND id = ANY ($2) ORDER BY id FOR NO KEY UPDATE"

_HOLDERS = """
    SELECT held.kind, held.source, held.value, held.contact_id
    FROM unnest($2::text[], $3::text[], $4::text[]) AS wanted (kind, source, value)
    CROSS JOIN LATERAL (
        SELECT kind, source, value, contact_id FROM contact_identities
        WHERE workspace_id = $1 AND kind = wanted.kind AND source = wanted.source AND value = wanted.value
        LIMIT 1
    ) AS held
"""

_CLAIM = """
    INSERT INTO contact_identities (workspace_id, kind, source, value, contact_id)
    SELECT $1, kind, source, value, contact_id
    FROM unnest($2::text[], $3::text[], $4::text[], $5::uuid[]) AS wanted (kind, source, value, contact_id)
    ON CONFLICT DO NOTHING
    RETURNING kind, source, value
"""

_RELEASE = """
    DELETE FROM contact_identities AS held
    USING unnest($2::text[], $3::text[], $4::text[]) AS free (kind, source, value)
    WHERE held.workspace_id = $1 AND held.kind = free.kind
        AND held.source = free.source AND held.value = free.value
"""

_FORGET = "DELETE FROM contacts WHERE workspace_id = $1 AND id = ANY ($2)"

# Locking first, and in the order of the ids as they come in, keeps two batches over the same contacts from a
# deadlock. LATERAL: without statistics the planner would read the whole workspace for a join.
_DELTAS = """
    WITH delta AS MATERIALIZED (
        SELECT contact.id, d.touchpoints, d.last_at, d.purchases, d.revenue, d.first_purchase, d.last_purchase
        FROM unnest($2::uuid[], $3::int[], $4::timestamptz[], $5::int[], $6::numeric[],
                    $7::timestamptz[], $8::timestamptz[])
             AS d (id, touchpoints, last_at, purchases, revenue, first_purchase, last_purchase)
        CROSS JOIN LATERAL (
            SELECT id FROM contacts WHERE workspace_id = $1 AND id = d.id FOR NO KEY UPDATE
        ) AS contact
    )
"""

_ADD_STATS = (
    _DELTAS
    + """
    UPDATE contacts SET
        touchpoint_count = touchpoint_count + delta.touchpoints,
        last_touchpoint_at = greatest(last_touchpoint_at, delta.last_at),
        purchase_count = purchase_count + delta.purchases,
        net_revenue = net_revenue + delta.revenue,
        first_purchase_at = least(first_purchase_at, delta.first_purchase),
        last_purchase_at = greatest(last_purchase_at, delta.last_purchase),
        version = version + 1
    FROM delta WHERE contacts.workspace_id = $1 AND contacts.id = delta.id
"""
)

_REPLACE_STATS = (
    _DELTAS
    + """
    UPDATE contacts SET
        touchpoint_count = delta.touchpoints,
        last_touchpoint_at = delta.last_at,
        purchase_count = delta.purchases,
        net_revenue = delta.revenue,
        first_purchase_at = delta.first_purchase,
        last_purchase_at = delta.last_purchase,
        version = version + 1
    FROM delta WHERE contacts.workspace_id = $1 AND contacts.id = delta.id
"""
)
