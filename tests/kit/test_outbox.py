"""Events: numbered in commit order, handed to each consumer once, whoever fails."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest
from pydantic import BaseModel

from app.kit.database import Unit
from app.kit.jobs import Job
from app.kit.outbox import RELAY_JOB, Consumer, Event, EventType, Relay, emit
from app.kit.resources import Resources
from tests.conftest import Tenant


class Thing(BaseModel):
    """What the test's events carry."""

    name: str


HAPPENED = EventType("thing.happened", Thing, "Something happened.")
IGNORED = EventType("thing.ignored", Thing, "Something nobody cares for.")


class Recorder:
    """A consumer that writes down what it gets, and fails when it is told to."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.failing = False

    async def handle(self, unit: Unit, events: Sequence[Event]) -> None:
        if self.failing:
            raise RuntimeError("not today")
        self.names += [event.data["name"] for event in events]


async def happen(resources: Resources, tenant: Tenant, *names: str, type: EventType = HAPPENED) -> None:
    async with resources.database.unit(tenant.workspace_id) as unit:
        for name in names:
            emit(unit, type, Thing(name=name))


async def relay(resources: Resources, tenant: Tenant, *consumers: Consumer) -> None:
    await Relay(resources.database, consumers).run(Job(RELAY_JOB, tenant.workspace_id))


async def sequences(resources: Resources, workspace_id: UUID) -> list[tuple[str, int]]:
    async with resources.database.unit(workspace_id, read_only=True) as unit:
        rows = await unit.connection.fetch("SELECT data->>'name', sequence FROM events ORDER BY sequence")
    return [tuple(row) for row in rows]


async def test_a_transaction_makes_one_relay_job(resources: Resources, tenant: Tenant) -> None:
    await happen(resources, tenant, "a", "b", "c")

    async with resources.database.raw() as connection:
        jobs = await connection.fetchval(
            "SELECT count(*) FROM pgqueuer WHERE entrypoint = $1 AND payload = $2",
            RELAY_JOB,
            f"{tenant.workspace_id}/".encode(),
        )
    assert jobs == 1


async def test_a_consumer_gets_each_event_once_and_in_order(resources: Resources, tenant: Tenant) -> None:
    recorder = Recorder()
    consumer = Consumer("recorder", recorder.handle, frozenset({"thing.happened"}))
    await happen(resources, tenant, "a", "b")
    await happen(resources, tenant, "x", type=IGNORED)
    await relay(resources, tenant, consumer)
    await happen(resources, tenant, "c")
    await relay(resources, tenant, consumer)
    await relay(resources, tenant, consumer)

    assert recorder.names == ["a", "b", "c"]
    assert await sequences(resources, tenant.workspace_id) == [("a", 1), ("b", 2), ("x", 3), ("c", 4)]


async def test_a_failing_consumer_holds_up_nobody_and_loses_nothing(
    resources: Resources, tenant: Tenant
) -> None:
    broken, sound = Recorder(), Recorder()
    broken.failing = True
    consumers = (Consumer("broken", broken.handle), Consumer("sound", sound.handle))
    await happen(resources, tenant, "a", "b")
    await relay(resources, tenant, *consumers)
    assert (broken.names, sound.names) == ([], ["a", "b"])

    broken.failing = False
    await relay(resources, tenant, *consumers)

    assert (broken.names, sound.names) == (["a", "b"], ["a", "b"])


async def test_a_slow_transaction_is_numbered_when_it_commits(resources: Resources, tenant: Tenant) -> None:
    """It began first and made its event first; who read up to 1 in the meantime must find it behind 1."""
    recorder = Recorder()
    consumer = Consumer("recorder", recorder.handle)
    async with resources.database.unit(tenant.workspace_id) as slow:
        emit(slow, HAPPENED, Thing(name="slow"))
        for step in resources.database._before_commit:
            await step(slow)
        await happen(resources, tenant, "quick")
        await relay(resources, tenant, consumer)
        assert recorder.names == ["quick"]
    await relay(resources, tenant, consumer)

    assert await sequences(resources, tenant.workspace_id) == [("quick", 1), ("slow", 2)]
    assert recorder.names == ["quick", "slow"]


async def test_relays_side_by_side_hand_nothing_over_twice(resources: Resources, tenant: Tenant) -> None:
    recorder = Recorder()
    consumer = Consumer("recorder", recorder.handle)
    names = [f"n{number}" for number in range(30)]
    for name in names:
        await happen(resources, tenant, name)

    await asyncio.gather(*(relay(resources, tenant, consumer) for _ in range(5)))

    assert recorder.names == names
    assert [number for _, number in await sequences(resources, tenant.workspace_id)] == list(range(1, 31))


async def test_more_than_a_batch_is_handed_over(resources: Resources, tenant: Tenant) -> None:
    recorder = Recorder()
    names = [f"n{number}" for number in range(1203)]
    await happen(resources, tenant, *names)

    await relay(resources, tenant, Consumer("recorder", recorder.handle))

    assert recorder.names == names


async def test_a_blurred_event_leads_nowhere(resources: Resources, tenant: Tenant) -> None:
    """Not to an instant, and not by its transaction's number to what else happened in it."""
    day = datetime(2026, 3, 1, tzinfo=UTC)
    async with resources.database.unit(tenant.workspace_id) as unit:
        emit(unit, HAPPENED, Thing(name="plain"))
        blurred = emit(unit, HAPPENED, Thing(name="blurred"), blurred_to=day)

    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        row = await unit.connection.fetchrow("SELECT * FROM events WHERE id = $1", blurred)
    assert row is not None
    assert (row["occurred_at"], row["xid"], blurred.version) == (day, 0, 4)
    heard = Recorder()
    await relay(resources, tenant, Consumer("test.heard", heard.handle))
    assert heard.names == ["blurred", "plain"]


@pytest.mark.parametrize("numbered", [False, True])
async def test_the_sweep_finds_what_no_job_tells_of(
    resources: Resources, tenant: Tenant, numbered: bool
) -> None:
    """Events without a number, or a consumer that is behind, are due even when their job was lost."""
    recorder = Recorder()
    recorder.failing = True
    await happen(resources, tenant, "a")
    if numbered:
        await relay(resources, tenant, Consumer("recorder", recorder.handle))

    async with resources.database.raw() as connection:
        due = await connection.fetch("SELECT workspace_id FROM due_relays()")

    assert tenant.workspace_id in {row["workspace_id"] for row in due}
