"""All SQL of the workspaces room."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from app.kit.database import Unit
from app.kit.pages import PageRequest, Sorting, SortKey
from app.workspaces.models import ApiKeyRow, MemberRow, WorkspaceRow

MEMBER_SORTING = Sorting(
    MemberRow.id,
    {
        "created_at": SortKey(MemberRow.created_at, "instant"),
        "name": SortKey(MemberRow.name, "text"),
        "email": SortKey(MemberRow.email, "text"),
    },
    default="-created_at",
)
API_KEY_SORTING = Sorting(
    ApiKeyRow.id, {"created_at": SortKey(ApiKeyRow.created_at, "instant")}, default="-created_at"
)


MOST_REMEMBERED = 10_000
_CURRENCIES: dict[UUID, str] = {}


class WorkspaceRepository:
    """Reads and writes the one workspace of a unit, its members and its keys."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._workspace_id = unit.workspace_id

    async def workspace(self, *, lock: bool = False) -> WorkspaceRow:
        statement = select(WorkspaceRow).where(WorkspaceRow.id == self._workspace_id)
        if lock:
            statement = statement.with_for_update()
        return (await self._unit.session.execute(statement)).scalar_one()

    async def currency(self) -> str:
        if self._workspace_id not in _CURRENCIES:
            currency = await self._unit.connection.fetchval(
                "SELECT currency FROM workspaces WHERE id = $1", self._workspace_id
            )
            if len(_CURRENCIES) >= MOST_REMEMBERED:
                _CURRENCIES.clear()
            _CURRENCIES[self._workspace_id] = currency
        return _CURRENCIES[self._workspace_id]

    async def add(self, row: WorkspaceRow | MemberRow | ApiKeyRow) -> None:
        self._unit.session.add(row)
        await self._unit.session.flush()

    async def add_member(self, row: MemberRow) -> bool:
        """False when another member has the email address."""
        return await self._flush_unless_taken(row)

    async def save_member(self, row: MemberRow) -> bool:
        """False when another member has the email address."""
        return await self._flush_unless_taken(row)

    async def member(self, member_id: UUID, *, lock: bool = False) -> MemberRow | None:
        statement = select(MemberRow).where(
            MemberRow.workspace_id == self._workspace_id, MemberRow.id == member_id
        )
        if lock:
            statement = statement.with_for_update()
        return (await self._unit.session.execute(statement)).scalar_one_or_none()

    async def members_among(self, ids: Sequence[UUID]) -> set[UUID]:
        """Which of these ids are active members."""
        statement = select(MemberRow.id).where(
            MemberRow.workspace_id == self._workspace_id,
            MemberRow.id.in_(ids),
            MemberRow.archived_at.is_(None),
        )
        return set((await self._unit.session.execute(statement)).scalars())

    async def members(self, page: PageRequest, *, include_archived: bool) -> Sequence[MemberRow]:
        statement = select(MemberRow).where(MemberRow.workspace_id == self._workspace_id)
        if not include_archived:
            statement = statement.where(MemberRow.archived_at.is_(None))
        return (await self._unit.session.execute(page.apply(statement))).scalars().all()

    async def api_keys(self, page: PageRequest) -> Sequence[ApiKeyRow]:
        statement = select(ApiKeyRow).where(ApiKeyRow.workspace_id == self._workspace_id)
        return (await self._unit.session.execute(page.apply(statement))).scalars().all()

    async def every_api_key(self) -> Sequence[ApiKeyRow]:
        statement = (
            select(ApiKeyRow)
            .where(ApiKeyRow.workspace_id == self._workspace_id)
            .order_by(ApiKeyRow.created_at.desc(), ApiKeyRow.id.desc())
        )
        return (await self._unit.session.execute(statement)).scalars().all()

    async def api_key(self, key_id: UUID) -> ApiKeyRow | None:
        statement = select(ApiKeyRow).where(
            ApiKeyRow.workspace_id == self._workspace_id, ApiKeyRow.id == key_id
        )
        return (await self._unit.session.execute(statement)).scalar_one_or_none()

    async def revoke_api_key(self, key_id: UUID) -> None:
        """Revoking twice keeps the first instant."""
        statement = (
            update(ApiKeyRow)
            .where(
                ApiKeyRow.workspace_id == self._workspace_id,
                ApiKeyRow.id == key_id,
                ApiKeyRow.revoked_at.is_(None),
            )
            .values(revoked_at=self._unit.now)
        )
        await self._unit.session.execute(statement)

    async def _flush_unless_taken(self, row: Any) -> bool:
        try:
            async with self._unit.session.begin_nested():
                self._unit.session.add(row)
        except IntegrityError as error:
            if "uq_members_email" not in str(error.orig):
                raise
            return False
        return True
