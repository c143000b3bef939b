"""Units of work: what commits, what rolls back, and what the workspace wall hides."""

import asyncio
import contextlib
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from app.kit.database import Database
from app.kit.errors import Unavailable
from app.kit.ids import new_id
from app.kit.jobs import enqueue
from app.kit.resources import DatabaseAddress, Resources
from tests.conftest import Tenant

MEMBER = """
    INSERT INTO members (workspace_id, id, name, email, created_at, updated_at, version)
    VALUES ($1, $2, 'Mara', $3, now(), now(), 1)
"""


async def names(resources: Resources, workspace_id: UUID, table: str = "members") -> int:
    async with resources.database.unit(workspace_id, read_only=True) as unit:
        count: int = await unit.connection.fetchval(f"SELECT count(*) FROM {table}")
    return count


async def jobs_of(resources: Resources, workspace_id: UUID) -> int:
    async with resources.database.raw() as connection:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM pgqueuer WHERE payload LIKE convert_to($1, 'UTF8') || '%'::bytea",
            str(workspace_id),
        )
    return count


async def test_a_unit_commits_when_its_block_ends(resources: Resources, tenant: Tenant) -> None:
    async with resources.database.unit(tenant.workspace_id) as unit:
        await unit.connection.execute(MEMBER, tenant.workspace_id, new_id(), "m@example.com")

    assert await names(resources, tenant.workspace_id) == 1


async def test_a_unit_that_raises_leaves_nothing(resources: Resources, tenant: Tenant) -> None:
    with pytest.raises(ZeroDivisionError):
        async with resources.database.unit(tenant.workspace_id) as unit:
            await unit.connection.execute(MEMBER, tenant.workspace_id, new_id(), "m@example.com")
            enqueue(unit, "events.relay")
            raise ZeroDivisionError

    assert await names(resources, tenant.workspace_id) == 0
    assert await jobs_of(resources, tenant.workspace_id) == 0


async def test_a_job_cannot_escape_a_unit_that_has_done_nothing_else(
    resources: Resources, tenant: Tenant
) -> None:
    """The transaction is open before the first statement, so even a job put in at once is rolled back."""
    with pytest.raises(ZeroDivisionError):
        async with resources.database.unit(tenant.workspace_id) as unit:
            assert unit.connection.is_in_transaction()
            enqueue(unit, "events.relay")
            for step in resources.database._before_commit:
                await step(unit)
            raise ZeroDivisionError

    assert await jobs_of(resources, tenant.workspace_id) == 0


async def test_a_savepoint_takes_its_events_and_jobs_with_it(resources: Resources, tenant: Tenant) -> None:
    async with resources.database.unit(tenant.workspace_id) as unit:
        enqueue(unit, "first")
        with pytest.raises(ZeroDivisionError):
            async with unit.savepoint():
                await unit.connection.execute(MEMBER, tenant.workspace_id, new_id(), "m@example.com")
                enqueue(unit, "second")
                raise ZeroDivisionError

    assert await names(resources, tenant.workspace_id) == 0
    assert await jobs_of(resources, tenant.workspace_id) == 1


async def test_a_commit_of_a_failed_transaction_is_an_error(resources: Resources, tenant: Tenant) -> None:
    with pytest.raises(RuntimeError, match="could not be committed"):
        async with resources.database.unit(tenant.workspace_id) as unit:
            with pytest.raises(asyncpg.PostgresError):
                await unit.connection.execute("SELECT 1/0")


async def test_a_failing_commit_is_a_500_and_not_a_201(
    app: FastAPI,
    client: httpx.AsyncClient,
    resources: Resources,
    tenant: Tenant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The deferred constraint fires at the commit, after everything else went well."""
    monkeypatch.setattr(resources.database, "_before_commit", (_fail_late,))

    response = await client.post("/v1/members", json={"name": "Mara", "email": "m@example.com"})

    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    monkeypatch.undo()
    assert await names(resources, tenant.workspace_id) == 0


async def _fail_late(_: object) -> None:
    raise RuntimeError("the commit fails")


async def test_a_read_only_unit_cannot_write(resources: Resources, tenant: Tenant) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
            await unit.connection.execute(MEMBER, tenant.workspace_id, new_id(), "m@example.com")


async def test_a_read_only_unit_sees_one_moment(resources: Resources, tenant: Tenant) -> None:
    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        async with resources.database.unit(tenant.workspace_id) as other:
            await other.connection.execute(MEMBER, tenant.workspace_id, new_id(), "m@example.com")
        assert await unit.connection.fetchval("SELECT count(*) FROM members") == 0

    assert await names(resources, tenant.workspace_id) == 1


async def test_a_unit_that_writes_sees_what_others_have_committed(
    resources: Resources, tenant: Tenant
) -> None:
    """Whoever has waited for a row reads it as it is now."""
    async with resources.database.unit(tenant.workspace_id) as unit:
        async with resources.database.unit(tenant.workspace_id) as other:
            await other.connection.execute(MEMBER, tenant.workspace_id, new_id(), "m@example.com")
        assert await unit.connection.fetchval("SELECT count(*) FROM members") == 1


@pytest.mark.parametrize("table", ["workspaces", "members", "api_keys", "contacts", "events"])
async def test_another_workspace_sees_nothing_even_without_a_where(
    resources: Resources, client: httpx.AsyncClient, other_tenant: Tenant, table: str
) -> None:
    await client.post("/v1/members", json={"name": "Mara", "email": "m@example.com"})
    await client.post("/v1/contacts", json={"given_name": "Ada"})

    async with resources.database.unit(other_tenant.workspace_id, read_only=True) as unit:
        key = "id" if table == "workspaces" else "workspace_id"
        owners = await unit.connection.fetch(f"SELECT DISTINCT {key} AS owner FROM {table}")

    assert {row["owner"] for row in owners} <= {other_tenant.workspace_id}


async def test_a_connection_without_a_workspace_sees_nothing(resources: Resources, tenant: Tenant) -> None:
    async with resources.database.raw() as connection:
        for table in ("workspaces", "members", "api_keys", "contacts", "events", "idempotency_keys"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_a_unit_cannot_write_into_another_workspace(
    resources: Resources, tenant: Tenant, other_tenant: Tenant
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with resources.database.unit(tenant.workspace_id) as unit:
            await unit.connection.execute(MEMBER, other_tenant.workspace_id, new_id(), "m@example.com")


async def test_the_app_role_owns_nothing_and_bypasses_nothing(resources: Resources) -> None:
    async with resources.database.raw() as connection:
        role = await connection.fetchrow(
            "SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        )
        owned = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE tableowner = current_user")
        unprotected = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
            "AND NOT (relrowsecurity AND relforcerowsecurity)"
        )
    assert role is not None
    assert tuple(role) == (False, False, False)
    assert owned == 0
    assert {row["relname"] for row in unprotected} == {
        "alembic_version",
        "pgqueuer",
        "pgqueuer_log",
        "pgqueuer_schedules",
        "pgqueuer_statistics",
    }


async def test_waiting_too_long_for_a_connection_is_a_503(address: DatabaseAddress, tenant: Tenant) -> None:
    small = Database(address.app_url, pool_size=1, wait_seconds=0.05)
    try:
        async with small.unit(tenant.workspace_id):
            with pytest.raises(Unavailable):
                async with small.unit(tenant.workspace_id):
                    pass
    finally:
        await small.close()


async def test_more_callers_than_connections_all_get_their_turn(
    address: DatabaseAddress, tenant: Tenant
) -> None:
    small = Database(address.app_url, pool_size=2)

    async def ask() -> int:
        async with small.unit(tenant.workspace_id, read_only=True) as unit:
            found: int = await unit.connection.fetchval("SELECT 1")
        return found

    try:
        assert await asyncio.gather(*(ask() for _ in range(200))) == [1] * 200
    finally:
        await small.close()


async def test_a_cancelled_unit_gives_its_connection_back_clean(
    address: DatabaseAddress, tenant: Tenant
) -> None:
    small = Database(address.app_url, pool_size=1)

    async def hang() -> None:
        async with small.unit(tenant.workspace_id) as unit:
            await unit.connection.execute(MEMBER, tenant.workspace_id, new_id(), "m@example.com")
            await unit.connection.execute("SELECT pg_sleep(30)")

    try:
        task = asyncio.create_task(hang())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with small.unit(tenant.workspace_id, read_only=True) as unit:
            assert await unit.connection.fetchval("SELECT count(*) FROM members") == 0
    finally:
        await small.close()


@pytest.mark.parametrize("way", ["unit", "raw"])
async def test_a_session_that_takes_no_writes_is_not_used_again(
    address: DatabaseAddress, tenant: Tenant, way: str
) -> None:
    small = Database(address.app_url, pool_size=1)
    async with small.raw() as connection:
        await connection.execute("SET default_transaction_read_only = on")

    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with contextlib.AsyncExitStack() as stack:
            if way == "unit":
                unit = await stack.enter_async_context(small.unit(tenant.workspace_id))
                await unit.connection.execute(MEMBER, tenant.workspace_id, new_id(), "m@example.com")
            else:
                connection = await stack.enter_async_context(small.raw())
                await connection.execute("DELETE FROM pgqueuer")

    async with small.unit(tenant.workspace_id) as unit:
        await unit.connection.execute(MEMBER, tenant.workspace_id, new_id(), "m@example.com")
    await small.close()


async def test_a_workspace_id_must_be_a_uuid(resources: Resources) -> None:
    with pytest.raises(TypeError):
        async with resources.database.unit("'; DROP TABLE events; --"):  # type: ignore[arg-type]
            pass
