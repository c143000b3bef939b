"""Visitors have budgets, and nobody learns anything from how they run out."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI

from app.kit.rate_limit import RateLimiter
from tests.surveys.answering import a_survey, a_token, at, say
from tests.surveys.world import AskingWorld


@pytest.fixture
async def limited(app: FastAPI) -> AsyncIterator[None]:
    """The app allows three wrong links by address, and five requests by link and address."""
    usual = app.state.services
    app.state.services = replace(usual, limiter=RateLimiter(0.001, 5), strangers=RateLimiter(0.001, 3))
    yield
    app.state.services = usual


@pytest.fixture
async def two_tokens(asking: AskingWorld) -> tuple[str, str]:
    """Made before anything is limited, since that takes requests as well."""
    survey_id = await a_survey(asking)
    return await a_token(asking, survey_id), await a_token(asking, survey_id)


@pytest.mark.usefixtures("limited")
async def test_guessing_is_throttled_by_address(stranger: httpx.AsyncClient) -> None:
    statuses = [(await stranger.get(at(f"guess-{number}"))).status_code for number in range(5)]

    assert statuses == [404, 404, 404, 429, 429]


async def test_a_token_has_a_budget_of_its_own(
    two_tokens: tuple[str, str], limited: None, stranger: httpx.AsyncClient
) -> None:
    mine, other = two_tokens

    answers = [await stranger.get(at(mine)) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert "Retry-After" in answers[-1].headers
    assert (await stranger.get(at(other))).status_code == 200


async def test_a_guessing_neighbour_keeps_nobody_out(
    two_tokens: tuple[str, str], limited: None, stranger: httpx.AsyncClient
) -> None:
    """Many share an address: a whole office, or all visitors behind one proxy."""
    for number in range(5):
        await stranger.get(at(f"guess-{number}"))

    assert (await stranger.get(at(two_tokens[0]))).status_code == 200
    assert (await say(stranger, two_tokens[0], score=9)).status_code == 200


@pytest.fixture
async def an_expired_token(asking: AskingWorld) -> str:
    token = await a_token(asking, await a_survey(asking, invitation_days=1))
    asking.clock.advance(days=2)
    return token


async def test_whether_a_dead_link_ever_worked_is_not_told_by_what_is_around_the_refusal(
    an_expired_token: str, limited: None, app: FastAPI, stranger: httpx.AsyncClient
) -> None:
    def outside(answer: httpx.Response) -> tuple[int, list[str]]:
        return answer.status_code, sorted(answer.headers.keys())

    known = [outside(await stranger.get(at(an_expired_token))) for _ in range(5)]
    app.state.services = replace(app.state.services, strangers=RateLimiter(0.001, 3))
    unknown = [outside(await stranger.get(at("nobody-has-seen-it"))) for _ in range(5)]

    assert known == unknown
    assert [status for status, _ in known] == [404, 404, 404, 429, 429]
