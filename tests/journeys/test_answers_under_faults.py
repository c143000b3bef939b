"""Visitors answer while processes are killed and the database is stopped hard: each token counts once."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.journeys.processes import Installation, status_of, until
from tests.journeys.test_faults import PATIENCE, database_down, walk

pytestmark = pytest.mark.slow

VISITORS = 8
INVITED = 600
KILLS = 5
SURVEY = {
    "title": "How are we doing?",
    "type": "nps",
    "questions": [
        {"key": "score", "type": "nps", "text": "Would you recommend us?"},
        {"key": "why", "type": "text", "text": "Why?"},
    ],
}
LOW, HIGH = 6, 9

Given = dict[str, int]
"""The score that each token was answered with."""


class Visitor:
    """Answers with one token after the other, some half-way first, and tries each until it is taken."""

    def __init__(self, installation: Installation, tokens: deque[str]) -> None:
        self.url = installation.url
        self.tokens = tokens
        self.given: Given = {}
        self.unavailable = 0

    async def answer_all(self) -> None:
        async with httpx.AsyncClient(base_url=self.url) as client:
            while self.tokens:
                token, score = self.tokens.popleft(), random.randint(0, 10)
                if score % 2:
                    await self._say(client, token, {"why": f"Because {score}."}, complete=False)
                await self._say(client, token, {"score": score, "why": f"Because {score}."}, complete=True)
                self.given[token] = score

    async def _say(
        self, client: httpx.AsyncClient, token: str, answers: Mapping[str, Any], *, complete: bool
    ) -> None:
        body = {"answers": answers, "complete": complete}
        in_doubt = False
        while True:
            try:
                answer = await client.post(f"/v1/public/surveys/{token}", json=body)
            except httpx.TransportError:
                in_doubt = True
                await asyncio.sleep(0.02)
                continue
            if answer.status_code == 200 or (in_doubt and complete and answer.status_code == 409):
                return
            assert answer.status_code == 503, answer.text
            self.unavailable += 1
            in_doubt = True
            await asyncio.sleep(0.02)


async def test_each_token_is_one_response_whatever_dies(installation: Installation) -> None:
    tenant = installation.command("workspace", "create", "Shop", "--currency", "EUR", "--json")
    installation.start("api", "worker")
    await installation.ready()
    headers = {"Authorization": f"Bearer {tenant['api_key']}"}
    async with httpx.AsyncClient(base_url=installation.url, headers=headers, timeout=60) as client:
        survey = await open_survey(client)
        asked = await ask(client, survey, INVITED)
        async with answering(installation, [item["token"] for item in asked]) as visitors:
            await kill_again_and_again(installation, visitors)
            await stop_the_database(installation, visitors)
        given = {token: score for visitor in visitors for token, score in visitor.given.items()}
        assert len(given) == INVITED
        assert sum(visitor.unavailable for visitor in visitors) > 0

        expected = {item["invitation_id"]: given[item["token"]] for item in asked}
        ids = await responses_are(client, survey, expected)
        await told_once(client, ids)
        await followed_up_once(client, ids, expected)
        await metrics_are(client, list(expected.values()))


async def open_survey(client: httpx.AsyncClient) -> str:
    made = await client.post("/v1/surveys", json=SURVEY)
    path = f"/v1/surveys/{made.json()['id']}"
    assert (await client.post(f"{path}/open")).status_code == 200
    return path


async def ask(client: httpx.AsyncClient, survey: str, many: int) -> Sequence[dict[str, Any]]:
    people = [{"email": f"person{number}@example.com"} for number in range(many)]
    body = {"items": [{"emails": [{"address": each["email"]}]} for each in people]}
    made = await client.post("/v1/contacts/batch", json=body)
    assert made.status_code == 200, made.text
    contact_ids = [result["id"] for result in made.json()["results"]]
    invited = await client.post(f"{survey}/invitations", json={"contact_ids": contact_ids})
    assert invited.status_code == 201, invited.text
    found: Sequence[dict[str, Any]] = invited.json()["items"]
    return found


@asynccontextmanager
async def answering(installation: Installation, tokens: Sequence[str]) -> AsyncIterator[list[Visitor]]:
    """Eight visitors at work while the block runs; all tokens are answered at its end."""
    waiting = deque(tokens)
    visitors = [Visitor(installation, waiting) for _ in range(VISITORS)]
    async with asyncio.TaskGroup() as group:
        for visitor in visitors:
            group.create_task(visitor.answer_all())
        yield visitors
        await installation.ready()


async def kill_again_and_again(installation: Installation, visitors: Sequence[Visitor]) -> None:
    """Each time when some more have answered, so that every kill hits answers in progress."""
    for number in range(KILLS):
        await some_more(visitors)
        name = ("api", "api", "worker")[number % 3]
        installation.kill(name)
        installation.start(name)


async def stop_the_database(installation: Installation, visitors: Sequence[Visitor]) -> None:
    await some_more(visitors)
    before = sum(visitor.unavailable for visitor in visitors)
    with database_down(installation):

        async def refused() -> bool:
            return sum(visitor.unavailable for visitor in visitors) > before

        await until(refused, 20)
        assert await status_of(f"{installation.url}/healthz") == 200


async def some_more(visitors: Sequence[Visitor]) -> None:
    def answered() -> int:
        return sum(len(visitor.given) for visitor in visitors)

    before = answered()

    async def came() -> bool:
        return answered() >= before + 20

    await until(came, PATIENCE)


async def responses_are(client: httpx.AsyncClient, survey: str, expected: Mapping[str, int]) -> set[str]:
    """Exactly one for each invitation, with what was said; their ids."""
    found = [each async for each in walk(client, f"{survey}/responses")]
    assert Counter(each["invitation_id"] for each in found) == Counter(expected.keys())
    for each in found:
        score = expected[each["invitation_id"]]
        assert each["state"] == "completed"
        assert each["answers"] == {"score": score, "why": f"Because {score}."}
    return {each["id"] for each in found}


async def told_once(client: httpx.AsyncClient, response_ids: set[str]) -> None:
    """One event for each response, as soon as the worker has numbered them."""

    async def events() -> Counter[str]:
        return Counter(
            [
                each["data"]["response"]["id"]
                async for each in walk(client, "/v1/events")
                if each["type"] == "survey.response_received"
            ]
        )

    async def all_told() -> bool:
        return len(await events()) >= len(response_ids)

    await until(all_told, PATIENCE, pause=0.5)
    assert await events() == Counter(response_ids)


async def followed_up_once(
    client: httpx.AsyncClient, response_ids: set[str], expected: Mapping[str, int]
) -> None:
    origins = Counter([each["origin"]["id"] async for each in walk(client, "/v1/followups")])
    assert set(origins) <= response_ids
    assert set(origins.values()) == {1}
    assert len(origins) == sum(score <= LOW for score in expected.values())


async def metrics_are(client: httpx.AsyncClient, scores: Sequence[int]) -> None:
    """A naive count of what was said gives the figures."""
    promoters, detractors = sum(each >= HIGH for each in scores), sum(each <= LOW for each in scores)
    wanted = {
        "net_promoter_score": (promoters - detractors, len(scores)),
        "survey_response_rate": (len(scores), INVITED),
        "loop_closed_rate": (0, detractors),
    }

    async def folded() -> bool:
        return {key: await figures(client, key) for key in wanted} == wanted

    await until(folded, PATIENCE, pause=0.5)


async def figures(client: httpx.AsyncClient, key: str) -> tuple[float, float]:
    """Numerator and denominator, over all days."""
    page = (await client.get(f"/v1/metrics/{key}/snapshots", params={"grain": "day"})).json()
    return (
        sum(each["numerator"] or 0 for each in page["items"]),
        sum(each["denominator"] or 0 for each in page["items"]),
    )
