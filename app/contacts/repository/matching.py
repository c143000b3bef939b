"""The SQL of who matches a filter."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from asyncpg import Record
from sqlalchemy import select

from app.contacts.models import ContactRow
from app.kit.database import Unit


class MatchingRepository:
    """Finds ids instead of whole contacts: an audience may be large."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._workspace_id = unit.workspace_id

    async def matching(
        self,
        where: Sequence[sa.ColumnElement[bool]],
        *,
        among: Sequence[UUID] | None,
        after: UUID | None,
        limit: int,
    ) -> list[UUID]:
        """Ids of active contacts, in their order."""
        statement = select(ContactRow.id).where(
            ContactRow.workspace_id == self._workspace_id, ContactRow.archived_at.is_(None), *where
        )
        if among is not None:
            wanted = sa.bindparam(None, list(among), sa.ARRAY(sa.Uuid()), unique=True)
            statement = statement.where(ContactRow.id == sa.any_(wanted))
        if after is not None:
            statement = statement.where(ContactRow.id > after)
        found = await self._unit.session.execute(statement.order_by(ContactRow.id).limit(limit))
        return list(found.scalars())

    async def states(self, ids: Sequence[UUID]) -> Sequence[Record]:
        return await self._unit.connection.fetch(_STATES, self._workspace_id, list(ids))


_STATES = """
    SELECT id, archived_at, owner_id, locale, emails -> 0 ->> 'address' AS email,
        phones -> 0 ->> 'number' AS phone
    FROM contacts WHERE workspace_id = $1 AND id = ANY ($2)
"""
