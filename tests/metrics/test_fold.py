"""What a fold publishes, when it is due, and what it leaves behind."""

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from app.kit.long_jobs import LongJobs
from app.kit.resources import Resources
from app.metrics.repository.facts import FactRepository
from app.metrics.service.catalogue import DEFINITIONS
from app.metrics.service.folding import FoldService
from app.metrics.service.marking import REFRESH, MarkService
from app.metrics.service.reading import MetricService, SnapshotPoint
from tests.conftest import Tenant
from tests.metrics.world import MetricWorld
from tests.stand_ins import MovableClock

NOON = datetime(2025, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def world(resources: Resources, tenant: Tenant, clock: MovableClock) -> MetricWorld:
    clock.set(NOON)
    return MetricWorld(resources, tenant.workspace_id)


async def due(world: MetricWorld) -> bool:
    async with world.resources.database.raw() as connection:
        rows = await connection.fetch("SELECT workspace_id FROM due_metric_days()")
    return world.workspace_id in [UUID(str(row["workspace_id"])) for row in rows]


async def points(world: MetricWorld, key: str, start: date, end: date) -> list[SnapshotPoint]:
    async with world.resources.database.unit(world.workspace_id, read_only=True) as unit:
        return await MetricService(unit).points(key, "day", start, end)


async def test_what_other_definitions_have_made_is_due(world: MetricWorld) -> None:
    """After an upgrade, when nobody may write anything for a long time."""
    earlier = NOON - timedelta(days=2)
    await world.touchpoint(await world.contact(earlier), "purchase", earlier)
    await world.catch_up()
    async with world.resources.database.unit(world.workspace_id) as unit:
        await unit.connection.execute("UPDATE metric_states SET definitions = $1", DEFINITIONS - 1)
    window = earlier.date(), earlier.date() + timedelta(days=1)
    (stale,) = await points(world, "touchpoint_count", *window)

    assert await due(world)
    await world.fold()
    (fresh,) = await points(world, "touchpoint_count", *window)
    assert (stale.complete, fresh.complete) == (False, True)


async def test_one_event_per_metric_that_moved(world: MetricWorld) -> None:
    contact = await world.contact(NOON)
    await world.catch_up()
    before = len(await world.events())
    await world.touchpoint(contact, "message", NOON)
    await world.catch_up()
    fresh = (await world.events())[before:]
    assert [(event["key"], event["changed"]) for event in fresh] == [("touchpoint_count", 4)]
    snapshots = json.loads(fresh[0]["data"])["snapshots"]
    assert [each["grain"] for each in snapshots] == ["day", "week", "month", "quarter"]
    assert {each["value"] for each in snapshots} == {1}


async def test_a_fold_that_moves_nothing_publishes_nothing(world: MetricWorld) -> None:
    await world.touchpoint(await world.contact(NOON), "purchase", NOON)
    await world.catch_up()
    before = await world.events()
    async with world.resources.database.unit(world.workspace_id) as unit:
        await MarkService(unit).mark([NOON])
    await world.fold()
    await world.rebuild()
    assert await world.events() == before


async def test_an_event_lists_the_newest_hundred(world: MetricWorld) -> None:
    await world.contact(NOON - timedelta(days=300))
    await world.catch_up()
    event = next(event for event in await world.events() if event["key"] == "new_contacts")
    starts = [each["period_start"] for each in json.loads(event["data"])["snapshots"]]
    assert event["changed"] > 300
    assert len(starts) == 100
    assert starts == sorted(starts, reverse=True)


async def test_periods_before_the_first_data_go_away_with_it(world: MetricWorld) -> None:
    contact = await world.contact(NOON - timedelta(days=50))
    await world.catch_up()
    await world.move_contact(contact, NOON - timedelta(days=2))
    await world.catch_up()
    assert len([key for key in await world.snapshots() if key[:2] == ("new_contacts", "day")]) == 3


async def test_a_contact_that_moves_within_one_batch_of_events_is_counted_once(world: MetricWorld) -> None:
    contact = await world.contact(NOON - timedelta(days=3))
    async with world.resources.database.unit(world.workspace_id) as unit:
        await MarkService(unit).mark([NOON - timedelta(days=3)])
    await world.fold()
    await world.move_contact(contact, NOON)
    await world.catch_up()
    assert await world.snapshots() == await world.naive()


async def test_a_renamed_contact_marks_nothing(world: MetricWorld) -> None:
    contact = await world.contact(NOON)
    await world.catch_up()
    await world.move_contact(contact, NOON)
    await world.relay()
    async with world.resources.database.unit(world.workspace_id) as unit:
        assert not await FoldService(unit).has_marks()


async def test_a_marked_workspace_is_due_until_it_is_folded(world: MetricWorld, clock: MovableClock) -> None:
    clock.reset()
    await world.contact(clock.now())
    await world.relay()
    assert await due(world)
    await world.fold()
    assert not await due(world)


async def test_a_new_day_is_due(world: MetricWorld, clock: MovableClock) -> None:
    clock.reset()
    clock.advance(days=-2)
    await world.contact(clock.now())
    await world.catch_up()
    clock.reset()
    assert await due(world)
    await world.fold()
    assert not await due(world)


async def test_other_churn_days_are_due(world: MetricWorld, clock: MovableClock) -> None:
    clock.reset()
    await world.contact(clock.now())
    await world.catch_up()
    await world.change_settings(churn_after_days=7)
    assert await due(world)
    await world.fold()
    assert not await due(world)


async def test_a_fold_goes_away_while_another_holds_the_lock(world: MetricWorld) -> None:
    await world.contact(NOON)
    await world.relay()
    async with world.resources.database.unit(world.workspace_id) as holder:
        assert await FoldService(holder).lock()
        await asyncio.wait_for(world.fold(), 10)
    assert await world.snapshots() == {}
    await world.fold()
    assert await world.snapshots() != {}


async def test_marking_does_not_wait_for_a_fold(world: MetricWorld) -> None:
    await world.contact(NOON)
    await world.relay()
    async with world.resources.database.unit(world.workspace_id) as holder:
        folding = FoldService(holder)
        assert await folding.lock()
        await folding.fold()
        await world.contact(NOON)
        await asyncio.wait_for(world.relay(), 10)
    await world.fold()
    assert (await world.snapshots())["new_contacts", "day", NOON.date()][1] == 2


async def test_a_fold_that_dies_leaves_its_marks(world: MetricWorld) -> None:
    await world.contact(NOON)
    await world.relay()

    async def fold_and_die() -> None:
        async with world.resources.database.unit(world.workspace_id) as unit:
            folding = FoldService(unit)
            await folding.lock()
            await folding.fold()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fold_and_die()
    assert await world.snapshots() == {}
    await world.fold()
    assert await world.snapshots() == await world.naive()


async def test_a_rebuild_that_fails_is_undone_and_says_so(
    world: MetricWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.touchpoint(await world.contact(NOON), "purchase", NOON)
    await world.catch_up()
    before = await world.snapshots(), await world.facts()

    async def break_down(*_: object, **__: object) -> None:
        raise RuntimeError("no disk")

    monkeypatch.setattr(FactRepository, "count_customers", break_down)
    async with world.resources.database.unit(world.workspace_id) as unit:
        job = await MarkService(unit).refresh()
    with pytest.raises(RuntimeError):
        await world.fold()
    async with world.resources.database.unit(world.workspace_id) as unit:
        failed = await LongJobs(unit).get(job.id)
        assert await LongJobs(unit).unfinished(REFRESH) == []
    assert (failed.state, failed.error) == ("failed", "RuntimeError: the rebuild was undone")
    assert (await world.snapshots(), await world.facts()) == before


async def test_points_fill_the_past_with_zeros_for_flows_only(world: MetricWorld) -> None:
    await world.touchpoint(await world.contact(NOON), "purchase", NOON, Decimal("10"))
    await world.catch_up()
    today = NOON.date()
    flow = await points(world, "net_revenue", today - timedelta(days=2), today + timedelta(days=5))
    assert [(point.value, point.complete) for point in flow] == [(0, True), (0, True), (10, False)]
    level = await points(world, "churn_rate", today - timedelta(days=2), today + timedelta(days=5))
    assert [point.period_start for point in level] == [today]
