"""SMART, on goals that are made and on goals that might be."""

from typing import Any

import httpx
import pytest

from tests.goals.goal_world import BASKET, OBJECTIVE, REVENUE, GoalWorld, day


async def test_a_goal_carries_its_assessment(world: GoalWorld) -> None:
    smart = (await world.make(REVENUE))["smart"]
    assert _met(smart["specific"]) == {
        "title": True,
        "one_metric": True,
        "direction": True,
        "owner": False,
        "scope": False,
    }
    assert smart["attainable"]["score"] is None
    assert 0 <= smart["score"] <= 1


async def test_assessing_makes_nothing(world: GoalWorld) -> None:
    answer = await world.client.post("/v1/goals/assess", json=REVENUE)
    assert answer.status_code == 200
    assert (await world.client.get("/v1/goals")).json()["items"] == []
    assert await world.events("goal.created") == []


async def test_a_dry_run_says_what_the_goal_would_say(world: GoalWorld) -> None:
    await world.buy(40, "2026-02-28")
    mara, objective = await world.member(), await world.make(OBJECTIVE)
    wish = BASKET | {"owner_id": mara, "parent_id": objective["id"], "impact": 5, "feasibility": 2}
    assessed = (await world.client.post("/v1/goals/assess", json=wish)).json()
    goal = await world.make(wish)
    assert assessed == {name: goal[name] for name in assessed}
    assert assessed["baseline_source"] == "snapshot"
    assert _met(assessed["smart"]["relevant"]) == {"aligned": True, "no_contradiction": True, "rated": True}


async def test_a_dry_run_counts_an_unknown_metric_against_the_goal(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/goals/assess", json=REVENUE | {"metric_key": "happiness"})
    assert answer.status_code == 200
    assert _met(answer.json()["smart"]["measurable"])["metric_known"] is False


async def test_a_dry_run_refuses_what_making_would(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/goals/assess", json=REVENUE | {"due_on": "2026-01-01"})
    assert answer.json()["errors"][0]["pointer"] == "/due_on"


async def test_history_tells_how_likely_the_target_is(world: GoalWorld) -> None:
    for offset in range(-20, 0):
        await world.touch("purchase", day(offset), value={"amount": "100", "currency": "EUR"})
    await world.work()
    likely, hopeless = await world.make(REVENUE, target=2500), await world.make(REVENUE, target=90_000)
    assert likely["forecast"]["probability"] > 0.9
    assert likely["forecast"]["value"] == pytest.approx(3100)
    assert hopeless["forecast"]["probability"] < 0.1
    assert [reason["code"] for reason in hopeless["smart"]["attainable"]["reasons"]] == ["unrealistic"]


async def test_zeros_before_the_first_sale_are_no_history(world: GoalWorld) -> None:
    for offset in (-3, -2, -1):
        await world.touch("purchase", day(offset), value={"amount": "100", "currency": "EUR"})
    await world.work()
    goal = await world.make(REVENUE, starts_on=day(-3), due_on=day(20))
    assert goal["forecast"]["points_used"] == 3
    assert goal["forecast"]["reason"] == "too_few_points"


async def test_a_rival_is_noticed(world: GoalWorld) -> None:
    await world.make(BASKET)
    rival = await world.make(BASKET, title="Sell cheaper baskets", direction="decrease", target=20)
    assert _met(rival["smart"]["relevant"])["no_contradiction"] is False


async def test_the_assessment_is_made_anew_each_day(world: GoalWorld) -> None:
    goal = await world.make(BASKET)
    await world.make(BASKET, title="Sell cheaper baskets", direction="decrease", target=20)
    assert _met((await world.get(goal))["smart"]["relevant"])["no_contradiction"] is True
    await world.next_days(1)
    assert _met((await world.get(goal))["smart"]["relevant"])["no_contradiction"] is False


async def test_a_patch_is_assessed_at_once(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    patched = (await world.patch(goal, owner_id=await world.member(), description="All shops")).json()
    assert patched["smart"]["specific"]["score"] == 1


async def test_reading_is_enough_to_assess(client: httpx.AsyncClient) -> None:
    made = await client.post("/v1/api-keys", json={"name": "reader", "scopes": ["goals:read"]})
    reader = {"Authorization": f"Bearer {made.json()['api_key']}"}
    assert (await client.post("/v1/goals/assess", json=REVENUE, headers=reader)).status_code == 200
    assert (await client.post("/v1/goals", json=REVENUE, headers=reader)).status_code == 403


def _met(letter: dict[str, Any]) -> dict[str, bool]:
    return {reason["code"]: reason["met"] for reason in letter["reasons"]}
