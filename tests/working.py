"""Runs background work to its end, in the test's own time."""

from app.kit.jobs import Job
from app.kit.resources import Resources
from app.subscriptions import SWEEPS, job_handlers

TAKE = """
    DELETE FROM pgqueuer WHERE id IN (
        SELECT id FROM pgqueuer WHERE status = 'queued' AND execute_after <= now()
        AND payload LIKE convert_to($1, 'UTF8') || '%'::bytea
        ORDER BY id FOR UPDATE SKIP LOCKED
    ) RETURNING id, entrypoint, payload
"""
MOST_ROUNDS = 100


async def work_off(resources: Resources, workspace_id: object, *, sweep: bool = True) -> int:
    """Runs the workspace's queued jobs, and the jobs these enqueue, until none is left; returns how many ran.

    `sweep` also runs what is due by the clock, as the sweeper of a worker would.
    """
    handlers = job_handlers(resources)
    ran = 0
    for round_number in range(MOST_ROUNDS):
        jobs = await _queued(resources, workspace_id)
        if not jobs and sweep:
            jobs = await _due(resources, workspace_id) if round_number < 2 or ran else []
            sweep = False
        if not jobs:
            return ran
        for job in jobs:
            await handlers[job.name](job)
            ran += 1
    raise AssertionError("the work does not end")


async def _queued(resources: Resources, workspace_id: object) -> list[Job]:
    async with resources.database.raw() as connection:
        rows = await connection.fetch(TAKE, str(workspace_id))
    rows.sort(key=lambda row: row["id"])
    return list(dict.fromkeys(Job.read(row["entrypoint"], row["payload"]) for row in rows))


async def _due(resources: Resources, workspace_id: object) -> list[Job]:
    found = []
    async with resources.database.raw() as connection:
        for sweep in SWEEPS:
            rows = await connection.fetch(f"SELECT workspace_id, subject FROM {sweep.due_function}()")
            found += [Job(sweep.job, row[0], row[1]) for row in rows if row[0] == workspace_id]
    return list(dict.fromkeys(found))
