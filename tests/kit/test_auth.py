"""Keys: who gets in, with what scopes, and for how long."""

from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI

from app.kit.auth import Caller, KeyRing, key_hash, new_key, visible_part
from app.kit.database import Database
from app.kit.ids import new_id
from app.kit.resources import DatabaseAddress, Resources
from app.main import create_app
from tests.conftest import Tenant, make_client
from tests.stand_ins import MovableClock


async def make_key(client: httpx.AsyncClient, *scopes: str, **more: str) -> dict[str, str]:
    response = await client.post("/v1/api-keys", json={"name": "k", "scopes": list(scopes), **more})
    assert response.status_code == 201, response.text
    made: dict[str, str] = response.json()
    return made


async def ask(app: FastAPI, tenant: Tenant, key: str, path: str = "/v1/contacts") -> httpx.Response:
    async with make_client(app, Tenant(tenant.workspace_id, key)) as client:
        return await client.get(path)


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer ", "Bearer rpt_wrong", "rpt_x"])
async def test_without_a_valid_key_nobody_gets_in(stranger: httpx.AsyncClient, header: str | None) -> None:
    response = await stranger.get("/v1/contacts", headers={"Authorization": header} if header else {})

    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.json()["type"] == "/problems/unauthenticated"


async def test_a_scope_opens_its_own_door_only(
    app: FastAPI, client: httpx.AsyncClient, tenant: Tenant
) -> None:
    key = (await make_key(client, "contacts:read"))["api_key"]

    assert (await ask(app, tenant, key)).status_code == 200
    refused = await ask(app, tenant, key, "/v1/workspace")
    assert refused.status_code == 403
    assert "workspace:read" in refused.json()["detail"]


def test_writing_includes_reading_and_admin_includes_all() -> None:
    def caller(*scopes: str) -> Caller:
        return Caller(new_id(), new_id(), frozenset(scopes))

    assert caller("contacts:write").may("contacts:read")
    assert not caller("contacts:read").may("contacts:write")
    assert not caller("contacts:write").may("goals:read")
    assert caller("admin").may("goals:write")
    assert not caller("contacts:write").may("admin")


async def test_a_revoked_key_is_refused_at_once(
    app: FastAPI, client: httpx.AsyncClient, tenant: Tenant
) -> None:
    made = await make_key(client, "contacts:read")
    assert (await ask(app, tenant, made["api_key"])).status_code == 200

    assert (await client.delete(f"/v1/api-keys/{made['id']}")).status_code == 204

    assert (await ask(app, tenant, made["api_key"])).status_code == 401


async def test_an_expired_key_is_refused(
    app: FastAPI, client: httpx.AsyncClient, tenant: Tenant, clock: MovableClock
) -> None:
    made = await make_key(client, "contacts:read", expires_at="2190-01-01T00:00:00Z")
    past = await client.post(
        "/v1/api-keys", json={"name": "k", "scopes": ["contacts:read"], "expires_at": "2020-01-01T00:00:00Z"}
    )
    assert past.status_code == 422
    assert (await ask(app, tenant, made["api_key"])).status_code == 200

    app.state.services.keys.forget()
    clock.advance(days=200 * 366)

    assert (await ask(app, tenant, made["api_key"])).status_code == 401


async def test_a_key_shows_when_it_was_last_used(
    app: FastAPI, client: httpx.AsyncClient, tenant: Tenant
) -> None:
    made = await make_key(client, "contacts:read")
    path = f"/v1/api-keys/{made['id']}"
    assert (await client.get(path)).json()["last_used_at"] is None

    await ask(app, tenant, made["api_key"])

    assert (await client.get(path)).json()["last_used_at"] is not None


async def test_only_the_hash_of_a_key_is_stored(resources: Resources, tenant: Tenant) -> None:
    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        row = await unit.connection.fetchrow("SELECT prefix, key_hash, api_keys::text AS whole FROM api_keys")

    assert row is not None
    assert row["key_hash"] == key_hash(tenant.api_key)
    assert row["prefix"] == visible_part(tenant.api_key)
    assert tenant.api_key not in row["whole"]


def test_keys_are_long_and_differ() -> None:
    keys = {new_key() for _ in range(100)}

    assert len(keys) == 100
    assert all(key.startswith("rpt_") and len(key) >= 47 for key in keys)


async def test_guessing_keys_from_one_address_ends_in_429_and_locks_nobody_out(
    resources: Resources, tenant: Tenant
) -> None:
    limited = replace(resources, settings=resources.settings.model_copy(update={"rate_limit_per_second": 20}))
    app = create_app(limited)

    answers = [await ask(app, tenant, f"rpt_guess_{number}") for number in range(40)]

    assert [answer.status_code for answer in answers[:20]] == [401] * 20
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert (await ask(app, tenant, tenant.api_key)).status_code == 200


async def test_a_key_has_a_budget_and_is_told_of_it(resources: Resources, tenant: Tenant) -> None:
    limited = replace(resources, settings=resources.settings.model_copy(update={"rate_limit_per_second": 2}))
    app = create_app(limited)

    answers = [await ask(app, tenant, tenant.api_key) for _ in range(14)]

    assert answers[0].headers["ratelimit-policy"] == '"default";q=10;w=5'
    assert answers[0].headers["ratelimit"].startswith('"default";r=9;')
    assert answers[-1].status_code == 429
    assert answers[-1].json()["type"] == "/problems/rate-limited"
    assert int(answers[-1].headers["retry-after"]) >= 1


async def test_a_database_that_takes_no_writes_still_lets_readers_in(
    address: DatabaseAddress, tenant: Tenant
) -> None:
    small = Database(address.app_url, pool_size=1)
    async with small.raw() as connection:
        await connection.execute("SET default_transaction_read_only = on")

    caller = await KeyRing(small).caller(tenant.headers["Authorization"])

    assert caller.workspace_id == tenant.workspace_id
    await small.close()
