"""What `/metrics` tells of work that waits."""

import math

import httpx
from prometheus_client import CollectorRegistry

from app.kit.backlog import Backlog
from app.kit.database import Database
from app.kit.outbox import RELAY_JOB
from app.kit.resources import WORKER_NAME, Resources
from app.subscriptions import SWEEPS


async def test_what_nobody_has_worked_on_is_counted(resources: Resources, client: httpx.AsyncClient) -> None:
    await client.post("/v1/contacts", json={"given_name": "Ada"})

    found = await look(resources.database)

    assert found("rapport_database_up") == 1
    assert found("rapport_jobs_waiting", RELAY_JOB) >= 1
    assert found("rapport_jobs_oldest_seconds", RELAY_JOB) > 0
    assert found("rapport_work_due", RELAY_JOB) >= 1


async def test_work_that_lost_its_job_is_counted_too(resources: Resources, client: httpx.AsyncClient) -> None:
    await client.post("/v1/contacts", json={"given_name": "Ada"})
    async with resources.database.raw() as connection:
        await connection.execute("DELETE FROM pgqueuer")

    found = await look(resources.database)

    assert found("rapport_jobs_waiting", RELAY_JOB) == 0
    assert found("rapport_work_due", RELAY_JOB) >= 1


async def test_workers_are_told_from_their_absence(resources: Resources) -> None:
    before = (await look(resources.database))("rapport_worker_connections")
    pool = await resources.queue_pool()
    try:
        assert (await look(resources.database))("rapport_worker_connections") > before, WORKER_NAME
    finally:
        await pool.close()


async def test_a_database_that_is_away_is_a_figure_and_no_fault() -> None:
    database = Database("postgresql+asyncpg://nobody@/rapport?host=/nowhere")

    found = await look(database)

    assert found("rapport_database_up") == 0
    assert math.isnan(found("rapport_worker_connections"))
    assert found("rapport_jobs_waiting", RELAY_JOB) is None


async def test_metrics_show_it_without_a_key(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/metrics")

    assert answer.status_code == 200
    assert "rapport_database_up 1.0" in answer.text
    assert f'rapport_work_due{{job="{RELAY_JOB}"}}' in answer.text


async def look(database: Database):
    registry = CollectorRegistry()
    await Backlog(database, SWEEPS, registry).look()

    def found(name: str, job: str | None = None):
        return registry.get_sample_value(name, {"job": job} if job else {})

    return found
