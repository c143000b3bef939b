"""A goal on what customers say."""

from datetime import UTC, datetime

import pytest

from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.goals.goal_world import GoalWorld
from tests.metrics.survey_world import SurveyWorld
from tests.metrics.world import MetricWorld

NPS = {
    "title": "A net promoter score of 45",
    "metric_key": "net_promoter_score",
    "direction": "increase",
    "target": 45,
    "starts_on": "2026-03-01",
    "due_on": "2026-03-31",
    "grain": "day",
}


@pytest.fixture
def surveys(world: GoalWorld, resources: Resources, tenant: Tenant) -> SurveyWorld:
    return SurveyWorld(MetricWorld(resources, tenant.workspace_id))


async def say(world: GoalWorld, surveys: SurveyWorld, day: int, *scores: int, month: int = 3) -> None:
    for score in scores:
        await surveys.answer(datetime(2026, month, day, 12, tzinfo=UTC), "nps", score)
    await surveys.world.relay()
    await world.work()


async def test_a_goal_on_the_net_promoter_score_moves_when_responses_come_in(
    world: GoalWorld, surveys: SurveyWorld
) -> None:
    await say(world, surveys, 28, 0, 7, 7, 7, month=2)
    goal = await world.make(NPS)
    assert (goal["measure"], goal["baseline"], goal["baseline_source"]) == ("period_value", -25, "snapshot")
    await say(world, surveys, 9, 9, 10, 7, 6, 8)
    moved = await world.get(goal)
    assert (moved["current"], moved["current_as_of"]) == (20, "2026-03-10")
    assert moved["progress"] == pytest.approx(45 / 70, abs=1e-6)
    [told] = await world.events("goal.progressed")
    assert (told["previous_progress"], told["goal"]["current"]) == (0, 20)


async def test_a_goal_on_a_score_is_reached(world: GoalWorld, surveys: SurveyWorld) -> None:
    goal = await world.make(NPS, baseline=0)
    await say(world, surveys, 9, 10, 9, 8)
    await world.next_days(30)
    assert (await world.get(goal))["status"] == "achieved"


async def test_a_day_without_answers_is_no_score_of_nothing(world: GoalWorld, surveys: SurveyWorld) -> None:
    goal = await world.make(NPS, baseline=0)
    await say(world, surveys, 8, 10, 7)
    assert (await world.get(goal))["current"] == 50


async def test_a_goal_on_a_score_is_assessed(world: GoalWorld, surveys: SurveyWorld) -> None:
    for day in range(1, 10):
        await say(world, surveys, day, 10, 7, *[8] * (day % 3))
    goal = await world.make(NPS, owner_id=await world.member())
    letters = {letter: goal["smart"][letter]["score"] for letter in ("measurable", "attainable")}
    assert all(score is not None for score in letters.values())


async def test_a_score_cannot_be_summed(world: GoalWorld) -> None:
    answer = await world.client.post("/v1/goals", json=NPS | {"measure": "window_total"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "not_summable")


@pytest.mark.parametrize("key", ["customer_effort", "survey_response_rate", "loop_closed_rate"])
async def test_goals_stand_on_every_survey_metric(world: GoalWorld, key: str) -> None:
    goal = await world.make(NPS, metric_key=key, target=0.5)
    assert (goal["measure"], goal["current"]) == ("period_value", None)


async def test_a_goal_lowers_the_time_to_contact(world: GoalWorld, surveys: SurveyWorld) -> None:
    goal = await world.make(
        NPS, metric_key="time_to_contact_minutes", direction="decrease", baseline=120, target=60
    )
    contact = await surveys.world.contact(datetime(2026, 3, 9, 8, tzinfo=UTC))
    loop = await surveys.open_followup(datetime(2026, 3, 9, 9, tzinfo=UTC), contact)
    at = datetime(2026, 3, 9, 10, 30, tzinfo=UTC)
    await surveys.change_followup(loop, "followup.updated", contacted_at=at)
    await surveys.world.relay()
    await world.work()
    moved = await world.get(goal)
    assert (moved["current"], moved["progress"]) == (90, 0.5)
