"""Sources: made, shown, changed, archived, and their secrets."""

import httpx
import pytest

from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.intake.sending import Partner, purchase
from tests.stand_ins import MovableClock


async def test_the_secret_is_shown_once(client: httpx.AsyncClient):
    made = await client.post("/v1/sources", json={"name": "Café Shop"})
    shown = await client.get(made.headers["Location"])
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    assert "secret" not in shown.json()
    assert shown.json()["key"] == "Cafe-Shop"
    assert (shown.json()["pending"], shown.json()["parked"], shown.json()["last_event_at"]) == (0, 0, None)


async def test_the_secret_is_not_stored_in_the_clear(partner: Partner, resources: Resources, tenant: Tenant):
    async with resources.database.unit(tenant.workspace_id) as unit:
        stored = await unit.connection.fetchval("SELECT secrets::text FROM sources")
    assert partner.secret not in stored
    assert partner.secret.removeprefix("whsec_") not in stored


async def test_a_replayed_create_shows_the_same_secret(client: httpx.AsyncClient):
    key = {"Idempotency-Key": "once"}
    first = await client.post("/v1/sources", json={"name": "shop"}, headers=key)
    again = await client.post("/v1/sources", json={"name": "shop"}, headers=key)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()


async def test_keys_differ_where_names_do_not(client: httpx.AsyncClient):
    keys = [(await client.post("/v1/sources", json={"name": "shop"})).json()["key"] for _ in range(3)]
    assert len(set(keys)) == 3
    assert all(key.startswith("shop") for key in keys)


async def test_a_name_without_letters_gets_a_key_all_the_same(client: httpx.AsyncClient):
    assert (await client.post("/v1/sources", json={"name": "店"})).json()["key"] == "source"


async def test_renaming_keeps_the_key(client: httpx.AsyncClient, partner: Partner):
    path = f"/v1/sources/{partner.id}"
    renamed = await client.patch(path, json={"name": "store"}, headers={"If-Match": '"1"'})
    stale = await client.patch(path, json={"name": "mall"}, headers={"If-Match": '"1"'})
    assert (renamed.json()["name"], renamed.json()["key"], renamed.json()["version"]) == ("store", "shop", 2)
    assert stale.status_code == 412


async def test_an_archived_source_takes_no_events_until_it_is_restored(
    client: httpx.AsyncClient, partner: Partner
):
    path = f"/v1/sources/{partner.id}"
    assert (await partner.send(purchase())).status_code == 202
    assert (await client.delete(path)).status_code == 204
    assert (await partner.send(purchase())).status_code == 404
    assert (await client.get("/v1/sources")).json()["items"] == []
    assert len((await client.get("/v1/sources?include_archived=true")).json()["items"]) == 1
    assert (await client.post(f"{path}/restore")).json()["archived_at"] is None
    assert (await partner.send(purchase())).json()["duplicates"] == 1


async def test_after_a_rotation_both_secrets_work_for_a_day(
    client: httpx.AsyncClient, partner: Partner, clock: MovableClock
):
    rotated = (await client.post(f"/v1/sources/{partner.id}/rotate-secret")).json()
    renewed = Partner(partner.client, clock, partner.id, rotated["secret"])
    assert rotated["older_secrets_until"] is not None
    assert (await partner.send(purchase("1"))).status_code == 202
    assert (await renewed.send(purchase("2"))).status_code == 202

    clock.advance(hours=23, minutes=59)
    assert (await partner.send(purchase("3"))).status_code == 202
    clock.advance(minutes=2)
    assert (await partner.send(purchase("4"))).status_code == 401
    assert (await renewed.send(purchase("4"))).status_code == 202
    assert (await client.get(f"/v1/sources/{partner.id}")).json()["older_secrets_until"] is None


async def test_a_second_rotation_leaves_the_first_secret_its_time(
    client: httpx.AsyncClient, partner: Partner, clock: MovableClock
):
    await client.post(f"/v1/sources/{partner.id}/rotate-secret")
    clock.advance(hours=12)
    await client.post(f"/v1/sources/{partner.id}/rotate-secret")
    assert (await partner.send(purchase("1"))).status_code == 202
    clock.advance(hours=13)
    assert (await partner.send(purchase("2"))).status_code == 401


async def test_the_number_of_working_secrets_is_bounded(client: httpx.AsyncClient, partner: Partner):
    statuses = [(await client.post(f"/v1/sources/{partner.id}/rotate-secret")).status_code for _ in range(11)]
    assert statuses == [200] * 9 + [409] * 2


async def test_the_list_is_paged(client: httpx.AsyncClient):
    for name in ("a", "b", "c"):
        await client.post("/v1/sources", json={"name": name})
    first = (await client.get("/v1/sources?sort=name&limit=2")).json()
    rest = (await client.get(f"/v1/sources?sort=name&limit=2&cursor={first['next_cursor']}")).json()
    assert [source["name"] for source in first["items"] + rest["items"]] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/restore"),
        ("POST", "/rotate-secret"),
        ("GET", "/parked"),
        ("POST", "/parked/redrive"),
        ("DELETE", "/parked/0197f0c1-0000-7000-8000-000000000000"),
    ],
)
async def test_another_workspace_sees_nothing_of_a_source(
    other_client: httpx.AsyncClient, partner: Partner, method: str, path: str
):
    body = {"name": "mine"} if method == "PATCH" else None
    answer = await other_client.request(method, f"/v1/sources/{partner.id}{path}", json=body)
    assert answer.status_code == 404
