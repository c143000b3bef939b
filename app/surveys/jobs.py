"""Work of the surveys room that time brings about."""

from collections.abc import Awaitable, Callable
from typing import Final

from app.kit.jobs import Job, Sweep
from app.kit.resources import Resources
from app.surveys.service.surveys import TURN_JOB, SurveyService


async def turn(resources: Resources, job: Job) -> None:
    """Opens and closes surveys whose time has come, and begins iterations; each survey in its turn."""
    more = True
    while more:
        async with resources.database.unit(job.workspace_id) as unit:
            more = await SurveyService(unit).turn()


JOBS: Final[dict[str, Callable[[Resources, Job], Awaitable[None]]]] = {TURN_JOB: turn}

SWEEPS: Final = (Sweep(TURN_JOB, "due_surveys"),)
