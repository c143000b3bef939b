"""All reactions on one page: which events exist, who reacts to them, and what work runs in the background."""

from collections.abc import Awaitable, Callable

from app.contacts import events as contacts
from app.contacts.service.matching import offer_fields
from app.followups import events as followups
from app.followups import handlers as followup_handlers
from app.followups import jobs as followup_jobs
from app.goals import events as goals
from app.goals import handlers as goal_handlers
from app.goals import jobs as goal_jobs
from app.intake import jobs as intake_jobs
from app.kit.idempotency import PURGE_JOB, purge
from app.kit.jobs import Handler, Job, Sweep
from app.kit.outbox import RELAY_JOB, Consumer, EventType, Relay
from app.kit.resources import Resources
from app.metrics import events as metrics
from app.metrics import handlers as metric_handlers
from app.metrics import jobs as metric_jobs
from app.metrics.service.marking import FOLD_JOB
from app.surveys import events as surveys
from app.surveys import handlers as survey_handlers
from app.surveys import jobs as survey_jobs
from app.surveys.service.contact_scores import CONTACT_FIELDS
from app.touchpoints import events as touchpoints
from app.webhooks import events as webhooks
from app.webhooks import handlers as webhook_handlers
from app.webhooks import jobs as webhook_jobs
from app.workspaces import events as workspaces

EVENT_TYPES: tuple[EventType, ...] = (
    *workspaces.ALL,
    *contacts.ALL,
    *touchpoints.ALL,
    *followups.ALL,
    *surveys.ALL,
    *metrics.ALL,
    *goals.ALL,
    *webhooks.ALL,
)

CONSUMERS: tuple[Consumer, ...] = (
    followup_handlers.OUTREACH,
    survey_handlers.TRIGGERS,
    metric_handlers.MARKS,
    goal_handlers.PROGRESS,
    webhook_handlers.FAN_OUT,
)

Work = Callable[[Resources, Job], Awaitable[None]]


async def relay(resources: Resources, job: Job) -> None:
    """Numbers the workspace's new events and hands them to the consumers."""
    await Relay(resources.database, CONSUMERS).run(job)


async def purge_idempotency_keys(resources: Resources, job: Job) -> None:
    """Forgets answers that are older than a day."""
    async with resources.database.unit(job.workspace_id) as unit:
        await purge(unit)


JOBS: dict[str, Work] = {
    RELAY_JOB: relay,
    PURGE_JOB: purge_idempotency_keys,
    FOLD_JOB: metric_jobs.fold,
    goal_jobs.DAILY_JOB: goal_jobs.follow_days,
    **followup_jobs.JOBS,
    **survey_jobs.JOBS,
    **webhook_jobs.JOBS,
    **intake_jobs.JOBS,
}

SWEEPS: tuple[Sweep, ...] = (
    Sweep(RELAY_JOB, "due_relays"),
    Sweep(PURGE_JOB, "due_idempotency_purges"),
    Sweep(FOLD_JOB, "due_metric_days"),
    Sweep(goal_jobs.DAILY_JOB, "due_goals"),
    *followup_jobs.SWEEPS,
    *survey_jobs.SWEEPS,
    *webhook_jobs.SWEEPS,
    *intake_jobs.SWEEPS,
)


# Contacts can be filtered by what higher rooms know of them.
offer_fields(CONTACT_FIELDS)


def job_handlers(resources: Resources) -> dict[str, Handler]:
    """The work of one process, with its resources handed in."""

    def bound(work: Work) -> Handler:
        async def handle(job: Job) -> None:
            await work(resources, job)

        return handle

    return {name: bound(work) for name, work in JOBS.items()}
