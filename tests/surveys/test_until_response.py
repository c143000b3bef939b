"""Contacts who are asked until they answer: by one of their links, once."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.surveys.repository.public import find_token
from app.surveys.schemas.public import PublicAnswer
from app.surveys.service.links import hash_of
from app.surveys.service.public import PublicService
from tests.surveys.answering import a_survey, a_token, record, responses, said, say, seen
from tests.surveys.world import AskingWorld, Json


async def two_asks(asking: AskingWorld, survey_id: str, **again: Any) -> tuple[str, str, str]:
    """A contact, and the tokens of the two times that it was asked."""
    contact_id = await asking.contact()
    first = await a_token(asking, survey_id, contact_id)
    asking.clock.advance(hours=1)
    return contact_id, first, await a_token(asking, survey_id, contact_id, **again)


@pytest.mark.parametrize("place", [0, 1])
async def test_who_is_asked_until_they_answer_answers_once(
    asking: AskingWorld, stranger: httpx.AsyncClient, place: int
) -> None:
    survey_id = await a_survey(asking, recontact_rule="until_response")
    _, *tokens = await two_asks(asking, survey_id)
    other = tokens[1 - place]
    await said(stranger, other, complete=False, more="Later.")

    await said(stranger, tokens[place], score=9)

    for complete in (False, True):
        refused = await say(stranger, other, complete=complete, score=1)
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/already-answered")
    look = await seen(stranger, other)
    assert (look["state"], look["answers"]) == ("completed", {})
    assert len(await responses(asking, survey_id, state="completed")) == 1


async def test_who_is_asked_until_they_answer_is_heard_by_one_link_of_two_at_once(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking, recontact_rule="until_response")
    # The first answer of all holds the survey, and hides that others hold nothing in common.
    await said(stranger, await a_token(asking, survey_id), score=7)
    _, first, second = await two_asks(asking, survey_id)
    async with asking.resources.database.raw() as connection:
        holder = await find_token(connection, hash_of(first))
    assert holder is not None

    async with asking.resources.database.unit(holder.workspace_id) as unit:
        await PublicService(unit, holder).answer(PublicAnswer(answers={"score": 9}, complete=True))
        late = asyncio.create_task(say(stranger, second, score=8))
        await asking.someone_waits()

    assert (await late).status_code == 409
    assert sorted(each["score"] for each in await responses(asking, survey_id)) == [7, 9]


@pytest.mark.parametrize("kind", ["a test", "of nobody", "from before", "to another survey"])
async def test_what_is_no_answer_to_the_ask_leaves_its_link_alone(
    asking: AskingWorld, stranger: httpx.AsyncClient, kind: str
) -> None:
    before = (asking.clock.now() - timedelta(days=1)).isoformat()
    survey_id, other_id = [await a_survey(asking, recontact_rule="until_response") for _ in range(2)]
    contact_id, _, token = await two_asks(asking, survey_id)
    body: Json = {
        "a test": {"contact_id": contact_id, "test": True},
        "of nobody": {},
        "from before": {"contact_id": contact_id, "answered_at": before},
        "to another survey": {"contact_id": contact_id},
    }[kind]
    answered_id = other_id if kind == "to another survey" else survey_id
    assert (await record(asking, answered_id, answers={"score": 9}, **body)).status_code == 201

    assert (await seen(stranger, token))["state"] == "new"
    assert (await said(stranger, token, score=9))["state"] == "completed"


async def test_a_test_is_answered_whoever_has_answered(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking, recontact_rule="until_response")
    _, token, test = await two_asks(asking, survey_id, test=True)
    await said(stranger, token, score=9)

    assert (await said(stranger, test, score=9))["state"] == "completed"


async def test_who_may_be_asked_again_answers_again(asking: AskingWorld, stranger: httpx.AsyncClient) -> None:
    survey_id = await a_survey(asking, recontact_rule="always")
    _, *tokens = await two_asks(asking, survey_id)

    for token in tokens:
        assert (await said(stranger, token, score=9))["state"] == "completed"
