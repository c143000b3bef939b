"""The same image, running jobs."""

from app.kit.jobs import JobRunner
from app.kit.resources import Resources
from app.subscriptions import SWEEPS, job_handlers


def build_runner(resources: Resources) -> JobRunner:
    """The job runner of one process."""
    return JobRunner(resources.database, job_handlers(resources), SWEEPS)


async def run_worker(runner: JobRunner, resources: Resources) -> None:
    """Works until the runner is told to stop."""
    await runner.run(resources.queue_pool)
