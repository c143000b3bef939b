"""What happens to follow-ups by the mere passing of time."""

from app.followups.service import FollowupService
from app.kit.jobs import Job, Sweep
from app.kit.resources import Resources

OVERDUE_JOB = "followups.overdue"
CHUNK = 500


async def flag_overdue(resources: Resources, job: Job) -> None:
    """Tells of the workspace's follow-ups whose due time has passed, in short transactions."""
    flagged = CHUNK
    while flagged == CHUNK:
        async with resources.database.unit(job.workspace_id) as unit:
            flagged = await FollowupService(unit).flag_overdue(CHUNK)


JOBS = {OVERDUE_JOB: flag_overdue}
SWEEPS = (Sweep(OVERDUE_JOB, "due_followups"),)
