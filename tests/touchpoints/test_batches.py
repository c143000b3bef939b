"""POST /v1/touchpoints/batch."""

from typing import Any

import httpx

from app.kit.batches import read_items
from app.kit.resources import Resources
from app.touchpoints.service.touchpoints import CREATE, TouchpointService
from tests.conftest import Tenant
from tests.touchpoints.examples import (
    batch,
    counted,
    listed,
    make_contact,
    order,
    record,
    stats,
    statuses,
    told,
    visit,
)


async def test_each_item_is_judged_by_itself(client: httpx.AsyncClient) -> None:
    await record(client, order(1))
    await record(client, order(2))
    result = await batch(
        client, [order(1), order(2, "1.00"), order(3), visit(kind="purchase"), 7, {"kind": "visit"}]
    )
    assert statuses(result) == ["unchanged", "updated", "created", "error", "error", "error"]
    assert (result["created"], result["updated"], result["unchanged"], result["errors"]) == (1, 1, 1, 3)
    assert [each["index"] for each in result["results"]] == list(range(6))
    assert result["results"][3]["error"]["errors"][0]["pointer"] == "/value"
    assert result["results"][3]["id"] is None
    assert len(await listed(client)) == 3


async def test_the_same_batch_again_changes_nothing(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    items = [order(number, contact={"email": f"c{number % 3}@example.com"}) for number in range(10)]
    first = await batch(client, items)
    before = await told(resources, tenant.workspace_id)
    again = await batch(client, items)
    assert statuses(again) == ["unchanged"] * 10
    assert [each["id"] for each in again["results"]] == [each["id"] for each in first["results"]]
    assert await told(resources, tenant.workspace_id) == before


async def test_items_with_one_key_are_taken_in_their_order(client: httpx.AsyncClient) -> None:
    result = await batch(client, [order(1, "10.00"), order(1, "10.00"), order(1, "20.00"), order(1, "10.00")])
    assert statuses(result) == ["created", "unchanged", "updated", "updated"]
    assert len({each["id"] for each in result["results"]}) == 1
    (only,) = await listed(client)
    assert (only["value"]["amount"], only["version"]) == ("10.00", 3)
    assert (await stats(client, only["contact_id"]))["net_revenue"]["amount"] == "10.00"


async def test_items_with_the_key_of_a_stored_one_are_taken_in_their_order(client: httpx.AsyncClient) -> None:
    await record(client, order(1, "10.00"))
    result = await batch(client, [order(1, "20.00"), order(1, "20.00"), order(1, "10.00")])
    assert statuses(result) == ["updated", "unchanged", "updated"]
    (only,) = await listed(client)
    assert (only["value"]["amount"], only["version"]) == ("10.00", 3)


async def test_a_bad_item_does_not_stand_in_the_way_of_its_key(client: httpx.AsyncClient) -> None:
    result = await batch(client, [order(1, "0.00"), order(1, "5.00")])
    assert statuses(result) == ["error", "created"]


async def test_new_contacts_are_made_once(client: httpx.AsyncClient) -> None:
    await batch(client, [visit(), visit(contact={"email": "eve@example.com"}), visit()])
    contacts = (await client.get("/v1/contacts")).json()["items"]
    assert sorted(contact["stats"]["touchpoint_count"] for contact in contacts) == [1, 2]


async def test_an_atomic_batch_with_a_bad_item_changes_nothing(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    body = {"items": [order(1), visit(kind="purchase")]}
    answer = await client.post("/v1/touchpoints/batch?atomic=true", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/items/1/value"
    assert await listed(client) == []
    assert (await client.get("/v1/contacts")).json()["items"] == []
    assert await told(resources, tenant.workspace_id) == []


async def test_a_sound_atomic_batch_is_recorded(client: httpx.AsyncClient) -> None:
    assert statuses(await batch(client, [order(1), order(2)], "?atomic=true")) == ["created", "created"]


async def test_a_dry_run_says_what_would_happen_and_changes_nothing(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    stored = await record(client, order(1))
    items = [order(1), order(1, "5.00"), order(2), visit(contact={"email": "new@example.com"}), {}]
    rehearsed = await batch(client, items, "?dry_run=true")
    assert statuses(rehearsed) == ["unchanged", "updated", "created", "created", "error"]
    assert [each["id"] for each in rehearsed["results"]] == [stored["id"], stored["id"], None, None, None]
    (only,) = await listed(client)
    assert only["version"] == 1
    assert len((await client.get("/v1/contacts")).json()["items"]) == 1
    assert len(await told(resources, tenant.workspace_id)) == 1
    assert statuses(await batch(client, items)) == statuses(rehearsed)


async def test_a_batch_has_between_one_and_a_thousand_items(client: httpx.AsyncClient) -> None:
    for items in ([], [visit()] * 1001):
        answer = await client.post("/v1/touchpoints/batch", json={"items": items})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/items"


async def test_events_tell_of_each_item_in_order(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    await batch(client, [order(2, "10.00"), order(1), order(2, "20.00"), order(2, "20.00")])
    rows = await told(resources, tenant.workspace_id)
    assert [row["type"] for row in rows] == [
        "touchpoint.recorded",
        "touchpoint.recorded",
        "touchpoint.updated",
    ]


async def test_the_number_of_statements_does_not_grow_with_the_items(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    contact_ids = [await make_contact(client, number) for number in range(5)]

    def items(numbers: range, amount: str = "49.90") -> list[Any]:
        return [order(number, amount, contact_id=contact_ids[number % 5]) for number in numbers]

    async def statements(items: list[Any]) -> int:
        async with resources.database.unit(tenant.workspace_id) as unit:
            with counted(unit.connection) as queries:
                await TouchpointService(unit).record_many(read_items(CREATE, items))
        return len(queries)

    fresh = [await statements(items(range(5))), await statements(items(range(5, 205)))]
    mixed = [await statements(items(range(4, 6), "1.00")), await statements(items(range(100, 300), "1.00"))]
    assert fresh[0] == fresh[1]
    assert mixed[0] == mixed[1]
    assert max(fresh + mixed) <= 12
