"""What cannot be applied is put aside with its reason, and can be tried again."""

from typing import Any

import httpx
import pytest

from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.intake.sending import Partner, person, purchase
from tests.working import work_off


async def parked(client: httpx.AsyncClient, partner: Partner, query: str = "") -> list[dict[str, Any]]:
    return (await client.get(f"/v1/sources/{partner.id}/parked{query}")).json()["items"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (purchase(type="rapport.spend"), "unknown_type"),
        (person(attributes={"plan": "pro"}), "unknown_attribute"),
        (person(owner_id="0197f0c1-0000-7000-8000-000000000000"), "unknown_member"),
        (
            purchase(data=purchase()["data"] | {"value": {"amount": "1.00", "currency": "USD"}}),
            "currency_mismatch",
        ),
        (
            purchase(
                data={
                    "contact_id": "0197f0c1-0000-7000-8000-000000000000",
                    "kind": "note",
                    "channel": "email",
                }
            ),
            "unknown_contact",
        ),
    ],
)
async def test_what_cannot_be_applied_is_parked_with_its_reason(
    client: httpx.AsyncClient,
    partner: Partner,
    resources: Resources,
    tenant: Tenant,
    event: dict[str, Any],
    reason: str,
):
    assert (await partner.send(event)).status_code == 202
    await work_off(resources, tenant.workspace_id)
    [found] = await parked(client, partner)
    assert found["reason"] == reason
    assert found["problem"]["detail"]
    assert (found["event_id"], found["payload"]) == (event["id"], event["data"])
    assert (await client.get(f"/v1/sources/{partner.id}")).json()["parked"] == 1


async def test_an_ambiguous_contact_is_parked(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
):
    for address in ("ada@example.com", "bob@example.com"):
        await client.post("/v1/contacts", json={"emails": [{"address": address}]})
    await partner.send(person(emails=[{"address": "ada@example.com"}, {"address": "bob@example.com"}]))
    await work_off(resources, tenant.workspace_id)
    assert (await parked(client, partner))[0]["reason"] == "ambiguous_contact"


async def test_a_parked_event_leaves_the_others_alone(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
):
    await partner.send(person("1", attributes={"plan": "pro"}), purchase("2"), purchase("3", type="x"))
    await work_off(resources, tenant.workspace_id)
    assert len(await parked(client, partner)) == 2
    assert len((await client.get("/v1/touchpoints")).json()["items"]) == 1


async def test_once_the_cause_is_gone_a_redrive_applies_it(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
):
    await partner.send(person(attributes={"plan": "pro"}))
    await work_off(resources, tenant.workspace_id)
    await client.post("/v1/attribute-definitions", json={"key": "plan", "type": "text"})
    redriven = await client.post(f"/v1/sources/{partner.id}/parked/redrive")
    await work_off(resources, tenant.workspace_id)
    [contact] = (await client.get("/v1/contacts")).json()["items"]
    assert (redriven.status_code, redriven.json()) == (202, {"redriven": 1})
    assert contact["attributes"] == {"plan": "pro"}
    assert await parked(client, partner) == []


async def test_only_the_named_events_are_redriven(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
):
    await partner.send(purchase("1", type="x"), purchase("2", type="x"))
    await work_off(resources, tenant.workspace_id)
    first = (await parked(client, partner))[0]
    path = f"/v1/sources/{partner.id}/parked/redrive"
    assert (await client.post(path, json={"ids": [first["id"]]})).json() == {"redriven": 1}
    assert len(await parked(client, partner)) == 1
    await work_off(resources, tenant.workspace_id)
    assert len(await parked(client, partner)) == 2


async def test_a_discarded_event_is_gone_and_still_a_duplicate(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
):
    await partner.send(purchase(type="x"))
    await work_off(resources, tenant.workspace_id)
    [found] = await parked(client, partner)
    path = f"/v1/sources/{partner.id}/parked/{found['id']}"
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).status_code == 404
    assert await parked(client, partner) == []
    assert (await partner.send(purchase(type="x"))).json()["duplicates"] == 1


async def test_the_parked_list_is_paged(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
):
    await partner.send(*[purchase(str(number), type="x") for number in range(5)])
    await work_off(resources, tenant.workspace_id)
    path = f"/v1/sources/{partner.id}/parked?sort=received_at&limit=3"
    first = (await client.get(path)).json()
    rest = (await client.get(f"{path}&cursor={first['next_cursor']}")).json()
    assert [item["event_id"] for item in first["items"] + rest["items"]] == ["0", "1", "2", "3", "4"]
    assert rest["next_cursor"] is None
