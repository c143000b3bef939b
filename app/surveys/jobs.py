"""Work of the surveys room that time brings about."""

from collections.abc import Awaitable, Callable
from typing import Final

from app.kit.jobs import Job, Sweep
from app.kit.resources import Resources
from app.surveys.service.links import Links
from app.surveys.service.planning import PLAN_JOB, Planner
from app.surveys.service.reminding import REMIND_JOB, ReminderService
from app.surveys.service.settling import SETTLE_JOB, SettlingService
from app.surveys.service.surveys import TURN_JOB, SurveyService

CHUNK: Final = 500


async def turn(resources: Resources, job: Job) -> None:
    """Opens and closes surveys whose time has come, and begins iterations; each survey in its turn."""
    more = True
    while more:
        async with resources.database.unit(job.workspace_id) as unit:
            more = await SurveyService(unit).turn()


async def ask_planned(resources: Resources, job: Job) -> None:
    """Decides on the planned invitations that are due, in short transactions."""
    links, decided = Links.of(resources), CHUNK
    while decided == CHUNK:
        async with resources.database.unit(job.workspace_id) as unit:
            decided = await Planner(unit, links).work_off(CHUNK)


async def remind(resources: Resources, job: Job) -> None:
    """Tells of the reminders that are due, in short transactions."""
    links, seen = Links.of(resources), CHUNK
    while seen == CHUNK:
        async with resources.database.unit(job.workspace_id) as unit:
            seen = await ReminderService(unit, links).remind(CHUNK)


async def settle(resources: Resources, job: Job) -> None:
    """Settles the lot of the survey `job.subject`, or what is due of every survey; each in its own
    transaction."""
    if job.subject is not None:
        due = [job.subject]
    else:
        async with resources.database.unit(job.workspace_id, read_only=True) as unit:
            due = await SettlingService(unit).due()
    for survey_id in due:
        async with resources.database.unit(job.workspace_id) as unit:
            await SettlingService(unit).settle(survey_id)


JOBS: Final[dict[str, Callable[[Resources, Job], Awaitable[None]]]] = {
    TURN_JOB: turn,
    PLAN_JOB: ask_planned,
    REMIND_JOB: remind,
    SETTLE_JOB: settle,
}

SWEEPS: Final = (
    Sweep(TURN_JOB, "due_surveys"),
    Sweep(PLAN_JOB, "due_planned_invitations"),
    Sweep(REMIND_JOB, "due_survey_reminders"),
    Sweep(SETTLE_JOB, "due_survey_settlements"),
)
