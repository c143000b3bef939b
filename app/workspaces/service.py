"""Use cases of the workspaces room."""

from collections.abc import Iterable
from uuid import UUID

from app.kit.auth import key_hash, new_key, visible_part
from app.kit.contact_points import email_key
from app.kit.database import Unit
from app.kit.errors import Invalid, NotFound
from app.kit.ids import new_id
from app.kit.outbox import emit
from app.kit.pages import PageRequest
from app.kit.preconditions import Precondition
from app.workspaces.errors import MemberExists
from app.workspaces.events import SETTINGS_CHANGED
from app.workspaces.models import ApiKeyRow, MemberRow, WorkspaceRow
from app.workspaces.repository import WorkspaceRepository
from app.workspaces.schemas import (
    ApiKey,
    ApiKeyCreate,
    ApiKeyPage,
    CreatedApiKey,
    Member,
    MemberCreate,
    MemberPage,
    MemberPatch,
    Workspace,
    WorkspaceCreate,
    WorkspacePatch,
    WorkspaceSettingsChanged,
)

CHURN_AFTER_DAYS = 90


class WorkspaceService:
    """The tenant, its members and its keys."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = WorkspaceRepository(unit)

    async def create(self, new: WorkspaceCreate) -> Workspace:
        """Makes the workspace whose id the unit already has."""
        row = WorkspaceRow(
            id=self.unit.workspace_id,
            name=new.name,
            currency=new.currency,
            timezone=new.timezone,
            churn_after_days=CHURN_AFTER_DAYS,
            working_hours=[],
            created_at=self.unit.now,
            updated_at=self.unit.now,
            version=1,
        )
        await self.repository.add(row)
        return Workspace.model_validate(row)

    async def get(self) -> Workspace:
        return Workspace.model_validate(await self.repository.workspace())

    async def update(self, patch: WorkspacePatch, precondition: Precondition) -> Workspace:
        row = await self.repository.workspace(lock=True)
        precondition.check(row.version)
        changes = patch.model_dump(exclude_unset=True)
        if all(getattr(row, name) == value for name, value in changes.items()):
            return Workspace.model_validate(row)
        for name, value in changes.items():
            setattr(row, name, value)
        row.version += 1
        row.updated_at = self.unit.now
        workspace = Workspace.model_validate(row)
        emit(self.unit, SETTINGS_CHANGED, WorkspaceSettingsChanged(workspace=workspace))
        return workspace

    async def create_member(self, new: MemberCreate) -> Member:
        row = MemberRow(
            workspace_id=self.unit.workspace_id,
            id=new_id(),
            name=new.name,
            email=email_key(new.email, "/email"),
            created_at=self.unit.now,
            updated_at=self.unit.now,
            version=1,
        )
        if not await self.repository.add_member(row):
            raise _member_exists()
        return Member.model_validate(row)

    async def member(self, member_id: UUID) -> Member:
        return Member.model_validate(await self._member(member_id))

    async def members(self, page: PageRequest, *, include_archived: bool) -> MemberPage:
        rows = await self.repository.members(page, include_archived=include_archived)
        kept, cursor = page.cut(rows)
        return MemberPage(items=[Member.model_validate(row) for row in kept], next_cursor=cursor)

    async def update_member(self, member_id: UUID, patch: MemberPatch, precondition: Precondition) -> Member:
        row = await self._member(member_id, lock=True)
        precondition.check(row.version)
        changes = patch.changes()
        if "email" in changes:
            changes["email"] = email_key(changes["email"], "/email")
        if all(getattr(row, name) == value for name, value in changes.items()):
            return Member.model_validate(row)
        await self._apply(row, changes)
        return Member.model_validate(row)

    async def archive_member(self, member_id: UUID, precondition: Precondition) -> None:
        """Archiving an archived member changes nothing."""
        row = await self._member(member_id, lock=True)
        precondition.check(row.version)
        if row.archived_at is None:
            await self._apply(row, {"archived_at": self.unit.now})

    async def restore_member(self, member_id: UUID) -> Member:
        row = await self._member(member_id, lock=True)
        if row.archived_at is not None:
            await self._apply(row, {"archived_at": None})
        return Member.model_validate(row)

    async def currency(self) -> str:
        """The currency of every amount in the workspace. It never changes, so it is asked for once."""
        return await self.repository.currency()

    async def members_among(self, ids: Iterable[UUID]) -> set[UUID]:
        """Which of these ids are active members."""
        wanted = list(ids)
        return await self.repository.members_among(wanted) if wanted else set()

    async def require_members(self, ids: Iterable[UUID], pointer: str) -> None:
        """Raises `Invalid` at `pointer` unless every id is an active member."""
        wanted = set(ids)
        if wanted - await self.members_among(wanted):
            raise Invalid.at(pointer, "is not an active member of this workspace", "unknown_member")

    async def create_api_key(self, new: ApiKeyCreate) -> CreatedApiKey:
        if new.expires_at is not None and new.expires_at <= self.unit.now:
            raise Invalid.at("/expires_at", "must lie in the future", "in_the_past")
        key = new_key()
        row = ApiKeyRow(
            workspace_id=self.unit.workspace_id,
            id=new_id(),
            name=new.name,
            prefix=visible_part(key),
            key_hash=key_hash(key),
            scopes=sorted(set(new.scopes)),
            created_at=self.unit.now,
            expires_at=new.expires_at,
        )
        await self.repository.add(row)
        return CreatedApiKey(**ApiKey.model_validate(row).model_dump(), api_key=key)

    async def create_admin_key(self, name: str) -> CreatedApiKey:
        return await self.create_api_key(ApiKeyCreate(name=name, scopes=["admin"]))

    async def api_keys(self, page: PageRequest) -> ApiKeyPage:
        rows = await self.repository.api_keys(page)
        kept, cursor = page.cut(rows)
        return ApiKeyPage(items=[ApiKey.model_validate(row) for row in kept], next_cursor=cursor)

    async def every_api_key(self) -> list[ApiKey]:
        """All of them, newest first."""
        return [ApiKey.model_validate(row) for row in await self.repository.every_api_key()]

    async def api_key(self, key_id: UUID) -> ApiKey:
        row = await self.repository.api_key(key_id)
        if row is None:
            raise NotFound("There is no such API key in this workspace.")
        return ApiKey.model_validate(row)

    async def revoke_api_key(self, key_id: UUID) -> None:
        await self.api_key(key_id)
        await self.repository.revoke_api_key(key_id)

    async def _member(self, member_id: UUID, *, lock: bool = False) -> MemberRow:
        row = await self.repository.member(member_id, lock=lock)
        if row is None:
            raise NotFound("There is no such member in this workspace.")
        return row

    async def _apply(self, row: MemberRow, changes: dict[str, object]) -> None:
        for name, value in changes.items():
            setattr(row, name, value)
        row.version += 1
        row.updated_at = self.unit.now
        if not await self.repository.save_member(row):
            raise _member_exists()


def _member_exists() -> MemberExists:
    return MemberExists("Another member of this workspace, perhaps an archived one, has this email address.")
