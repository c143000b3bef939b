"""Queued work of the webhooks room: sending what is due, and forgetting what is old."""

from datetime import timedelta

from app.kit.jobs import Job, Sweep
from app.kit.resources import Resources
from app.webhooks.repository import DeliveryRepository
from app.webhooks.service.deliveries import DELIVER_JOB
from app.webhooks.service.draining import Drains

PURGE_JOB = "webhooks.purge"
KEPT = timedelta(days=30)
CHUNK = 1000

_drains = Drains()


async def deliver(resources: Resources, job: Job) -> None:
    """Sends what the endpoint `job.subject` is owed."""
    assert job.subject is not None
    await _drains.drain(resources, job.workspace_id, job.subject)


async def purge(resources: Resources, job: Job) -> None:
    """Removes the endpoint's deliveries older than 30 days, in short transactions."""
    assert job.subject is not None
    gone = CHUNK
    while gone == CHUNK:
        async with resources.database.unit(job.workspace_id) as unit:
            gone = await DeliveryRepository(unit).purge(job.subject, unit.now - KEPT, CHUNK)


JOBS = {DELIVER_JOB: deliver, PURGE_JOB: purge}
SWEEPS = (Sweep(DELIVER_JOB, "due_deliveries"), Sweep(PURGE_JOB, "due_webhook_purges"))
