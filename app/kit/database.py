"""One transaction per request or job step, opened and committed here and nowhere else.

The engine runs in AUTOCOMMIT and this module sends BEGIN itself, together with the workspace setting that
row-level security reads: one round trip, and no moment in which a session looks open while its connection
is not in a transaction (SQLAlchemy's asyncpg dialect begins lazily; a job enqueued on the raw connection
before the first statement would survive a rollback).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import DateTime, MetaData, Numeric, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from app.kit.clock import Clock, SystemClock
from app.kit.errors import Unavailable

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The parent of every table. Text, instants, JSON and money-like numbers have one SQL type each."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text(),
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(),
        list[dict[str, Any]]: JSONB(),
    }


MONEY = Numeric(20, 4)
"""Amounts: 16 digits before the point and 4 behind, more than any ISO 4217 currency has."""


@dataclass(slots=True)
class Unit:
    """One unit of work: a session in an open transaction, on behalf of one workspace.

    `pending_events` and `pending_jobs` are written by `outbox` and `jobs` just before the commit, so that a
    transaction makes at most one relay job, and a rolled-back savepoint takes its events with it.
    """

    session: AsyncSession
    connection: "asyncpg.Connection[asyncpg.Record]"
    workspace_id: UUID
    actor: str
    now: datetime
    pending_events: list[Any] = field(default_factory=list)
    pending_jobs: dict[Any, None] = field(default_factory=dict)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What fails inside is undone, events and jobs included, and the rest of the unit goes on."""
        events, jobs = len(self.pending_events), dict(self.pending_jobs)
        try:
            async with self.session.begin_nested():
                # Only asking for the connection sends the SAVEPOINT; raw statements would run before it.
                await self.session.connection()
                yield
        except BaseException:
            del self.pending_events[events:]
            self.pending_jobs = jobs
            raise


BeforeCommit = Callable[[Unit], Awaitable[None]]


class Database:
    """The connections of one process and the units of work that run on them."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        role: str | None = None,
        statement_seconds: float = 15,
        wait_seconds: float = 5,
        clock: Clock | None = None,
        before_commit: tuple[BeforeCommit, ...] = (),
    ) -> None:
        self.clock = clock or SystemClock()
        self._before_commit = before_commit
        self._wait_seconds = wait_seconds
        # Without a first-in-first-out gate before the pool, a request that frees and retakes its connection
        # starves the waiters: p99 was measured at a hundred times p50.
        self._gate = asyncio.Semaphore(pool_size)
        self.engine = _engine(url, pool_size, role, statement_seconds)

    @asynccontextmanager
    async def unit(
        self, workspace_id: UUID, *, actor: str = "system", read_only: bool = False
    ) -> AsyncIterator[Unit]:
        """A unit of work. Commits when the block ends, rolls back when it raises.

        Raises `Unavailable` when no connection is free in time or the database is away.
        """
        async with self._admitted(), self._connection() as (connection, driver):
            await driver.execute(_begin(workspace_id, read_only))
            session = AsyncSession(bind=connection, expire_on_commit=False, autoflush=False)
            unit = Unit(session, driver, workspace_id, actor, self.clock.now())
            try:
                yield unit
                await self._commit(unit)
            except BaseException:
                await _rollback(driver)
                raise
            finally:
                await session.close()

    @asynccontextmanager
    async def raw(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection outside any transaction, for look-ups that belong to no workspace."""
        async with self._admitted(), self._connection() as (_, driver):
            yield driver

    async def close(self) -> None:
        """Closes every connection."""
        await self.engine.dispose()

    async def _commit(self, unit: Unit) -> None:
        await unit.session.flush()
        for step in self._before_commit:
            await step(unit)
        # PostgreSQL answers COMMIT in a failed transaction with ROLLBACK and no error at all.
        if await unit.connection.execute("COMMIT") != "COMMIT":
            raise RuntimeError("the transaction had failed and could not be committed")

    @asynccontextmanager
    async def _admitted(self) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(self._gate.acquire(), self._wait_seconds)
        except TimeoutError:
            raise Unavailable(
                "All database connections are busy. Try again shortly.", headers={"Retry-After": "1"}
            ) from None
        try:
            yield
        finally:
            self._gate.release()

    @asynccontextmanager
    async def _connection(
        self,
    ) -> AsyncIterator[tuple[AsyncConnection, "asyncpg.Connection[asyncpg.Record]"]]:
        connection, driver = await self._live_connection()
        try:
            yield connection, driver
        finally:
            if driver.is_in_transaction():
                await connection.invalidate()
            await connection.close()

    async def _live_connection(self) -> tuple[AsyncConnection, "asyncpg.Connection[asyncpg.Record]"]:
        """Skips connections that died in the pool; asking the flag is free, a ping is a round trip."""
        while True:
            connection = await self.engine.connect()
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            if not driver.is_closed():
                return connection, driver
            await connection.invalidate()
            await connection.close()


def _engine(url: str, pool_size: int, role: str | None, statement_seconds: float) -> AsyncEngine:
    server_settings = {"jit": "off", "statement_timeout": str(int(statement_seconds * 1000))}
    if role:
        server_settings["role"] = role
    return create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
        json_serializer=_to_json,
        json_deserializer=orjson.loads,
        pool_size=pool_size,
        max_overflow=0,
        pool_reset_on_return=None,
        connect_args={
            "timeout": 5,
            "command_timeout": statement_seconds + 5,
            "server_settings": server_settings,
        },
    )


def _to_json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _begin(workspace_id: UUID, read_only: bool) -> str:
    """BEGIN and the tenant in one simple query, which takes no parameters: only a parsed UUID may go in."""
    if not isinstance(workspace_id, UUID):
        raise TypeError("a workspace id must be a UUID")
    mode = " READ ONLY" if read_only else ""
    return f"BEGIN{mode}; SELECT set_config('app.workspace_id', '{workspace_id}', true)"


async def _rollback(driver: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Best effort: a connection that cannot roll back is thrown away, and PostgreSQL rolls back."""
    try:
        if not driver.is_closed():
            await asyncio.wait_for(driver.execute("ROLLBACK"), 2)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        driver.terminate()
