"""Search by the filter grammar, pages under writes, and batches."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.contacts.test_contacts import create


async def define(client: httpx.AsyncClient, key: str, type: str, options: list[str] | None = None) -> None:
    body = {"key": key, "type": type, "options": options or []}
    response = await client.post("/v1/attribute-definitions", json=body)
    assert response.status_code == 201, response.text


async def search(client: httpx.AsyncClient, filter: dict[str, Any], **more: Any) -> list[str]:
    response = await client.post("/v1/contacts/search", json={"filter": filter, **more})
    assert response.status_code == 200, response.text
    return [item["display_name"] for item in response.json()["items"]]


@pytest.fixture
async def people(client: httpx.AsyncClient) -> None:
    await define(client, "plan", "select", ["free", "pro", "team"])
    await define(client, "seats", "number")
    for name, plan, seats, tag in (
        ("Ada", "pro", 5, "vip"),
        ("Bob", "team", 40, "vip"),
        ("Cleo", "free", 1, "new"),
    ):
        await create(
            client,
            given_name=name,
            tags=[tag],
            emails=[{"address": f"{name}@example.com"}],
            external_ids=[{"source": "shop", "id": name}],
            attributes={"plan": plan, "seats": seats},
        )


@pytest.mark.parametrize(
    ("filter", "names"),
    [
        ({"field": "attributes.plan", "op": "in", "value": ["pro", "team"]}, ["Ada", "Bob"]),
        ({"field": "attributes.seats", "op": "eq", "value": 5.0}, ["Ada"]),
        ({"field": "attributes.seats", "op": "gt", "value": 4}, ["Ada", "Bob"]),
        ({"field": "tags", "op": "contains", "value": "vip"}, ["Ada", "Bob"]),
        ({"not": {"field": "tags", "op": "contains", "value": "vip"}}, ["Cleo"]),
        ({"field": "email", "op": "eq", "value": "ADA@example.com"}, ["Ada"]),
        ({"field": "email", "op": "starts_with", "value": "b"}, ["Bob"]),
        ({"field": "external_id", "op": "in", "value": ["Cleo", "nobody"]}, ["Cleo"]),
        ({"field": "given_name", "op": "contains", "value": "L"}, ["Cleo"]),
        ({"field": "created_at", "op": "within_last", "value": "1h"}, ["Ada", "Bob", "Cleo"]),
        ({"field": "company", "op": "exists", "value": False}, ["Ada", "Bob", "Cleo"]),
    ],
)
@pytest.mark.usefixtures("people")
async def test_search_finds(client: httpx.AsyncClient, filter: dict[str, Any], names: list[str]) -> None:
    assert await search(client, filter, sort="display_name") == names


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"filter": {"field": "shoe_size", "op": "eq", "value": 1}}, "/filter/field"),
        ({"filter": {"field": "tags", "op": "lt", "value": "a"}}, "/filter/op"),
        ({"filter": {"and": []}}, "/filter/and"),
        ({"filter": {"field": "attributes.nope", "op": "eq", "value": 1}}, "/filter/field"),
        ({"sort": "shoe_size"}, "/sort"),
        ({"cursor": "bm9wZQ"}, "/cursor"),
        ({"limit": 501}, "/limit"),
        ({"colour": "blue"}, "/colour"),
    ],
)
async def test_a_bad_search_is_refused(client: httpx.AsyncClient, body: dict[str, Any], pointer: str) -> None:
    response = await client.post("/v1/contacts/search", json=body)

    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


async def test_what_was_just_written_is_found(client: httpx.AsyncClient) -> None:
    for number in range(50):
        await create(client, given_name=f"N{number}")
        found = await search(client, {"field": "given_name", "op": "eq", "value": f"N{number}"})
        assert found == [f"N{number}"]


async def test_a_walk_over_all_pages_sees_each_contact_once(client: httpx.AsyncClient) -> None:
    """Rows are added and archived while the pages are read; whoever was there throughout is seen once."""
    stay = [(await create(client, given_name="Same"))["id"] for _ in range(30)]
    go = [(await create(client, given_name="Same"))["id"] for _ in range(10)]
    seen, cursor, pages = [], None, 0
    while True:
        params = {"limit": 7, "sort": "display_name"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/contacts", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await create(client, given_name="Same")
        await client.delete(f"/v1/contacts/{go[pages]}")
        pages += 1

    assert len(seen) == len(set(seen))
    assert set(stay) <= set(seen)
    assert pages >= 5


async def test_a_cursor_belongs_to_its_query(client: httpx.AsyncClient) -> None:
    for _ in range(3):
        await create(client)
    page = await client.get("/v1/contacts", params={"limit": 1})
    cursor = page.json()["next_cursor"]
    assert page.headers["link"] == f'</v1/contacts?limit=1&cursor={cursor}>; rel="next"'

    for other in ({"sort": "created_at"}, {"tag": "vip"}):
        response = await client.get("/v1/contacts", params={"limit": 1, "cursor": cursor, **other})
        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "?cursor"


async def batch(client: httpx.AsyncClient, items: list[Any], **params: str) -> dict[str, Any]:
    response = await client.post("/v1/contacts/batch", json={"items": items}, params=params)
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()
    return result


def person(number: int, **more: Any) -> dict[str, Any]:
    return {"external_ids": [{"source": "crm", "id": str(number)}], "given_name": f"P{number}", **more}


async def test_a_batch_judges_each_item_alone(client: httpx.AsyncClient) -> None:
    items: list[Any] = [person(number) for number in range(100)]
    items[10] = person(10, emails=[{"address": "broken"}])
    items[20] = {"given_name": "nobody"}
    items[30] = 5

    result = await batch(client, items)

    assert (result["created"], result["errors"]) == (97, 3)
    assert result["results"][10]["error"]["errors"][0]["pointer"] == "/emails/0/address"
    again = await batch(client, items)
    assert (again["unchanged"], again["created"], again["errors"]) == (97, 0, 3)


async def test_a_repeated_batch_tells_of_nothing(
    client: httpx.AsyncClient, resources: Any, tenant: Any
) -> None:
    items = [person(number) for number in range(20)]
    await batch(client, items)
    await batch(client, items)

    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        assert await unit.connection.fetchval("SELECT count(*) FROM events") == 20


async def test_an_upsert_adds_to_lists_and_merges_attributes(client: httpx.AsyncClient) -> None:
    await define(client, "plan", "text")
    await define(client, "city", "text")
    await batch(client, [person(1, tags=["a"], attributes={"plan": "pro", "city": "Ulm"}, company="X")])

    more = {
        "tags": ["b"],
        "attributes": {"plan": "team", "city": None},
        "emails": [{"address": "p@example.com"}],
    }
    result = await batch(client, [{"external_ids": [{"source": "crm", "id": "1"}], **more}])

    assert result["updated"] == 1
    contact = (await client.get(f"/v1/contacts/{result['results'][0]['id']}")).json()
    assert contact["tags"] == ["a", "b"]
    assert contact["attributes"] == {"plan": "team"}
    assert contact["company"] == "X"
    assert contact["version"] == 2


async def test_later_items_of_a_batch_see_earlier_ones(client: httpx.AsyncClient) -> None:
    both = person(1, emails=[{"address": "p@example.com"}])

    result = await batch(client, [both, {"emails": [{"address": "P@example.com"}], "company": "X"}, both])

    assert [each["status"] for each in result["results"]] == ["created", "updated", "unchanged"]
    assert len({each["id"] for each in result["results"]}) == 1


async def test_keys_of_two_contacts_are_ambiguous(client: httpx.AsyncClient) -> None:
    one, two = (await batch(client, [person(1), person(2)]))["results"]
    both = {"external_ids": [{"source": "crm", "id": "1"}, {"source": "crm", "id": "2"}]}

    result = await batch(client, [both])

    error = result["results"][0]["error"]
    assert error["status"] == 409
    assert one["id"] in error["detail"]
    assert two["id"] in error["detail"]


async def test_an_atomic_batch_with_a_bad_item_changes_nothing(client: httpx.AsyncClient) -> None:
    items = [person(1), person(2, emails=[{"address": "broken"}])]

    response = await client.post("/v1/contacts/batch", json={"items": items}, params={"atomic": "true"})

    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/items/1/emails/0/address"
    assert (await client.get("/v1/contacts")).json()["items"] == []


async def test_a_dry_run_says_what_would_happen(
    client: httpx.AsyncClient, resources: Any, tenant: Any
) -> None:
    result = await batch(client, [person(1), person(1)], dry_run="true")

    assert (result["created"], result["unchanged"]) == (1, 1)
    assert (await client.get("/v1/contacts")).json()["items"] == []
    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        assert await unit.connection.fetchval("SELECT count(*) FROM events") == 0


async def test_parallel_batches_over_the_same_people_make_each_once(client: httpx.AsyncClient) -> None:
    items = [person(number) for number in range(40)]

    results = await asyncio.gather(*(batch(client, items if n % 2 else items[::-1]) for n in range(6)))

    assert sum(result["created"] for result in results) == 40
    assert sum(result["errors"] for result in results) == 0
    assert len((await client.get("/v1/contacts", params={"limit": 100})).json()["items"]) == 40
