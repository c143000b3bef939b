"""A business in a few words: a contact with an owner, follow-ups on it, and what was published."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from app.followups.jobs import OVERDUE_JOB, flag_overdue
from app.followups.schemas import Followup, FollowupOrigin
from app.followups.service import FollowupOpening, FollowupService
from app.kit.ids import new_id
from app.kit.jobs import Job
from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.stand_ins import MovableClock
from tests.working import work_off

_EVENTS = "SELECT type, data FROM events WHERE workspace_id = $1 AND type LIKE 'followup.%' ORDER BY sequence"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FollowupWorld:
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

    async def member(self, name: str = "mara") -> str:
        return str((await self.made("/v1/members", {"name": name, "email": f"{name}@example.com"}))["id"])

    async def contact(self, **fields: Any) -> str:
        return str((await self.made("/v1/contacts", {"given_name": "Ada", **fields}))["id"])

    async def make(self, contact_id: str | None = None, **fields: Any) -> Json:
        """A follow-up on this contact, or on a new one."""
        body = {"contact_id": contact_id or await self.contact(), "title": "Call back", **fields}
        return await self.made("/v1/followups", body)

    async def get(self, followup: Json) -> Json:
        found: Json = (await self.client.get(f"/v1/followups/{followup['id']}")).json()
        return found

    async def patch(self, followup: Json, **changes: Any) -> httpx.Response:
        return await self.client.patch(f"/v1/followups/{followup['id']}", json=changes)

    async def patched(self, followup: Json, **changes: Any) -> Json:
        answer = await self.patch(followup, **changes)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def listed(self, **query: Any) -> list[str]:
        """The ids of the follow-ups that the list shows."""
        answer = await self.client.get("/v1/followups", params=query)
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["items"]]

    async def touch(self, contact_id: str, **fields: Any) -> str:
        """An outbound call of now; returns when it was."""
        occurred_at = self.clock.now().isoformat()
        body = {"contact_id": contact_id, "kind": "call", "direction": "outbound", "occurred_at": occurred_at}
        return str((await self.made("/v1/touchpoints", body | fields))["occurred_at"])

    async def work(self) -> None:
        await work_off(self.resources, self.tenant.workspace_id)

    async def look_for_overdue(self) -> None:
        """What the sweeper would ask for, by the clock of the test."""
        await flag_overdue(self.resources, Job(OVERDUE_JOB, self.tenant.workspace_id))

    async def open_many(self, *openings: FollowupOpening) -> Sequence[Followup]:
        async with self.resources.database.unit(self.tenant.workspace_id) as unit:
            return await FollowupService(unit).open_many(openings)

    async def told(self, event_type: str | None = None) -> list[Any]:
        """The follow-up events so far: their types, or the data of those of one type."""
        await self.work()
        async with self.resources.database.unit(self.tenant.workspace_id) as unit:
            rows = await unit.connection.fetch(_EVENTS, unit.workspace_id)
        if event_type is None:
            return [row["type"].removeprefix("followup.") for row in rows]
        return [row["data"] for row in rows if row["type"] == f"followup.{event_type}"]


def opening(contact_id: str, **fields: Any) -> FollowupOpening:
    """What a survey would open on a response of its own."""
    origin = FollowupOrigin(kind="survey_response", id=new_id(), survey_id=new_id())
    return FollowupOpening(
        **{"contact_id": UUID(contact_id), "title": "Detractor", "origin": origin} | fields
    )
