"""Results of a survey against a naive count of the same responses."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from statistics import mean
from uuid import UUID

import httpx
import pytest

from app.kit.intervals import wilson
from app.kit.resources import Resources
from app.surveys.models.surveys import SurveyRow
from app.surveys.repository.grouping import answer_text
from app.surveys.repository.results import ResultsRepository
from app.surveys.service.questionnaire import Questionnaire
from app.surveys.service.results import ResultsService
from app.surveys.service.results_query import ResultsFilter, ResultsQuery
from app.surveys.service.scoring import Tally
from tests.conftest import Tenant
from tests.surveys.answered import NPS, Answered, Json, answered_survey, day

QUESTIONS = [
    NPS,
    {
        "key": "reason",
        "type": "single_choice",
        "text": {"en": "Why?", "de": "Warum?"},
        "choices": [{"key": key, "text": key} for key in ("price", "support", "quality")],
        "show_if": {"field": "score", "op": "lte", "value": 8},
    },
    {
        "key": "features",
        "type": "multi_choice",
        "text": "Which?",
        "choices": [{"key": key, "text": key} for key in ("a", "b", "c")],
    },
    {
        "key": "why",
        "type": "text",
        "text": "Tell us",
        "show_if": {"field": "features", "op": "contains", "value": "a"},
    },
    {
        "key": "again",
        "type": "boolean",
        "text": "Again?",
        "required": True,
        "show_if": {"not": {"field": "why", "op": "contains", "value": "NO"}},
    },
    {"key": "hours", "type": "number", "text": "Hours?"},
    {"key": "since", "type": "date", "text": "Since?"},
    {"key": "ease", "type": "rating", "min": 1, "max": 5, "text": "Easy?"},
]


@pytest.fixture
async def survey(client: httpx.AsyncClient, tenant: Tenant, resources: Resources) -> Answered:
    return await answered_survey(client, tenant, resources, questions=QUESTIONS)


def random_response(random: random.Random, questionnaire: Questionnaire) -> Json:
    said = {
        "score": random.randint(0, 10),
        "reason": random.choice(["price", "support", "quality", None]),
        "features": random.choice([["a"], ["a", "b"], ["b", "c"], None]),
        "why": random.choice(["yes", "no way", None]),
        "again": random.choice([True, False]),
        "hours": random.choice([1, 2.5, 40, None]),
        "since": random.choice(["2020-02-29", "2024-01-01", None]),
        "ease": random.choice([1, 2, 5, None]),
        "last": random.choice(["yes", None]),
    }
    path = questionnaire.walk(said).path
    while path != (path := questionnaire.walk({key: said[key] for key in path}).path):
        pass
    return {
        "answers": {key: said[key] for key in path if said[key] is not None},
        "answered_on": date(2026, 1, 1) + timedelta(days=random.randrange(60)),
        "channel": random.choice(["email", "web", None]),
        "locale": random.choice(["en", "de"]),
        "iteration": random.randint(1, 3),
        "is_test": random.random() < 0.1,
        "state": "partial" if random.random() < 0.1 else "completed",
    }


async def questionnaire_of(survey: Answered) -> Questionnaire:
    answer = await survey.client.get(f"/v1/surveys/{survey.survey_id}/versions")
    stored = answer.json()["items"][0]["questions"]
    return Questionnaire.read([{k: v for k, v in each.items() if v is not None} for each in stored], "nps")


def counted(survey: Answered) -> list[Json]:
    return [row for row in survey.responses if row["state"] == "completed" and not row["is_test"]]


async def test_every_figure_is_that_of_a_naive_count(survey: Answered) -> None:
    questionnaire = await questionnaire_of(survey)
    chance = random.Random(20260117)
    await survey.answered(random_response(chance, questionnaire) for _ in range(400))
    found = await survey.results()
    rows = counted(survey)
    scores = [row["score"] for row in rows]
    tally = Tally("nps", Counter(scores))
    low, high = tally.interval()
    assert found["n"] == found["responses"] == len(rows)
    assert found["score"] == pytest.approx(
        100 * (sum(s >= 9 for s in scores) - sum(s <= 6 for s in scores)) / len(scores), abs=1e-6
    )
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((float(low), float(high)), abs=1e-6)
    assert found["mean"] == pytest.approx(mean(scores), abs=1e-6)
    assert found["distribution"] == {str(value): scores.count(value) for value in range(11)}
    assert [(band["band"], band["count"]) for band in found["bands"]] == [
        ("detractor", sum(s <= 6 for s in scores)),
        ("passive", sum(s in (7, 8) for s in scores)),
        ("promoter", sum(s >= 9 for s in scores)),
    ]
    assert sum(band["share"] for band in found["bands"]) == pytest.approx(1, abs=1e-5)
    for question in found["questions"]:
        assert_question(question, rows, questionnaire)


def assert_question(question: Json, rows: list[Json], questionnaire: Questionnaire) -> None:
    key = question["key"]
    answers = [row["answers"][key] for row in rows if key in row["answers"]]
    reached = sum(key in questionnaire.walk(row["answers"]).path for row in rows)
    assert question["n"] == len(answers), key
    assert question["skipped"] == reached - len(answers), key
    assert question["not_reached"] == len(rows) - reached, key
    chosen = Counter(
        {True: "true", False: "false"}.get(one, str(one)) if isinstance(one, bool) else str(one)
        for answer in answers
        for one in (answer if isinstance(answer, list) else [answer])
    )
    if question["distribution"] is not None:
        assert {value: n for value, n in question["distribution"].items() if n} == chosen, key
    if key in ("score", "hours", "ease"):
        assert question["mean"] == pytest.approx(mean(answers), abs=1e-6)
    if key in ("hours", "since"):
        assert (question["min"], question["max"]) == (min(answers), max(answers))


@pytest.mark.parametrize(
    "condition",
    [
        {"field": "reason", "op": "in", "value": ["price", "support"]},
        {"field": "reason", "op": "ne", "value": "price"},
        {"not": {"field": "features", "op": "in", "value": ["a", "c"]}},
        {"field": "features", "op": "exists", "value": False},
        {"field": "why", "op": "starts_with", "value": "NO"},
        {"field": "again", "op": "eq", "value": True},
        {"field": "hours", "op": "between", "value": [2, 3]},
        {"field": "since", "op": "lt", "value": "2023-01-01"},
        {
            "and": [
                {"field": "ease", "op": "gte", "value": 2},
                {"field": "score", "op": "not_in", "value": [1, 2]},
            ]
        },
        {
            "or": [
                {"field": "ease", "op": "exists", "value": False},
                {"field": "again", "op": "ne", "value": True},
            ]
        },
    ],
)
async def test_who_was_led_past_a_question_is_told_from_who_skipped_it(
    client: httpx.AsyncClient, tenant: Tenant, resources: Resources, condition: Json
) -> None:
    last = {"key": "last", "type": "text", "text": "Last?", "show_if": condition}
    survey = await answered_survey(client, tenant, resources, questions=[*QUESTIONS, last])
    questionnaire = await questionnaire_of(survey)
    chance = random.Random(5)
    await survey.answered(random_response(chance, questionnaire) for _ in range(80))
    found = (await survey.results())["questions"][-1]
    assert_question(found, counted(survey), questionnaire)
    assert found["not_reached"] > 0
    assert found["skipped"] > 0


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ({"from": "2026-01-10"}, lambda row: row["answered_on"] >= day("2026-01-10")),
        ({"to": "2026-01-10"}, lambda row: row["answered_on"] < day("2026-01-10")),
        ({"iteration": 2}, lambda row: row["iteration"] == 2),
        ({"channel": "web"}, lambda row: row["channel"] == "web"),
        ({"locale": "de"}, lambda row: row["locale"] == "de"),
        ({"questions_version": 2}, lambda row: False),
    ],
)
async def test_filters_select_the_responses_that_match(
    survey: Answered, query: Json, holds: Callable[[Json], bool]
) -> None:
    questionnaire = await questionnaire_of(survey)
    chance = random.Random(7)
    await survey.answered(random_response(chance, questionnaire) for _ in range(60))
    assert (await survey.results(**query))["n"] == sum(holds(row) for row in counted(survey))


async def test_a_survey_without_responses_has_no_score(survey: Answered) -> None:
    found = await survey.results(trend="day", group_by="channel")
    assert (found["n"], found["responses"]) == (0, 0)
    nothing = ("score", "ci_low", "ci_high", "mean", "response_rate", "start_rate", "completion_rate")
    assert {found[name] for name in nothing} == {None}
    assert found["breakdown"] == found["trend"] == found["versions"] == []
    assert {question["n"] for question in found["questions"]} == {0}


async def test_tests_and_partial_responses_are_in_no_score(survey: Answered) -> None:
    await survey.scored(10)
    await survey.scored(0, is_test=True)
    await survey.scored(0, state="partial")
    found = await survey.results()
    assert (found["n"], found["score"]) == (1, 100)


async def test_five_promoters_are_not_certain(survey: Answered) -> None:
    await survey.scored(*[10] * 5)
    found = await survey.results()
    assert found["score"] == 100
    assert found["ci_low"] < 100


async def test_the_versions_are_named_and_their_questions_kept_apart(
    client: httpx.AsyncClient, tenant: Tenant, resources: Resources
) -> None:
    survey = await answered_survey(client, tenant, resources, questions=[NPS, QUESTIONS[7]])
    await survey.answered([{"answers": {"score": 9, "ease": 4}}] * 3)
    await survey.ask([NPS, {"key": "ease", "type": "text", "text": "How easy?"}, QUESTIONS[5]])
    await survey.answered([{"answers": {"score": 0, "ease": "4", "hours": 3}, "questions_version": 2}] * 2)
    found = await survey.results()
    assert found["versions"] == [{"questions_version": 1, "n": 3}, {"questions_version": 2, "n": 2}]
    asked = [
        (each["key"], each["type"], each["questions_versions"], each["n"]) for each in found["questions"]
    ]
    assert asked == [
        ("score", "nps", [1, 2], 5),
        ("ease", "text", [2], 2),
        ("hours", "number", [2], 2),
        ("ease", "rating", [1], 3),
    ]
    assert [each["skipped"] for each in found["questions"]] == [0, 0, 0, 0]


async def test_whoever_answers_without_the_score_question_is_a_response_without_score(
    client: httpx.AsyncClient, tenant: Tenant, resources: Resources
) -> None:
    survey = await answered_survey(
        client, tenant, resources, questions=[NPS | {"required": False}, QUESTIONS[7]]
    )
    await survey.answered([{"answers": {"ease": 3}}, {"answers": {"score": 10, "ease": 3}}])
    found = await survey.results()
    assert (found["responses"], found["n"], found["score"]) == (2, 1, 100)
    assert found["questions"][0]["skipped"] == 1


async def test_a_custom_survey_has_statistics_and_no_score(
    client: httpx.AsyncClient, tenant: Tenant, resources: Resources
) -> None:
    survey = await answered_survey(client, tenant, resources, type="custom", questions=QUESTIONS[7:])
    await survey.answered([{"answers": {"ease": ease}} for ease in (1, 5, 5)])
    found = await survey.results(trend="day", group_by="answers.ease")
    assert (found["n"], found["score"], found["distribution"], found["bands"]) == (3, None, None, [])
    assert found["questions"][0]["distribution"] == {"1": 1, "2": 0, "3": 0, "4": 0, "5": 2}
    assert [(each["group"], each["n"]) for each in found["breakdown"]] == [
        ({"answers.ease": 5}, 2),
        ({"answers.ease": 1}, 1),
    ]
    assert [point["n"] for point in found["trend"]] == [3]


async def test_many_choices_are_counted_as_few_are(
    client: httpx.AsyncClient, tenant: Tenant, resources: Resources
) -> None:
    choices = [{"key": f"c{number}", "text": "…"} for number in range(30)]
    question = {"key": "many", "type": "multi_choice", "text": "Which?", "choices": choices}
    survey = await answered_survey(client, tenant, resources, type="custom", questions=[question])
    await survey.answered([{"answers": {"many": ["c1", "c2"]}}, {"answers": {"many": ["c2"]}}, {}])
    (found,) = (await survey.results())["questions"]
    assert (found["n"], found["skipped"]) == (2, 1)
    assert {key: n for key, n in found["distribution"].items() if n} == {"c1": 1, "c2": 2}


async def test_rates_are_of_those_who_were_asked(survey: Answered) -> None:
    opened = {"opened": True}
    await survey.invited(
        [
            *[{}] * 4,
            *[opened] * 3,
            *[opened | {"started": True}] * 2,
            {"answered": True},
            {"delivery": "bounced"},
            {"delivery": "revoked"},
            {"is_test": True, "answered": True},
            {"origin": "link", "started": True},
        ]
    )
    found = await survey.results()
    assert [found[name] for name in ("invited", "opened", "started", "completed")] == [10, 6, 3, 1]
    low, high = wilson(1, 10)
    assert found["response_rate"] == {
        "value": 0.1,
        "numerator": 1,
        "denominator": 10,
        "ci_low": pytest.approx(float(low), abs=1e-6),
        "ci_high": pytest.approx(float(high), abs=1e-6),
    }
    assert found["start_rate"]["value"] == 0.5
    assert found["completion_rate"]["value"] == pytest.approx(1 / 3, abs=1e-6)


async def test_invitations_are_counted_by_the_local_day_they_were_made_on(survey: Answered) -> None:
    await survey.invited([{"created_at": datetime(2026, 1, 31, 23, 30, tzinfo=UTC)}])
    assert (await survey.results(**{"from": "2026-02-01"}))["invited"] == 0
    await survey.client.patch("/v1/workspace", json={"timezone": "Europe/Berlin"})
    assert (await survey.results(**{"from": "2026-02-01"}))["invited"] == 1
    assert (await survey.results(questions_version=1))["invited"] is None


async def test_a_trend_has_its_gaps(survey: Answered) -> None:
    await survey.scored(10, answered_on=day("2026-01-15"))
    await survey.scored(0, 10, answered_on=day("2026-03-31"))
    trend = (await survey.results(trend="month"))["trend"]
    assert [(each["period_start"], each["period_end"], each["n"], each["score"]) for each in trend] == [
        ("2026-01-01", "2026-02-01", 1, 100),
        ("2026-02-01", "2026-03-01", 0, None),
        ("2026-03-01", "2026-04-01", 2, 0),
    ]


async def test_a_trend_may_go_by_iteration(survey: Answered) -> None:
    await survey.scored(10, iteration=1)
    await survey.scored(0, iteration=3)
    trend = (await survey.results(trend="iteration"))["trend"]
    assert [(each["iteration"], each["n"]) for each in trend] == [(1, 1), (2, 0), (3, 1)]


async def test_a_trend_of_more_points_than_anybody_reads_is_refused(survey: Answered) -> None:
    await survey.scored(10, answered_on=day("2000-01-01"))
    await survey.scored(10, answered_on=day("2020-01-01"))
    assert await survey.refused(trend="day") == ("?trend", "too_many_points")


async def test_another_workspace_has_no_such_survey(
    survey: Answered, other_client: httpx.AsyncClient
) -> None:
    answer = await other_client.get(f"/v1/surveys/{survey.survey_id}/results")
    assert answer.status_code == 404


async def test_answers_that_come_while_results_are_read_are_in_none_of_the_figures(survey: Answered) -> None:
    await survey.scored(9, 3)
    everybody = ResultsFilter().selection(SurveyRow(id=UUID(survey.survey_id), anonymous=False))
    async with survey.resources.database.unit(survey.tenant.workspace_id, read_only=True) as unit:
        repository = ResultsRepository(unit)
        scores, _ = await repository.scores(everybody)
        await survey.scored(10, 10)
        answered = await repository.combinations(everybody, [answer_text("score")])
        found = await ResultsService(unit).results(UUID(survey.survey_id), ResultsQuery(ResultsFilter()))

    assert sum(row.responses for row in scores) == sum(count for _, count in answered) == 2
    score = found.questions[0]
    assert (found.responses, score.n, score.skipped) == (2, 2, 0)
    assert (await survey.results())["responses"] == 4
