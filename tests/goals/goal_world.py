"""A business in a few words: purchases on days, goals on them, and what was published."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import httpx
import orjson

from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.stand_ins import MovableClock
from tests.working import work_off

TODAY = date(2026, 3, 10)

REVENUE = {
    "title": "Grow revenue in March",
    "metric_key": "net_revenue",
    "direction": "increase",
    "target": 1000,
    "starts_on": "2026-03-01",
    "due_on": "2026-03-31",
}
BASKET = {
    "title": "Lift the average order",
    "metric_key": "average_order_value",
    "direction": "increase",
    "target": 60,
    "starts_on": "2026-03-01",
    "due_on": "2026-03-31",
    "grain": "day",
}
OBJECTIVE = {"title": "Win the spring", "starts_on": "2026-03-01", "due_on": "2026-05-31"}

_EVENTS = """
    SELECT data::text AS data FROM events WHERE workspace_id = $1 AND type = $2
    AND ($3::text IS NULL OR data->'goal'->>'id' = $3) ORDER BY sequence
"""


@dataclass(frozen=True, slots=True)
class GoalWorld:
    """One workspace under test."""

    client: httpx.AsyncClient
    tenant: Tenant
    resources: Resources
    clock: MovableClock

    async def buy(self, amount: object, day: str = "2026-03-09", contact: str = "ada") -> None:
        """A purchase at noon of the day, folded into the metrics and the goals."""
        await self.touch("purchase", day, contact, value={"amount": str(amount), "currency": "EUR"})
        await self.work()

    async def touch(self, kind: str, day: str, contact: str = "ada", **fields: object) -> None:
        reference = {"contact": {"email": f"{contact}@example.com"}, "occurred_at": f"{day}T12:00:00Z"}
        answer = await self.client.post("/v1/touchpoints", json={"kind": kind, **reference, **fields})
        assert answer.status_code == 201, answer.text

    async def make(self, *parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """A goal of these fields."""
        body: dict[str, Any] = {}
        for part in (*parts, fields):
            body |= part
        answer = await self.client.post("/v1/goals", json=body)
        assert answer.status_code == 201, answer.text
        goal: dict[str, Any] = answer.json()
        return goal

    async def get(self, goal: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(f"/v1/goals/{goal['id']}")).json()
        return found

    async def patch(self, goal: dict[str, Any], **changes: Any) -> httpx.Response:
        return await self.client.patch(f"/v1/goals/{goal['id']}", json=changes)

    async def member(self, name: str = "Mara") -> str:
        answer = await self.client.post("/v1/members", json={"name": name, "email": f"{name}@example.com"})
        member_id: str = answer.json()["id"]
        return member_id

    async def work(self) -> None:
        await work_off(self.resources, self.tenant.workspace_id)

    async def next_days(self, days: int) -> None:
        """Lets days go by: the metrics close them, then the goals are looked at."""
        self.clock.advance(days=days)
        await self.work()

    async def events(self, event_type: str, goal: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The data of the published events of a type, oldest first."""
        await self.work()
        goal_id = None if goal is None else goal["id"]
        async with self.resources.database.unit(self.tenant.workspace_id) as unit:
            rows = await unit.connection.fetch(_EVENTS, self.tenant.workspace_id, event_type, goal_id)
        return [orjson.loads(row["data"]) for row in rows]


def day(offset: int) -> str:
    """The day so many days from today."""
    return (TODAY + timedelta(days=offset)).isoformat()
