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
from sqlalchemy.pool import NullPool

from app.kit.clock import Clock, SystemClock
from app.kit.database_problems import READ_ONLY, sqlstate_of
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
    """One unit of work: an open transaction, on behalf of one workspace.

    `connection` is the driver's, for statements in plain SQL; `session` works in the same transaction, and is
    made when it is first asked for: a unit that needs none is spared what it costs (about 70 µs).
    `pending_events` and `pending_jobs` are written by `outbox` and `jobs` just before the commit, so that a
    transaction makes at most one relay job, and a rolled-back savepoint takes its events with it.
    """

    bind: AsyncConnection
    connection: "asyncpg.Connection[asyncpg.Record]"
    workspace_id: UUID
    actor: str
    now: datetime
    pending_events: list[Any] = field(default_factory=list)
    pending_jobs: dict[Any, None] = field(default_factory=dict)
    opened: AsyncSession | None = None

    @property
    def session(self) -> AsyncSession:
        if self.opened is None:
            self.opened = AsyncSession(bind=self.bind, expire_on_commit=False, autoflush=False)
        return self.opened

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
        self.engine = _engine(url, role, statement_seconds)
        self._connections = _Connections(self.engine, pool_size, wait_seconds)

    @asynccontextmanager
    async def unit(
        self, workspace_id: UUID, *, actor: str = "system", read_only: bool = False
    ) -> AsyncIterator[Unit]:
        """A unit of work. Commits when the block ends, rolls back when it raises. One that is `read_only`
        sees the database at one moment, however many statements it sends.

        Raises `Unavailable` when no connection is free in time or the database is away.
        """
        lease = await self._connections.take()
        bind, driver = lease
        unit: Unit | None = None
        try:
            await driver.execute(_begin(workspace_id, read_only))
            unit = Unit(bind, driver, workspace_id, actor, self.clock.now())
            yield unit
            await self._commit(unit)
        except BaseException as error:
            await _rollback(driver)
            _end_read_only_session(driver, error)
            raise
        finally:
            await self._end(unit, lease)

    @asynccontextmanager
    async def raw(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection outside any transaction, for look-ups that belong to no workspace."""
        lease = await self._connections.take()
        try:
            yield lease[1]
        except BaseException as error:
            _end_read_only_session(lease[1], error)
            raise
        finally:
            await self._connections.give_back(lease)

    async def close(self) -> None:
        """Closes every connection."""
        await self._connections.close()
        await self.engine.dispose()

    async def _commit(self, unit: Unit) -> None:
        if unit.opened is not None:
            await unit.opened.flush()
        for step in self._before_commit:
            await step(unit)
        # PostgreSQL answers COMMIT in a failed transaction with ROLLBACK and no error at all.
        if await unit.connection.execute("COMMIT") != "COMMIT":
            raise RuntimeError("the transaction had failed and could not be committed")

    async def _end(self, unit: Unit | None, lease: "_Lease") -> None:
        try:
            if unit is not None and unit.opened is not None:
                await unit.opened.close()
        finally:
            await self._connections.give_back(lease)


_Lease = tuple[AsyncConnection, "asyncpg.Connection[asyncpg.Record]"]


class _Connections:
    """The connections of a process: so many at most, the last one used first, waiters in their order.

    SQLAlchemy opens each one (types, role, settings), and it stays checked out for as long as it lives: a
    check-out and its return cost 40 µs, more than half of an empty unit of work. The gate lets waiters in
    first come, first served; without it, one that frees and retakes a connection starves them, and p99 was
    measured at a hundred times p50.
    """

    def __init__(self, engine: AsyncEngine, size: int, wait_seconds: float) -> None:
        self._engine = engine
        self._wait_seconds = wait_seconds
        self._gate = asyncio.Semaphore(size)
        self._idle: list[_Lease] = []

    async def take(self) -> _Lease:
        """A live connection. Raises `Unavailable` when none is free in time."""
        await self._admit()
        try:
            return await self._live()
        except BaseException:
            self._gate.release()
            raise

    async def give_back(self, lease: _Lease) -> None:
        """Keeps the connection for the next one, unless something is left in it that nobody else may see."""
        try:
            if _is_clean(lease):
                self._idle.append(lease)
            else:
                await _discard(lease)
        finally:
            self._gate.release()

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop()[0].close()

    async def _admit(self) -> None:
        if not self._gate.locked():
            await self._gate.acquire()
            return
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._gate.acquire()
        except TimeoutError:
            raise Unavailable(
                "All database connections are busy. Try again shortly.", headers={"Retry-After": "1"}
            ) from None

    async def _live(self) -> _Lease:
        """Skips those that died while idle; asking the flag is free, a ping is a round trip."""
        while self._idle:
            lease = self._idle.pop()
            if _is_clean(lease):
                return lease
            await _discard(lease)
        connection = await self._engine.connect()
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        return connection, driver


def _is_clean(lease: _Lease) -> bool:
    connection, driver = lease
    return not (
        driver.is_closed()
        or driver.is_in_transaction()
        or connection.invalidated
        or connection.in_transaction()
    )


async def _discard(lease: _Lease) -> None:
    connection, _ = lease
    if not connection.invalidated:
        await connection.invalidate()
    await connection.close()


def _engine(url: str, role: str | None, statement_seconds: float) -> AsyncEngine:
    server_settings = {"jit": "off", "statement_timeout": str(int(statement_seconds * 1000))}
    if role:
        server_settings["role"] = role
    return create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
        json_serializer=_to_json,
        json_deserializer=orjson.loads,
        poolclass=NullPool,
        connect_args={
            "timeout": 5,
            "command_timeout": statement_seconds + 5,
            "server_settings": server_settings,
        },
    )


def _to_json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _begin(workspace_id: UUID, read_only: bool) -> str:
    """BEGIN and the tenant in one simple query, which takes no parameters: only a parsed UUID may go in.

    Figures of several statements are subtracted from each other, and would be those of several moments. Where
    nothing is written this costs nothing, and no serialisation can fail.
    """
    if not isinstance(workspace_id, UUID):
        raise TypeError("a workspace id must be a UUID")
    mode = " ISOLATION LEVEL REPEATABLE READ, READ ONLY" if read_only else ""
    return f"BEGIN{mode}; SELECT set_config('app.workspace_id', '{workspace_id}', true)"


async def _rollback(driver: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Best effort: a connection that cannot roll back is thrown away, and PostgreSQL rolls back."""
    try:
        if not driver.is_closed():
            await asyncio.wait_for(driver.execute("ROLLBACK"), 2)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        driver.terminate()


def _end_read_only_session(driver: "asyncpg.Connection[asyncpg.Record]", error: BaseException) -> None:
    """A session that began while its database took no writes takes none later: the next one may."""
    if sqlstate_of(error) == READ_ONLY:
        driver.terminate()
