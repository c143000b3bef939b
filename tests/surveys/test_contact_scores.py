"""Contacts are found by what they have said in surveys."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.surveys.answering import a_survey, a_token, record, responses, said
from tests.surveys.world import AskingWorld, Json


async def found(asking: AskingWorld, op: str, value: Any, field: str = "surveys.nps.last_score") -> set[str]:
    body = {"filter": {"field": field, "op": op, "value": value}}
    answer = await asking.client.post("/v1/contacts/search", json=body)
    assert answer.status_code == 200, answer.text
    return {contact["id"] for contact in answer.json()["items"]}


async def scored(asking: AskingWorld, survey_id: str, contact_id: str, score: int, **body: Any) -> Json:
    answers: Json = {"score": score} | ({"why": "x"} if score < 7 else {})
    answer = await record(asking, survey_id, contact_id=contact_id, answers=answers, **body)
    assert answer.status_code == 201, answer.text
    response: Json = answer.json()
    return response


@pytest.fixture
async def three(asking: AskingWorld) -> tuple[str, str, str]:
    """A contact who gave 6, one who gave 9, and one who gave nothing."""
    survey_id = await a_survey(asking)
    low, high, silent = await asking.contacts(3)
    await scored(asking, survey_id, low, 6)
    await scored(asking, survey_id, high, 9)
    return low, high, silent


async def test_by_the_last_score(asking: AskingWorld, three: tuple[str, str, str]) -> None:
    low, high, silent = three

    assert await found(asking, "lte", 6) == {low}
    assert await found(asking, "lt", 6) == set()
    assert await found(asking, "lt", 6.5) == await found(asking, "lte", 6.5) == {low}
    assert await found(asking, "gt", 6) == await found(asking, "gte", 6.5) == {high}
    assert await found(asking, "gte", -1e17) == await found(asking, "lte", 1e17) == {low, high}
    assert await found(asking, "eq", 9) == await found(asking, "in", [9, 9.5, 3]) == {high}
    assert await found(asking, "eq", 9.5) == set()
    assert await found(asking, "between", [5.5, 9]) == {low, high}
    assert await found(asking, "ne", 9) == await found(asking, "not_in", [9]) == {low, silent}
    assert await found(asking, "exists", True) == {low, high}
    assert await found(asking, "exists", False) == {silent}
    assert await found(asking, "lte", 6, "surveys.csat.last_score") == set()


async def test_a_negation_holds_for_those_who_never_answered(
    asking: AskingWorld, three: tuple[str, str, str]
) -> None:
    _, high, silent = three
    wanted = {"not": {"field": "surveys.nps.last_score", "op": "lte", "value": 6}}

    answer = await asking.client.post("/v1/contacts/search", json={"filter": wanted})

    assert {contact["id"] for contact in answer.json()["items"]} == {high, silent}


async def test_the_latest_answer_counts_in_whatever_order_they_come(asking: AskingWorld) -> None:
    survey_id, contact_id = await a_survey(asking), await asking.contact()
    now = asking.clock.now()

    for hours, score in ((5, 8), (1, 3), (3, 10)):
        at = (now - timedelta(hours=hours)).isoformat()
        await scored(asking, survey_id, contact_id, score, answered_at=at)

    assert await found(asking, "eq", 3) == {contact_id}
    assert await found(
        asking, "gt", (now - timedelta(hours=2)).isoformat(), "surveys.nps.last_answered_at"
    ) == {contact_id}


async def test_of_tests_that_are_found_out_at_once_nothing_stays(asking: AskingWorld) -> None:
    survey_id, contacts = await a_survey(asking), await asking.contacts(5)
    for contact_id in contacts:
        said = [await scored(asking, survey_id, contact_id, score) for score in (9, 2, 7)]
        answers = await asyncio.gather(
            *(
                asking.client.patch(f"/v1/surveys/{survey_id}/responses/{each['id']}", json={"test": True})
                for each in said
            )
        )
        assert [answer.status_code for answer in answers] == [200, 200, 200]

    assert await found(asking, "exists", True) == set()


async def test_a_test_does_not_count_and_counts_when_it_is_none(asking: AskingWorld) -> None:
    survey_id, contact_id = await a_survey(asking), await asking.contact()
    await scored(asking, survey_id, contact_id, 9)
    last = await scored(asking, survey_id, contact_id, 2)
    path = f"/v1/surveys/{survey_id}/responses/{last['id']}"

    await asking.client.patch(path, json={"test": True})
    assert await found(asking, "exists", True) == await found(asking, "eq", 9) == {contact_id}

    await asking.client.patch(path, json={"test": False})
    assert await found(asking, "eq", 2) == {contact_id}


async def test_with_its_only_response_a_test_the_contact_has_no_score(asking: AskingWorld) -> None:
    survey_id, contact_id = await a_survey(asking), await asking.contact()
    only = await scored(asking, survey_id, contact_id, 2)

    await asking.client.patch(f"/v1/surveys/{survey_id}/responses/{only['id']}", json={"test": True})

    assert await found(asking, "exists", True) == set()


async def test_by_invitations_and_responses(asking: AskingWorld, stranger: httpx.AsyncClient) -> None:
    survey_id = await a_survey(asking)
    asked, answered, neither = await asking.contacts(3)
    before = asking.clock.now().isoformat()
    await a_token(asking, survey_id, asked)
    await said(stranger, await a_token(asking, survey_id, answered), score=9)
    after = asking.clock.now().isoformat()

    assert await found(asking, "gte", before, "surveys.last_invited_at") == {asked, answered}
    assert await found(asking, "lte", after, "surveys.last_invited_at") == {asked, answered}
    assert await found(asking, "gt", after, "surveys.last_invited_at") == set()
    assert await found(asking, "exists", False, "surveys.last_invited_at") == {neither}
    assert await found(asking, "gte", 1, "surveys.response_count") == {answered}
    assert await found(asking, "eq", 0, "surveys.response_count") == {asked, neither}
    assert await found(asking, "lt", 1, "surveys.response_count") == {asked, neither}


async def test_it_is_the_last_invitation_that_has_to_fit(asking: AskingWorld) -> None:
    survey_id = await a_survey(asking, recontact_rule="always")
    once, twice = await asking.contacts(2)
    await asking.invite(survey_id, once, twice)
    asking.clock.advance(days=2)
    await asking.invite(survey_id, twice)

    async def invited(op: str, value: Any) -> set[str]:
        return await found(asking, op, value, "surveys.last_invited_at")

    asked = await asking.listed(f"/v1/surveys/{survey_id}/invitations", sort="created_at")
    first, last = asked[0]["created_at"], asked[-1]["created_at"]
    assert await invited("lte", first) == await invited("between", [first, first]) == {once}
    assert await invited("between", [first, last]) == await invited("within_last", "3d") == {once, twice}
    assert await invited("eq", last) == await invited("within_last", "1d") == {twice}
    assert await invited("eq", first) == {once}
    assert await invited("ne", first) == {twice}


async def test_responses_of_an_anonymous_survey_tell_nothing_of_contacts(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking, anonymous=True)

    await said(stranger, await a_token(asking, survey_id), score=2, why="x")

    assert len(await responses(asking, survey_id)) == 1
    assert await found(asking, "exists", True) == set()
    assert await found(asking, "gte", 1, "surveys.response_count") == set()
