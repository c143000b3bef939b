"""Comparing the results of two windows."""

import httpx
import pytest

from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.surveys.answered import Answered, Json, answered_survey, day

BOTH = {"from": "2026-02-01", "to": "2026-03-01", "compare_from": "2026-01-01", "compare_to": "2026-02-01"}


@pytest.fixture
async def survey(client: httpx.AsyncClient, tenant: Tenant, resources: Resources) -> Answered:
    return await answered_survey(client, tenant, resources)


async def spread(survey: Answered, answered_on: str, promoters: int, passives: int, detractors: int) -> None:
    scores = [10] * promoters + [7] * passives + [2] * detractors
    await survey.scored(*scores, answered_on=day(answered_on))


async def test_fifteen_points_on_two_samples_of_two_hundred_may_be_chance(survey: Answered) -> None:
    await spread(survey, "2026-01-10", 85, 50, 65)
    await spread(survey, "2026-02-10", 100, 50, 50)
    found = await survey.results(**BOTH)
    assert (found["score"], found["comparison"]["before"]["score"]) == (25, 10)
    comparison = found["comparison"]
    assert comparison["difference"] == 15
    assert comparison["ci_low"] < 0 < comparison["ci_high"]
    assert comparison["p_value"] > 0.05
    assert comparison["significant"] is False


@pytest.mark.slow
async def test_fifteen_points_on_two_samples_of_two_thousand_are_not(survey: Answered) -> None:
    await spread(survey, "2026-01-10", 850, 500, 650)
    await spread(survey, "2026-02-10", 1000, 500, 500)
    comparison = (await survey.results(**BOTH))["comparison"]
    assert comparison["ci_low"] > 0
    assert comparison["significant"] is True


async def test_without_answers_before_there_is_nothing_to_compare(survey: Answered) -> None:
    await spread(survey, "2026-02-10", 3, 2, 1)
    comparison = (await survey.results(**BOTH))["comparison"]
    assert comparison["before"] == {
        "n": 0,
        "score": None,
        "ci_low": None,
        "ci_high": None,
        "mean": None,
        "period_start": "2026-01-01",
        "period_end": "2026-02-01",
    }
    assert {comparison[name] for name in ("difference", "ci_low", "p_value", "significant")} == {None}


async def test_the_other_filters_hold_for_both_windows(survey: Answered) -> None:
    await survey.scored(10, 10, channel="web", answered_on=day("2026-01-10"))
    await survey.scored(0, 0, 0, channel="email", answered_on=day("2026-01-10"))
    await survey.scored(10, channel="web", answered_on=day("2026-02-10"))
    found = await survey.results(**BOTH, channel="web")
    assert (found["n"], found["comparison"]["before"]["n"]) == (1, 2)


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ({"compare_from": "2026-01-01"}, ("?compare_to", "incomplete")),
        ({"compare_to": "2026-01-01"}, ("?compare_from", "incomplete")),
        ({"compare_from": "2026-01-01", "compare_to": "2026-02-01"}, ("?compare_from", "incomplete")),
        (BOTH | {"compare_to": "2026-01-01"}, ("?compare_to", "empty_range")),
        (BOTH | {"compare_to": "2026-02-02"}, ("?compare_to", "overlap")),
        ({"from": "2026-02-01", "to": "2026-02-01"}, ("?to", "empty_range")),
    ],
)
async def test_windows_that_make_no_sense_are_refused(
    survey: Answered, query: Json, refusal: tuple[str, str]
) -> None:
    assert await survey.refused(**query) == refusal


async def test_a_small_window_of_an_anonymous_survey_is_not_compared_with(
    client: httpx.AsyncClient, tenant: Tenant, resources: Resources
) -> None:
    survey = await answered_survey(client, tenant, resources, anonymous=True)
    await survey.scored(*[10] * 4, answered_on=day("2026-01-10"))
    await survey.scored(*[10] * 8, answered_on=day("2026-02-10"))
    await survey.scored(*[10] * 8, answered_on=day("2026-03-10"))
    comparison = (await survey.results(**BOTH))["comparison"]
    assert comparison["before"]["n"] is None
    assert comparison["before"]["score"] is None
    assert comparison["difference"] is None


async def test_an_earlier_window_that_leaves_out_a_few_is_not_compared_with(
    client: httpx.AsyncClient, tenant: Tenant, resources: Resources
) -> None:
    survey = await answered_survey(client, tenant, resources, anonymous=True)
    await survey.scored(*[10] * 8, answered_on=day("2026-01-10"))
    await survey.scored(*[0] * 3, answered_on=day("2026-03-10"))
    assert (await survey.results(**BOTH))["comparison"]["before"]["n"] is None


async def test_two_windows_that_leave_a_few_between_them_are_not_compared(
    client: httpx.AsyncClient, tenant: Tenant, resources: Resources
) -> None:
    survey = await answered_survey(client, tenant, resources, anonymous=True)
    await survey.scored(*[10] * 8, answered_on=day("2026-01-10"))
    await survey.scored(*[10] * 8, answered_on=day("2026-02-10"))
    await survey.scored(0, answered_on=day("2026-03-10"))
    found = await survey.results(**(BOTH | {"from": "2026-02-01"}))
    assert (found["n"], found["comparison"]["before"]["n"]) == (8, None)
