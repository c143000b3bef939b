"""How much work waits, for `/metrics`: that of all workspaces together, as the database has it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
from prometheus_client import CollectorRegistry, Gauge

from app.kit.database import Database
from app.kit.database_problems import DATABASE_ERRORS
from app.kit.errors import Problem
from app.kit.jobs import Sweep
from app.kit.resources import WORKER_NAME

PATIENCE = 2
# `/metrics` asks for no key, so how often it is read is not for us to say; how often we look is.
FRESH_SECONDS = 5.0

_WAITING = """
    SELECT entrypoint, count(*) AS jobs, extract(epoch FROM now() - min(execute_after))::float AS waited
    FROM pgqueuer WHERE status = 'queued' AND execute_after <= now() GROUP BY entrypoint
"""
_WORKERS = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1
"""


class Backlog:
    """Gauges of what waits. A database that is away is one of them, and no fault of the scrape's."""

    def __init__(
        self,
        database: Database,
        sweeps: Sequence[Sweep],
        registry: CollectorRegistry,
        *,
        fresh_seconds: float = FRESH_SECONDS,
    ) -> None:
        self._database = database
        self._sweeps = tuple(sweeps)
        self._fresh_seconds = fresh_seconds
        self._looked_at: float | None = None
        self._one_at_a_time = asyncio.Lock()
        self._up = Gauge("rapport_database_up", "Whether the database answers.", registry=registry)
        self._workers = Gauge(
            "rapport_worker_connections",
            "Connections of workers to the queue, of all processes; with 0 no job is ever run.",
            registry=registry,
        )
        self._jobs = Gauge("rapport_jobs_waiting", "Jobs that wait to be run.", ["job"], registry=registry)
        self._oldest = Gauge(
            "rapport_jobs_oldest_seconds", "How long the oldest job has waited.", ["job"], registry=registry
        )
        self._due = Gauge(
            "rapport_work_due",
            "Whose work is due (workspaces, sources or endpoints), whether or not a job says so.",
            ["job"],
            registry=registry,
        )

    async def look(self) -> None:
        """Sets the gauges, unless that was done just now."""
        async with self._one_at_a_time:
            now = asyncio.get_running_loop().time()
            if self._looked_at is None or now - self._looked_at >= self._fresh_seconds:
                self._looked_at = now
                await self._ask()

    async def _ask(self) -> None:
        self._forget()
        try:
            async with asyncio.timeout(PATIENCE), self._database.raw() as connection:
                await self._read(connection)
        except (*DATABASE_ERRORS, TimeoutError, Problem):
            self._forget()
            return
        self._up.set(1)

    def _forget(self) -> None:
        """What is not known is not told: an old figure would look like a current one."""
        self._up.set(0)
        self._workers.set(float("nan"))
        for gauge in (self._jobs, self._oldest, self._due):
            gauge.clear()

    async def _read(self, connection: "asyncpg.Connection[Any]") -> None:
        self._workers.set(await connection.fetchval(_WORKERS, WORKER_NAME))
        for sweep in self._sweeps:
            self._jobs.labels(sweep.job).set(0)
            self._oldest.labels(sweep.job).set(0)
            due = await connection.fetchval(f"SELECT count(*) FROM {sweep.due_function}()")
            self._due.labels(sweep.job).set(due)
        for row in await connection.fetch(_WAITING):
            self._jobs.labels(row["entrypoint"]).set(row["jobs"])
            self._oldest.labels(row["entrypoint"]).set(row["waited"])
