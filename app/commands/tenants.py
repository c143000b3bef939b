"""`rapport workspace` and `rapport key`: tenants and their keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.exc import NoResultFound

from app.commands.console import Failure, connected
from app.kit.database import Unit
from app.kit.ids import new_id
from app.kit.resources import DatabaseAddress, Resources
from app.kit.tenancy import SEARCH_ROLE
from app.workspaces.schemas import ApiKey, ApiKeyCreate, CreatedApiKey, Workspace, WorkspaceCreate
from app.workspaces.service import WorkspaceService

ACTOR = "cli"
FIRST_KEY = "made with the workspace"
ONE_AT_A_TIME = 7265708


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A workspace just made, and a key with every scope in it."""

    workspace_id: UUID
    api_key: str


async def create_workspace(resources: Resources, new: WorkspaceCreate) -> NewTenant:
    """Makes a workspace and a key that may do everything in it."""
    workspace_id = new_id()
    async with resources.database.unit(workspace_id, actor=ACTOR) as unit:
        service = WorkspaceService(unit)
        await service.create(new)
        key = await service.create_admin_key(FIRST_KEY)
    return NewTenant(workspace_id, key.api_key)


async def create_first_workspace(resources: Resources, new: WorkspaceCreate) -> NewTenant | None:
    """Makes a workspace when there is none at all, once however many processes try."""
    async with _across_workspaces(resources.address) as connection:
        await connection.execute(f"SELECT pg_advisory_lock({ONE_AT_A_TIME})")
        if await connection.fetchval("SELECT EXISTS (SELECT FROM workspaces)"):
            return None
        return await create_workspace(resources, new)


async def list_workspaces(address: DatabaseAddress) -> list[dict[str, Any]]:
    """Every workspace of the database, oldest first: `id name currency timezone created_at`."""
    async with _across_workspaces(address) as connection:
        rows = await connection.fetch(
            "SELECT id, name, currency, timezone, created_at FROM workspaces ORDER BY created_at, id"
        )
    return [{**row, "id": str(row["id"])} for row in rows]


async def only_workspace(address: DatabaseAddress) -> UUID:
    """The workspace of a database that has one. Raises `Failure` when it has none or several."""
    found = await list_workspaces(address)
    if len(found) != 1:
        raise Failure(f"There are {len(found)} workspaces: say which by --workspace.")
    return UUID(found[0]["id"])


async def create_key(resources: Resources, workspace_id: UUID, new: ApiKeyCreate) -> CreatedApiKey:
    """Makes a key. Raises `Failure` when there is no such workspace."""
    async with workspace_unit(resources, workspace_id) as unit:
        return await WorkspaceService(unit).create_api_key(new)


async def list_keys(resources: Resources, workspace_id: UUID) -> list[ApiKey]:
    """Every key of the workspace, newest first, without the keys themselves."""
    async with workspace_unit(resources, workspace_id) as unit:
        return await WorkspaceService(unit).every_api_key()


async def revoke_key(resources: Resources, workspace_id: UUID, key_id: UUID) -> None:
    """Revokes a key: running API processes refuse it within two seconds."""
    async with workspace_unit(resources, workspace_id) as unit:
        await WorkspaceService(unit).revoke_api_key(key_id)


@asynccontextmanager
async def workspace_unit(resources: Resources, workspace_id: UUID) -> AsyncIterator[Unit]:
    """A unit of work in a workspace that exists. Raises `Failure` when it does not."""
    async with resources.database.unit(workspace_id, actor=ACTOR) as unit:
        await existing_workspace(unit)
        yield unit


async def existing_workspace(unit: Unit) -> Workspace:
    """The workspace of the unit. Raises `Failure` when there is none."""
    try:
        return await WorkspaceService(unit).get()
    except NoResultFound:
        raise Failure(
            f"There is no workspace {unit.workspace_id}: `rapport workspace list` shows those there are."
        ) from None


@asynccontextmanager
async def _across_workspaces(
    address: DatabaseAddress,
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Nobody who logs in sees across workspaces; the owner may become the role that does."""
    async with connected(address.owner_url) as connection:
        try:
            await connection.execute(f"SET ROLE {SEARCH_ROLE}")
        except asyncpg.InsufficientPrivilegeError:
            raise Failure(
                "Only the owner of the database sees every workspace: set RAPPORT_DATABASE_OWNER_URL."
            ) from None
        yield connection
