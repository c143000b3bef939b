"""Searching right after an import, when PostgreSQL has not looked at the new rows yet."""

import httpx
import pytest

from app.kit.resources import Resources
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
