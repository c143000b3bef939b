"""A partner system that signs its events, as the tests need one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import orjson
from standardwebhooks import Webhook

from app.kit.ids import new_id
from tests.stand_ins import MovableClock

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


def purchase(event_id: str = "order-1", **changes: Any) -> dict[str, Any]:
    """A `rapport.touchpoint` event of a purchase for 49.90 EUR; `changes` go into its attributes."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/orders",
        "type": "rapport.touchpoint",
        "time": "2026-01-31T09:00:00Z",
        "data": {
            "contact": {"email": "ada@example.com"},
            "channel": "store",
            "kind": "purchase",
            "value": {"amount": "49.90", "currency": "EUR"},
        },
    } | changes


def person(event_id: str = "person-1", **data: Any) -> dict[str, Any]:
    """A `rapport.contact` event."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/people",
        "type": "rapport.contact",
        "data": {"emails": [{"address": "ada@example.com"}]} | data,
    }


@dataclass
class Partner:
    """A source and the means to post to it. Signs with the reference library at the clock's time."""

    client: httpx.AsyncClient
    clock: MovableClock
    id: str
    secret: str

    async def send(self, *events: Any) -> httpx.Response:
        """One event in structured mode, any other number as a batch."""
        if len(events) == 1:
            return await self.post(orjson.dumps(events[0]), STRUCTURED)
        return await self.post(orjson.dumps(events), BATCH)

    async def post(
        self,
        body: bytes,
        content_type: str,
        headers: Mapping[str, str] | None = None,
        *,
        signed_at: datetime | None = None,
    ) -> httpx.Response:
        signature = self.sign(body, signed_at or self.clock.now())
        return await self.client.post(
            f"/v1/sources/{self.id}/events",
            content=body,
            headers={"content-type": content_type} | signature | dict(headers or {}),
        )

    def sign(self, body: bytes, at: datetime) -> dict[str, str]:
        message_id = f"msg_{new_id().hex}"
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(message_id, at, body.decode()),
        }
