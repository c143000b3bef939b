"""The SQL of the suppression list."""

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.contacts.models import SuppressionKind, SuppressionRow
from app.kit.database import Unit
from app.kit.pages import PageRequest, Sorting, SortKey

SUPPRESSION_SORTING = Sorting(
    SuppressionRow.id, {"created_at": SortKey(SuppressionRow.created_at, "instant")}, default="-created_at"
)


class Address(NamedTuple):
    """An address in its normal form."""

    kind: SuppressionKind
    value: str


class SuppressionRepository:
    """Reads and writes the suppression list of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._workspace_id = unit.workspace_id

    async def add(self, row: SuppressionRow) -> SuppressionRow:
        """The stored row: this one, or the one that the address has already.

        The update of nothing makes PostgreSQL lock and return the row there is, which may be one that another
        transaction has only just committed and a query of its own would not have seen.
        """
        new = insert(SuppressionRow).values({column: getattr(row, column) for column in _COLUMNS})
        statement = new.on_conflict_do_update(
            index_elements=["workspace_id", "kind", "value"], set_={"value": new.excluded.value}
        ).returning(SuppressionRow)
        return (await self._unit.session.execute(statement)).scalar_one()

    async def get(self, suppression_id: UUID) -> SuppressionRow | None:
        statement = self._suppressions().where(SuppressionRow.id == suppression_id)
        return (await self._unit.session.execute(statement)).scalar_one_or_none()

    async def page(
        self, page: PageRequest, kind: SuppressionKind | None, addresses: Sequence[Address]
    ) -> Sequence[SuppressionRow]:
        """Only of that kind, and only those that are each of these addresses."""
        statement = self._suppressions()
        for wanted in [kind, *(address.kind for address in addresses)]:
            if wanted is not None:
                statement = statement.where(SuppressionRow.kind == wanted)
        for address in addresses:
            statement = statement.where(SuppressionRow.value == address.value)
        return (await self._unit.session.execute(page.apply(statement))).scalars().all()

    async def remove(self, suppression_id: UUID) -> bool:
        """False when there is none."""
        statement = (
            sa.delete(SuppressionRow)
            .where(SuppressionRow.workspace_id == self._workspace_id, SuppressionRow.id == suppression_id)
            .returning(SuppressionRow.id)
        )
        return (await self._unit.session.execute(statement)).scalar_one_or_none() is not None

    async def suppressed(
        self, contact_ids: Collection[UUID], kinds: Collection[SuppressionKind]
    ) -> set[UUID]:
        """Which contacts have an address of these kinds on the list."""
        rows = await self._unit.connection.fetch(
            _SUPPRESSED, self._workspace_id, list(contact_ids), list(kinds)
        )
        return {row["id"] for row in rows}

    def _suppressions(self) -> sa.Select[SuppressionRow]:
        return select(SuppressionRow).where(SuppressionRow.workspace_id == self._workspace_id)


_COLUMNS = [column.key for column in sa.inspect(SuppressionRow).column_attrs]

# LATERAL with a limit: contact by contact and address by address through the keys, never the whole list.
_SUPPRESSED = """
    SELECT DISTINCT wanted.id
    FROM unnest($2::uuid[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT kind, value FROM contact_identities
        WHERE workspace_id = $1 AND contact_id = wanted.id AND kind = 'email'
        UNION ALL
        SELECT 'phone', phone ->> 'number'
        FROM contacts CROSS JOIN LATERAL jsonb_array_elements(phones) AS phone
        WHERE workspace_id = $1 AND id = wanted.id
    ) AS address
    CROSS JOIN LATERAL (
        SELECT FROM suppressions
        WHERE workspace_id = $1 AND kind = address.kind AND value = address.value LIMIT 1
    ) AS found
    WHERE address.kind = ANY ($3::text[])
"""
