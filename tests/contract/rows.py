"""The rows of a workspace as the owner of the tables sees them."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
from sqlalchemy import Uuid
from sqlalchemy.engine import make_url

from app.kit.database import Base
from tests.contract.factories import World

TABLES = sorted(Base.metadata.tables)
OUTSIDE = {"alembic_version", "pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics"}
"""Tables that belong to no workspace: migrations, and the queue, whose jobs are mere pointers."""

Connection = asyncpg.Connection


def tenant_column(table: str) -> str:
    return "id" if table == "workspaces" else "workspace_id"


@asynccontextmanager
async def as_owner(world: World) -> AsyncIterator[Connection]:
    """A connection of the tables' owner; where that is no superuser, row-level security holds it too."""
    url = make_url(world.resources.address.owner_url).set(drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        await connection.execute(
            "SELECT set_config('app.workspace_id', $1, false)", str(world.tenant.workspace_id)
        )
        yield connection
    finally:
        await connection.close()


async def snapshot(world: World) -> dict[str, str]:
    """A digest of every table's rows of this workspace, less when its keys were last used."""
    async with as_owner(world) as connection:
        return {table: await _digest(connection, table, world.tenant.workspace_id) for table in TABLES}


async def counts(world: World) -> dict[str, int]:
    """How many rows this workspace has in each table."""
    async with as_owner(world) as connection:
        return {
            table: await connection.fetchval(
                f"SELECT count(*) FROM {table} WHERE {tenant_column(table)} = $1", world.tenant.workspace_id
            )
            for table in TABLES
        }


async def ids_of(world: World) -> set[str]:
    """Every id that is in a row of this workspace, less those of nothing in particular."""
    found: set[str] = set()
    async with as_owner(world) as connection:
        for name, table in Base.metadata.tables.items():
            columns = [column.name for column in table.columns if isinstance(column.type, Uuid)]
            rows = await connection.fetch(
                f"SELECT {', '.join(columns)} FROM {name} WHERE {tenant_column(name)} = $1",
                world.tenant.workspace_id,
            )
            found |= {str(value) for row in rows for value in row if value is not None}
    return found


async def _digest(connection: Connection, table: str, workspace_id: UUID) -> str:
    rows = await connection.fetch(
        f"SELECT (to_jsonb(t) - 'last_used_at')::text AS row FROM {table} AS t "
        f"WHERE {tenant_column(table)} = $1 ORDER BY 1",
        workspace_id,
    )
    return hashlib.sha256("\n".join(row["row"] for row in rows).encode()).hexdigest()
