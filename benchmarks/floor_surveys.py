"""The floor of answering a survey: Rapport's statements and nothing else."""

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from app.kit.ids import new_id
from app.surveys.models.records import OpenedInvitation

WriteEvents = Callable[[Any, UUID, datetime, str, list[Any]], Awaitable[None]]
Unit = Callable[[UUID], AbstractAsyncContextManager[Any]]
COMPLETED: dict[str, Any] = {"state": "completed", "next": None, "missing": [], "token": None}
PLACE_OF_SURVEY = len(OpenedInvitation._fields)


class SurveyFloor:
    """Takes first and complete answers to an NPS survey by the tokens of invitations."""

    def __init__(self, statements: Any, connections: Any, unit: Unit, write_events: WriteEvents) -> None:
        self.connections, self.unit, self.write_events = connections, unit, write_events
        self.find_sql, _ = statements.one("submit", "find_survey_token")
        self.hold_sql, _ = statements.one("submit", "FROM survey_invitations t")
        self.insert_sql, _ = statements.one("submit", "INTO survey_responses")
        self.score_sql, _ = statements.one("submit", "INTO survey_contact_scores")

    async def submit(self, token: str, body: dict[str, Any]) -> bytes:
        connection = await self.connections.take()
        found = await connection.fetchrow(self.find_sql, hashlib.sha256(token.encode()).digest())
        self.connections.give_back(connection)
        workspace_id = found["workspace_id"]
        async with self.unit(workspace_id) as connection:
            asked = await connection.fetchrow(self.hold_sql, workspace_id, found["invitation_id"])
            now = datetime.now(UTC)
            response = _response(asked, body, now)
            await self._keep(connection, workspace_id, response)
            events = [("survey.response_received", response["contact_id"], _event(asked, response))]
            await self.write_events(connection, workspace_id, now, "respondent", events)
        return orjson.dumps(COMPLETED)

    async def _keep(self, connection: Any, workspace_id: UUID, response: dict[str, Any]) -> None:
        answered_at = response["answered_at"]
        spent = {
            "invitation_id": response["invitation_id"],
            "response_id": response["id"],
            "answered_at": answered_at,
        }
        await connection.fetch(self.insert_sql, workspace_id, _json([response]), _json([spent]))
        score = {
            "contact_id": response["contact_id"],
            "type": response["score_type"],
            "score": response["score"],
            "answered_at": answered_at,
            "response_id": response["id"],
        }
        await connection.execute(self.score_sql, workspace_id, _json([score]))


def _response(asked: Any, body: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A row of responses from an invitation with its survey. Raises ValueError for what is no answer."""
    said = body["answers"]
    score, why = said["score"], said["why"]
    sound = type(score) is int and 0 <= score <= 10 and type(why) is str and body["complete"]
    if not sound or asked["answered"] or not asked["works"] or asked["state"] != "open":
        raise ValueError("not an answer, or not to a question")
    return {
        "id": new_id(),
        "survey_id": asked[PLACE_OF_SURVEY],
        "questions_version": asked["questions_version"],
        "iteration": asked["iteration"],
        "contact_id": asked["contact_id"],
        "invitation_id": asked[0],
        "link_id": asked["link_id"],
        "channel": asked["channel"],
        "locale": asked["locale"],
        "source": None,
        "external_id": None,
        "state": "completed",
        "answers": said,
        "score_type": asked["type"],
        "score": score,
        "is_test": asked["is_test"],
        "settled": True,
        "started_at": now,
        "answered_at": now,
        "answered_on": now.astimezone(ZoneInfo(asked["timezone"])).date(),
        "version": 1,
    }


def _event(asked: Any, response: dict[str, Any]) -> str:
    shown = dict(response)
    del shown["settled"]
    shown["test"] = shown.pop("is_test")
    survey = {
        "id": response["survey_id"],
        "type": asked["type"],
        "title": orjson.Fragment(asked["title"]),
    }
    return _json(
        {
            "response": shown,
            "survey": survey,
            "contact_id": response["contact_id"],
            "spent_invitation_id": response["invitation_id"],
        }
    )


def _json(value: Any) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z).decode()
