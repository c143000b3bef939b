"""The second wall: with the repositories' own scope turned against us, PostgreSQL still shows nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from app.kit import database
from app.kit.database import Unit
from app.kit.resources import Resources
from tests.contract.bodies import body_for
from tests.contract.factories import SHARED, World
from tests.contract.operations import KEYED, Operation
from tests.contract.rows import OUTSIDE, TABLES, as_owner, counts, ids_of, snapshot, tenant_column

pytestmark = pytest.mark.slow

Connection = asyncpg.Connection


@pytest.fixture(scope="module", autouse=True)
async def nothing_of_theirs_changes(theirs: World) -> AsyncIterator[None]:
    before = await snapshot(theirs)
    yield
    assert await snapshot(theirs) == before


@pytest.fixture
def scope_removed(world: World, theirs: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every unit of work tells services and repositories that it is theirs; only PostgreSQL knows better."""

    def misled(session: Any, connection: Any, _: Any, *rest: Any) -> Unit:
        return Unit(session, connection, theirs.tenant.workspace_id, *rest)

    monkeypatch.setattr(database, "Unit", misled)


@pytest.mark.parametrize("operation", KEYED, ids=str)
@pytest.mark.usefixtures("scope_removed")
async def test_with_the_repositorys_scope_removed_nothing_is_seen(
    operation: Operation, world: World, theirs: World
) -> None:
    answer = await world.client.request(
        operation.method, operation.at(await theirs.ids_for(operation)), json=body_for(operation)
    )

    assert shown(answer) & await ids_of(theirs) == set()
    if set(operation.names("path")) - SHARED:
        assert not answer.is_success


def test_no_table_is_forgotten(tables: set[str]) -> None:
    assert tables - OUTSIDE == set(TABLES)


async def test_there_is_something_to_hide_in_every_table(theirs: World) -> None:
    assert {table for table, count in (await counts(theirs)).items() if count == 0} == set()


async def test_no_table_gathers_statistics_of_workspaces(theirs: World) -> None:
    """See docs/decisions/0019-every-workspace-is-planned-alike.md."""
    async with as_owner(theirs) as owner:
        rows = await owner.fetch(
            "SELECT attrelid::regclass::text AS name FROM pg_attribute "
            "WHERE attname = 'workspace_id' AND attstattarget = 0"
        )
    assert {row["name"] for row in rows} >= set(TABLES) - {"workspaces"}


@pytest.mark.parametrize("table", TABLES)
async def test_their_rows_are_not_there(table: str, ours: World, theirs: World) -> None:
    async with in_our_name(ours) as connection:
        mine = f"SELECT count(*) FROM {table} WHERE {tenant_column(table)} = $1"

        assert await connection.fetchval(mine, theirs.tenant.workspace_id) == 0
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == await connection.fetchval(
            mine, ours.tenant.workspace_id
        )


@pytest.mark.parametrize("table", TABLES)
async def test_without_a_workspace_there_are_no_rows_at_all(table: str, resources: Resources) -> None:
    async with resources.database.raw() as connection:
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0


@pytest.mark.parametrize("table", TABLES)
async def test_no_row_can_be_put_among_theirs(table: str, ours: World, theirs: World) -> None:
    async with as_owner(theirs) as owner:
        row = await owner.fetchval(
            f"SELECT to_jsonb(t)::text FROM {table} AS t WHERE {tenant_column(table)} = $1 LIMIT 1",
            theirs.tenant.workspace_id,
        )

    async with in_our_name(ours) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(null::{table}, $1::text::jsonb)",
                row,
            )


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("change", ["DELETE FROM {0}", "UPDATE {0} SET {1} = {1}"])
async def test_their_rows_cannot_be_changed(table: str, change: str, ours: World, theirs: World) -> None:
    column = tenant_column(table)
    statement = f"{change.format(table, column)} WHERE {column} = $1"

    async with in_our_name(ours) as connection:
        try:
            done = await connection.execute(statement, theirs.tenant.workspace_id)
        except asyncpg.InsufficientPrivilegeError:
            return
    assert done.endswith(" 0")


@pytest.fixture
async def tables(theirs: World) -> set[str]:
    """The tables that the database really has."""
    async with as_owner(theirs) as connection:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in rows}


@asynccontextmanager
async def in_our_name(ours: World) -> AsyncIterator[Connection]:
    """A connection of the app's role in a transaction of our workspace, which is rolled back."""
    async with ours.resources.database.raw() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(
                "SELECT set_config('app.workspace_id', $1, true)", str(ours.tenant.workspace_id)
            )
            yield connection
        finally:
            await transaction.rollback()


def shown(answer: httpx.Response) -> set[str]:
    """Every string in an answer, less the path that was asked."""
    body = answer.json() if answer.content else {}
    body.pop("instance", None)
    return set(strings(body))


def strings(tree: Any) -> list[str]:
    if isinstance(tree, dict):
        return [text for value in tree.values() for text in strings(value)]
    if isinstance(tree, list):
        return [text for value in tree for text in strings(value)]
    return [tree] if isinstance(tree, str) else []
