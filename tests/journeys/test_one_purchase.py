"""The promise: a partner posts a purchase; timeline, figures, goal and a webhook move."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.journeys.processes import Installation, cloud_event, items, until
from tests.receivers import Posted, Receiver, receiver

pytestmark = pytest.mark.slow

PURCHASES = 3
AMOUNT = "49.90"


async def test_one_purchase_goes_all_the_way(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    tenant = installation.command("workspace", "create", "Shop", "--currency", "EUR", "--json")
    installation.start("api", "worker")
    await installation.ready()
    headers = {"Authorization": f"Bearer {tenant['api_key']}"}
    async with receiver() as sink, httpx.AsyncClient(base_url=installation.url, headers=headers) as client:
        endpoint, goal, source = await set_up(client, sink)
        posted_at = time.monotonic()
        accepted = await client.post(**signed_batch(source))
        assert accepted.status_code == 202, accepted.text
        assert accepted.json()["accepted"] == PURCHASES

        await sink_has(sink, "touchpoint.recorded", PURCHASES)
        seconds = time.monotonic() - posted_at
        with capsys.disabled():
            print(f"\nfrom 202 to the last signed webhook: {seconds * 1000:.0f} ms")

        verify(endpoint["secret"], sink.posted)
        await timeline_shows(client)
        await revenue_shows(client)
        await goal_shows(client, goal["id"])
        await sink_has(sink, "goal.progressed", 1)

        again = await client.post(**signed_batch(source))
        assert again.json()["duplicates"] == PURCHASES
        await revenue_shows(client)
    assert installation.stop() == [0, 0]


async def set_up(client: httpx.AsyncClient, sink: Receiver) -> tuple[dict[str, Any], ...]:
    today = datetime.now(UTC).date()
    bodies: dict[str, dict[str, Any]] = {
        "/v1/webhook-endpoints": {"url": sink.url(), "event_types": []},
        "/v1/goals": {
            "title": "Earn a thousand",
            "metric_key": "net_revenue",
            "direction": "increase",
            "target": 1000,
            "baseline": 0,
            "starts_on": str(today),
            "due_on": str(today + timedelta(days=90)),
        },
        "/v1/sources": {"name": "shop"},
    }
    made = []
    for path, body in bodies.items():
        response = await client.post(path, json=body)
        assert response.status_code == 201, response.text
        made.append(response.json())
    return tuple(made)


def signed_batch(source: dict[str, Any]) -> dict[str, Any]:
    events = [cloud_event(number, "touchpoint", purchase(number)) for number in range(PURCHASES)]
    body, now = json.dumps(events), datetime.now(UTC)
    return {
        "url": f"/v1/sources/{source['id']}/events",
        "content": body,
        "headers": {
            "Content-Type": "application/cloudevents-batch+json",
            "webhook-id": "msg_1",
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(source["secret"]).sign("msg_1", now, body),
        },
    }


def purchase(number: int) -> dict[str, Any]:
    return {
        "contact": {"email": "ada@example.com"},
        "channel": "web",
        "kind": "purchase",
        "occurred_at": datetime.now(UTC).isoformat(),
        "value": {"amount": AMOUNT, "currency": "EUR"},
        "external_id": f"order-{number}",
        "source": "shop",
    }


async def sink_has(sink: Receiver, event_type: str, count: int) -> None:
    async def enough() -> bool:
        return len({each.id for each in sink.posted if each.json["type"] == event_type}) >= count

    await until(enough, 20, pause=0.005)


def verify(secret: str, posted: list[Posted]) -> None:
    for each in posted:
        Webhook(secret).verify(each.body, dict(each.headers))
        assert each.json["id"] == each.id


async def timeline_shows(client: httpx.AsyncClient) -> None:
    contact = items((await client.get("/v1/contacts", params={"email": "ada@example.com"})).json())[0]
    assert contact["stats"]["purchase_count"] == PURCHASES
    assert contact["stats"]["net_revenue"] == {"amount": "149.70", "currency": "EUR"}
    timeline = items((await client.get(f"/v1/contacts/{contact['id']}/timeline")).json())
    assert [entry["touchpoint"]["kind"] for entry in timeline] == ["purchase"] * PURCHASES


async def revenue_shows(client: httpx.AsyncClient) -> None:
    async def moved() -> bool:
        page = (await client.get("/v1/metrics/net_revenue/snapshots", params={"grain": "month"})).json()
        return 149.7 in [snapshot["value"] for snapshot in items(page)]

    await until(moved, 20)


async def goal_shows(client: httpx.AsyncClient, goal_id: str) -> None:
    async def moved() -> bool:
        goal = (await client.get(f"/v1/goals/{goal_id}")).json()
        return bool(goal["current"] == 149.7 and goal["progress"] == 0.1497)

    await until(moved, 20)
