"""From a request, through the relay and the queue, to a snapshot."""

from datetime import UTC, datetime
from typing import Any

import httpx

from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.working import work_off


async def today(client: httpx.AsyncClient, key: str) -> Any:
    answer = await client.get(f"/v1/metrics/{key}/snapshots", params={"sort": "-period_start", "limit": 1})
    return answer.json()["items"][0]["value"]


async def test_a_purchase_moves_revenue_and_its_deletion_takes_it_back(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    purchase = {
        "contact": {"email": "ada@example.com"},
        "channel": "web",
        "kind": "purchase",
        "direction": "inbound",
        "stage": "purchase",
        "occurred_at": datetime.now(UTC).isoformat(),
        "value": {"amount": "49.90", "currency": "EUR"},
    }
    recorded = await client.post("/v1/touchpoints", json=purchase)
    assert recorded.status_code == 201, recorded.text
    await work_off(resources, tenant.workspace_id)
    assert await today(client, "net_revenue") == 49.9
    assert await today(client, "new_contacts") == 1
    await client.delete(recorded.headers["Location"])
    await work_off(resources, tenant.workspace_id)
    assert await today(client, "net_revenue") == 0
    assert await today(client, "new_customers") == 0


async def test_a_corrected_acquisition_moves_the_new_contact(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    made = await client.post("/v1/contacts", json={"display_name": "Ada"})
    await work_off(resources, tenant.workspace_id)
    assert await today(client, "new_contacts") == 1
    await client.patch(made.headers["Location"], json={"acquired_at": "2025-01-31T12:00:00Z"})
    await work_off(resources, tenant.workspace_id)
    assert await today(client, "new_contacts") == 0


async def test_a_refresh_runs_as_queued_work(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    asked = await client.post("/v1/metrics/refresh")
    await work_off(resources, tenant.workspace_id)
    assert (await client.get(asked.headers["Location"])).json()["state"] == "done"


async def test_other_settings_rebuild_in_the_background(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    await client.post("/v1/contacts", json={"display_name": "Ada"})
    await work_off(resources, tenant.workspace_id)
    await client.patch("/v1/workspace", json={"churn_after_days": 7})
    await work_off(resources, tenant.workspace_id, sweep=False)
    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        built_for = await unit.connection.fetchval(
            "SELECT churn_after_days FROM metric_states WHERE workspace_id = $1", tenant.workspace_id
        )
    assert built_for == 7
