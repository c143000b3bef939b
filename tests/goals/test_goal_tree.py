"""Goals that serve others: roll-ups, circles, depth, and the tree."""

import asyncio
from typing import Any

import pytest

from tests.goals.goal_world import OBJECTIVE, REVENUE, GoalWorld


async def test_an_objectives_progress_is_that_of_its_goals_by_impact(world: GoalWorld) -> None:
    objective = await world.make(OBJECTIVE)
    await world.make(REVENUE, parent_id=objective["id"], impact=4)
    await world.make(REVENUE, parent_id=objective["id"], impact=1, target=500)
    await world.buy(250)
    moved = await world.get(objective)
    assert moved["progress"] == pytest.approx((4 * 0.25 + 1 * 0.5) / 5)
    assert moved["current"] == moved["progress"]
    assert moved["version"] > objective["version"]
    last = (await world.events("goal.progressed", objective))[-1]
    assert last["goal"]["progress"] == moved["progress"]


async def test_roll_ups_climb_all_the_way(world: GoalWorld) -> None:
    top = await world.make(OBJECTIVE)
    middle = await world.make(OBJECTIVE, parent_id=top["id"])
    await world.make(REVENUE, parent_id=middle["id"])
    await world.buy(250)
    assert (await world.get(middle))["progress"] == 0.25
    assert (await world.get(top))["progress"] == 0.25


async def test_drafts_cancelled_and_archived_goals_do_not_count(world: GoalWorld) -> None:
    objective = await world.make(OBJECTIVE)
    parent = {"parent_id": objective["id"]}
    await world.make(REVENUE, parent, status="draft")
    cancelled = await world.make(REVENUE, parent)
    archived = await world.make(REVENUE, parent)
    await world.make(REVENUE, parent, target=500)
    await world.patch(cancelled, status="cancelled")
    await world.client.delete(f"/v1/goals/{archived['id']}")
    await world.buy(250)
    assert (await world.get(objective))["progress"] == 0.5
    await world.client.post(f"/v1/goals/{archived['id']}/restore")
    assert (await world.get(objective))["progress"] == 0.375


async def test_a_goal_that_moves_away_takes_its_progress_with_it(world: GoalWorld) -> None:
    old, new = await world.make(OBJECTIVE), await world.make(OBJECTIVE)
    goal = await world.make(REVENUE, parent_id=old["id"])
    await world.buy(250)
    await world.patch(goal, parent_id=new["id"])
    assert (await world.get(old))["progress"] is None
    assert (await world.get(new))["progress"] == 0.25


async def test_an_objective_is_achieved_when_all_its_goals_are(world: GoalWorld) -> None:
    objective = await world.make(OBJECTIVE)
    await world.make(REVENUE, parent_id=objective["id"], target=300)
    await world.make(REVENUE, parent_id=objective["id"], target=500)
    await world.buy(400)
    assert (await world.get(objective))["status"] == "active"
    await world.buy(100)
    assert (await world.get(objective))["status"] == "achieved"
    assert len(await world.events("goal.achieved", objective)) == 1


async def test_an_objective_is_missed_when_its_time_is_over(world: GoalWorld) -> None:
    objective = await world.make(OBJECTIVE, due_on="2026-03-31")
    await world.make(REVENUE, parent_id=objective["id"])
    await world.buy(400)
    await world.next_days(22)
    assert (await world.get(objective))["status"] == "missed"
    assert len(await world.events("goal.missed", objective)) == 1


async def test_milestones_of_an_objective_are_shares(world: GoalWorld) -> None:
    step = {"title": "Half of it", "due_on": "2026-04-15", "threshold": 0.5}
    objective = await world.make(OBJECTIVE, milestones=[step])
    await world.make(REVENUE, parent_id=objective["id"])
    await world.buy(500)
    assert (await world.get(objective))["milestones"][0]["reached_at"] is not None


async def test_circles_are_refused(world: GoalWorld) -> None:
    a = await world.make(OBJECTIVE)
    b = await world.make(OBJECTIVE, parent_id=a["id"])
    c = await world.make(OBJECTIVE, parent_id=b["id"])
    for parent in (a, b, c):
        answer = await world.patch(a, parent_id=parent["id"])
        assert answer.status_code == 422
        assert answer.json()["errors"][0] | {"detail": ""} == {
            "pointer": "/parent_id",
            "code": "circle",
            "detail": "",
        }
    assert (await world.get(a))["parent_id"] is None


async def test_two_that_close_a_circle_at_once_do_not_both_succeed(world: GoalWorld) -> None:
    a, b = await world.make(OBJECTIVE), await world.make(OBJECTIVE)
    answers = await asyncio.gather(world.patch(a, parent_id=b["id"]), world.patch(b, parent_id=a["id"]))
    assert sorted(answer.status_code for answer in answers) == [200, 422]


async def test_goals_stand_at_most_five_levels_deep(world: GoalWorld) -> None:
    chain = [await world.make(OBJECTIVE)]
    for _ in range(4):
        chain.append(await world.make(OBJECTIVE, parent_id=chain[-1]["id"]))
    sixth = await world.client.post("/v1/goals", json=OBJECTIVE | {"parent_id": chain[-1]["id"]})
    assert sixth.json()["errors"][0]["code"] == "too_deep"
    above = await world.make(OBJECTIVE)
    lifted = await world.patch(chain[0], parent_id=above["id"])
    assert lifted.json()["errors"][0]["code"] == "too_deep"


async def test_an_archived_goal_is_no_parent(world: GoalWorld) -> None:
    objective = await world.make(OBJECTIVE)
    await world.client.delete(f"/v1/goals/{objective['id']}")
    answer = await world.client.post("/v1/goals", json=REVENUE | {"parent_id": objective["id"]})
    assert answer.json()["errors"][0]["code"] == "unknown_goal"


@pytest.mark.slow
async def test_the_tree_shows_who_serves_whom(world: GoalWorld) -> None:
    top = await world.make(OBJECTIVE)
    middle = await world.make(OBJECTIVE, title="Middle", parent_id=top["id"])
    await world.make(REVENUE, title="Leaf", parent_id=middle["id"])
    await world.make(OBJECTIVE, title="Alone")
    await world.buy(250)
    tree = (await world.client.get("/v1/goals/tree", params={"sort": "created_at"})).json()
    assert [_shape(node) for node in tree["items"]] == [
        ("Win the spring", [("Middle", [("Leaf", [])])]),
        ("Alone", []),
    ]
    assert tree["items"][0]["roll_up"] == {"progress": 0.25, "counted": 1, "left_out": 0}


async def test_the_tree_is_paged_by_its_tops(world: GoalWorld) -> None:
    for title in ("A", "B", "C"):
        top = await world.make(OBJECTIVE, title=title)
        await world.make(OBJECTIVE, title="Below", parent_id=top["id"])
    first = (await world.client.get("/v1/goals/tree", params={"sort": "title", "limit": 2})).json()
    params = {"sort": "title", "limit": 2, "cursor": first["next_cursor"]}
    second = (await world.client.get("/v1/goals/tree", params=params)).json()
    assert [node["title"] for node in first["items"] + second["items"]] == ["A", "B", "C"]
    assert second["next_cursor"] is None


async def test_what_hangs_under_an_archived_goal_stands_at_the_top(world: GoalWorld) -> None:
    top = await world.make(OBJECTIVE)
    await world.make(REVENUE, title="Leaf", parent_id=top["id"])
    await world.client.delete(f"/v1/goals/{top['id']}")
    tree = (await world.client.get("/v1/goals/tree")).json()
    assert [_shape(node) for node in tree["items"]] == [("Leaf", [])]


def _shape(node: dict[str, Any]) -> tuple[str, list[Any]]:
    return node["title"], [_shape(child) for child in node["children"]]
