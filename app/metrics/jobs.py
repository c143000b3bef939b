"""The fold, as a job."""

from decimal import Decimal
from uuid import UUID

from app.kit.database import Database
from app.kit.jobs import Job
from app.kit.long_jobs import LongJobs
from app.kit.resources import Resources
from app.metrics.service.folding import FoldService
from app.metrics.service.marking import REFRESH


async def fold(resources: Resources, job: Job) -> None:
    """Folds the workspace until no mark is left.

    A job that finds the lock taken goes away: whoever holds it looks for marks again after letting go.
    """
    while await _fold_once(resources.database, job.workspace_id):
        pass


async def _fold_once(database: Database, workspace_id: UUID) -> bool:
    """Says whether there is more to fold; no while somebody else is at it."""
    refresh = _Refresh(database, workspace_id)
    try:
        async with database.unit(workspace_id) as unit:
            service = FoldService(unit)
            if not await service.lock():
                return False
            refresh.jobs = await LongJobs(unit).unfinished(REFRESH)
            changed = await service.fold(refresh.report if refresh.jobs else None)
            if refresh.jobs:
                await LongJobs(unit).finish(refresh.jobs, {"changed": changed})
    except Exception as error:
        await refresh.fail(error)
        raise
    async with database.unit(workspace_id, read_only=True) as unit:
        return await FoldService(unit).has_marks() or bool(await LongJobs(unit).unfinished(REFRESH))


class _Refresh:
    """The requests that a rebuild answers, told of its progress in transactions of their own."""

    def __init__(self, database: Database, workspace_id: UUID) -> None:
        self.database = database
        self.workspace_id = workspace_id
        self.jobs: list[UUID] = []

    async def report(self, progress: Decimal) -> None:
        async with self.database.unit(self.workspace_id) as unit:
            await LongJobs(unit).advance(self.jobs, progress)

    async def fail(self, error: Exception) -> None:
        if self.jobs:
            async with self.database.unit(self.workspace_id) as unit:
                await LongJobs(unit).fail(self.jobs, f"{type(error).__name__}: the rebuild was undone")
