"""What the free answers to a survey are said to be about."""

from typing import Any

import httpx
import pytest

from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.surveys.answered import NPS, Answered, Json, answered_survey, day

TEXT = {"key": "why", "type": "text", "text": {"en": "Why?", "de": "Warum?"}}
QUESTIONS = [NPS, TEXT, TEXT | {"key": "more"}]


@pytest.fixture
async def survey(client: httpx.AsyncClient, tenant: Tenant, resources: Resources) -> Answered:
    return await answered_survey(client, tenant, resources, questions=QUESTIONS)


@pytest.fixture
async def anonymous(client: httpx.AsyncClient, tenant: Tenant, resources: Resources) -> Answered:
    return await answered_survey(client, tenant, resources, questions=QUESTIONS, anonymous=True)


async def themes(survey: Answered, **query: Any) -> Json:
    answer = await survey.client.get(f"/v1/surveys/{survey.survey_id}/themes", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def said(text: str, score: int = 9, **fields: Any) -> Json:
    return {"answers": {"score": score, "why": text}, "locale": "en", **fields}


async def test_a_theme_has_its_count_mean_score_sentiment_and_examples(survey: Answered) -> None:
    await survey.answered(
        [
            said("The delivery was terrible.", 2),
            said("Terrible delivery!", 4),
            said("Great people.", 10),
            said("Lorem ipsum", 5, locale="la"),
        ]
    )
    found = await themes(survey)
    why, more = found["questions"]
    assert (why["key"], why["text"], why["answers"], why["answers_read"]) == ("why", "Why?", 4, 4)
    assert (more["answers"], more["themes"]) == (0, [])
    delivery = next(each for each in why["themes"] if "delivery" in each["term"])
    assert (delivery["count"], delivery["share"], delivery["mean_score"]) == (2, 0.5, 3)
    assert delivery["sentiment"]["label"] == "negative"
    assert "terrible" in {each["word"] for each in delivery["sentiment"]["words"]}
    ids = {str(row["id"]) for row in survey.responses[:2]}
    assert {each["response_id"] for each in delivery["examples"]} == ids
    assert why["sentiment"] == {"positive": 1, "neutral": 0, "negative": 2, "unknown": 1}


async def test_the_filters_and_the_band_select_answers(survey: Answered) -> None:
    await survey.answered(
        [
            said("slow", 0, channel="web"),
            said("fast", 10, answered_on=day("2026-01-01")),
            said("fine", 7),
            said("test", 0, is_test=True),
        ]
    )

    async def count(**query: Any) -> int:
        return (await themes(survey, question="why", **query))["questions"][0]["answers"]

    assert await count() == 3
    assert await count(band="detractor") == 1
    assert await count(channel="web") == 1
    assert await count(to="2026-01-02") == 1


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ({"question": "score"}, ("?question", "unknown_question")),
        ({"band": "easy"}, ("?band", "unknown_band")),
        ({"from": "2026-01-02", "to": "2026-01-01"}, ("?to", "empty_range")),
        ({"limit": 0}, ("?limit", "greater_than_equal")),
    ],
)
async def test_what_the_survey_does_not_have_is_refused(
    survey: Answered, query: Json, refusal: tuple[str, str]
) -> None:
    answer = await survey.client.get(f"/v1/surveys/{survey.survey_id}/themes", params=query)
    assert answer.status_code == 422
    error = answer.json()["errors"][0]
    assert (error["pointer"], error["code"]) == refusal


async def test_an_anonymous_survey_shows_themes_of_five_and_no_ids(anonymous: Answered) -> None:
    await anonymous.answered([said("late delivery")] * 5)
    await anonymous.answered([said("bad coffee")] * 4)
    await anonymous.answered([said("all was well")] * 9)
    (why, _) = (await themes(anonymous))["questions"]
    terms = {each["term"] for each in why["themes"]}
    assert "late delivery" in terms
    assert not any("coffee" in term for term in terms)
    assert {each["response_id"] for theme in why["themes"] for each in theme["examples"]} == {None}


async def test_the_score_of_a_few_is_no_mean_of_a_theme(anonymous: Answered) -> None:
    await anonymous.answered([{"answers": {"why": "late delivery"}, "locale": "en"}] * 6)
    await anonymous.answered([said("late delivery", 0)] + [said("all was well")] * 9)
    (why, _) = (await themes(anonymous))["questions"]
    delivery = next(each for each in why["themes"] if each["term"] == "late delivery")
    assert (delivery["count"], delivery["mean_score"]) == (7, None)


async def test_few_answers_to_an_anonymous_survey_have_no_themes(anonymous: Answered) -> None:
    await anonymous.answered([said("late delivery")] * 4)
    (why, _) = (await themes(anonymous))["questions"]
    assert (why["answers"], why["answers_read"], why["themes"]) == (None, None, [])
    assert set(why["sentiment"].values()) == {None}


async def test_the_few_that_a_filter_leaves_out_stay_hidden(anonymous: Answered) -> None:
    await anonymous.answered([said("late delivery", 0)] * 6 + [said("late delivery", 10)] * 3)
    (why, _) = (await themes(anonymous, band="detractor"))["questions"]
    assert (why["answers"], why["themes"]) == (None, [])
