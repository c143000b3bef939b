"""From a touchpoint to a goal that moves, and to the events that say so."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event

from app.goals.handlers import follow
from app.kit.ids import new_id
from app.kit.jobs import Job
from app.kit.outbox import RELAY_JOB, Event
from app.kit.resources import Resources
from app.metrics.service.marking import FOLD_JOB
from app.subscriptions import job_handlers
from tests.goals.goal_world import BASKET, OBJECTIVE, REVENUE, GoalWorld

pytestmark = pytest.mark.slow


async def test_a_purchase_moves_the_goal_and_says_so(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    await world.buy(250)
    moved = await world.get(goal)
    assert (moved["current"], moved["progress"], moved["status"]) == (250, 0.25, "active")
    assert moved["version"] > goal["version"]
    [told] = await world.events("goal.progressed")
    assert told["goal"]["current"] == 250
    assert told["goal"]["version"] == moved["version"]
    assert told["previous_progress"] == 0


async def test_a_refund_takes_progress_back(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    await world.buy(250)
    await world.touch("refund", "2026-03-09", value={"amount": "50", "currency": "EUR"})
    await world.work()
    assert (await world.get(goal))["current"] == 200
    assert [told["previous_current"] for told in await world.events("goal.progressed")] == [0, 250]


async def test_what_was_bought_before_the_start_does_not_count(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    await world.buy(250, "2026-02-28")
    assert (await world.get(goal))["current"] == 0
    assert await world.events("goal.progressed") == []


async def test_pace_is_progress_by_elapsed_time(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    await world.buy(500)
    assert (await world.get(goal))["pace"] == pytest.approx(0.5 / (9 / 31), abs=1e-6)


async def test_a_goal_is_achieved_once(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    await world.buy(1000)
    await world.buy(1000)
    assert (await world.get(goal))["status"] == "achieved"
    [told] = await world.events("goal.achieved")
    assert (told["goal"]["id"], told["goal"]["current"]) == (goal["id"], 1000)


async def test_an_achieved_goal_is_a_record(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    await world.buy(1000)
    await world.buy(500)
    assert (await world.get(goal))["current"] == 1000


async def test_milestones_are_reached_once_and_keep_their_instant(world: GoalWorld) -> None:
    steps = [
        {"title": "A quarter", "due_on": "2026-03-08", "threshold": 250},
        {"title": "A half", "due_on": "2026-03-16", "threshold": 500},
    ]
    goal = await world.make(REVENUE, milestones=steps)
    await world.buy(300)
    [first, second] = (await world.get(goal))["milestones"]
    assert first["reached_at"] is not None
    assert second["reached_at"] is None
    await world.buy(300)
    assert (await world.get(goal))["milestones"][0] == first
    events = await world.events("goal.milestone_reached")
    assert [told["milestone"]["title"] for told in events] == ["A quarter", "A half"]


async def test_a_change_of_health_is_told_once(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    assert goal["health"] == "at_risk"
    await world.buy(290)
    await world.buy(1)
    [told] = await world.events("goal.health_changed")
    assert (told["previous_health"], told["goal"]["health"]) == ("at_risk", "on_track")


async def test_a_period_value_is_that_of_the_latest_complete_period(world: GoalWorld) -> None:
    await world.buy(40, "2026-02-28")
    goal = await world.make(BASKET)
    assert (goal["baseline"], goal["baseline_source"]) == (40, "snapshot")
    await world.buy(50, "2026-03-09")
    await world.buy(90, "2026-03-10")
    moved = await world.get(goal)
    assert (moved["current"], moved["progress"], moved["current_as_of"]) == (50, 0.5, "2026-03-10")
    assert moved["status"] == "active"


async def test_a_lowering_goal_counts_downwards(world: GoalWorld) -> None:
    await world.buy(60, "2026-02-28")
    goal = await world.make(BASKET, direction="decrease", target=20)
    await world.buy(50, "2026-03-09")
    assert (await world.get(goal))["progress"] == 0.25


async def test_a_bound_reports_the_share_of_periods_in_it(world: GoalWorld) -> None:
    goal = await world.make(BASKET, direction="stay_above", target=45)
    await world.buy(50, "2026-03-07")
    await world.buy(40, "2026-03-08")
    kept = await world.get(goal)
    assert (kept["current"], kept["progress"], kept["pace"]) == (40, 0.5, None)


async def test_a_missing_baseline_is_taken_as_soon_as_there_is_one(world: GoalWorld) -> None:
    goal = await world.make(BASKET)
    assert (goal["baseline"], goal["progress"], goal["reason"]) == (None, None, "no_data")
    await world.buy(40, "2026-02-28")
    await world.buy(50, "2026-03-09")
    assert (await world.get(goal))["progress"] == 0.5


async def test_goals_on_other_metrics_stay_as_they_are(world: GoalWorld) -> None:
    goal = await world.make(REVENUE, metric_key="new_contacts", target=5)
    await world.touch("visit", "2026-03-09")
    await world.work()
    version = (await world.get(goal))["version"]
    await world.buy(100)
    assert (await world.get(goal))["version"] == version


async def test_drafts_are_not_followed(world: GoalWorld) -> None:
    goal = await world.make(REVENUE, status="draft")
    await world.buy(250)
    assert (await world.get(goal))["current"] is None
    await world.patch(goal, status="active")
    assert (await world.get(goal))["current"] == 250


async def test_the_same_event_twice_changes_nothing(world: GoalWorld, resources: Resources) -> None:
    goal = await world.make(REVENUE)
    await world.buy(250)
    version = (await world.get(goal))["version"]
    async with resources.database.unit(world.tenant.workspace_id) as unit:
        await follow(unit, [_refreshed("net_revenue")])
    assert (await world.get(goal))["version"] == version
    assert len(await world.events("goal.progressed")) == 1


async def test_refreshing_in_parallel_tells_each_transition_once(
    world: GoalWorld, resources: Resources
) -> None:
    objective = await world.make(OBJECTIVE)
    steps = [{"title": "A quarter", "due_on": "2026-03-08", "threshold": 250}]
    goal = await world.make(REVENUE, milestones=steps, parent_id=objective["id"])
    await _fold_without_telling(world, 1000)
    await asyncio.gather(*(_refresh(world, resources) for _ in range(6)))
    for event_type in ("goal.progressed", "goal.milestone_reached", "goal.health_changed", "goal.achieved"):
        assert len(await world.events(event_type, goal)) == 1, event_type
    assert len(await world.events("goal.achieved", objective)) == 1


async def test_the_number_of_queries_does_not_grow_with_the_goals(
    world: GoalWorld, resources: Resources
) -> None:
    await world.make(REVENUE)
    await _fold_without_telling(world, 10)
    few = await _queries_of_a_refresh(world, resources)
    for number in range(8):
        await world.make(REVENUE, target=2000 + number)
    await _fold_without_telling(world, 10)
    assert await _queries_of_a_refresh(world, resources) == few


async def test_progress_is_kept_day_by_day(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    await world.buy(100)
    await world.buy(100)
    await world.next_days(1)
    await world.buy(50, "2026-03-11")
    page = (await world.client.get(f"/v1/goals/{goal['id']}/progress", params={"limit": 1})).json()
    assert [(point["day"], point["current"]) for point in page["items"]] == [("2026-03-11", 250)]
    params = {"limit": 1, "cursor": page["next_cursor"]}
    rest = (await world.client.get(f"/v1/goals/{goal['id']}/progress", params=params)).json()
    assert [(point["day"], point["current"]) for point in rest["items"]] == [("2026-03-10", 200)]
    assert rest["next_cursor"] is None


def _refreshed(metric_key: str) -> Event:
    return Event(
        new_id(), "metric.snapshot_refreshed", 1, datetime.now(UTC), None, {"metric_key": metric_key}, 1
    )


async def _fold_without_telling(world: GoalWorld, amount: int) -> None:
    """A purchase that the metrics know of and the goals do not."""
    await world.touch("purchase", "2026-03-09", value={"amount": str(amount), "currency": "EUR"})
    handlers = job_handlers(world.resources)
    for job in (RELAY_JOB, FOLD_JOB):
        await handlers[job](Job(job, world.tenant.workspace_id))


async def _refresh(world: GoalWorld, resources: Resources) -> None:
    async with resources.database.unit(world.tenant.workspace_id) as unit:
        await follow(unit, [_refreshed("net_revenue")])


async def _queries_of_a_refresh(world: GoalWorld, resources: Resources) -> int:
    seen: list[str] = []

    def note(*arguments: Any) -> None:
        seen.append(arguments[2])

    engine = resources.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        await _refresh(world, resources)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert any(statement.startswith("UPDATE goals") for statement in seen)
    return len(seen)
