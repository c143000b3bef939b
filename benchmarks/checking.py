"""Looks at one answer of each path before it is timed: an empty 200 would look fast."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg
import httpx
import orjson

from benchmarks.load import COMPLETED, answers, new_contact, public, token, touchpoint
from benchmarks.processes import Target
from benchmarks.world import CONTACTS_EACH, World

PLAIN = (
    "id", "given_name", "family_name", "display_name", "emails", "phones", "external_ids", "company",
    "job_title", "lifecycle_stage", "owner_id", "tags", "attributes", "locale", "timezone",
    "acquisition_channel", "acquisition_campaign", "version",
)  # fmt: skip
TOLD = (
    "id", "survey_id", "questions_version", "iteration", "contact_id", "invitation_id", "link_id", "channel",
    "locale", "source", "external_id", "state", "answers", "score_type", "score", "test", "answered_on",
    "version",
)  # fmt: skip
INSTANTS = ("acquired_at", "created_at", "updated_at", "archived_at")


class WrongAnswer(Exception):
    """A target does not answer what the rows say."""


class Checker:
    """Compares answers with rows, which it reads as the owner."""

    def __init__(self, world: World, client: httpx.AsyncClient, owner: Any, number: int) -> None:
        self.world, self.client, self.owner, self.number = world, client, owner, number

    async def check(self, plan: Mapping[str, Any]) -> None:
        """Raises `WrongAnswer` unless every path answers as it should."""
        await self.one(plan["one"][0])
        await self.page(plan["list"][0])
        await self.create()
        for size in (100, 1000):
            await self.batch(size)
        await self.submit(token(plan["submit"]))

    async def one(self, target: str) -> None:
        answer = await self._ask("GET", target)
        require(answer, await self._row(answer["id"]))

    async def page(self, target: str) -> None:
        answer = await self._ask("GET", target)
        if len(answer["items"]) != 50 or not answer["next_cursor"]:
            raise WrongAnswer(f"{target} is not a page of 50")
        for item in answer["items"]:
            require(item, await self._row(item["id"]))
        instants = [item["created_at"] for item in answer["items"]]
        if instants != sorted(instants, reverse=True) or {
            item["lifecycle_stage"] for item in answer["items"]
        } != {"customer"}:
            raise WrongAnswer(f"{target} is not filtered or not in order")

    async def create(self) -> None:
        self.number += 1
        body = new_contact(self.number)
        answer = await self._ask("POST", "/v1/contacts", body)
        row = await self._row(answer["id"])
        require(answer, row)
        if (row["given_name"], row["emails"][0]["address"]) != (
            body["given_name"],
            body["emails"][0]["address"],
        ):
            raise WrongAnswer("the contact that was made is another one")
        told = await self.owner.fetchval("SELECT data FROM events WHERE subject_id = $1", row["id"])
        if told["contact"] != answer:
            raise WrongAnswer("the event tells of another contact than the answer")

    async def batch(self, size: int) -> None:
        """The first half is new, then all of it is known."""
        first = self.number = self.number + size
        items = [touchpoint(number, CONTACTS_EACH) for number in range(first, first + size)]
        half = await self._ask("POST", "/v1/touchpoints/batch", {"items": items[: size // 2]})
        whole = await self._ask("POST", "/v1/touchpoints/batch", {"items": items})
        counts = (half["created"], whole["created"], whole["unchanged"], whole["errors"])
        if counts != (size // 2, size // 2, size // 2, 0):
            raise WrongAnswer(f"a batch of {size} counts {counts}")
        ids = {result["id"] for result in whole["results"]}
        stored = await self.owner.fetchval("SELECT count(*) FROM touchpoints WHERE id = ANY ($1)", list(ids))
        if stored != size or whole["results"][0] != {**half["results"][0], "status": "unchanged"}:
            raise WrongAnswer(f"a batch of {size} did not store its touchpoints")

    async def submit(self, token: str) -> None:
        if await self._ask("POST", public(token), answers()) != orjson.loads(COMPLETED):
            raise WrongAnswer("a complete answer to a survey does not complete it")
        row = await self.owner.fetchrow(_ANSWERED, hashlib.sha256(token.encode()).digest())
        if row is None or row["answers"] != answers()["answers"]:
            raise WrongAnswer("the answers to a survey are not stored")
        left = (row["spent"], row["score"], row["test"], row["last_score"], row["asked"])
        if left != (True, 9, False, row["id"], row["contact_id"]):
            raise WrongAnswer(f"an answer to a survey left {dict(row)} behind")
        (told,) = await self.owner.fetch(_TOLD, row["contact_id"], str(row["id"]))
        require_told(told["data"], row)

    async def _ask(self, method: str, target: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.world.api_key}"}
        answer = await self.client.request(method, target, json=body, headers=headers, timeout=60)
        if answer.status_code not in (200, 201):
            raise WrongAnswer(f"{method} {target}: {answer.status_code} {answer.text[:300]}")
        return answer.json()

    async def _row(self, contact_id: str) -> dict[str, Any]:
        row = await self.owner.fetchrow("SELECT * FROM contacts WHERE id = $1::text::uuid", contact_id)
        return dict(row)


def require(answer: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    """Raises `WrongAnswer` unless a contact's answer is what its row says."""
    for name in PLAIN:
        expected = str(row[name]) if name == "id" else row[name]
        if answer[name] != expected:
            raise WrongAnswer(f"{name} is {answer[name]!r} instead of {expected!r}")
    for name in INSTANTS:
        given = answer[name] and datetime.fromisoformat(answer[name])
        if given != row[name]:
            raise WrongAnswer(f"{name} is {answer[name]!r} instead of {row[name]}")
    revenue = {"amount": f"{row['net_revenue']:.2f}", "currency": "EUR"}
    if (answer["stats"]["net_revenue"], answer["stats"]["touchpoint_count"]) != (
        revenue,
        row["touchpoint_count"],
    ):
        raise WrongAnswer(f"the statistics are {answer['stats']}")


def require_told(told: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    """Raises `WrongAnswer` unless the event about a response is what its row says."""
    response = told["response"]
    for name in TOLD:
        plain = isinstance(row[name], str | int | dict | None)
        if response[name] != (row[name] if plain else str(row[name])):
            raise WrongAnswer(f"the event says that {name} is {response[name]!r} instead of {row[name]!r}")
    for name in ("started_at", "answered_at"):
        if datetime.fromisoformat(response[name]) != row[name]:
            raise WrongAnswer(f"the event says that {name} is {response[name]!r} instead of {row[name]}")
    survey = {"id": str(row["survey_id"]), "type": "nps", "title": row["title"]}
    if told["survey"] != survey or told["contact_id"] != str(row["contact_id"]):
        raise WrongAnswer(f"the event tells {told} of an answer to a survey")
    if response.keys() != {*TOLD, "started_at", "answered_at"}:
        raise WrongAnswer(f"the event tells {sorted(response)} of a response")


async def check_target(world: World, target: Target, plan: Mapping[str, Any], number: int) -> None:
    """Raises `WrongAnswer` unless the target answers every path as the rows demand."""
    owner = await asyncpg.connect(world.owner_dsn)
    try:
        await owner.set_type_codec("jsonb", encoder=str, decoder=orjson.loads, schema="pg_catalog")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{target.port}") as client:
            await Checker(world, client, owner, number).check(plan)
    finally:
        await owner.close()


_ANSWERED = """
    SELECT r.*, r.is_test AS test, i.answered AND i.version = 2 AND i.answered_at = r.answered_at AS spent,
        i.contact_id AS asked, s.response_id AS last_score, surveys.title
    FROM survey_invitations i
    JOIN survey_responses r ON r.invitation_id = i.id
    JOIN surveys ON surveys.id = r.survey_id
    LEFT JOIN survey_contact_scores s ON s.contact_id = r.contact_id AND s.type = 'nps'
    WHERE i.token_hash = $1
"""
_TOLD = """
    SELECT data FROM events
    WHERE subject_id = $1 AND type = 'survey.response_received' AND data -> 'response' ->> 'id' = $2
"""
