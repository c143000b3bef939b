"""Background jobs on pgqueuer, behind one helper.

A job is a pointer: which work, in which workspace, about which row. What is to be done, how often it was
tried and when it is due again stands in our own rows, so a lost or doubled job changes nothing: handlers do
what is due and find nothing the second time, and a sweeper re-enqueues whatever is due without a job.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import asyncpg
import structlog
from pgqueuer import PgQueuer
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.adapters.persistence.qb import QueryQueueBuilder
from pgqueuer.domain.errors import FailingListenerError
from pgqueuer.models import Job as QueuedJob
from pgqueuer.ports.driver import NotifyCallback

from app.kit.database import Database, Unit

log = structlog.get_logger()

CONNECTION_LOST = (
    OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, FailingListenerError,
)  # fmt: skip

_ENQUEUE = QueryQueueBuilder().build_enqueue_query("raise")


@dataclass(frozen=True, slots=True)
class Job:
    """A pointer to work. `subject` is the row it is about, if it is about one."""

    name: str
    workspace_id: UUID
    subject: UUID | None = None

    def payload(self) -> bytes:
        return f"{self.workspace_id}/{self.subject or ''}".encode()

    @classmethod
    def read(cls, name: str, payload: bytes | None) -> "Job":
        workspace, _, subject = (payload or b"").decode().partition("/")
        return cls(name, UUID(workspace), UUID(subject) if subject else None)


def enqueue(unit: Unit, name: str, subject: UUID | None = None) -> None:
    """Asks for work in the unit's workspace; the job exists if and only if the unit commits."""
    unit.pending_jobs[Job(name, unit.workspace_id, subject)] = None


async def flush_jobs(unit: Unit) -> None:
    """Writes the unit's jobs, inside its transaction. Runs just before the commit."""
    if unit.pending_jobs:
        await insert_jobs(unit.connection, list(unit.pending_jobs))
        unit.pending_jobs.clear()


async def insert_jobs(connection: "asyncpg.Connection[Any]", jobs: Sequence[Job]) -> None:
    """Puts jobs into the queue on whatever transaction the connection is in."""
    count = len(jobs)
    await connection.fetch(
        _ENQUEUE,
        [0] * count,
        [job.name for job in jobs],
        [job.payload() for job in jobs],
        [timedelta()] * count,
        [None] * count,
        ["null"] * count,
    )


class QueueDriver(AsyncpgPoolDriver):
    """What the queue reaches the database by, telling nothing before somebody listens.

    The queue sends itself a message to test its listener, and may do so before it has one: nobody would hear
    it, and ten seconds later a worker in good health would end its run and begin anew.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        super().__init__(pool)
        self._listening = asyncio.Event()

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        await super().add_listener(channel, callback)
        self._listening.set()

    async def notify(self, channel: str, payload: str) -> None:
        await self._listening.wait()
        await super().notify(channel, payload)


Handler = Callable[[Job], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Finds due work of one kind that may have lost its job.

    `due_function` names an SQL function without arguments that returns rows (workspace_id, subject).
    """

    job: str
    due_function: str


class JobRunner:
    """Runs the jobs of one process until told to stop, and sweeps for due work that has no job."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        sweeps: Sequence[Sweep],
        *,
        sweep_seconds: float = 5,
    ) -> None:
        self.database = database
        self.handlers = dict(handlers)
        self.sweeps = tuple(sweeps)
        self.sweep_seconds = sweep_seconds
        self._queue: PgQueuer | None = None
        self._waiting: set[Job] = set()
        self._turns: WeakValueDictionary[Job, asyncio.Lock] = WeakValueDictionary()
        self.stopping = asyncio.Event()

    def stop(self) -> None:
        """Takes no new job; `run` returns when the running ones are done."""
        self.stopping.set()
        if self._queue is not None:
            self._queue.shutdown.set()

    async def run(self, pool_factory: Callable[[], Awaitable["asyncpg.Pool[Any]"]]) -> None:
        """Works until `stop`. A database that goes away is waited for and found again."""
        sweeper = asyncio.create_task(self._sweep_forever())
        try:
            while not self.stopping.is_set():
                try:
                    await self._run_queue(pool_factory)
                except CONNECTION_LOST as error:
                    log.warning("worker.database_away", error=type(error).__name__)
                await self._pause(1)
        finally:
            sweeper.cancel()
            await asyncio.gather(sweeper, return_exceptions=True)

    async def sweep_once(self) -> int:
        """Enqueues a job for everything that is due; returns how many."""
        found: dict[Job, None] = {}
        async with self.database.raw() as connection:
            for sweep in self.sweeps:
                rows = await connection.fetch(f"SELECT workspace_id, subject FROM {sweep.due_function}()")
                found.update((Job(sweep.job, row[0], row[1]), None) for row in rows)
            if found:
                await insert_jobs(connection, list(found))
        return len(found)

    async def _run_queue(self, pool_factory: Callable[[], Awaitable["asyncpg.Pool[Any]"]]) -> None:
        pool = await pool_factory()
        try:
            self._queue = PgQueuer(QueueDriver(pool))
            for name, handler in self.handlers.items():
                self._queue.entrypoint(name)(self._entrypoint(name, handler))
            if self.stopping.is_set():
                return
            await self._queue.run(
                dequeue_timeout=timedelta(seconds=2),
                batch_size=20,
                shutdown_on_listener_failure=True,
                heartbeat_timeout=timedelta(seconds=30),
            )
        finally:
            pool.terminate()

    async def _sweep_forever(self) -> None:
        while not self.stopping.is_set():
            await self._pause(self.sweep_seconds)
            try:
                await self.sweep_once()
            except Exception as error:
                log.warning("worker.sweep_failed", error=type(error).__name__)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return

    def _entrypoint(self, name: str, handler: Handler) -> Callable[[QueuedJob], Awaitable[None]]:
        async def run(queued: QueuedJob) -> None:
            job = Job.read(name, queued.payload)
            with structlog.contextvars.bound_contextvars(job=name, workspace_id=str(job.workspace_id)):
                await self._in_turn(job, handler)

        return run

    async def _in_turn(self, job: Job, handler: Handler) -> None:
        """Equal jobs would only wait for each other's locks, each on a connection: here they take turns.

        While one waits another is not needed: whatever that was for, the first will see when it begins.
        """
        if job in self._waiting:
            return
        turn = self._turns.setdefault(job, asyncio.Lock())
        self._waiting.add(job)
        try:
            await turn.acquire()
        finally:
            self._waiting.discard(job)
        try:
            await handler(job)
        finally:
            turn.release()
