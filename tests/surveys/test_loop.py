"""Closing the loop: which response opens a follow-up, and how it looks."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.surveys.answering import QUESTIONS, a_link, a_survey, a_token, record, said
from tests.surveys.world import AskingWorld, Json


async def followups(asking: AskingWorld) -> list[Json]:
    return await asking.listed("/v1/followups")


async def a_member(asking: AskingWorld) -> str:
    body = {"name": "Mara", "email": "mara@example.com"}
    return str((await asking.made("/v1/members", body))["id"])


async def test_a_detractor_opens_a_follow_up(asking: AskingWorld, stranger: httpx.AsyncClient) -> None:
    owner_id = await a_member(asking)
    contact_id = await asking.contact(owner_id=owner_id)
    survey_id = await a_survey(asking)

    await said(stranger, await a_token(asking, survey_id, contact_id), score=6, why="It came late.")

    (followup,) = await followups(asking)
    assert (followup["contact_id"], followup["owner_id"]) == (contact_id, owner_id)
    assert followup["title"] == "Score 6 in: How are we doing?"
    assert followup["note"] == "It came late."
    assert (followup["origin"]["kind"], followup["origin"]["survey_id"]) == ("survey_response", survey_id)
    due = datetime.fromisoformat(followup["due_at"]) - datetime.fromisoformat(followup["opened_at"])
    assert due == timedelta(hours=48)


@pytest.mark.parametrize(("type", "low", "high"), [("nps", 6, 7), ("csat", 2, 3), ("ces", 3, 4)])
async def test_each_type_has_its_threshold(asking: AskingWorld, type: str, low: int, high: int) -> None:
    questions = [{"key": "score", "type": type, "text": "How was it?"}]
    survey_id = await asking.survey(type=type, questions=questions)
    contact_id = await asking.contact()

    for score in (low, high):
        await record(asking, survey_id, contact_id=contact_id, answers={"score": score})

    assert [each["title"][:8] for each in await followups(asking)] == [f"Score {low} "]
    assert len(await asking.published("survey.detractor_received")) == 1


def rule(**fields: Any) -> Json:
    return fields


async def test_the_first_rule_that_fits_opens_the_only_follow_up(asking: AskingWorld) -> None:
    owner_id = await a_member(asking)
    rules = [
        rule(score_at_most=2, title="Call at once", due_hours=4, owner_id=owner_id),
        rule(text_contains=["CANCEL"], title="Keep them"),
        rule(score_at_most=8, title="Ask why"),
    ]
    survey_id, contact_id = await a_survey(asking, followup_rules=rules), await asking.contact()

    for answers in (
        {"score": 1, "why": "I cancel."},
        {"score": 9, "more": "I will Cancel soon."},
        {"score": 8},
        {"score": 9},
    ):
        answer = await record(asking, survey_id, contact_id=contact_id, answers=answers)
        assert answer.status_code == 201

    opened = sorted(await followups(asking), key=lambda each: each["opened_at"])
    assert [each["title"] for each in opened] == ["Call at once", "Keep them", "Ask why"]
    assert (opened[0]["owner_id"], opened[1]["owner_id"]) == (owner_id, None)


async def test_a_rule_may_look_at_one_question(asking: AskingWorld) -> None:
    rules = [rule(text_contains=["late"], question="why")]
    survey_id, contact_id = await a_survey(asking, followup_rules=rules), await asking.contact()

    await record(asking, survey_id, contact_id=contact_id, answers={"score": 9, "more": "late"})
    assert await followups(asking) == []

    await record(asking, survey_id, contact_id=contact_id, answers={"score": 1, "why": "Too LATE!"})
    assert len(await followups(asking)) == 1


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("annul\u00e9", "Je l'ai ANNULE\u0301 hier."),
        ("k\u0131rd\u0131m", "KIRDIM"),
        ("iptal", "\u0130PTAL!"),
        ("stra\u00dfe", "Die STRASSE war falsch."),
        ("\u30ad\u30e3\u30f3\u30bb\u30eb", "\uff77\uff6c\uff9d\uff7e\uff99 \u3057\u305f\u3044"),
        ("\u1f41\u03b4\u03cc\u03c2", "\u1f49\u0394\u038c\u03a3"),
    ],
    ids=["accents apart", "dotless i", "dotted I", "sharp s", "half width", "final sigma"],
)
async def test_a_word_is_found_however_it_is_spelled(asking: AskingWorld, phrase: str, said: str) -> None:
    rules = [rule(text_contains=[phrase])]
    survey_id, contact_id = await a_survey(asking, followup_rules=rules), await asking.contact()

    await record(asking, survey_id, contact_id=contact_id, answers={"score": 9, "more": said})

    assert len(await followups(asking)) == 1


async def test_a_word_is_looked_for_in_texts_alone(asking: AskingWorld) -> None:
    choice = {
        "key": "topic",
        "type": "single_choice",
        "text": "What about?",
        "choices": [{"key": "late", "text": "Late"}, {"key": "price", "text": "Price"}],
    }
    rules = [rule(text_contains=["late"])]
    survey_id = await a_survey(asking, questions=[*QUESTIONS, choice], followup_rules=rules)

    contact_id = await asking.contact()
    await record(asking, survey_id, contact_id=contact_id, answers={"score": 9, "topic": "late"})

    assert await followups(asking) == []


async def test_nobody_and_tests_are_not_followed_up(asking: AskingWorld, stranger: httpx.AsyncClient) -> None:
    survey_id, contact_id = await a_survey(asking), await asking.contact()
    low = {"score": 1, "why": "x"}

    await record(asking, survey_id, answers=low)
    await record(asking, survey_id, contact_id=contact_id, answers=low, test=True)
    await said(stranger, (await a_link(asking, survey_id))["token"], **low)
    await said(stranger, await a_token(asking, survey_id, contact_id), complete=False, **low)

    assert await followups(asking) == []


async def flag(asking: AskingWorld, survey_id: str, response_id: str, *, test: bool) -> None:
    answer = await asking.client.patch(
        f"/v1/surveys/{survey_id}/responses/{response_id}", json={"test": test}
    )
    assert answer.status_code == 200, answer.text


async def a_detractor(asking: AskingWorld, **body: Any) -> tuple[str, str]:
    """The ids of a survey and of the response that a detractor gave to it."""
    survey_id = await a_survey(asking)
    low = {"score": 1, "why": "x"}
    answer = await record(asking, survey_id, contact_id=await asking.contact(), answers=low, **body)
    assert answer.status_code == 201, answer.text
    return survey_id, answer.json()["id"]


async def test_what_turns_out_to_be_a_test_is_not_followed_up(asking: AskingWorld) -> None:
    survey_id, response_id = await a_detractor(asking)
    await flag(asking, survey_id, response_id, test=True)
    (cancelled,) = await followups(asking)
    await flag(asking, survey_id, response_id, test=False)
    (again,) = await followups(asking)

    assert (cancelled["state"], cancelled["outcome"]) == ("cancelled", "What opened it was a test.")
    assert cancelled["closed_at"] is not None
    assert (again["state"], again["outcome"], again["closed_at"]) == ("open", None, None)
    assert len(await asking.published("followup.closed")) == 1
    assert len(await asking.published("followup.reopened")) == 1


@pytest.mark.parametrize(
    "seen_to", [{"state": "done"}, {"state": "cancelled", "outcome": "Twice."}, {"outcome": "Will call."}]
)
async def test_what_somebody_has_seen_to_stays(asking: AskingWorld, seen_to: Json) -> None:
    survey_id, response_id = await a_detractor(asking)
    (followup,) = await followups(asking)
    changed = await asking.client.patch(f"/v1/followups/{followup['id']}", json=seen_to)
    await flag(asking, survey_id, response_id, test=True)
    await flag(asking, survey_id, response_id, test=False)

    assert await followups(asking) == [changed.json()]


async def test_what_is_no_test_after_all_is_followed_up(asking: AskingWorld) -> None:
    survey_id, response_id = await a_detractor(asking, test=True)
    assert await followups(asking) == []
    await flag(asking, survey_id, response_id, test=False)

    (followup,) = await followups(asking)
    assert (followup["state"], followup["note"], followup["origin"]["id"]) == ("open", "x", response_id)
