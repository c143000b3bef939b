"""Looks for traces: in every row of every table, and in every line of the log."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from tests.surveys.world import AskingWorld

Connection = asyncpg.Connection


class Row(NamedTuple):
    """A row as text, and the transaction that wrote it."""

    table: str
    text: str
    xmin: str


@asynccontextmanager
async def as_owner(asking: AskingWorld) -> AsyncIterator[Connection]:
    """Whoever owns the tables, in UTC."""
    url = make_url(asking.resources.address.owner_url).set(drivername="postgresql")
    connection = await asyncpg.connect(
        url.render_as_string(hide_password=False), server_settings={"TimeZone": "UTC"}
    )
    try:
        await connection.execute(
            "SELECT set_config('app.workspace_id', $1, false)", str(asking.tenant.workspace_id)
        )
        yield connection
    finally:
        await connection.close()


async def next_transaction(asking: AskingWorld) -> str:
    """The number that the database gives to what happens from here on, at the least."""
    async with as_owner(asking) as connection:
        return str(await connection.fetchval("SELECT pg_current_xact_id()::xid::text"))


async def every_row(asking: AskingWorld, since: str) -> list[Row]:
    """All rows of all tables, whatever these are called and whosever they are, that were written since that
    transaction: an older one cannot know of what did not exist."""
    found = []
    async with as_owner(asking) as connection:
        tables = await connection.fetch(
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1"
        )
        for (table,) in tables:
            rows = await connection.fetch(
                f'SELECT t::text, xmin::text FROM "{table}" AS t WHERE age(xmin) <= age($1::text::xid)',
                since,
            )
            found += [Row(table, text, xmin) for text, xmin in rows]
    return found


def telling(rows: Iterable[Row], about: Iterable[str], secrets: Iterable[str]) -> set[tuple[str, str]]:
    """Table and secret of each row about one of these things in which a secret stands."""
    about, secrets = tuple(about), tuple(secrets)
    return {
        (row.table, secret)
        for row in rows
        if any(thing in row.text for thing in about)
        for secret in secrets
        if secret in row.text
    }


def log_so_far(config: pytest.Config) -> str:
    """What the process has written to standard error since this was last asked for."""
    capture = config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    return str(capture.read_global_capture()[1])
