"""Answering in a few words: visitors with tokens, partners, and what became of their answers."""

from typing import Any

import httpx

from tests.surveys.world import AskingWorld, Json

QUESTIONS: list[Json] = [
    {
        "key": "score",
        "type": "nps",
        "text": {"en": "How likely are you to recommend us?", "de": "Würden Sie uns empfehlen?"},
    },
    {
        "key": "why",
        "type": "text",
        "text": "What went wrong?",
        "required": True,
        "show_if": {"field": "score", "op": "lte", "value": 6},
    },
    {"key": "more", "type": "text", "text": "Anything else?"},
]
SURVEY: Json = {
    "title": {"en": "How are we doing?", "de": "Wie war es?"},
    "introduction": "Two minutes.",
    "thanks": {"en": "Thank you!", "de": "Danke!"},
    "questions": QUESTIONS,
}


async def a_survey(asking: AskingWorld, **fields: Any) -> str:
    """The id of an open survey with a branch for low scores."""
    return await asking.survey(**SURVEY | fields)


async def a_token(asking: AskingWorld, survey_id: str, contact_id: str | None = None, **fields: Any) -> str:
    """The token of a contact who was invited."""
    (item,) = await asking.invite(survey_id, contact_id or await asking.contact(), **fields)
    return str(item["token"])


async def a_link(asking: AskingWorld, survey_id: str, **fields: Any) -> Json:
    return await asking.made(f"/v1/surveys/{survey_id}/links", {"name": "Poster", **fields})


def at(token: str) -> str:
    return f"/v1/public/surveys/{token}"


async def say(
    visitor: httpx.AsyncClient, token: str, *, complete: bool = True, **answers: Any
) -> httpx.Response:
    return await visitor.post(at(token), json={"answers": answers, "complete": complete})


async def said(visitor: httpx.AsyncClient, token: str, *, complete: bool = True, **answers: Any) -> Json:
    """As `say`, for what must go well."""
    answer = await say(visitor, token, complete=complete, **answers)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def seen(visitor: httpx.AsyncClient, token: str, **headers: str) -> Json:
    answer = await visitor.get(at(token), headers=headers)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def responses(asking: AskingWorld, survey_id: str, **query: Any) -> list[Json]:
    return await asking.listed(f"/v1/surveys/{survey_id}/responses", **query)


async def record(asking: AskingWorld, survey_id: str, **body: Any) -> httpx.Response:
    """What a partner sends."""
    return await asking.client.post(f"/v1/surveys/{survey_id}/responses", json=body)


def errors(answer: httpx.Response) -> list[tuple[str, str]]:
    """Where and why it was refused."""
    assert answer.status_code == 422, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
