"""The suppression list: addresses that are not written to, whoever has them."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.contacts.models import Channel
from app.contacts.service.suppressions import SuppressionService
from app.kit.ids import new_id
from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.contacts.test_contacts import create, places

EMAIL, PHONE = "Ada@Example.com", "+49 30 901820"


async def suppress(client: httpx.AsyncClient, **address: str) -> dict[str, Any]:
    response = await client.post("/v1/suppressions", json={"reason": "objected"} | address)
    assert response.is_success, response.text
    entry: dict[str, Any] = response.json()
    return entry


async def suppressed(
    resources: Resources, tenant: Tenant, people: list[UUID], channel: Channel | None
) -> set[UUID]:
    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        return await SuppressionService(unit).suppressed(people, channel)


@pytest.mark.parametrize(
    ("said", "kind", "value"),
    [
        ({"email": " ADA@Example.COM "}, "email", "ada@example.com"),
        ({"phone": "+49 (30) 901820"}, "phone", "+4930901820"),
    ],
)
async def test_an_address_is_kept_in_its_normal_form(
    client: httpx.AsyncClient, said: dict[str, str], kind: str, value: str
) -> None:
    body = said | {"reason": "bounced", "note": "Mailbox full."}

    added = await client.post("/v1/suppressions", json=body)

    assert added.status_code == 201
    entry = added.json()
    assert (entry["kind"], entry["value"]) == (kind, value)
    assert (entry["reason"], entry["note"], entry.pop("status")) == ("bounced", "Mailbox full.", "created")
    assert (await client.get(added.headers["location"])).json() == entry


async def test_an_address_that_is_known_keeps_its_entry(client: httpx.AsyncClient) -> None:
    first = await suppress(client, email=EMAIL)

    again = await client.post("/v1/suppressions", json={"email": EMAIL.upper(), "reason": "bounced"})

    assert again.status_code == 200
    assert again.json() == first | {"status": "unchanged"}
    assert again.headers["location"] == f"/v1/suppressions/{first['id']}"


async def test_many_at_once_make_one_entry(client: httpx.AsyncClient) -> None:
    body = {"email": EMAIL, "reason": "unsubscribed"}

    answers = await asyncio.gather(*(client.post("/v1/suppressions", json=body) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"email": "nobody", "reason": "other"}, "/email", "bad_email"),
        ({"phone": "030 901820", "reason": "other"}, "/phone", "bad_phone"),
        ({"email": EMAIL, "phone": PHONE, "reason": "other"}, "", "one_address"),
        ({"reason": "other"}, "", "one_address"),
        ({"email": EMAIL, "reason": "mood"}, "/reason", "literal_error"),
        ({"email": EMAIL}, "/reason", "missing"),
        ({"email": EMAIL, "reason": "other", "contact_id": "x"}, "/contact_id", "extra_forbidden"),
    ],
)
async def test_what_makes_no_sense_is_refused_at_its_place(
    client: httpx.AsyncClient, body: dict[str, str], pointer: str, code: str
) -> None:
    refused = await client.post("/v1/suppressions", json=body)

    assert refused.status_code == 422
    assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [(pointer, code)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["phone", "email"]),
        ({"sort": "created_at"}, ["email", "phone"]),
        ({"kind": "phone"}, ["phone"]),
        ({"email": "ADA@example.com"}, ["email"]),
        ({"phone": "+49-30-901820"}, ["phone"]),
        ({"email": "ada@example.com", "kind": "phone"}, []),
        ({"email": "ada@example.com", "phone": PHONE}, []),
        ({"email": "bob@example.com"}, []),
    ],
)
async def test_the_list_finds(client: httpx.AsyncClient, query: dict[str, str], found: list[str]) -> None:
    await suppress(client, email=EMAIL)
    await suppress(client, phone=PHONE)

    listed = (await client.get("/v1/suppressions", params=query)).json()

    assert [each["kind"] for each in listed["items"]] == found


@pytest.mark.parametrize("name", ["email", "phone"])
async def test_looking_for_what_is_no_address_is_refused(client: httpx.AsyncClient, name: str) -> None:
    refused = await client.get("/v1/suppressions", params={name: "nobody"})

    assert refused.status_code == 422
    assert places(refused) == {f"?{name}"}


async def test_the_list_is_read_page_by_page(client: httpx.AsyncClient) -> None:
    added = [(await suppress(client, email=f"p{number}@example.com"))["id"] for number in range(3)]

    first = (await client.get("/v1/suppressions?limit=2")).json()
    second = (await client.get(f"/v1/suppressions?limit=2&cursor={first['next_cursor']}")).json()

    assert [each["id"] for each in first["items"] + second["items"]] == added[::-1]


@pytest.mark.parametrize(
    ("on_the_list", "channel", "is_suppressed"),
    [
        ({"email": EMAIL}, "email", True),
        ({"email": EMAIL}, "phone", False),
        ({"email": EMAIL}, "sms", False),
        ({"email": EMAIL}, "chat", True),
        ({"email": EMAIL}, None, True),
        ({"phone": PHONE}, "email", False),
        ({"phone": PHONE}, "phone", True),
        ({"phone": PHONE}, "sms", True),
        ({"phone": PHONE}, "post", True),
        ({"phone": PHONE}, None, True),
    ],
)
async def test_an_address_suppresses_the_channels_that_use_it(
    client: httpx.AsyncClient,
    resources: Resources,
    tenant: Tenant,
    on_the_list: dict[str, str],
    channel: Channel | None,
    is_suppressed: bool,
) -> None:
    ada = await create(client, emails=[{"address": EMAIL}], phones=[{"number": PHONE}])
    bob = await create(client, emails=[{"address": "bob@example.com"}], phones=[{"number": "+493090182001"}])
    people = [UUID(ada["id"]), UUID(bob["id"])]
    await suppress(client, **on_the_list)

    assert await suppressed(resources, tenant, people, channel) == ({people[0]} if is_suppressed else set())


async def test_any_address_of_a_contact_suppresses_and_not_the_first_alone(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    emails = [{"address": "first@example.com"}, {"address": "second@example.com"}]
    phones = [{"number": "+493090182001"}, {"number": "+493090182002"}]
    people = [UUID((await create(client, emails=emails, phones=phones))["id"])]
    await suppress(client, email="second@example.com")
    await suppress(client, phone="+493090182002")

    assert await suppressed(resources, tenant, people, "email") == set(people)
    assert await suppressed(resources, tenant, people, "sms") == set(people)


async def test_an_external_id_that_reads_like_an_address_suppresses_nothing(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    made = await create(client, external_ids=[{"source": "shop", "id": "ada@example.com"}])
    await suppress(client, email=EMAIL)

    assert await suppressed(resources, tenant, [UUID(made["id"])], "email") == set()


async def test_who_is_gone_and_comes_back_is_suppressed_again(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    ada = await create(client, emails=[{"address": EMAIL}])
    await suppress(client, email=EMAIL)
    async with resources.database.unit(tenant.workspace_id) as unit:
        await unit.connection.execute("DELETE FROM contacts WHERE id = $1", UUID(ada["id"]))

    again = await client.post("/v1/contacts/batch", json={"items": [{"emails": [{"address": EMAIL}]}]})

    people = [UUID(again.json()["results"][0]["id"])]
    assert await suppressed(resources, tenant, people, "email") == set(people)


async def test_a_lifted_address_is_free_again(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    people = [UUID((await create(client, emails=[{"address": EMAIL}]))["id"])]
    entry = await suppress(client, email=EMAIL)

    lifted = await client.delete(f"/v1/suppressions/{entry['id']}")

    assert lifted.status_code == 204
    assert await suppressed(resources, tenant, people, None) == set()
    assert (await client.get(f"/v1/suppressions/{entry['id']}")).status_code == 404
    assert (await client.delete(f"/v1/suppressions/{entry['id']}")).status_code == 404


async def test_nobody_is_suppressed_among_nobody(resources: Resources, tenant: Tenant) -> None:
    assert await suppressed(resources, tenant, [], None) == set()
    assert await suppressed(resources, tenant, [new_id()], None) == set()


async def test_each_workspace_has_a_list_of_its_own(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, resources: Resources, other_tenant: Tenant
) -> None:
    entry = await suppress(client, email=EMAIL)
    theirs = [UUID((await create(other_client, emails=[{"address": EMAIL}]))["id"])]

    assert await suppressed(resources, other_tenant, theirs, "email") == set()
    assert (await other_client.get("/v1/suppressions")).json()["items"] == []
    assert (await other_client.get(f"/v1/suppressions/{entry['id']}")).status_code == 404
    assert (await other_client.delete(f"/v1/suppressions/{entry['id']}")).status_code == 404
    assert (await suppress(other_client, email=EMAIL))["status"] == "created"
