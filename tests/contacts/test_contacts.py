"""Contacts over HTTP: made, found, changed, archived."""

import asyncio
from typing import Any

import httpx
import pytest

ADA = {
    "given_name": "Ada",
    "family_name": "Lovelace",
    "emails": [{"address": "Ada@Example.com", "label": "work"}],
    "phones": [{"number": "+49 30 901820"}],
    "tags": ["vip", "early", "vip"],
    "external_ids": [{"source": "shop", "id": "C-1"}],
}


async def create(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await client.post("/v1/contacts", json=fields)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


def places(response: httpx.Response) -> set[str]:
    return {error["pointer"] for error in response.json()["errors"]}


async def test_a_contact_comes_back_normalised(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/contacts", json=ADA)

    assert response.status_code == 201
    contact = response.json()
    assert response.headers["location"] == f"/v1/contacts/{contact['id']}"
    assert response.headers["etag"] == '"1"'
    assert contact["display_name"] == "Ada Lovelace"
    assert contact["emails"] == [{"address": "Ada@example.com", "label": "work"}]
    assert contact["phones"] == [{"number": "+4930901820", "label": None}]
    assert contact["tags"] == ["early", "vip"]
    assert contact["stats"]["net_revenue"] == {"amount": "0.00", "currency": "EUR"}
    assert (await client.get(f"/v1/contacts/{contact['id']}")).json() == contact


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"emails": [{"address": "nobody"}]}, "/emails/0/address"),
        ({"emails": [{"address": "a@b.example"}, {"address": "@"}]}, "/emails/1/address"),
        ({"phones": [{"number": "030 901820"}]}, "/phones/0/number"),
        ({"attributes": {"plan": "pro"}}, "/attributes/plan"),
        ({"owner_id": "01890000-0000-7000-8000-000000000000"}, "/owner_id"),
        ({"lifecycle_stage": "friend"}, "/lifecycle_stage"),
        ({"locale": "german please"}, "/locale"),
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"acquired_at": "2026-01-01T00:00:00"}, "/acquired_at"),
        ({"acquired_at": "1700000000"}, "/acquired_at"),
        ({"acquired_at": "0001-01-01T00:00:00+14:00"}, "/acquired_at"),
        ({"version": 7}, "/version"),
        ({"stats": {}}, "/stats"),
        ({"given_name": ""}, "/given_name"),
        ({"given_name": 5}, "/given_name"),
    ],
)
async def test_a_bad_field_is_named(client: httpx.AsyncClient, body: dict[str, Any], pointer: str) -> None:
    response = await client.post("/v1/contacts", json=body)

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert places(response) == {pointer}


async def test_every_bad_place_is_named_at_once(client: httpx.AsyncClient) -> None:
    body = {"emails": [{"address": "x"}], "phones": [{"number": "y"}], "attributes": {"a": 1, "b": 2}}

    response = await client.post("/v1/contacts", json=body)

    assert places(response) == {"/emails/0/address", "/phones/0/number", "/attributes/a", "/attributes/b"}


async def test_an_email_belongs_to_one_contact(client: httpx.AsyncClient) -> None:
    first = await create(client, **ADA)

    response = await client.post("/v1/contacts", json={"emails": [{"address": "ADA@example.COM"}]})

    assert response.status_code == 409
    assert response.json()["existing_id"] == first["id"]
    assert response.json()["type"] == "/problems/contact-exists"


@pytest.mark.slow
async def test_a_hundred_parallel_creates_give_one_contact(client: httpx.AsyncClient) -> None:
    posts = [
        client.post("/v1/contacts", json={"emails": [{"address": "one@example.com"}]}) for _ in range(100)
    ]

    answers = await asyncio.gather(*posts)

    created = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code == 409]
    assert (len(created), len(refused)) == (1, 99)
    assert {answer.json()["existing_id"] for answer in refused} == {created[0].json()["id"]}


async def test_a_patch_changes_what_is_sent_and_nothing_else(client: httpx.AsyncClient) -> None:
    contact = await create(client, **ADA, company="Engines")

    response = await client.patch(
        f"/v1/contacts/{contact['id']}", json={"company": None, "given_name": "Augusta"}
    )

    changed = response.json()
    assert response.status_code == 200
    assert (changed["company"], changed["given_name"]) == (None, "Augusta")
    assert changed["display_name"] == "Augusta Lovelace"
    assert changed["version"] == 2
    untouched = set(contact) - {"company", "given_name", "display_name", "version", "updated_at"}
    assert {name: changed[name] for name in untouched} == {name: contact[name] for name in untouched}


async def test_a_patch_that_changes_nothing_keeps_the_version(client: httpx.AsyncClient) -> None:
    contact = await create(client, **ADA)

    response = await client.patch(f"/v1/contacts/{contact['id']}", json={"given_name": "Ada"})

    assert response.json() == contact


async def test_merge_patch_has_a_media_type_of_its_own(client: httpx.AsyncClient) -> None:
    contact = await create(client)

    response = await client.patch(
        f"/v1/contacts/{contact['id']}",
        content=b'{"company": "Engines"}',
        headers={"content-type": "application/merge-patch+json"},
    )

    assert response.json()["company"] == "Engines"


async def test_a_required_list_cannot_be_null(client: httpx.AsyncClient) -> None:
    contact = await create(client, **ADA)

    response = await client.patch(f"/v1/contacts/{contact['id']}", json={"tags": None})

    assert response.status_code == 422
    assert places(response) == {"/tags"}


async def test_a_released_email_is_free_again(client: httpx.AsyncClient) -> None:
    contact = await create(client, **ADA)
    await client.patch(f"/v1/contacts/{contact['id']}", json={"emails": []})

    second = await create(client, emails=[{"address": "ada@example.com"}])

    assert second["id"] != contact["id"]


async def test_a_stale_if_match_is_refused(client: httpx.AsyncClient) -> None:
    contact = await create(client, **ADA)
    path = f"/v1/contacts/{contact['id']}"
    assert (await client.patch(path, json={"company": "A"}, headers={"If-Match": '"1"'})).status_code == 200

    stale = await client.patch(path, json={"company": "B"}, headers={"If-Match": '"1"'})

    assert stale.status_code == 412
    assert stale.json()["current_version"] == 2
    assert (await client.get(path)).json()["company"] == "A"


async def test_fifty_patches_on_one_version_give_one_winner(client: httpx.AsyncClient) -> None:
    contact = await create(client, **ADA)
    path = f"/v1/contacts/{contact['id']}"

    answers = await asyncio.gather(
        *(client.patch(path, json={"company": f"C{n}"}, headers={"If-Match": '"1"'}) for n in range(50))
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 49


async def test_a_current_copy_is_not_sent_again(client: httpx.AsyncClient) -> None:
    contact = await create(client, **ADA)

    response = await client.get(f"/v1/contacts/{contact['id']}", headers={"If-None-Match": 'W/"1", "9"'})

    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == '"1"'


async def test_an_archived_contact_hides_and_returns(client: httpx.AsyncClient) -> None:
    contact = await create(client, **ADA)
    path = f"/v1/contacts/{contact['id']}"

    assert (await client.delete(path)).status_code == 204
    assert (await client.get("/v1/contacts")).json()["items"] == []
    listed = (await client.get("/v1/contacts", params={"include_archived": "true"})).json()["items"]
    assert [each["id"] for each in listed] == [contact["id"]]
    assert (await client.get(path)).json()["archived_at"] is not None

    restored = (await client.post(f"{path}/restore")).json()
    assert restored["archived_at"] is None
    assert len((await client.get("/v1/contacts")).json()["items"]) == 1


async def test_the_list_filters_by_its_parameters(client: httpx.AsyncClient) -> None:
    ada = await create(client, **ADA, lifecycle_stage="customer")
    await create(client, tags=["late"])

    for wanted in ({"tag": "vip"}, {"email": "ADA@EXAMPLE.COM"}, {"lifecycle_stage": "customer"}):
        found = (await client.get("/v1/contacts", params=wanted)).json()["items"]
        assert [each["id"] for each in found] == [ada["id"]], wanted


async def test_an_unknown_query_parameter_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/contacts", params={"colour": "blue"})

    assert response.status_code == 422
    assert places(response) == {"?colour"}


async def test_a_contact_tells_of_itself(client: httpx.AsyncClient, resources: Any, tenant: Any) -> None:
    contact = await create(client, **ADA)
    await client.patch(f"/v1/contacts/{contact['id']}", json={"lifecycle_stage": "customer"})

    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        rows = await unit.connection.fetch("SELECT type, subject_id::text FROM events ORDER BY id")

    assert [tuple(row) for row in rows] == [
        (name, contact["id"]) for name in ("contact.created", "contact.updated", "contact.stage_changed")
    ]
