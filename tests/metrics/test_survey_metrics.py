"""What people say in surveys, and what is done about it, as metrics."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.kit.resources import Resources
from app.metrics.service.folding import FoldService
from tests.conftest import Tenant
from tests.metrics.survey_world import SurveyWorld
from tests.metrics.world import MetricWorld
from tests.stand_ins import MovableClock

NOON = datetime(2025, 11, 20, 12, tzinfo=UTC)
YESTERDAY = NOON - timedelta(days=1)
EMPTY = {
    "customer_effort": "no_responses",
    "customer_satisfaction": "no_responses",
    "loop_closed_rate": "no_followups",
    "net_promoter_score": "no_responses",
    "survey_response_rate": "no_invitations",
    "time_to_contact_minutes": "no_followups",
}


@pytest.fixture
def world(resources: Resources, tenant: Tenant, clock: MovableClock) -> MetricWorld:
    clock.set(NOON)
    return MetricWorld(resources, tenant.workspace_id)


@pytest.fixture
def surveys(world: MetricWorld) -> SurveyWorld:
    return SurveyWorld(world)


@pytest.fixture
def answered(world: MetricWorld, client: httpx.AsyncClient) -> "Reader":
    return Reader(world, client)


class Reader:
    """Folds what is pending and reads a day of a metric."""

    def __init__(self, world: MetricWorld, client: httpx.AsyncClient) -> None:
        self.world = world
        self.client = client

    async def day(self, key: str, day: datetime = NOON) -> dict[str, Any]:
        await self.world.catch_up()
        answer = await self.client.get(
            f"/v1/metrics/{key}/snapshots", params={"from": day.date().isoformat()}
        )
        found: dict[str, Any] = answer.json()["items"][0]
        return found

    async def value(self, key: str, day: datetime = NOON) -> Any:
        return (await self.day(key, day))["value"]


async def answer_anonymously(
    surveys: SurveyWorld, day: datetime, many: int, *, score: int = 10
) -> list[UUID]:
    """So many give this score to the survey of type `nps`."""
    return [await surveys.answer_anonymously(day.date(), "nps", score) for _ in range(many)]


def figures(snapshot: dict[str, Any]) -> list[Any]:
    return [snapshot[name] for name in ("numerator", "denominator", "n", "value", "ci_low", "ci_high")]


async def test_a_net_promoter_score_is_promoters_less_detractors(
    surveys: SurveyWorld, answered: Reader
) -> None:
    for score in (9, 10, 10, 9, 10, 9, 7, 8, 6, 0):
        await surveys.answer(NOON, "nps", score)
    # Of 13 answers, 6.75 promote and 2.75 detract: 4/13 ± 1.96 · sqrt((9.5/13 − (4/13)²) / 13).
    assert figures(await answered.day("net_promoter_score")) == [4, 10, 10, 40, -12.58558, 74.124042]


async def test_an_interval_of_a_net_promoter_score_stays_on_its_scale(
    surveys: SurveyWorld, answered: Reader
) -> None:
    for _ in range(3):
        await surveys.answer(NOON, "nps", 10)
    assert figures(await answered.day("net_promoter_score"))[3:] == [100, -6.579287, 100]


@pytest.mark.parametrize(
    ("key", "score_type", "scores"),
    [
        ("customer_satisfaction", "csat", [5, 4, 4, 5, 4, 4, 5, 4, 3, 1]),
        ("customer_effort", "ces", [5, 6, 7, 5, 5, 6, 7, 7, 4, 1]),
    ],
)
async def test_a_score_is_the_share_of_the_positive(
    surveys: SurveyWorld, answered: Reader, key: str, score_type: str, scores: list[int]
) -> None:
    for score in scores:
        await surveys.answer(NOON, score_type, score)
    assert figures(await answered.day(key)) == [8, 10, 10, 80, 49.016247, 94.331785]


async def test_what_nobody_was_asked_is_null_with_a_reason(world: MetricWorld, answered: Reader) -> None:
    await world.contact(NOON)
    days = [await answered.day(key) for key in EMPTY]
    assert {day["metric_key"]: day["reason"] for day in days} == EMPTY
    assert [figures(day) for day in days] == [[0, 0, 0, None, None, None]] * 6


async def test_tests_and_unfinished_responses_are_in_no_score(surveys: SurveyWorld, answered: Reader) -> None:
    await surveys.answer(NOON, "nps", 10)
    await surveys.answer(NOON, "nps", 0, state="partial")
    await surveys.answer(NOON, None, None)
    found = await surveys.answer(NOON, "nps", 0)
    assert await answered.value("net_promoter_score") == 0
    await surveys.flag(found)
    assert await answered.value("net_promoter_score") == 100
    await surveys.flag(found, test=False)
    assert await answered.value("net_promoter_score") == 0


@pytest.mark.parametrize(
    ("metric", "type", "scores"),
    [
        ("net_promoter_score", "nps", [0, 6, 7, 9, 10, 10, 8]),
        ("customer_satisfaction", "csat", [1, 3, 4, 5, 5, 5, 2]),
        ("customer_effort", "ces", [1, 4, 5, 6, 7, 7, 7, 7, 3]),
    ],
)
async def test_a_metric_and_the_results_of_its_only_survey_say_the_same(
    surveys: SurveyWorld, answered: Reader, metric: str, type: str, scores: list[int]
) -> None:
    for score in scores:
        await surveys.answer(NOON, type, score)
    await surveys.answer(YESTERDAY, type, scores[0])
    snapshot = await answered.day(metric)
    survey_id = await surveys.survey(type)
    answer = await answered.client.get(
        f"/v1/surveys/{survey_id}/results", params={"from": NOON.date().isoformat()}
    )
    results = answer.json()
    told = [results[name] for name in ("n", "score", "ci_low", "ci_high")]
    assert told == [snapshot[name] for name in ("n", "value", "ci_low", "ci_high")]


async def test_an_anonymous_response_counts_on_its_day(surveys: SurveyWorld, answered: Reader) -> None:
    await answer_anonymously(surveys, YESTERDAY, 5)
    await surveys.answer(YESTERDAY, "nps", 0)
    assert (await answered.day("net_promoter_score", YESTERDAY))["n"] == 6
    await answered.world.rebuild()
    assert (await answered.day("net_promoter_score", YESTERDAY))["n"] == 6


async def test_a_day_with_few_anonymous_responses_is_in_no_period(
    surveys: SurveyWorld, answered: Reader
) -> None:
    """In a longer one it would be what its other days leave."""
    await answer_anonymously(surveys, YESTERDAY - timedelta(days=1), 6)
    await answer_anonymously(surveys, YESTERDAY, 1, score=0)
    await answer_anonymously(surveys, NOON, 9)
    days = [await answered.day("net_promoter_score", YESTERDAY + timedelta(days=n)) for n in (-1, 0, 1)]
    assert [(day["n"], day["value"]) for day in days] == [(6, 100), (0, None), (9, 100)]
    for grain in ("week", "month", "quarter"):
        answer = await answered.client.get(f"/v1/metrics/net_promoter_score/snapshots?grain={grain}")
        assert [(each["n"], each["value"]) for each in answer.json()["items"]] == [(15, 100)]


async def test_anonymous_responses_are_few_of_each_survey_by_itself(
    surveys: SurveyWorld, answered: Reader
) -> None:
    await answer_anonymously(surveys, NOON, 4)
    del surveys.surveys["nps"]
    await answer_anonymously(surveys, NOON, 4)
    await surveys.answer(NOON, "nps", 0)
    assert (await answered.day("net_promoter_score"))["n"] == 1


async def test_the_fifth_anonymous_response_of_a_day_brings_in_the_others(
    world: MetricWorld, surveys: SurveyWorld, answered: Reader
) -> None:
    await world.contact(YESTERDAY)
    await answer_anonymously(surveys, YESTERDAY, 4)
    assert (await answered.day("net_promoter_score", YESTERDAY))["n"] == 0
    (fifth,) = await answer_anonymously(surveys, YESTERDAY, 1)
    assert (await answered.day("net_promoter_score", YESTERDAY))["n"] == 5
    await surveys.flag(fifth)
    assert (await answered.day("net_promoter_score", YESTERDAY))["n"] == 0
    await surveys.flag(fifth, test=False)
    assert (await answered.day("net_promoter_score", YESTERDAY))["n"] == 5


async def test_an_anonymous_response_that_waits_for_others_is_in_no_score(
    world: MetricWorld, surveys: SurveyWorld, answered: Reader
) -> None:
    await world.contact(YESTERDAY)
    await answer_anonymously(surveys, YESTERDAY, 4)
    *_, last = await answer_anonymously(surveys, NOON, 6)
    for waiting in (await answer_anonymously(surveys, YESTERDAY, 1), [last]):
        await surveys.world.execute(
            "UPDATE survey_responses SET settled = false WHERE workspace_id = $1 AND id = ANY($2)", waiting
        )
    days = [await answered.day("net_promoter_score", day) for day in (YESTERDAY, NOON)]
    assert [day["n"] for day in days] == [0, 5]


async def test_only_anonymous_responses_make_a_history_too(surveys: SurveyWorld, answered: Reader) -> None:
    for _ in range(5):
        await surveys.answer_anonymously(date(2025, 11, 1), "csat", 5)
    await answered.world.rebuild()
    assert await answered.value("customer_satisfaction", NOON.replace(day=1)) == 100


async def test_scores_follow_the_workspace_across_its_midnight(
    surveys: SurveyWorld, answered: Reader
) -> None:
    await answered.world.change_settings(timezone="Asia/Tokyo")
    await surveys.answer(YESTERDAY.replace(hour=16), "nps", 10)
    assert await answered.value("net_promoter_score") == 100


async def test_a_response_rate_belongs_to_the_day_of_the_invitation(
    world: MetricWorld, surveys: SurveyWorld, answered: Reader
) -> None:
    contact = await world.contact(YESTERDAY)
    asked = [await surveys.invite(YESTERDAY, contact) for _ in range(4)]
    assert await answered.value("survey_response_rate", YESTERDAY) == 0
    await surveys.answer(NOON, "nps", 7, contact, invitation_id=asked[0])
    await surveys.answer(NOON, "nps", 7, contact, invitation_id=asked[1], state="partial")
    assert figures(await answered.day("survey_response_rate", YESTERDAY))[:4] == [1, 4, 4, 0.25]
    assert await answered.value("survey_response_rate") is None


async def test_an_invitation_alone_is_counted(
    world: MetricWorld, surveys: SurveyWorld, answered: Reader
) -> None:
    contact = await world.contact(NOON)
    await world.catch_up()
    await surveys.invite(YESTERDAY, contact)
    assert (await answered.day("survey_response_rate", YESTERDAY))["n"] == 1


async def test_what_bounced_was_revoked_or_a_test_was_not_asked(
    world: MetricWorld, surveys: SurveyWorld, answered: Reader
) -> None:
    contact = await world.contact(NOON)
    asked = [await surveys.invite(NOON, contact) for _ in range(3)]
    await surveys.invite(NOON, contact, test=True)
    await surveys.invite(NOON, None)
    assert (await answered.day("survey_response_rate"))["n"] == 3
    await surveys.deliver(asked[0], "bounced")
    await surveys.deliver(asked[1], "revoked")
    assert (await answered.day("survey_response_rate"))["n"] == 1
    await surveys.deliver(asked[0], "sent")
    assert (await answered.day("survey_response_rate"))["n"] == 2


async def test_who_took_part_anonymously_counts_once_it_is_settled(
    world: MetricWorld, surveys: SurveyWorld, answered: Reader
) -> None:
    asked = await surveys.invite(YESTERDAY, await world.contact(YESTERDAY))
    await surveys.answer_anonymously(NOON.date(), "nps", 10, asked)
    assert await answered.value("survey_response_rate", YESTERDAY) == 0
    await surveys.settle()
    assert await answered.value("survey_response_rate", YESTERDAY) == 1


async def test_a_closed_loop_belongs_to_the_day_it_was_opened(
    world: MetricWorld, surveys: SurveyWorld, answered: Reader
) -> None:
    contact = await world.contact(YESTERDAY)
    loops = [await surveys.open_followup(YESTERDAY, contact) for _ in range(3)]
    await surveys.open_followup(YESTERDAY, contact, by_hand=True)
    assert figures(await answered.day("loop_closed_rate", YESTERDAY))[:4] == [0, 3, 3, 0]
    await surveys.change_followup(loops[0], "followup.closed", state="done", closed_at=NOON)
    await surveys.change_followup(loops[1], "followup.closed", state="cancelled", closed_at=NOON)
    assert figures(await answered.day("loop_closed_rate", YESTERDAY))[:4] == [1, 2, 2, 0.5]
    await surveys.change_followup(loops[0], "followup.reopened", state="open", closed_at=None)
    assert await answered.value("loop_closed_rate", YESTERDAY) == 0


async def test_time_to_contact_belongs_to_the_day_of_the_contact(
    world: MetricWorld, surveys: SurveyWorld, answered: Reader
) -> None:
    contact = await world.contact(YESTERDAY)
    for minutes in (90, 1440.5):
        loop = await surveys.open_followup(NOON - timedelta(minutes=minutes), contact)
        await surveys.change_followup(loop, "followup.updated", contacted_at=NOON)
    assert figures(await answered.day("time_to_contact_minutes")) == [1530.5, 2, 2, 765.25, None, None]
    await surveys.change_followup(loop, "followup.updated", contacted_at=YESTERDAY + timedelta(minutes=1))
    assert await answered.value("time_to_contact_minutes") == 90
    assert await answered.value("time_to_contact_minutes", YESTERDAY) == 1.5


async def test_followups_made_by_hand_mark_nothing(world: MetricWorld, surveys: SurveyWorld) -> None:
    contact = await world.contact(NOON)
    await world.catch_up()
    await surveys.open_followup(NOON, contact, by_hand=True)
    await world.relay()
    async with world.resources.database.unit(world.workspace_id) as unit:
        assert not await FoldService(unit).has_marks()


async def test_a_mark_makes_its_day_of_scores_incomplete(
    world: MetricWorld, surveys: SurveyWorld, answered: Reader
) -> None:
    await surveys.answer(YESTERDAY, "nps", 10)
    assert (await answered.day("net_promoter_score", YESTERDAY))["complete"] is True
    await surveys.answer(YESTERDAY, "nps", 0)
    await world.relay()
    answer = await answered.client.get("/v1/metrics/net_promoter_score/snapshots")
    assert [day["complete"] for day in answer.json()["items"]] == [False, False]


@pytest.mark.parametrize(
    ("key", "kind", "unit", "version"),
    [("net_promoter_score", "level", "score", 2), ("time_to_contact_minutes", "level", "minutes", 1)],
)
async def test_a_survey_metric_says_what_it_is(
    client: httpx.AsyncClient, key: str, kind: str, unit: str, version: int
) -> None:
    metric = (await client.get(f"/v1/metrics/{key}")).json()
    assert (metric["kind"], metric["unit"], metric["definition_version"]) == (kind, unit, version)
