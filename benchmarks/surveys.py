"""A survey that is open, tens of thousands of invitations with known tokens, and what answering left behind.

No token is ever sent twice: a run takes them from one counter. Where they do not last, the answers are
404s, and so no ratio is printed.
"""

from typing import NamedTuple

import asyncpg
import httpx

from benchmarks.load import answers, public, token
from benchmarks.world import CONTACTS_EACH, World

INVITATIONS = 60_000
SURVEY = {
    "type": "nps",
    "title": {"en": "How are we doing?", "de": "Wie war es?"},
    "introduction": "Two minutes.",
    "questions": [
        {
            "key": "score",
            "type": "nps",
            "required": True,
            "text": {"en": "How likely are you to recommend us?", "de": "Würden Sie uns empfehlen?"},
        },
        {"key": "why", "type": "text", "text": "What is the reason?"},
    ],
}


async def seed(world: World, client: httpx.AsyncClient) -> None:
    """Opens the survey by the API and invites past it; the first token is spent, since the first answer of
    all fixes the questions, and so goes another way than those after it."""
    owner = await asyncpg.connect(world.owner_dsn)
    try:
        await owner.execute("TRUNCATE surveys, survey_contact_scores CASCADE")
        survey_id = (await _made(client, "/v1/surveys", SURVEY))["id"]
        await _made(client, f"/v1/surveys/{survey_id}/open", {})
        await owner.execute(_INVITATIONS, world.workspace_id, survey_id)
        await owner.execute("VACUUM ANALYZE survey_invitations")
        await _made(client, public(token(0)), answers())
    finally:
        await owner.close()


class Traces(NamedTuple):
    """What answers have left behind: each of these counts goes up by one with each of them."""

    responses: int
    invitations_spent_once: int
    invitations_spent: int
    events: int

    @classmethod
    async def of(cls, world: World) -> "Traces":
        owner = await asyncpg.connect(world.owner_dsn)
        try:
            (row,) = await owner.fetch(_TRACES)
            return cls._make(row)
        finally:
            await owner.close()

    def complaints(self, before: "Traces", answered: int) -> list[str]:
        """What does not fit so many answers since `before`."""
        grown = {name: after - was for name, after, was in zip(self._fields, self, before, strict=True)}
        return [
            f"{answered} answers were taken, and {name} went up by {count}"
            for name, count in grown.items()
            if count != answered
        ]


async def _made(client: httpx.AsyncClient, target: str, body: object) -> dict[str, object]:
    answer = await client.post(target, json=body)
    if answer.is_error:
        raise RuntimeError(f"POST {target} was answered with {answer.text}")
    made: dict[str, object] = answer.json()
    return made


# Each contact is asked several times over, as in a year of asking every other month.
_INVITATIONS = f"""
    INSERT INTO survey_invitations (workspace_id, id, survey_id, iteration, contact_id, channel, locale,
        token_hash, origin, is_test, delivery, opened, started, answered, settled, reminders_sent,
        created_at, expires_at, version)
    SELECT $1, gen_random_uuid(), $2::text::uuid, 1, md5('contact1/' || n % {CONTACTS_EACH} + 1)::uuid,
        'email', 'de-DE', sha256(('benchmark' || lpad(n::text, 13, '0'))::bytea), 'request', false, 'sent',
        false, false, false, true, 0, now(), now() + interval '30 days', 1
    FROM generate_series(0, {INVITATIONS - 1}) AS n
"""

_TRACES = """
    SELECT
        (SELECT count(*) FROM survey_responses WHERE state = 'completed' AND score = 9),
        (SELECT count(*) FROM survey_invitations i JOIN survey_responses r ON r.invitation_id = i.id
            WHERE i.answered AND i.version = 2),
        (SELECT count(*) FROM survey_invitations WHERE answered),
        (SELECT count(*) FROM events WHERE type = 'survey.response_received')
"""
