"""The SQL of consents."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from app.contacts.models import Channel, ConsentRow, ConsentState
from app.kit.database import Unit
from app.kit.pages import PageRequest, Sorting, SortKey

CONSENT_SORTING = Sorting(ConsentRow.id, {"at": SortKey(ConsentRow.at, "instant")}, default="-at")
_NEWEST_FIRST = CONSENT_SORTING.parse(None)


class ConsentRepository:
    """Reads the ledger of a unit's workspace and adds to it."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._workspace_id = unit.workspace_id

    async def add(self, row: ConsentRow) -> None:
        self._unit.session.add(row)
        await self._unit.session.flush()

    async def page(self, contact_id: UUID, page: PageRequest, purpose: str | None) -> Sequence[ConsentRow]:
        statement = self._of(contact_id)
        if purpose is not None:
            statement = statement.where(ConsentRow.purpose == purpose)
        return await self._rows(page.apply(statement))

    async def before(
        self, contact_id: UUID, position: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[ConsentRow]:
        """Newest first, strictly before the position."""
        statement = self._of(contact_id).order_by(*_NEWEST_FIRST.order_by()).limit(limit)
        if position is not None:
            statement = statement.where(_NEWEST_FIRST.after(*position))
        return await self._rows(statement)

    async def current(self, contact_id: UUID) -> Sequence[ConsentRow]:
        """The latest entry of each purpose and channel, in their order, null first."""
        purpose, channel = ConsentRow.purpose, ConsentRow.channel
        statement = (
            self._of(contact_id)
            .ext(distinct_on(purpose, channel))
            .order_by(purpose, channel.nulls_first(), *_NEWEST_FIRST.order_by())
        )
        return await self._rows(statement)

    async def standing(
        self, contact_ids: Collection[UUID], purpose: str, channel: Channel | None
    ) -> dict[UUID, ConsentState]:
        """What holds for each contact of whom anything is known; a denial wins over a grant."""
        rows = await self._unit.connection.fetch(
            _STANDING, self._workspace_id, list(contact_ids), purpose, channel
        )
        return {row["id"]: "denied" if "denied" in row["states"] else "granted" for row in rows}

    async def _rows(self, statement: sa.Select[ConsentRow]) -> Sequence[ConsentRow]:
        return (await self._unit.session.execute(statement)).scalars().all()

    def _of(self, contact_id: UUID) -> sa.Select[ConsentRow]:
        return select(ConsentRow).where(
            ConsentRow.workspace_id == self._workspace_id, ConsentRow.contact_id == contact_id
        )


# Two ends of an index for each contact, however long the ledgers. A channel that is null equals none, so who
# asks without one hears only of all channels.
_STANDING = """
    SELECT wanted.id, array_agg(latest.state) AS states
    FROM unnest($2::uuid[]) AS wanted (id)
    CROSS JOIN LATERAL (
        (SELECT state FROM consents
         WHERE workspace_id = $1 AND contact_id = wanted.id AND purpose = $3 AND channel = $4
         ORDER BY at DESC, id DESC LIMIT 1)
        UNION ALL
        (SELECT state FROM consents
         WHERE workspace_id = $1 AND contact_id = wanted.id AND purpose = $3 AND channel IS NULL
         ORDER BY at DESC, id DESC LIMIT 1)
    ) AS latest
    GROUP BY wanted.id
"""
