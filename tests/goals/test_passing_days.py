"""What becomes of goals by the mere passing of days, and of the people who look at them."""

from datetime import UTC, date, datetime

import httpx
import pytest
from fastapi import FastAPI

from app.kit.resources import Resources
from tests.conftest import Tenant, make_client, make_tenant
from tests.goals.goal_world import BASKET, REVENUE, GoalWorld
from tests.stand_ins import MovableClock


async def test_a_goal_is_missed_once_when_its_time_is_over(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    await world.buy(100)
    await world.next_days(21)
    assert (await world.get(goal))["status"] == "active"
    await world.next_days(1)
    assert (await world.get(goal))["status"] == "missed"
    await world.next_days(1)
    assert len(await world.events("goal.missed")) == 1


async def test_the_last_day_counts_as_a_whole(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    await world.next_days(21)
    await world.buy(1000, "2026-03-31")
    assert (await world.get(goal))["status"] == "achieved"


async def test_a_bound_that_was_kept_is_achieved_at_its_end_and_not_before(world: GoalWorld) -> None:
    goal = await world.make(BASKET, direction="stay_above", target=45, due_on="2026-03-12")
    await world.buy(50)
    assert (await world.get(goal))["status"] == "active"
    await world.next_days(3)
    assert (await world.get(goal))["status"] == "achieved"


async def test_a_bound_that_was_broken_is_missed_at_its_end(world: GoalWorld) -> None:
    goal = await world.make(BASKET, direction="stay_below", target=45, due_on="2026-03-12")
    await world.buy(50)
    await world.next_days(3)
    assert (await world.get(goal))["status"] == "missed"


async def test_without_news_the_pace_falls_and_health_with_it(world: GoalWorld) -> None:
    goal = await world.make(REVENUE, review_cadence="quarterly")
    await world.buy(290)
    assert (await world.get(goal))["health"] == "on_track"
    await world.next_days(10)
    later = await world.get(goal)
    assert later["health"] == "at_risk"
    assert later["pace"] == pytest.approx(0.29 / (19 / 31), abs=1e-6)


async def test_a_day_that_passed_is_computed_once(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    await world.next_days(1)
    version = (await world.get(goal))["version"]
    await world.work()
    assert (await world.get(goal))["version"] == version


async def test_an_overdue_check_in_is_told_once_and_makes_the_goal_stale(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    assert goal["review_due_on"] == "2026-03-17"
    await world.next_days(7)
    assert await world.events("goal.review_due") == []
    await world.next_days(1)
    await world.next_days(1)
    assert (await world.get(goal))["health"] == "stale"
    [told] = await world.events("goal.review_due")
    assert told["review_due_on"] == "2026-03-17"


async def test_a_check_in_asks_for_the_next_one_later(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    await world.next_days(8)
    note = {"note": "Two big orders are coming", "confidence": 0.7}
    answer = await world.client.post(f"/v1/goals/{goal['id']}/check-ins", json=note)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["note"], made["confidence"], made["health"], made["current"]) == (*note.values(), "stale", 0)
    after = await world.get(goal)
    assert (after["review_due_on"], after["health"]) == ("2026-03-25", "at_risk")
    await world.next_days(8)
    assert len(await world.events("goal.review_due")) == 2


async def test_check_ins_are_listed_newest_first(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    path = f"/v1/goals/{goal['id']}/check-ins"
    for note in ("First", "Second"):
        await world.client.post(path, json={"note": note})
        world.clock.advance(hours=1)
    assert [item["note"] for item in (await world.client.get(path)).json()["items"]] == ["Second", "First"]
    assert (await world.client.post(path, json={"note": ""})).status_code == 422
    assert (await world.client.post(path, json={"note": "x", "confidence": 2})).status_code == 422


async def test_a_goal_with_a_start_long_ago_is_not_born_stale(world: GoalWorld) -> None:
    goal = await world.make(REVENUE, starts_on="2026-01-01", due_on="2026-12-31")
    assert (goal["review_due_on"], goal["health"]) == ("2026-04-09", "at_risk")


async def test_a_goal_taken_up_again_is_not_stale_at_once(world: GoalWorld) -> None:
    goal = await world.make(REVENUE, status="draft")
    await world.next_days(14)
    started = (await world.patch(goal, status="active")).json()
    assert (started["review_due_on"], started["health"]) == ("2026-03-31", "at_risk")


async def test_days_are_those_of_the_workspace(
    app: FastAPI, resources: Resources, clock: MovableClock
) -> None:
    """On the evening of March 31 in UTC it is April 1 in Auckland already, and March 31 in New York."""
    clock.set(datetime(2026, 3, 31, 20, tzinfo=UTC))
    wish = REVENUE | {"metric_key": "new_contacts"}
    states = {}
    for zone in ("Pacific/Auckland", "America/New_York"):
        tenant = await make_tenant(resources, timezone=zone)
        async with make_client(app, tenant) as client:
            states[zone] = (await client.post("/v1/goals", json=wish)).json()["review_due_on"]
    assert {zone: date.fromisoformat(day).day for zone, day in states.items()} == {
        "Pacific/Auckland": 8,
        "America/New_York": 7,
    }


async def test_due_goals_are_found_in_workspaces_with_active_ones_only(
    world: GoalWorld, resources: Resources, other_client: httpx.AsyncClient, other_tenant: Tenant
) -> None:
    await world.make(REVENUE)
    await other_client.post("/v1/goals", json=REVENUE | {"status": "draft"})
    async with resources.database.raw() as connection:
        due = {row[0] for row in await connection.fetch("SELECT workspace_id FROM due_goals()")}
    assert world.tenant.workspace_id in due
    assert other_tenant.workspace_id not in due
