"""Searching whatever PostgreSQL has learned or not: right after an import, and after many searches alike."""

import httpx
import pytest
import sqlalchemy as sa

from app.contacts.models import ContactRow
from app.kit.resources import Resources
from app.kit.searching import rows_found
from tests.conftest import Tenant
from tests.crowds import copies

pytestmark = pytest.mark.slow

MANY = 40_000
COPIES = copies("contacts", {"id": "gen_random_uuid()"})


async def test_a_tag_that_everybody_has_is_found(
    client: httpx.AsyncClient, tenant: Tenant, resources: Resources
) -> None:
    made = await client.post("/v1/contacts", json={"given_name": "Ada", "tags": ["vip"]})
    assert made.status_code == 201
    async with resources.database.unit(tenant.workspace_id) as unit:
        await unit.connection.execute(COPIES, tenant.workspace_id, MANY)

    body = {"filter": {"field": "tags", "op": "contains", "value": "vip"}, "limit": 500}
    first = await client.post("/v1/contacts/search", json=body)
    assert first.status_code == 200, first.text
    second = await client.post("/v1/contacts/search", json=body | {"cursor": first.json()["next_cursor"]})
    assert second.status_code == 200, second.text

    pages = [{each["id"] for each in answer.json()["items"]} for answer in (first, second)]
    assert [len(page) for page in pages] == [500, 500]
    assert not pages[0] & pages[1]


async def test_the_tenth_search_is_planned_for_what_it_asks_for(tenant: Tenant, resources: Resources) -> None:
    """PostgreSQL would plan the sixth for any values: what finds a few of two hours is slow for a month."""
    async with resources.database.unit(tenant.workspace_id) as unit:
        for number in range(10):
            await rows_found(unit, sa.select(ContactRow).where(ContactRow.display_name == f"Name {number}"))
        planned = await unit.connection.fetchrow(
            "SELECT sum(custom_plans) AS custom, sum(generic_plans) AS generic FROM pg_prepared_statements "
            "WHERE statement LIKE $1",
            "SELECT %WHERE contacts.display_name = %",
        )

    assert planned is not None
    assert (planned["custom"], planned["generic"]) == (10, 0)
