"""Asking in a few words: a workspace with contacts and surveys, and what was asked and published."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx

from app.kit.jobs import Job
from app.kit.outbox import RELAY_JOB
from app.kit.resources import Resources
from app.subscriptions import JOBS
from app.surveys.service.planning import PLAN_JOB
from app.surveys.service.reminding import REMIND_JOB
from tests.conftest import Tenant
from tests.journeys.processes import until
from tests.stand_ins import MovableClock

Json = dict[str, Any]

QUESTIONS: list[Json] = [{"key": "score", "type": "nps", "text": "How likely are you to recommend us?"}]


@dataclass(frozen=True, slots=True)
class AskingWorld:
    """One workspace under test."""

    client: httpx.AsyncClient
    tenant: Tenant
    resources: Resources
    clock: MovableClock

    async def made(self, path: str, body: Json) -> Json:
        answer = await self.client.post(path, json=body)
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    async def listed(self, path: str, **query: Any) -> list[Json]:
        answer = await self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        items: list[Json] = answer.json()["items"]
        return items

    async def contact(self, **fields: Any) -> str:
        return str((await self.made("/v1/contacts", {"given_name": "Ada", **fields}))["id"])

    async def contacts(self, many: int) -> list[str]:
        return [await self.contact() for _ in range(many)]

    async def draft(self, **fields: Any) -> str:
        """The id of a survey that is not open."""
        body = {"title": "NPS", "type": "nps", "questions": QUESTIONS} | fields
        return str((await self.made("/v1/surveys", body))["id"])

    async def survey(self, **fields: Any) -> str:
        """The id of an open survey."""
        survey_id = await self.draft(**fields)
        opened = await self.client.post(f"/v1/surveys/{survey_id}/open")
        assert opened.status_code == 200, opened.text
        return survey_id

    async def rule(self, **fields: Any) -> Json:
        return await self.made("/v1/contact-frequency-rules", {"name": "Rule", **fields})

    async def invite(self, survey_id: str, *contact_ids: str, **fields: Any) -> list[Json]:
        """The items of the answer."""
        body = {"contact_ids": list(contact_ids), **fields}
        items: list[Json] = (await self.made(f"/v1/surveys/{survey_id}/invitations", body))["items"]
        return items

    async def skipped(self, survey_id: str, *contact_ids: str, **fields: Any) -> list[str | None]:
        """Why each of the contacts was not invited; None for those who were."""
        return [item["skipped"] for item in await self.invite(survey_id, *contact_ids, **fields)]

    async def judged(self, survey_id: str, *contact_ids: str, **fields: Any) -> list[str | None]:
        """The reasons that the eligibility of the contacts is denied for."""
        body = {"contact_ids": list(contact_ids), **fields}
        answer = await self.client.post(f"/v1/surveys/{survey_id}/eligibility", json=body)
        assert answer.status_code == 200, answer.text
        return [item["reason"] for item in answer.json()["items"]]

    async def planned(self, survey_id: str, **query: Any) -> list[Json]:
        return await self.listed(f"/v1/surveys/{survey_id}/planned-invitations", **query)

    async def touchpoint(self, contact_id: str, **fields: Any) -> str:
        body = {
            "contact_id": contact_id,
            "kind": "support_resolved",
            "channel": "email",
            "occurred_at": self.clock.now().isoformat(),
        }
        return str((await self.made("/v1/touchpoints", body | fields))["id"])

    async def relay(self) -> None:
        """Hands new events to whoever reacts to them."""
        await self.run(RELAY_JOB)

    async def ask_planned(self) -> None:
        await self.run(PLAN_JOB)

    async def remind(self) -> None:
        await self.run(REMIND_JOB)

    async def run(self, name: str) -> None:
        await JOBS[name](self.resources, Job(name, self.tenant.workspace_id))

    async def published(self, event_type: str) -> list[Json]:
        """The data of the events of this type, in their order."""
        rows = await self.fetch(
            "SELECT data FROM events WHERE workspace_id = $1 AND type = $2 ORDER BY id", event_type
        )
        return [row["data"] for row in rows]

    async def answer(self, invitation_id: str, *, settled: bool = True) -> None:
        """What the recorder leaves on an invitation when it is answered."""
        await self.fetch(
            "UPDATE survey_invitations SET answered = true, settled = $3 WHERE workspace_id = $1 AND id = $2",
            UUID(invitation_id),
            settled,
        )

    async def asked_before(self, survey_id: str, contact_id: str, hours_ago: Sequence[float]) -> None:
        """Invitations as they would have been made so many hours ago."""
        for hours in hours_ago:
            at = self.clock.now() - timedelta(hours=hours)
            await self.fetch(_ASKED_BEFORE, UUID(survey_id), UUID(contact_id), at)

    async def answered_before(
        self,
        survey_id: str,
        contact_id: str,
        *,
        hours_ago: float = 0,
        state: str = "completed",
        test: bool = False,
    ) -> None:
        """A response that a partner brought, without an invitation."""
        at = self.clock.now() - timedelta(hours=hours_ago)
        await self.fetch(_ANSWERED_BEFORE, UUID(survey_id), UUID(contact_id), at, state, test)

    async def someone_waits(self) -> None:
        """Until somebody waits for a row that somebody else holds."""
        async with self.resources.database.raw() as connection:
            await until(lambda: connection.fetchval(_WAITING), 10)

    async def fetch(self, statement: str, *arguments: Any) -> Sequence[Any]:
        """Runs SQL whose first parameter is the workspace."""
        async with self.resources.database.unit(self.tenant.workspace_id) as unit:
            return await unit.connection.fetch(statement, self.tenant.workspace_id, *arguments)


_WAITING = """
    SELECT EXISTS (
        SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
    )
"""

_ASKED_BEFORE = """
    INSERT INTO survey_invitations (
        workspace_id, id, survey_id, contact_id, created_at, expires_at, iteration, token_hash, origin,
        is_test, delivery, opened, started, answered, settled, reminders_sent, version
    ) VALUES (
        $1, gen_random_uuid(), $2, $3, $4, $4::timestamptz + interval '30 days', 1, '', 'request',
        false, 'sent', false, false, false, true, 0, 1
    )
"""

_ANSWERED_BEFORE = """
    INSERT INTO survey_responses (
        workspace_id, id, survey_id, questions_version, iteration, contact_id, state, answers, is_test,
        settled, started_at, answered_at, answered_on, version
    ) VALUES (
        $1, gen_random_uuid(), $2, 1, 1, $3, $5, '{}', $6, true, $4, $4, $4::timestamptz::date, 1
    )
"""
