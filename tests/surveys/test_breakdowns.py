"""Breaking results down, and what an anonymous survey keeps to itself."""

import random
from collections import defaultdict
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.kit.resources import Resources
from app.surveys.service.suppression import MINIMUM
from tests.conftest import Tenant
from tests.surveys.answered import NPS, Answered, Json, answered_survey, day

CHOICE = {
    "key": "team",
    "type": "single_choice",
    "text": "Team?",
    "choices": [{"key": key, "text": key} for key in ("red", "green", "blue")],
}
SEVERAL = CHOICE | {"key": "tools", "type": "multi_choice"}
QUESTIONS = [NPS, CHOICE, SEVERAL, {"key": "again", "type": "boolean", "text": "Again?"}]


@pytest.fixture
async def survey(client: httpx.AsyncClient, tenant: Tenant, resources: Resources) -> Answered:
    return await answered_survey(client, tenant, resources, questions=QUESTIONS)


@pytest.fixture
async def anonymous(client: httpx.AsyncClient, tenant: Tenant, resources: Resources) -> Answered:
    return await answered_survey(client, tenant, resources, questions=QUESTIONS, anonymous=True)


def sizes(found: Json) -> dict[tuple[Any, ...], int]:
    return {tuple(each["group"].values()): each["n"] for each in found["breakdown"]}


async def test_two_fields_of_contacts_and_answers_agree_with_a_naive_count(survey: Answered) -> None:
    await survey.client.post("/v1/attribute-definitions", json={"key": "plan", "type": "text"})
    chance = random.Random(11)
    people = [
        {
            "lifecycle_stage": chance.choice(["lead", "customer"]),
            "attributes": chance.choice([{"plan": "pro"}, {"plan": "free"}, {"plan": 7}, {}]),
        }
        for _ in range(30)
    ]
    ids = await survey.contacts(people)
    by_id = dict(zip(ids, people, strict=True))
    await survey.answered(
        {
            "contact_id": chance.choice([*ids, None]),
            "channel": chance.choice(["web", "email", None]),
            "answers": {"score": chance.randint(0, 10), "team": chance.choice(["red", "blue"])},
        }
        for _ in range(200)
    )
    expected: dict = defaultdict(list)
    for row in survey.responses:
        person = by_id.get(row["contact_id"], {"attributes": {}, "lifecycle_stage": None})
        plan = person["attributes"].get("plan")
        expected[plan if isinstance(plan, str) else None, person["lifecycle_stage"]].append(row["score"])
    found = await survey.results(group_by=["attributes.plan", "lifecycle_stage"])
    assert sizes(found) == {group: len(scores) for group, scores in expected.items()}
    for each in found["breakdown"]:
        scores = expected[tuple(each["group"].values())]
        points = sum(score >= 9 for score in scores) - sum(score <= 6 for score in scores)
        assert each["score"] == pytest.approx(100 * points / len(scores), abs=1e-6)
        assert each["mean"] == pytest.approx(sum(scores) / len(scores), abs=1e-6)
        assert each["ci_low"] <= each["score"] <= each["ci_high"]
    counted = defaultdict(int)
    for row in survey.responses:
        counted[row["channel"], row["answers"]["team"]] += 1
    assert sizes(await survey.results(group_by=["channel", "answers.team"])) == counted


async def test_the_largest_group_comes_first(survey: Answered) -> None:
    await survey.scored(1, 2, 3, channel="web")
    await survey.scored(1, channel=None)
    await survey.scored(1, 2, channel="email")
    found = await survey.results(group_by="channel")
    assert [each["group"]["channel"] for each in found["breakdown"]] == ["web", "email", None]
    assert found["breakdown_groups"] == 3


async def test_a_response_counts_in_each_tag_of_its_contact(survey: Answered) -> None:
    both, none = await survey.contacts([{"tags": ["a", "b"]}, {}])
    await survey.scored(10, contact_id=both)
    await survey.scored(0, contact_id=none)
    assert sizes(await survey.results(group_by="tags")) == {("a",): 1, ("b",): 1, (None,): 1}


async def test_a_response_counts_in_each_of_its_choices(survey: Answered) -> None:
    await survey.answered(
        [
            {"answers": {"score": 10, "tools": ["red", "blue"]}},
            {"answers": {"score": 9, "tools": ["red"]}},
            {"answers": {"score": 0}},
        ]
    )
    assert sizes(await survey.results(group_by="answers.tools")) == {("red",): 2, ("blue",): 1, (None,): 1}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("answers.again", True),
        ("answers.score", 9),
        ("iteration", 2),
        ("questions_version", 1),
        ("response_locale", "de"),
        ("locale", "fr"),
        ("company", "Example"),
        ("attributes.seats", 2.5),
        ("attributes.beta", False),
        ("attributes.joined", "2026-01-31"),
    ],
)
async def test_groups_have_values_of_their_type(survey: Answered, field: str, value: Any) -> None:
    for key, type in (("seats", "number"), ("beta", "boolean"), ("joined", "date")):
        await survey.client.post("/v1/attribute-definitions", json={"key": key, "type": type})
    attributes = {"seats": 2.5, "beta": False, "joined": "2026-01-31"}
    (contact_id,) = await survey.contacts([{"locale": "fr", "company": "Example", "attributes": attributes}])
    await survey.answered(
        [{"answers": {"score": 9, "again": True}, "contact_id": contact_id, "iteration": 2, "locale": "de"}]
    )
    (group,) = (await survey.results(group_by=field))["breakdown"]
    assert group["group"] == {field: value}


async def test_the_owner_is_named_by_id(survey: Answered) -> None:
    member = (await survey.client.post("/v1/members", json={"name": "M", "email": "m@example.com"})).json()
    (contact_id,) = await survey.contacts([{"owner_id": UUID(member["id"])}])
    await survey.scored(9, contact_id=contact_id)
    assert sizes(await survey.results(group_by="owner_id")) == {(member["id"],): 1}


@pytest.mark.parametrize("field", ["nonsense", "attributes.none", "answers.none", "email", "tags.x"])
async def test_unknown_fields_are_refused_with_the_known_ones(survey: Answered, field: str) -> None:
    path = f"/v1/surveys/{survey.survey_id}/results"
    answer = await survey.client.get(path, params={"group_by": field})
    error = answer.json()["errors"][0]
    assert (answer.status_code, error["pointer"], error["code"]) == (422, "?group_by", "unknown_field")
    assert "lifecycle_stage" in error["detail"]
    assert "answers.team" in error["detail"]


async def test_no_field_twice_and_no_third_one(survey: Answered) -> None:
    assert await survey.refused(group_by=["channel", "channel"]) == ("?group_by", "repeated")
    assert (await survey.refused(group_by=["channel", "locale", "company"]))[0] == "?group_by"


@pytest.mark.slow
async def test_of_very_many_groups_the_largest_are_listed(survey: Answered) -> None:
    ids = await survey.contacts([{"company": f"Company {number}"} for number in range(1_001)])
    await survey.answered({"answers": {"score": 9}, "contact_id": contact_id} for contact_id in ids)
    await survey.scored(9, contact_id=ids[-1])
    found = await survey.results(group_by="company")
    assert (len(found["breakdown"]), found["breakdown_groups"]) == (1_000, 1_001)
    assert found["breakdown"][0]["group"] == {"company": "Company 1000"}


@pytest.mark.parametrize("field", ["tags", "company", "attributes.any", "answers.tools"])
async def test_an_anonymous_survey_has_no_contacts_to_group_by(anonymous: Answered, field: str) -> None:
    assert await anonymous.refused(group_by=field) == ("?group_by", "anonymous")


@pytest.mark.parametrize("count", [1, 4])
async def test_few_answers_to_an_anonymous_survey_are_nothing_at_all(anonymous: Answered, count: int) -> None:
    await anonymous.answered([{"answers": {"score": 3, "team": "red"}}] * count)
    found = await anonymous.results(trend="day", group_by="channel")
    assert found["suppressed_below"] == MINIMUM
    assert {found[name] for name in ("n", "responses", "score", "ci_low", "ci_high", "mean")} == {None}
    assert set(found["distribution"].values()) == {None}
    assert {band["count"] for band in found["bands"]} == {None}
    assert found["breakdown"] == found["trend"] == found["versions"] == []
    assert {each["n"] for each in found["questions"]} == {None}
    assert {each["mean"] for each in found["questions"]} == {None}


async def test_five_answers_are_published(anonymous: Answered) -> None:
    await anonymous.scored(*[10] * 5)
    found = await anonymous.results()
    assert (found["n"], found["score"], found["distribution"]["10"]) == (5, 100, 5)


async def test_a_small_group_is_hidden_with_another_that_would_give_it_away(anonymous: Answered) -> None:
    for team, count in (("red", 3), ("green", 7), ("blue", 20)):
        await anonymous.answered([{"answers": {"score": 9, "team": team}}] * count)
    found = await anonymous.results(group_by="answers.team")
    groups = {each["group"]["answers.team"]: (each["n"], each["suppressed"]) for each in found["breakdown"]}
    assert groups == {"red": (None, True), "green": (None, True), "blue": (20, False)}
    team = next(each for each in found["questions"] if each["key"] == "team")
    assert team["distribution"] == {"red": None, "green": None, "blue": 20}


async def test_small_cells_of_two_fields_cannot_be_worked_out(anonymous: Answered) -> None:
    for channel, team, count in (
        ("web", "red", 2),
        ("web", "blue", 9),
        ("sms", "red", 8),
        ("sms", "blue", 30),
    ):
        rows = [{"answers": {"score": 9, "team": team}, "channel": channel}] * count
        await anonymous.answered(rows)
    found = await anonymous.results(group_by=["channel", "answers.team"])
    assert {each["n"] for each in found["breakdown"]} == {None}
    assert {each["score"] for each in found["breakdown"]} == {None}


async def test_a_small_period_is_hidden_with_another(anonymous: Answered) -> None:
    for month, count in (("01", 2), ("02", 6), ("03", 30)):
        await anonymous.scored(*[9] * count, answered_on=day(f"2026-{month}-10"))
    trend = (await anonymous.results(trend="month"))["trend"]
    assert [point["n"] for point in trend] == [None, None, 30]
    assert [point["score"] is None for point in trend] == [True, True, False]


async def test_filters_that_leave_out_a_few_publish_nothing(anonymous: Answered) -> None:
    await anonymous.scored(*[9] * 20, channel="web")
    await anonymous.scored(*[2] * 3, channel="email")
    assert (await anonymous.results())["n"] == 23
    assert (await anonymous.results(channel="web"))["n"] is None
    assert (await anonymous.results(channel="email"))["n"] is None


async def test_a_value_given_by_few_hides_the_whole_distribution(anonymous: Answered) -> None:
    """Any that were shown would leave fewer unknowns to the mean."""
    await anonymous.scored(*[10] * 12, *[9] * 3, *[7] * 6, *[0] * 8)
    found = await anonymous.results()
    assert [band["count"] for band in found["bands"]] == [8, 6, 15]
    assert set(found["distribution"].values()) == {None}
    assert set(found["questions"][0]["distribution"].values()) == {None}
    await anonymous.scored(9, 9)
    assert (await anonymous.results())["distribution"] == dict.fromkeys(map(str, range(11)), 0) | {
        "0": 8, "7": 6, "9": 5, "10": 12
    }  # fmt: skip


async def test_a_small_band_hides_all_bands_that_the_score_would_solve(anonymous: Answered) -> None:
    """20 answers score 90: were it known that nobody is passive, one would be a detractor."""
    await anonymous.scored(*[10] * 19, 0)
    found = await anonymous.results()
    assert (found["n"], found["score"]) == (20, 90)
    assert [(band["count"], band["share"]) for band in found["bands"]] == [(None, None)] * 3
    assert set(found["distribution"].values()) == {None}


@pytest.fixture
async def rated(client: httpx.AsyncClient, tenant: Tenant, resources: Resources) -> Answered:
    rating = {"key": "ease", "type": "rating", "min": 1, "max": 5, "text": "Easy?"}
    return await answered_survey(
        client, tenant, resources, type="custom", questions=[NPS, rating], anonymous=True
    )


async def test_a_rating_given_by_few_hides_all_that_the_mean_would_solve(rated: Answered) -> None:
    await rated.answered([{"answers": {"ease": 5}}] * 19 + [{"answers": {"ease": 1}}])
    ease = (await rated.results())["questions"][1]
    assert (ease["n"], ease["mean"]) == (20, 4.8)
    assert set(ease["distribution"].values()) == {None}
    assert await rated.refused(group_by="answers.ease") == ("?group_by", "anonymous")


async def test_the_few_who_skip_a_scale_are_not_what_its_distribution_leaves(rated: Answered) -> None:
    await rated.answered([{"answers": {"score": 9, "ease": 5}}] * 10 + [{"answers": {}}] * 2)
    found = await rated.results()
    assert found["responses"] == 12
    for question in found["questions"]:
        assert (question["n"], question["skipped"]) == (None, None)
        assert set(question["distribution"].values()) == {None}


async def test_answers_count_at_once_and_who_took_part_when_that_may_be_told(anonymous: Answered) -> None:
    await anonymous.scored(*[9] * 6)
    await anonymous.scored(0, settled=False)
    await anonymous.invited([{"answered": True}] * 6 + [{"answered": True, "settled": False}])
    found = await anonymous.results()
    assert (found["n"], found["responses"], found["completed"]) == (7, 7, 6)


@pytest.mark.parametrize("fields", ["answers.score", ["channel", "answers.score"]])
async def test_scores_of_an_anonymous_survey_are_not_grouped_by(
    anonymous: Answered, fields: str | list[str]
) -> None:
    """Its distribution hides values within their band, a list of groups would hide others."""
    assert await anonymous.refused(group_by=fields) == ("?group_by", "anonymous")


async def test_the_few_who_gave_no_score_cannot_be_subtracted(
    client: httpx.AsyncClient, tenant: Tenant, resources: Resources
) -> None:
    questions = [NPS | {"required": False}, CHOICE, QUESTIONS[3]]
    survey = await answered_survey(client, tenant, resources, questions=questions, anonymous=True)
    await survey.scored(*[9] * 10)
    await survey.answered([{"answers": {"again": True}}] * 2)
    found = await survey.results()
    assert (found["n"], found["responses"], found["versions"][0]["n"]) == (10, None, None)
    for question in found["questions"]:
        assert None in (question["n"], question["skipped"], question["not_reached"])


async def test_extremes_are_one_persons_answer(
    client: httpx.AsyncClient, tenant: Tenant, resources: Resources
) -> None:
    questions = [NPS, {"key": "hours", "type": "number", "text": "Hours?"}]
    survey = await answered_survey(client, tenant, resources, questions=questions, anonymous=True)
    await survey.answered([{"answers": {"score": 9, "hours": hours}} for hours in range(6)])
    hours = (await survey.results())["questions"][1]
    assert (hours["n"], hours["mean"], hours["min"], hours["max"]) == (6, 2.5, None, None)


@pytest.mark.parametrize("seed", range(6))
async def test_no_count_of_an_anonymous_survey_is_small(anonymous: Answered, seed: int) -> None:
    chance = random.Random(seed)
    await anonymous.answered(
        {
            "answers": {"score": chance.randint(0, 10), "team": chance.choice(["red", "red", "red", "blue"])}
            | chance.choice([{}, {"again": True}, {"tools": ["red"]}, {"tools": ["red", "blue"]}]),
            "channel": chance.choices(["web", "sms", None], [20, 3, 1])[0],
            "answered_on": day(f"2026-0{chance.randint(1, 4)}-10"),
        }
        for _ in range(chance.randint(3, 60))
    )
    await anonymous.invited([{"answered": True}] * chance.randint(0, 9))
    for channel in ({}, {"channel": "sms"}, {"from": "2026-02-01", "to": "2026-04-01"}):
        found = await anonymous.results(group_by=["channel", "answers.team"], trend="month", **channel)
        assert not [where for where, count in counts_in(found) if count in range(1, MINIMUM)]


def counts_in(node: object, where: str = "") -> list[tuple[str, object]]:
    """Every number in the answer that is a count of answers, with its place."""
    if isinstance(node, list):
        return [each for place, item in enumerate(node) for each in counts_in(item, f"{where}/{place}")]
    if not isinstance(node, dict):
        name = where.rsplit("/", 2)
        return [(where, node)] if name[-1] in COUNTS or name[-2] == "distribution" else []
    return [each for key, value in node.items() for each in counts_in(value, f"{where}/{key}")]


COUNTS = (
    "n", "responses", "count", "skipped", "not_reached", "opened", "started", "completed", "numerator",
)  # fmt: skip
