"""Making, changing, finding and putting away goals."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.goals.goal_world import BASKET, OBJECTIVE, REVENUE, GoalWorld


async def test_a_goal_needs_little_and_gets_sensible_defaults(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    expected = {
        "status": "active",
        "measure": "window_total",
        "grain": "day",
        "baseline": 0,
        "baseline_source": "start_of_total",
        "review_cadence": "weekly",
        "current": 0,
        "progress": 0,
        "version": 1,
        "segment_id": None,
        "owner_id": None,
        "stakeholder_ids": [],
        "milestones": [],
    }
    assert {name: goal[name] for name in expected} == expected
    assert await world.get(goal) == goal
    assert [told["goal"] for told in await world.events("goal.created")] == [goal]


async def test_what_is_given_is_kept(world: GoalWorld) -> None:
    mara, jo = await world.member("mara"), await world.member("jo")
    step = {"title": "Half way", "due_on": "2026-03-16", "threshold": 55.5, "weight": 2}
    goal = await world.make(
        BASKET,
        description="All shops",
        baseline=40.25,
        owner_id=mara,
        stakeholder_ids=[jo, mara, jo],
        impact=4,
        feasibility=3,
        review_cadence="biweekly",
        milestones=[step],
    )
    assert (goal["baseline"], goal["baseline_source"]) == (40.25, "given")
    assert (goal["owner_id"], goal["stakeholder_ids"]) == (mara, [jo, mara])
    assert (goal["priority"], goal["review_cadence"], goal["grain"]) == (12, "biweekly", "day")
    assert goal["milestones"] == [step | {"reached_at": None}]


@pytest.mark.parametrize(
    ("metric", "direction", "due_on", "measure", "grain", "cadence"),
    [
        ("net_revenue", "increase", "2026-06-01", "window_total", "day", "monthly"),
        ("net_revenue", "stay_above", "2026-06-01", "period_value", "month", "monthly"),
        ("touchpoint_count", "decrease", "2026-04-15", "period_value", "week", "biweekly"),
        ("churn_rate", "decrease", "2026-05-29", "period_value", "month", "biweekly"),
        ("churn_rate", "stay_below", "2026-03-10", "period_value", "day", "weekly"),
    ],
)
async def test_measure_grain_and_cadence_follow_metric_and_length(
    world: GoalWorld, metric: str, direction: str, due_on: str, measure: str, grain: str, cadence: str
) -> None:
    goal = await world.make(REVENUE, metric_key=metric, direction=direction, due_on=due_on)
    assert (goal["measure"], goal["grain"], goal["review_cadence"]) == (measure, grain, cadence)


async def test_an_objective_has_no_metric_and_nothing_that_needs_one(world: GoalWorld) -> None:
    goal = await world.make(OBJECTIVE)
    nothing = ("metric_key", "direction", "target", "baseline", "measure", "grain", "forecast", "progress")
    assert {goal[name] for name in nothing} == {None}
    assert (goal["health"], goal["status"]) == ("unknown", "active")


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"metric_key": "happiness"}, "/metric_key", "unknown_metric"),
        ({"direction": None}, "/direction", "missing"),
        ({"target": None}, "/target", "missing"),
        ({"metric_key": None, "target": None}, "/direction", "no_metric"),
        ({"metric_key": None, "direction": None, "target": None, "grain": "day"}, "/grain", "no_metric"),
        ({"due_on": "2026-02-28"}, "/due_on", "due_before_start"),
        ({"due_on": "2036-04-01"}, "/due_on", "too_long"),
        ({"metric_key": "churn_rate", "measure": "window_total"}, "/measure", "not_summable"),
        ({"direction": "decrease", "measure": "window_total"}, "/measure", "not_summable"),
        ({"owner_id": str(uuid4())}, "/owner_id", "unknown_member"),
        ({"stakeholder_ids": [str(uuid4())]}, "/stakeholder_ids", "unknown_member"),
        ({"parent_id": str(uuid4())}, "/parent_id", "unknown_goal"),
        ({"target": "1000"}, "/target", "not_a_number"),
        ({"target": True}, "/target", "not_a_number"),
        ({"target": 1e15}, "/target", "less_than"),
        ({"impact": 6}, "/impact", "less_than_equal"),
        ({"title": " "}, "/title", "string_too_short"),
        ({"status": "achieved"}, "/status", "literal_error"),
        ({"segment": "all"}, "/segment", "extra_forbidden"),
    ],
)
async def test_a_wish_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, fields: dict[str, Any], pointer: str, code: str
) -> None:
    answer = await client.post("/v1/goals", json=REVENUE | fields)
    assert answer.status_code == 422, answer.text
    assert (pointer, code) in [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


async def test_an_unknown_metric_is_answered_with_the_known_ones(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/goals", json=REVENUE | {"metric_key": "happiness"})
    assert "churn_rate" in answer.json()["errors"][0]["detail"]
    assert "net_revenue" in answer.json()["errors"][0]["detail"]


async def test_a_goal_whose_time_is_over_is_judged_at_once(world: GoalWorld) -> None:
    await world.buy(500, "2026-02-10")
    window = {"starts_on": "2026-02-01", "due_on": "2026-02-28"}
    assert (await world.make(REVENUE, window, target=400))["status"] == "achieved"
    assert (await world.make(REVENUE, window, target=600))["status"] == "missed"
    assert len(await world.events("goal.created")) == 2
    assert len(await world.events("goal.achieved")) == 1
    assert len(await world.events("goal.missed")) == 1
    assert await world.events("goal.progressed") == []


async def test_a_patch_changes_what_it_names_and_computes_anew(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    await world.buy(250)
    answer = await world.patch(goal, target=500, title="Less is enough")
    assert (answer.json()["progress"], answer.json()["title"]) == (0.5, "Less is enough")
    assert answer.headers["ETag"] == f'"{answer.json()["version"]}"'


async def test_a_patch_that_changes_nothing_is_no_change(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    assert (await world.patch(goal, target=1000.0, description=None)).json() == goal
    assert (await world.client.get(f"/v1/goals/{goal['id']}/revisions")).json()["items"] == []


async def test_a_stale_patch_or_delete_is_412(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    path, stale = f"/v1/goals/{goal['id']}", {"If-Match": '"7"'}
    assert (await world.client.patch(path, json={"target": 5}, headers=stale)).status_code == 412
    assert (await world.client.delete(path, headers=stale)).status_code == 412
    assert (
        await world.client.patch(path, json={"target": 5}, headers={"If-Match": '"1"'})
    ).status_code == 200


async def test_computed_figures_move_the_etag(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    path, known = f"/v1/goals/{goal['id']}", {"If-None-Match": '"1"'}
    assert (await world.client.get(path, headers=known)).status_code == 304
    await world.buy(10)
    assert (await world.client.get(path, headers=known)).status_code == 200


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"target": None}, "/target"),
        ({"metric_key": None}, "/metric_key"),
        ({"due_on": "2026-02-01"}, "/due_on"),
    ],
)
async def test_a_patch_may_not_leave_a_goal_without_sense(
    world: GoalWorld, fields: dict[str, Any], pointer: str
) -> None:
    goal = await world.make(REVENUE)
    answer = await world.patch(goal, **fields)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert await world.get(goal) == goal


async def test_a_new_metric_brings_its_own_measure_and_baseline(world: GoalWorld) -> None:
    await world.buy(40, "2026-02-28")
    goal = await world.make(REVENUE)
    changed = (await world.patch(goal, metric_key="average_order_value", grain="day", target=60)).json()
    assert (changed["measure"], changed["grain"]) == ("period_value", "day")
    assert (changed["baseline"], changed["baseline_source"]) == (40, "snapshot")


async def test_a_typed_in_baseline_stays_until_it_is_taken_back(world: GoalWorld) -> None:
    await world.buy(40, "2026-02-28")
    goal = await world.make(BASKET, baseline=10)
    moved = (await world.patch(goal, starts_on="2026-03-02")).json()
    assert (moved["baseline"], moved["baseline_source"]) == (10, "given")
    cleared = (await world.patch(goal, baseline=None)).json()
    assert (cleared["baseline"], cleared["baseline_source"]) == (40, "snapshot")


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        (("draft", "active"), 200),
        (("draft", "cancelled", "active"), 200),
        (("active", "cancelled", "active"), 200),
        (("active", "draft"), 422),
        (("active", "achieved"), 422),
        (("active", "missed"), 422),
        (("draft", "achieved"), 422),
        (("active", "cancelled", "draft"), 422),
    ],
)
async def test_the_changes_of_status_that_are_a_callers(
    world: GoalWorld, steps: tuple[str, ...], status: int
) -> None:
    goal = await world.make(REVENUE, status=steps[0])
    answers = [await world.patch(goal, status=step) for step in steps[1:]]
    assert answers[-1].status_code == status
    if status == 422:
        assert answers[-1].json()["errors"][0]["code"] == "status_change"


async def test_the_terms_of_a_finished_goal_stay(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    await world.buy(1000)
    refused = await world.patch(goal, target=2000)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/goal-finished")
    assert (await world.patch(goal, status="cancelled")).status_code == 422
    assert (await world.patch(goal, title="We did it")).json()["status"] == "achieved"


async def test_a_reached_milestone_that_stays_keeps_its_instant(world: GoalWorld) -> None:
    step = {"title": "A quarter", "due_on": "2026-03-08", "threshold": 250}
    goal = await world.make(REVENUE, milestones=[step])
    await world.buy(300)
    reached = (await world.get(goal))["milestones"][0]["reached_at"]
    later = step | {"title": "A half", "threshold": 500}
    changed = await world.patch(goal, milestones=[step | {"due_on": "2026-03-12"}, later])
    assert [known["reached_at"] for known in changed.json()["milestones"]] == [reached, None]
    assert len(await world.events("goal.milestone_reached")) == 1


async def test_a_revision_says_who_what_and_why(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    changed = await world.patch(goal, target=1200, title="Grow more", reason="The budget was raised")
    await world.patch(goal, impact=5)
    page = (await world.client.get(f"/v1/goals/{goal['id']}/revisions")).json()
    [second, first] = page["items"]
    assert first["before"] == {"target": 1000, "title": "Grow revenue in March"}
    assert first["after"] == {"target": 1200, "title": "Grow more"}
    assert (first["reason"], first["version"]) == ("The budget was raised", changed.json()["version"])
    assert first["actor"].startswith("key")
    assert (second["before"], second["after"], second["reason"]) == ({"impact": None}, {"impact": 5}, None)


async def test_a_revision_names_what_followed_from_the_change_too(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    await world.patch(goal, direction="stay_above", impact=5, feasibility=2)
    [revision] = (await world.client.get(f"/v1/goals/{goal['id']}/revisions")).json()["items"]
    assert (revision["before"]["measure"], revision["after"]["measure"]) == ("window_total", "period_value")
    assert (revision["before"]["priority"], revision["after"]["priority"]) == (None, 10)


async def test_an_archived_goal_is_out_of_sight_and_comes_back(world: GoalWorld) -> None:
    goal = await world.make(REVENUE)
    path = f"/v1/goals/{goal['id']}"
    assert (await world.client.delete(path)).status_code == 204
    assert (await world.client.delete(path)).status_code == 204
    assert (await world.client.get("/v1/goals")).json()["items"] == []
    everything = (await world.client.get("/v1/goals", params={"include_archived": True})).json()
    assert [found["id"] for found in everything["items"]] == [goal["id"]]
    await world.buy(100)
    assert (await world.get(goal))["current"] == 0
    restored = (await world.client.post(f"{path}/restore")).json()
    assert (restored["archived_at"], restored["current"]) == (None, 100)


async def test_lists_filter(world: GoalWorld) -> None:
    mara = await world.member()
    objective = await world.make(OBJECTIVE, status="draft")
    goal = await world.make(REVENUE, owner_id=mara, parent_id=objective["id"])
    cases: list[tuple[dict[str, str], list[str]]] = [
        ({"status": "draft"}, [objective["id"]]),
        ({"metric_key": "net_revenue"}, [goal["id"]]),
        ({"owner_id": mara}, [goal["id"]]),
        ({"parent_id": objective["id"]}, [goal["id"]]),
        ({"health": "at_risk"}, [goal["id"]]),
        ({"health": "at_risk", "status": "draft"}, []),
    ]
    for params, expected in cases:
        found = (await world.client.get("/v1/goals", params=params)).json()["items"]
        assert [item["id"] for item in found] == expected, params
    assert (await world.client.get("/v1/goals", params={"colour": "red"})).status_code == 422
    assert (await world.client.get("/v1/goals", params={"status": "odd"})).status_code == 422


@pytest.mark.parametrize("sort", ["created_at", "-due_on", "title", "-progress", "progress", "-priority"])
async def test_lists_are_paged_in_any_order(world: GoalWorld, sort: str) -> None:
    await world.make(REVENUE, title="B", impact=2, feasibility=2)
    await world.make(BASKET, title="A", due_on="2026-04-30")
    await world.make(REVENUE, title="C", impact=5, feasibility=5)
    whole = (await world.client.get("/v1/goals", params={"sort": sort})).json()["items"]
    paged, cursor = [], None
    while cursor is not None or not paged:
        params = {"sort": sort, "limit": 1} | ({"cursor": cursor} if cursor else {})
        page = (await world.client.get("/v1/goals", params=params)).json()
        paged += page["items"]
        cursor = page["next_cursor"]
    assert paged == whole
    assert len(paged) == 3


async def test_another_workspaces_goal_is_not_there(
    world: GoalWorld, other_client: httpx.AsyncClient
) -> None:
    goal = await world.make(REVENUE)
    path = f"/v1/goals/{goal['id']}"
    answers = [
        await other_client.get(path),
        await other_client.patch(path, json={"title": "Mine"}),
        await other_client.delete(path),
        await other_client.post(f"{path}/restore"),
        await other_client.post(f"{path}/check-ins", json={"note": "Hm"}),
        *[await other_client.get(f"{path}/{part}") for part in ("check-ins", "progress", "revisions")],
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert (await other_client.get("/v1/goals")).json()["items"] == []
    assert (await other_client.get("/v1/goals/tree")).json()["items"] == []
    wish = REVENUE | {"parent_id": goal["id"]}
    assert (await other_client.post("/v1/goals", json=wish)).status_code == 422


async def test_creating_twice_with_one_key_makes_one_goal(client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "spring"}
    first = await client.post("/v1/goals", json=REVENUE, headers=key)
    second = await client.post("/v1/goals", json=REVENUE, headers=key)
    assert (second.status_code, second.json()) == (201, first.json())
    assert first.headers["Location"] == f"/v1/goals/{first.json()['id']}"
    assert len((await client.get("/v1/goals")).json()["items"]) == 1
