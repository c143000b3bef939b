"""Running what a caller's filter came to, whatever PostgreSQL knows of the rows by then."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.kit.database import Unit
from app.kit.database_problems import TOOK_TOO_LONG, sqlstate_of

# After five runs PostgreSQL would plan for any values, but two hours and a month are not found alike.
_BY_VALUES = "SET LOCAL plan_cache_mode = force_custom_plan"
_FOR_A_MOMENT = "SET LOCAL statement_timeout = '2s'"


async def rows_found(unit: Unit, statement: sa.Select[Any]) -> Sequence[Any]:
    """The entities that a search finds; one that takes long is tried once more, expecting many."""
    session, connection = unit.session, unit.connection
    rows: Sequence[Any]
    try:
        async with unit.savepoint():
            await connection.execute(f"{_BY_VALUES}; {_FOR_A_MOMENT}")
            rows = (await session.execute(statement)).scalars().all()
        await connection.execute("SET LOCAL statement_timeout TO DEFAULT")
    except DBAPIError as error:
        if sqlstate_of(error) != TOOK_TOO_LONG:
            raise
        async with expecting_many(unit):
            rows = (await session.execute(statement)).scalars().all()
    return rows


@asynccontextmanager
async def expecting_many(unit: Unit) -> AsyncIterator[None]:
    """Inside, queries are planned for many rows: without nested loops.

    Before its first ANALYZE PostgreSQL takes the rows of a workspace for one row, and a hundred thousand that
    have a tag for a few: it then compares each with each of them, one by one.
    """
    await unit.connection.execute(f"{_BY_VALUES}; SET LOCAL enable_nestloop = off")
    yield
    await unit.connection.execute("SET LOCAL enable_nestloop TO DEFAULT")
