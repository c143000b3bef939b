"""The same image, running jobs."""

import asyncio
from typing import Self

import structlog

from app.kit.clock import Clock
from app.kit.hot import settle_heap
from app.kit.jobs import JobRunner
from app.kit.resources import DatabaseAddress, Resources, open_resources
from app.settings import Settings
from app.subscriptions import SWEEPS, job_handlers

STATEMENT_SECONDS = 120
WAIT_SECONDS = 60
PAUSE_AFTER_FAULT = 1.0

log = structlog.get_logger()


class Worker:
    """The background work of one process, on connections of its own: jobs never take those of requests."""

    def __init__(self, settings: Settings, address: DatabaseAddress, clock: Clock | None = None) -> None:
        self._resources = open_resources(
            settings,
            address,
            clock=clock,
            statement_seconds=STATEMENT_SECONDS,
            wait_seconds=WAIT_SECONDS,
        )
        self._runner = JobRunner(self._resources.database, job_handlers(self._resources), SWEEPS)

    @classmethod
    def beside(cls, resources: Resources) -> Self:
        """A worker in the process that these resources belong to."""
        return cls(resources.settings, resources.address, resources.database.clock)

    def stop(self) -> None:
        """Takes no new job; `run` returns when the running ones are done."""
        self._runner.stop()

    async def run(self) -> None:
        """Works until told to stop.

        A job that then goes on for longer than `shutdown_seconds` is cut off: its transaction is rolled back,
        and its rows still say that it is due.
        """
        settle_heap()
        working = asyncio.create_task(self._work())
        try:
            await self._runner.stopping.wait()
            await asyncio.wait({working}, timeout=self._resources.settings.shutdown_seconds)
        finally:
            if not working.done():
                log.warning("worker.cut_off")
                working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await self._resources.close()

    async def _work(self) -> None:
        """No fault of the queue ends a worker: it would leave an API that looks well and does nothing."""
        while not self._runner.stopping.is_set():
            try:
                await self._runner.run(self._resources.queue_pool)
            except Exception as error:
                log.error("worker.fault", exc_info=error)
                await asyncio.sleep(PAUSE_AFTER_FAULT)
