"""The fast lane gives the very bytes that the clear way gives."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.contacts.repository.contacts import SORTING
from app.contacts.schemas.contacts import Contact
from app.contacts.service.contacts import ContactListing, ContactService
from app.contacts.service.reading import ContactReader
from app.contacts.service.stats import ContactStats, Stats
from app.kit.hot import Rendered
from app.kit.pages import PageRequest
from app.kit.resources import Resources
from tests.conftest import Tenant

FULL: dict[str, Any] = {
    "given_name": 'Zoë "Z" <\\>',
    "family_name": "Ünlü\u2028",
    "emails": [{"address": "zoe@example.com", "label": "work"}, {"address": "z@example.com"}],
    "phones": [{"number": "+493090182000", "label": "mobile"}],
    "company": "Früh & Söhne",
    "lifecycle_stage": "customer",
    "tags": ["b", "a", "ß"],
    "external_ids": [{"source": "shop", "id": "C-1"}, {"source": "erp", "id": "☃"}],
    "locale": "de-AT",
    "timezone": "Europe/Vienna",
    "acquired_at": "2026-02-03T04:05:06.070800Z",
    "attributes": {"plan": "pro", "score": 1.50, "seats": 3, "vip": True},
}


@pytest.fixture
async def made(client: httpx.AsyncClient, resources: Resources, tenant: Tenant) -> list[UUID]:
    """A contact with everything, one with nothing, an archived one; the first with statistics."""
    for key, kind in (("plan", "text"), ("score", "number"), ("seats", "number"), ("vip", "boolean")):
        await client.post("/v1/attribute-definitions", json={"key": key, "type": kind})
    answers = [await client.post("/v1/contacts", json=body) for body in (FULL, {}, {"company": "Gone"})]
    ids = [UUID(answer.json()["id"]) for answer in answers]
    await client.delete(f"/v1/contacts/{ids[2]}")
    async with resources.database.unit(tenant.workspace_id) as unit:
        stats = Stats(3, unit.now, 1, Decimal("49.9"), unit.now, unit.now)
        await ContactStats(unit).add({ids[0]: stats})
    return ids


async def test_one_contact_is_written_alike(
    resources: Resources, tenant: Tenant, client: httpx.AsyncClient, made: list[UUID]
) -> None:
    for contact_id in made:
        async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
            clear = await ContactService(unit).get(contact_id)
            fast = await ContactReader(unit).get(contact_id)
        answer = await client.get(f"/v1/contacts/{contact_id}")

        assert fast.body == answer.content == clear.__pydantic_serializer__.to_json(clear)
        assert fast.version == clear.version
        assert answer.headers["etag"] == f'"{clear.version}"'


@pytest.mark.parametrize("sort", [None, *SORTING.choices])
@pytest.mark.parametrize("stage", [None, "customer"])
@pytest.mark.parametrize("include_archived", [False, True])
@pytest.mark.usefixtures("made")
async def test_pages_are_written_alike(
    resources: Resources, tenant: Tenant, sort: str | None, stage: str | None, include_archived: bool
) -> None:
    listing = ContactListing(lifecycle_stage=stage, include_archived=include_archived)
    cursor, pages = None, 0
    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        while pages == 0 or cursor is not None:
            page = PageRequest(SORTING.parse(sort), 1, cursor, [stage])
            clear = await ContactService(unit).list(page, listing)
            fast = await ContactReader(unit).list(page, listing)
            assert isinstance(fast, Rendered)
            assert fast.body == clear.__pydantic_serializer__.to_json(clear)
            cursor, pages = fast.next_cursor, pages + 1

    assert pages == (1 if stage else 3 if include_archived else 2)


async def test_a_new_contact_is_answered_as_it_is_read(client: httpx.AsyncClient, made: list[UUID]) -> None:
    created = await client.post("/v1/contacts", json=FULL | {"emails": [], "external_ids": []})

    assert (await client.get(created.headers["location"])).json() == created.json()


async def test_the_event_tells_of_the_contact_as_it_was_answered(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    created = (await client.post("/v1/contacts", json={"emails": [{"address": "ada@example.com"}]})).json()

    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        told = await unit.connection.fetchval(
            "SELECT data FROM events WHERE subject_id = $1 AND type = 'contact.created'", UUID(created["id"])
        )
    assert told == {"contact": created}


async def test_no_field_of_the_contract_is_forgotten(
    resources: Resources, tenant: Tenant, made: list[UUID]
) -> None:
    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        fast = await ContactReader(unit).get(made[0])

    assert Contact.model_validate_json(fast.body).model_fields_set == set(Contact.model_fields)
