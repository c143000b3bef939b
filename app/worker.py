"""The same image, running jobs."""

import asyncio

import structlog

from app.kit.jobs import JobRunner
from app.kit.resources import Resources
from app.subscriptions import SWEEPS, job_handlers

PAUSE_AFTER_FAULT = 1.0

log = structlog.get_logger()


def build_runner(resources: Resources) -> JobRunner:
    """The job runner of one process."""
    return JobRunner(resources.database, job_handlers(resources), SWEEPS)


async def run_worker(runner: JobRunner, resources: Resources) -> None:
    """Works until the runner is told to stop.

    A job that then goes on for longer than `shutdown_seconds` is cut off: its transaction is rolled back, and
    its rows still say that it is due.
    """
    working = asyncio.create_task(_work(runner, resources))
    try:
        await runner.stopping.wait()
        await asyncio.wait({working}, timeout=resources.settings.shutdown_seconds)
    finally:
        if not working.done():
            log.warning("worker.cut_off")
            working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _work(runner: JobRunner, resources: Resources) -> None:
    """No fault of the queue ends a worker: it would leave an API that looks well and does nothing."""
    while not runner.stopping.is_set():
        try:
            await runner.run(resources.queue_pool)
        except Exception as error:
            log.error("worker.fault", exc_info=error)
            await asyncio.sleep(PAUSE_AFTER_FAULT)
