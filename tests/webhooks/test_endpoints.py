import httpx
import pytest

from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.receivers import receiver
from tests.webhooks.world import ENDPOINTS, deliveries, drain, get, post, publish, reload, subscribe

PUBLIC = "https://hooks.example.com/in"


async def create(client: httpx.AsyncClient, **fields: object) -> dict[str, object]:
    made: dict[str, object] = await post(client, ENDPOINTS, {"url": PUBLIC} | fields)
    return made


async def test_shows_its_secret_when_it_is_made_and_never_again(client: httpx.AsyncClient) -> None:
    made = await create(client, event_types=["contact.updated", "contact.created", "contact.created"])
    assert str(made["secret"]).startswith("whsec_")
    assert made["event_types"] == ["contact.created", "contact.updated"]
    shown = await reload(client, made)
    assert "secret" not in shown
    assert shown == {name: value for name, value in made.items() if name != "secret"}


async def test_stores_no_secret_in_the_clear(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    answer = await client.post(ENDPOINTS, json={"url": PUBLIC}, headers={"Idempotency-Key": "once"})
    secret = answer.json()["secret"].removeprefix("whsec_")
    async with resources.database.unit(tenant.workspace_id) as unit:
        stored = await unit.connection.fetch(
            "SELECT secrets::text AS kept FROM webhook_endpoints "
            "UNION ALL SELECT encode(body, 'escape') FROM idempotency_keys"
        )
    assert stored
    assert not any(secret in row["kept"] for row in stored)
    again = await client.post(ENDPOINTS, json={"url": PUBLIC}, headers={"Idempotency-Key": "once"})
    assert again.json() == answer.json()


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/hook",
        "https://169.254.169.254/latest",
        "https://[::1]/hook",
        "https://[::ffff:127.0.0.1]/hook",
        "https://user:password@hooks.example.com/",
        "ftp://hooks.example.com/",
        "hooks.example.com",
    ],
)
async def test_refuses_a_url_that_leads_inside(client: httpx.AsyncClient, url: str) -> None:
    answer = await client.post(ENDPOINTS, json={"url": url})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/url"
    made = await create(client)
    patched = await client.patch(f"{ENDPOINTS}/{made['id']}", json={"url": url})
    assert patched.status_code == 422


async def test_refuses_an_event_type_that_does_not_exist(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        ENDPOINTS, json={"url": PUBLIC, "event_types": ["contact.created", "contact.exploded"]}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/event_types/1"


async def test_changes_only_what_a_patch_names(client: httpx.AsyncClient) -> None:
    made = await create(client, description="shop", event_types=["contact.created"])
    answer = await client.patch(f"{ENDPOINTS}/{made['id']}", json={"description": None})
    assert answer.json()["description"] is None
    assert answer.json()["event_types"] == ["contact.created"]
    assert answer.json()["version"] == 2
    assert answer.headers["ETag"] == '"2"'


async def test_refuses_a_change_based_on_a_stale_version(client: httpx.AsyncClient) -> None:
    made = await create(client)
    path = f"{ENDPOINTS}/{made['id']}"
    assert (
        await client.patch(path, json={"description": "a"}, headers={"If-Match": '"1"'})
    ).status_code == 200
    assert (
        await client.patch(path, json={"description": "b"}, headers={"If-Match": '"1"'})
    ).status_code == 412
    assert (await client.delete(path, headers={"If-Match": '"1"'})).status_code == 412


async def test_lists_page_by_page_and_hides_what_is_archived(client: httpx.AsyncClient) -> None:
    made = [await create(client) for _ in range(3)]
    await client.delete(f"{ENDPOINTS}/{made[1]['id']}")
    first = await get(client, ENDPOINTS, limit=1, sort="created_at")
    second = await get(client, ENDPOINTS, limit=1, sort="created_at", cursor=first["next_cursor"])
    assert [page["items"][0]["id"] for page in (first, second)] == [made[0]["id"], made[2]["id"]]
    assert second["next_cursor"] is None
    assert len((await get(client, ENDPOINTS, include_archived=True))["items"]) == 3


async def test_belongs_to_one_workspace(client: httpx.AsyncClient, other_client: httpx.AsyncClient) -> None:
    made = await create(client)
    path = f"{ENDPOINTS}/{made['id']}"
    assert (await other_client.get(path)).status_code == 404
    assert (await other_client.delete(path)).status_code == 404
    for action in ("ping", "enable", "restore", "rotate-secret"):
        assert (await other_client.post(f"{path}/{action}")).status_code == 404
    assert (await other_client.get(f"{path}/deliveries")).status_code == 404


async def test_an_archived_endpoint_gets_nothing_until_it_is_restored(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    async with receiver() as partner:
        endpoint = await subscribe(client, partner)
        await publish(resources, tenant)
        assert (await client.delete(f"{ENDPOINTS}/{endpoint['id']}")).status_code == 204
        await publish(resources, tenant)
        await drain(resources, tenant, endpoint)
        assert partner.posted == []
        assert (await client.post(f"{ENDPOINTS}/{endpoint['id']}/ping")).status_code == 409
        await post(client, f"{ENDPOINTS}/{endpoint['id']}/restore")
        await drain(resources, tenant, endpoint)
        assert len(partner.posted) == 1
        assert len(await deliveries(client, endpoint)) == 1
