"""Who matches a filter, asked by other rooms."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from app.contacts.models import ContactRow
from app.contacts.repository.contacts import FILTER_FIELDS
from app.contacts.service.matching import ContactMatcher, ContactState
from app.kit.errors import Invalid
from app.kit.filter_sql import FilterField
from app.kit.filters import Filter, parse_filter
from app.kit.ids import new_id
from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.contacts.test_contacts import create
from tests.contacts.test_search_and_batch import define

PRO = parse_filter({"field": "attributes.plan", "op": "eq", "value": "pro"})


@pytest.fixture
async def people(client: httpx.AsyncClient) -> list[UUID]:
    """Four contacts in the order of their ids: every other one is a pro, the last one is archived."""
    await define(client, "plan", "select", ["free", "pro"])
    made = [await create(client, attributes={"plan": plan}) for plan in ("pro", "free", "pro", "pro")]
    await client.delete(f"/v1/contacts/{made[3]['id']}")
    return [UUID(each["id"]) for each in made]


async def matching(
    resources: Resources, tenant: Tenant, filter: Filter | None, *, limit: int = 100, **more: Any
) -> list[UUID]:
    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        return await ContactMatcher(unit).matching(filter, limit=limit, **more)


async def check(resources: Resources, tenant: Tenant, filter: dict[str, Any]) -> None:
    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        await ContactMatcher(unit).check(parse_filter(filter), "/audience")


async def test_active_contacts_match_in_the_order_of_their_ids(
    resources: Resources, tenant: Tenant, people: list[UUID]
) -> None:
    assert await matching(resources, tenant, PRO) == [people[0], people[2]]


async def test_without_a_filter_all_active_contacts_match(
    resources: Resources, tenant: Tenant, people: list[UUID]
) -> None:
    assert await matching(resources, tenant, None) == people[:3]


async def test_a_walk_in_small_steps_meets_everybody_once(
    resources: Resources, tenant: Tenant, people: list[UUID]
) -> None:
    first = await matching(resources, tenant, None, limit=2)
    second = await matching(resources, tenant, None, limit=2, after=first[-1])

    assert first + second == people[:3]


async def test_only_those_asked_about_match(resources: Resources, tenant: Tenant, people: list[UUID]) -> None:
    asked = [people[3], people[2], people[1], new_id()]

    assert await matching(resources, tenant, PRO, among=asked) == [people[2]]
    assert await matching(resources, tenant, None, among=asked) == [people[1], people[2]]
    assert await matching(resources, tenant, None, among=[]) == []


@pytest.mark.usefixtures("people")
async def test_nobody_of_another_workspace_matches(resources: Resources, other_tenant: Tenant) -> None:
    assert await matching(resources, other_tenant, None) == []


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("filter", "pointer", "code"),
    [
        ({"field": "shoe_size", "op": "eq", "value": 43}, "/audience/field", "unknown_field"),
        ({"field": "attributes.colour", "op": "eq", "value": "red"}, "/audience/field", "unknown_field"),
        ({"field": "attributes.plan", "op": "eq", "value": "gold"}, "/audience/value", "unknown_choice"),
        ({"not": {"field": "owner_id", "op": "lt", "value": "x"}}, "/audience/not/op", "unknown_operator"),
    ],
)
async def test_a_wrong_filter_is_refused_at_its_place(
    resources: Resources, tenant: Tenant, filter: dict[str, Any], pointer: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await check(resources, tenant, filter)

    assert [(error.pointer, error.code) for error in refused.value.errors] == [(pointer, code)]


@pytest.mark.usefixtures("people")
async def test_a_right_filter_passes(resources: Resources, tenant: Tenant) -> None:
    await check(resources, tenant, {"not": {"field": "attributes.plan", "op": "in", "value": ["pro"]}})


async def test_a_field_that_a_higher_room_registered_can_be_asked_for(
    resources: Resources, tenant: Tenant, people: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FILTER_FIELDS, "_fields", dict(FILTER_FIELDS._fields))
    FILTER_FIELDS.register(FilterField("test.version", "number", ContactRow.version))

    changed = parse_filter({"field": "test.version", "op": "gt", "value": 1})
    unchanged = parse_filter({"not": {"field": "test.version", "op": "gt", "value": 1}})

    assert await matching(resources, tenant, changed) == []
    assert await matching(resources, tenant, unchanged) == people[:3]


async def test_the_states_of_contacts_tell_who_they_are_and_how_to_reach_them(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, people: list[UUID]
) -> None:
    owner = (await client.post("/v1/members", json={"name": "Mara", "email": "mara@example.com"})).json()
    ada = await create(
        client,
        emails=[{"address": "ada@example.com"}, {"address": "second@example.com"}],
        phones=[{"number": "+49 30 901820"}],
        locale="de-AT",
        owner_id=owner["id"],
    )
    ada_id, archived, unknown = UUID(ada["id"]), people[3], new_id()

    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        states = await ContactMatcher(unit).states([ada_id, archived, unknown])

    assert states == {
        ada_id: ContactState(
            is_archived=False,
            owner_id=UUID(owner["id"]),
            locale="de-AT",
            email="ada@example.com",
            phone="+4930901820",
        ),
        archived: ContactState(is_archived=True, owner_id=None, locale=None, email=None, phone=None),
    }
