"""Surveys with responses: rows written as the recorder leaves them, without going through it."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

import httpx

from app.contacts.models import ContactRow
from app.kit.ids import new_id
from app.kit.resources import Resources
from app.surveys.models.invitations import SurveyInvitationRow
from app.surveys.models.responses import SurveyResponseRow
from tests.conftest import Tenant

Json = dict[str, Any]
NPS: Json = {"key": "score", "type": "nps", "text": "How likely?"}


@dataclass(frozen=True, slots=True)
class Answered:
    """One survey of a workspace and what was answered to it."""

    client: httpx.AsyncClient
    tenant: Tenant
    resources: Resources
    survey_id: str
    type: str
    anonymous: bool
    responses: list[Json] = field(default_factory=list)

    async def results(self, **query: Any) -> Json:
        answer = await self.client.get(f"/v1/surveys/{self.survey_id}/results", params=query)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def refused(self, **query: Any) -> tuple[str, str]:
        """Place and code of the first error of a 422."""
        answer = await self.client.get(f"/v1/surveys/{self.survey_id}/results", params=query)
        assert answer.status_code == 422, answer.text
        error = answer.json()["errors"][0]
        return error["pointer"], error["code"]

    async def ask(self, questions: Sequence[Json]) -> None:
        """Makes these the questions of the next version."""
        answer = await self.client.patch(f"/v1/surveys/{self.survey_id}", json={"questions": list(questions)})
        assert answer.status_code == 200, answer.text

    async def scored(self, *scores: int, **fields: Any) -> None:
        """Completed responses with these answers to the score question."""
        await self.answered({"answers": {"score": score}, **fields} for score in scores)

    async def answered(self, responses: Iterable[Json]) -> None:
        """Completed responses of today to version 1, unless they say otherwise."""
        rows = [self._row(response) for response in responses]
        async with self.resources.database.unit(self.tenant.workspace_id) as unit:
            unit.session.add_all([SurveyResponseRow(**row) for row in rows])
            await unit.session.flush()
            await unit.connection.execute(
                "UPDATE survey_versions SET answered = true WHERE workspace_id = $1 AND survey_id = $2",
                self.tenant.workspace_id,
                uuid.UUID(self.survey_id),
            )
        self.responses.extend(rows)

    def _row(self, response: Json) -> Json:
        day = response.get("answered_on", datetime.now(UTC).date())
        at = None if self.anonymous else datetime.combine(day, time(12), tzinfo=UTC)
        row: Json = {
            "workspace_id": self.tenant.workspace_id,
            "id": uuid.uuid4(),
            "survey_id": uuid.UUID(self.survey_id),
            "questions_version": 1,
            "iteration": 1,
            "state": "completed",
            "answers": {},
            "is_test": False,
            "settled": True,
            "started_at": at,
            "answered_at": at,
            "answered_on": day,
            "version": 1,
        }
        row |= response
        scored = self.type != "custom" and "score" in row["answers"]
        return row | {"score_type": self.type, "score": row["answers"]["score"]} if scored else row

    async def contacts(self, people: Sequence[Json]) -> list[uuid.UUID]:
        """Ids of contacts with these columns."""
        now = datetime.now(UTC)
        usual = {
            "display_name": "Somebody",
            "emails": [],
            "phones": [],
            "external_ids": [],
            "lifecycle_stage": "lead",
            "tags": [],
            "attributes": {},
            "acquired_at": now,
            "touchpoint_count": 0,
            "purchase_count": 0,
            "net_revenue": 0,
            "created_at": now,
            "updated_at": now,
            "version": 1,
        }
        rows = [
            ContactRow(workspace_id=self.tenant.workspace_id, id=new_id(), **usual | person)
            for person in people
        ]
        async with self.resources.database.unit(self.tenant.workspace_id) as unit:
            unit.session.add_all(rows)
            await unit.session.flush()
        return [row.id for row in rows]

    async def invited(self, invitations: Iterable[Json]) -> None:
        """Invitations that were sent just now and not looked at, unless they say otherwise."""
        now = datetime.now(UTC)
        usual = {
            "iteration": 1,
            "token_hash": b"",
            "origin": "request",
            "is_test": False,
            "delivery": "sent",
            "opened": False,
            "started": False,
            "answered": False,
            "settled": True,
            "reminders_sent": 0,
            "created_at": now,
            "expires_at": now,
            "version": 1,
        }
        key = {"workspace_id": self.tenant.workspace_id, "survey_id": uuid.UUID(self.survey_id)}
        async with self.resources.database.unit(self.tenant.workspace_id) as unit:
            unit.session.add_all(
                [SurveyInvitationRow(id=new_id(), **key | usual | each) for each in invitations]
            )
            await unit.session.flush()


async def answered_survey(
    client: httpx.AsyncClient, tenant: Tenant, resources: Resources, **fields: Any
) -> Answered:
    """A draft of one NPS question, unless the fields say otherwise."""
    body = {"title": "Survey", "type": "nps", "questions": [NPS], **fields}
    answer = await client.post("/v1/surveys", json=body)
    assert answer.status_code == 201, answer.text
    survey = answer.json()
    return Answered(client, tenant, resources, survey["id"], survey["type"], survey["anonymous"])


def day(text: str) -> date:
    return date.fromisoformat(text)
