"""Background work of the intake room."""

from app.intake.repository import InboundEventRepository
from app.intake.service.applying import APPLY_JOB, apply_events
from app.kit.jobs import Job, Sweep
from app.kit.resources import Resources

PURGE_JOB = "intake.purge"
PURGED_AT_ONCE = 5_000


async def apply(resources: Resources, job: Job) -> None:
    """Applies what is pending of one source."""
    await apply_events(resources.database, job)


async def purge(resources: Resources, job: Job) -> None:
    """Forgets payloads seven days after they were applied, and events ninety days after they came."""
    purged = PURGED_AT_ONCE
    while purged == PURGED_AT_ONCE:
        async with resources.database.unit(job.workspace_id) as unit:
            purged = await InboundEventRepository(unit).purge(PURGED_AT_ONCE)


JOBS = {APPLY_JOB: apply, PURGE_JOB: purge}
SWEEPS = (Sweep(APPLY_JOB, "due_inbound_events"), Sweep(PURGE_JOB, "due_inbound_purges"))
