"""What the tests of webhooks do over and over."""

from datetime import datetime
from typing import Any
from uuid import UUID

import httpx

from app.kit.jobs import Job
from app.kit.outbox import RELAY_JOB, EventType, Relay, emit
from app.kit.resources import Resources
from app.kit.schemas import Output
from app.webhooks.handlers import FAN_OUT
from app.webhooks.jobs import deliver
from app.webhooks.service.deliveries import DELIVER_JOB
from tests.conftest import Tenant
from tests.receivers import Receiver

ENDPOINTS = "/v1/webhook-endpoints"


class Happened(Output):
    number: int


CREATED = EventType("contact.created", Happened, "Stands in for a contact.")
UPDATED = EventType("contact.updated", Happened, "Stands in for a contact.")


async def subscribe(client: httpx.AsyncClient, to: Receiver, *event_types: str) -> dict[str, Any]:
    """An endpoint, with its secret."""
    answer = await client.post(ENDPOINTS, json={"url": to.url(), "event_types": list(event_types)})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def publish(
    resources: Resources, tenant: Tenant, count: int = 1, event_type: EventType = CREATED
) -> list[str]:
    """Events that happened in one transaction and are numbered and fanned out; their ids."""
    async with resources.database.unit(tenant.workspace_id) as unit:
        ids = [str(emit(unit, event_type, Happened(number=number))) for number in range(count)]
    await relay(resources, tenant)
    return ids


async def relay(resources: Resources, tenant: Tenant) -> None:
    await Relay(resources.database, (FAN_OUT,)).run(Job(RELAY_JOB, tenant.workspace_id))


async def drain(resources: Resources, tenant: Tenant, endpoint: dict[str, Any]) -> None:
    """Runs the job that sends what is due."""
    await deliver(resources, Job(DELIVER_JOB, tenant.workspace_id, UUID(endpoint["id"])))


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def post(client: httpx.AsyncClient, path: str, body: Any = None, **query: Any) -> Any:
    answer = await client.post(path, json=body, params=query)
    assert answer.is_success, answer.text
    return answer.json()


async def reload(client: httpx.AsyncClient, endpoint: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = await get(client, f"{ENDPOINTS}/{endpoint['id']}")
    return found


async def deliveries(
    client: httpx.AsyncClient, endpoint: dict[str, Any], **query: Any
) -> list[dict[str, Any]]:
    """Oldest first."""
    page = await get(
        client, f"{ENDPOINTS}/{endpoint['id']}/deliveries", sort="created_at", limit=500, **query
    )
    found: list[dict[str, Any]] = page["items"]
    return found


async def only_delivery(client: httpx.AsyncClient, endpoint: dict[str, Any]) -> dict[str, Any]:
    """With its tries."""
    (found,) = await deliveries(client, endpoint)
    detail: dict[str, Any] = await get(client, f"/v1/webhook-deliveries/{found['id']}")
    return detail


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
