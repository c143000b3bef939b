"""Who has answered an anonymous survey shows in lots, and its responses when their day is over."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.surveys.answering import a_link, a_survey, said, seen
from tests.surveys.secret import ANSWERED, Secret, is_of
from tests.surveys.world import AskingWorld
from tests.working import work_off

pytestmark = pytest.mark.slow


async def test_answers_by_an_open_link_are_counted_as_soon_as_there_are_five(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking, anonymous=True)
    link = await a_link(asking, survey_id)

    for score in (9, 9, 9, 10, 10):
        await said(stranger, link["token"], score=score)
    await work_off(asking.resources, asking.tenant.workspace_id)

    results = (await asking.client.get(f"/v1/surveys/{survey_id}/results")).json()
    assert (results["n"], results["score"]) == (5, 100)


async def test_tests_hide_nobody(secret: Secret) -> None:
    """Their answers are marked as such, so that the fifth of a lot with four of them would stand alone."""
    contacts = [await secret.asking.contact() for _ in range(4)]
    for item in await secret.asking.invite(secret.survey_id, *contacts, test=True):
        await said(secret.stranger, item["token"], score=9)
    await secret.answer(1)
    await secret.work_off()

    assert await secret.answered() == 0
    assert await secret.asking.published("survey.response_received") == []


async def test_participation_shows_when_five_have_answered(secret: Secret) -> None:
    await secret.answer(4)
    await secret.work_off()
    assert await secret.answered() == 0
    assert await secret.asking.published("survey.participation_settled") == []

    await secret.answer(2, after=4)
    await secret.work_off()
    assert await secret.answered() == 6


async def test_fewer_than_five_never_show_though_their_responses_are_settled(secret: Secret) -> None:
    """Beside the only response of a day, the only one who took part would be known."""
    await secret.answer(2)
    rows = await secret.rows()
    before = {row.xmin for row in rows if is_of(row, "survey_responses", secret.survey_id)}

    secret.asking.clock.set(ANSWERED + timedelta(days=1))
    await secret.asking.run("surveys.settle")

    assert await secret.answered() == 0
    assert await secret.asking.published("survey.participation_settled") == []
    rows = await secret.rows()
    after = {row.xmin for row in rows if is_of(row, "survey_responses", secret.survey_id)}
    assert len(after) == 1
    assert after.isdisjoint(before)


async def test_a_response_waits_for_the_end_of_its_own_day(secret: Secret) -> None:
    """Whatever else is settled after midnight: told of within seconds, it would have an instant."""
    await secret.answer(1)
    secret.asking.clock.set(ANSWERED + timedelta(days=1))
    link = await a_link(secret.asking, secret.survey_id)
    await said(secret.stranger, link["token"], score=10)

    await secret.asking.run("surveys.settle")
    first = await secret.asking.published("survey.response_received")
    secret.asking.clock.advance(days=1)
    await secret.asking.run("surveys.settle")
    both = await secret.asking.published("survey.response_received")

    assert [each["response"]["answered_on"] for each in first] == ["2031-03-11"]
    assert sorted(each["response"]["answered_on"] for each in both) == ["2031-03-11", "2031-03-12"]


async def test_a_lot_is_settled_over_several_days(secret: Secret) -> None:
    await secret.answer(2)
    secret.asking.clock.set(ANSWERED + timedelta(days=1))
    await secret.asking.run("surveys.settle")
    await secret.answer(3, after=2)
    await secret.work_off()

    assert await secret.answered() == 5
    (settled,) = await secret.asking.published("survey.participation_settled")
    assert settled == {"survey_id": secret.survey_id, "invited_on": ["2031-03-10"], "answered": 5}
    invitations = await secret.listed("invitations")
    assert {
        (each["opened"], each["started"], each["version"]) for each in invitations if each["answered"]
    } == {(True, True, 2)}
    assert {each["answered_at"] for each in invitations} == {None}


async def test_the_sweep_finds_a_day_that_is_over(asking: AskingWorld, stranger: httpx.AsyncClient) -> None:
    survey_id = await a_survey(asking, anonymous=True)
    (item,) = await asking.invite(survey_id, await asking.contact())
    await said(stranger, item["token"], score=9)
    (waiting,) = await asking.fetch("SELECT settle_at FROM surveys WHERE workspace_id = $1")
    assert waiting["settle_at"] > asking.clock.now()

    await asking.fetch("UPDATE surveys SET settle_at = now() WHERE workspace_id = $1")
    asking.clock.advance(days=1)
    await work_off(asking.resources, asking.tenant.workspace_id)

    (response,) = await asking.fetch("SELECT settled FROM survey_responses WHERE workspace_id = $1")
    assert response["settled"]


async def test_once_settled_a_spent_token_says_so(secret: Secret) -> None:
    await secret.answer(5)
    await secret.work_off()

    states = [(await seen(secret.stranger, item["token"]))["state"] for item in secret.invited]
    assert states == ["completed"] * 5 + ["new"] * 2


async def test_a_changed_response_is_told_of_by_its_day_once_it_is_settled(secret: Secret) -> None:
    await secret.answer(1)
    await flag(secret, test=True)
    assert await told(secret) == []

    secret.asking.clock.advance(days=1)
    await secret.asking.run("surveys.settle")
    (received,) = await secret.asking.published("survey.response_received")
    await flag(secret, test=False)

    assert received["response"]["test"]
    assert await told(secret) == [(datetime(2031, 3, 11, tzinfo=UTC), None)]


async def flag(secret: Secret, *, test: bool) -> None:
    (response,) = await secret.listed("responses")
    path = f"/v1/surveys/{secret.survey_id}/responses/{response['id']}"
    assert (await secret.asking.client.patch(path, json={"test": test})).status_code == 200


async def told(secret: Secret) -> list[tuple[Any, Any]]:
    """When a response has changed, and of whom, by the events."""
    rows = await secret.asking.fetch(
        "SELECT occurred_at, subject_id FROM events WHERE workspace_id = $1 AND type = $2",
        "survey.response_changed",
    )
    return [(row["occurred_at"], row["subject_id"]) for row in rows]
