"""Many submissions at the same moment, over real connections: one response, and nothing lost."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from app.kit.jobs import Job
from app.subscriptions import JOBS
from app.surveys.service.settling import LOT, SETTLE_JOB
from tests.journeys.processes import free_port, status_of, until
from tests.surveys.answering import a_link, a_survey, a_token, record, responses, say
from tests.surveys.world import AskingWorld
from tests.working import work_off

pytestmark = pytest.mark.slow

AT_ONCE = 50


@pytest.fixture
async def visitor(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client without key on a socket, with a connection for each of many requests."""
    port = free_port()
    config = uvicorn.Config(app, port=port, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    url = f"http://127.0.0.1:{port}"

    async def is_up() -> bool:
        return await status_of(f"{url}/healthz") == 200

    await until(is_up, 30)
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
        yield client
    server.should_exit = True
    await serving


async def at_once(*calls: Callable[[], Awaitable[httpx.Response]]) -> list[httpx.Response]:
    return await asyncio.gather(*(call() for call in calls))


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def saying(visitor: httpx.AsyncClient, token: str, **said: Any) -> Callable[[], Awaitable[httpx.Response]]:
    return lambda: say(visitor, token, **said)


@pytest.mark.parametrize("anonymous", [False, True])
async def test_fifty_submissions_are_one_response(
    asking: AskingWorld, visitor: httpx.AsyncClient, anonymous: bool
) -> None:
    survey_id = await a_survey(asking, anonymous=anonymous)
    token = await a_token(asking, survey_id)

    answers = await at_once(*[saying(visitor, token, score=9, more=str(n)) for n in range(AT_ONCE)])

    assert statuses(answers) == {200: 1, 409: AT_ONCE - 1}
    assert len(await responses(asking, survey_id)) == 1
    asking.clock.advance(days=1)
    await asking.run(SETTLE_JOB)
    assert len(await asking.published("survey.response_received")) == 1


async def test_five_at_once_are_a_lot(asking: AskingWorld, visitor: httpx.AsyncClient) -> None:
    """Whoever comes last sees the four others, also those who were there first by a hair's breadth."""
    survey_id = await a_survey(asking, anonymous=True)
    tokens = [await a_token(asking, survey_id) for _ in range(LOT)]

    await at_once(*[saying(visitor, token, score=9) for token in tokens])
    await work_off(asking.resources, asking.tenant.workspace_id)

    invitations = await asking.listed(f"/v1/surveys/{survey_id}/invitations")
    assert [each["answered"] for each in invitations] == [True] * LOT


async def test_saves_and_submissions_race_to_one_complete_response(
    asking: AskingWorld, visitor: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking)
    tokens = [await a_token(asking, survey_id) for _ in range(5)]

    answers = await at_once(
        *[
            saying(visitor, token, complete=complete, score=9, more=f"{complete}")
            for token in tokens
            for complete in (False, True) * 5
        ]
    )

    completed = [each for each in answers if each.status_code == 200 and each.json()["state"] == "completed"]
    assert len(completed) == len(tokens), "none is lost, and none is there twice"
    assert set(statuses(answers)) <= {200, 409}
    found = await responses(asking, survey_id)
    assert [(each["state"], each["answers"]["more"]) for each in found] == [("completed", "True")] * len(
        tokens
    )


async def test_first_saves_at_once_are_one_partial_response(
    asking: AskingWorld, visitor: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking)
    token = await a_token(asking, survey_id)

    answers = await at_once(
        saying(visitor, token, complete=False, score=3),
        saying(visitor, token, complete=False, more="x"),
        saying(visitor, token, complete=False, score=3, why="Late."),
    )

    assert statuses(answers) == {200: 3}
    (response,) = await responses(asking, survey_id)
    assert response["answers"] == {"score": 3, "why": "Late.", "more": "x"}


async def test_everybody_at_an_open_link_at_once_is_heard(
    asking: AskingWorld, visitor: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking)
    link = await a_link(asking, survey_id)

    answers = await at_once(*[saying(visitor, link["token"], score=9) for _ in range(AT_ONCE)])

    assert statuses(answers) == {200: AT_ONCE}
    assert len(await responses(asking, survey_id, limit=500)) == AT_ONCE


async def test_questions_are_not_replaced_under_the_first_answers(
    asking: AskingWorld, visitor: httpx.AsyncClient
) -> None:
    """Whichever comes first, each response fits the questions of the version it names."""
    survey_id = await a_survey(asking)
    tokens = [await a_token(asking, survey_id) for _ in range(10)]
    other = {"questions": [{"key": "score", "type": "nps", "text": "Other?"}]}

    async def change() -> httpx.Response:
        return await asking.client.patch(f"/v1/surveys/{survey_id}", json=other)

    calls = [saying(visitor, token, score=9) for token in tokens]
    answers = await at_once(*calls[:5], change, *calls[5:])

    assert statuses(answers) == {200: 11}
    versions = (await asking.client.get(f"/v1/surveys/{survey_id}/versions")).json()["items"]
    used = {each["questions_version"] for each in await responses(asking, survey_id)}
    assert used <= {version["questions_version"] for version in versions if version["answered"]}
    if len(versions) == 1:
        assert [question["key"] for question in versions[0]["questions"]] == ["score"]


async def test_who_is_held_up_in_a_circle_is_heard_nevertheless(
    asking: AskingWorld, visitor: httpx.AsyncClient
) -> None:
    """The database ends the wait of one of them, who comes again."""
    survey_id = await a_survey(asking)
    token = await a_token(asking, survey_id)

    async with asking.resources.database.unit(asking.tenant.workspace_id) as unit:
        await unit.connection.execute("SELECT FROM survey_invitations FOR NO KEY UPDATE")
        answering = asyncio.create_task(say(visitor, token, score=9))
        await asking.someone_waits()
        await unit.connection.execute("SELECT FROM surveys FOR SHARE")

    assert (await answering).status_code == 200
    assert len(await responses(asking, survey_id)) == 1


async def test_a_partner_and_the_visitor_at_once_spend_one_invitation(
    asking: AskingWorld, visitor: httpx.AsyncClient
) -> None:
    survey_id, contact_id = await a_survey(asking), await asking.contact()
    token = await a_token(asking, survey_id, contact_id)

    by_visitor, by_partner = await at_once(
        saying(visitor, token, score=9),
        lambda: record(asking, survey_id, contact_id=contact_id, answers={"score": 9}),
    )

    assert by_partner.status_code == 201
    assert by_visitor.status_code in (200, 409)
    found = await responses(asking, survey_id)
    assert len([each for each in found if each["invitation_id"]]) == 1
    assert len(found) == 1 + (by_visitor.status_code == 200)


async def test_the_same_from_a_partner_at_once_is_one_response(asking: AskingWorld) -> None:
    survey_id = await a_survey(asking)
    body = {
        "answers": {"score": 9},
        "source": "shop",
        "external_id": "A-1",
        "contact": {"email": "a@example.com"},
    }

    answers = await at_once(*[lambda: record(asking, survey_id, **body) for _ in range(10)])

    assert statuses(answers) == {201: 1, 200: 9}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_answers_that_come_while_others_are_settled_wait_for_the_next_lot(
    asking: AskingWorld, visitor: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking, anonymous=True)
    tokens = [await a_token(asking, survey_id) for _ in range(20)]
    job = Job(SETTLE_JOB, asking.tenant.workspace_id, UUID(survey_id))

    async def settle() -> None:
        for _ in range(5):
            await JOBS[SETTLE_JOB](asking.resources, job)

    await asyncio.gather(settle(), *(say(visitor, token, score=9) for token in tokens), settle())
    asking.clock.advance(days=1)
    await asking.run(SETTLE_JOB)

    shown = [each["answered"] for each in await asking.listed(f"/v1/surveys/{survey_id}/invitations")]
    settled = [event["answered"] for event in await asking.published("survey.participation_settled")]
    assert len(tokens) - LOT < sum(shown) <= len(tokens)
    assert sum(settled) == sum(shown)
    assert min(settled) >= LOT
    (responses,) = await asking.fetch(
        "SELECT count(*) FROM survey_responses WHERE workspace_id = $1 AND settled"
    )
    assert responses["count"] == len(tokens)
