"""Idempotency-Key: one effect, one answer, whatever happens to the client."""

import asyncio

import httpx
import pytest

from app.kit.idempotency import IdempotentRequest
from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.stand_ins import MovableClock

MEMBER = {"name": "Mara", "email": "mara@example.com"}


async def post(
    client: httpx.AsyncClient, key: str, body: object = MEMBER, path: str = "/v1/members"
) -> httpx.Response:
    return await client.post(path, json=body, headers={"Idempotency-Key": key})


async def count(client: httpx.AsyncClient, path: str = "/v1/members") -> int:
    return len((await client.get(path)).json()["items"])


async def test_a_repeat_gets_the_stored_answer(client: httpx.AsyncClient) -> None:
    first = await post(client, "k1")
    again = await post(client, "k1")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["etag"] == first.headers["etag"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert await count(client) == 1


async def test_the_order_of_keys_in_the_body_does_not_matter(client: httpx.AsyncClient) -> None:
    await post(client, "k1")

    again = await post(client, "k1", dict(reversed(MEMBER.items())))

    assert again.headers["idempotent-replayed"] == "true"


async def test_another_body_is_refused(client: httpx.AsyncClient) -> None:
    await post(client, "k1")

    other = await post(client, "k1", {"name": "Nils", "email": "nils@example.com"})

    assert other.status_code == 422
    assert other.json()["type"] == "/problems/idempotency-key-reused"
    assert await count(client) == 1


async def test_keys_of_two_operations_and_two_workspaces_are_apart(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    await post(client, "k1")

    assert (await post(client, "k1", {}, "/v1/contacts")).status_code == 201
    assert (await post(other_client, "k1", {"name": "N", "email": "n@example.com"})).status_code == 201


async def test_fifty_at_once_make_one(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(post(client, "k1") for _ in range(50)))

    made = [answer for answer in answers if answer.status_code == 201]
    busy = [answer for answer in answers if answer.status_code == 409]
    assert len(made) + len(busy) == 50
    assert len({answer.content for answer in made}) == 1
    assert all(answer.json()["type"] == "/problems/idempotency-in-progress" for answer in busy)
    assert all(answer.headers["retry-after"] == "1" for answer in busy)
    assert await count(client) == 1


async def test_a_refusal_is_not_kept(client: httpx.AsyncClient) -> None:
    assert (await post(client, "k1", {"name": "Mara", "email": "broken"})).status_code == 422

    assert (await post(client, "k1")).status_code == 201


async def test_a_fault_is_not_kept(
    client: httpx.AsyncClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: object) -> None:
        raise RuntimeError("lost")

    monkeypatch.setattr(resources.database, "_before_commit", (fail,))
    assert (await post(client, "k1")).status_code == 500
    monkeypatch.undo()

    assert (await post(client, "k1")).status_code == 201
    assert await count(client) == 1


async def test_a_key_is_free_again_after_a_day(client: httpx.AsyncClient, clock: MovableClock) -> None:
    await post(client, "k1")
    clock.advance(hours=24, seconds=1)

    later = await post(client, "k1", {"name": "Nils", "email": "nils@example.com"})

    assert later.status_code == 201
    assert await count(client) == 2


@pytest.mark.parametrize("key", ["x" * 256, '""'])
async def test_a_bad_key_is_refused(client: httpx.AsyncClient, key: str) -> None:
    response = await post(client, key)

    assert response.status_code == 422
    assert await count(client) == 0


async def test_a_quoted_key_is_the_same_key(client: httpx.AsyncClient) -> None:
    await post(client, "k1")

    assert (await post(client, '"k1"')).headers["idempotent-replayed"] == "true"


async def test_an_answer_that_shows_a_secret_is_kept_encrypted(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    body = {"name": "shop", "scopes": ["contacts:read"]}
    first = await post(client, "k1", body, "/v1/api-keys")
    again = await post(client, "k1", body, "/v1/api-keys")

    assert again.json()["api_key"] == first.json()["api_key"]
    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        stored: bytes = await unit.connection.fetchval("SELECT body FROM idempotency_keys")
    assert first.json()["api_key"].encode() not in stored


async def test_an_answer_of_which_the_body_alone_was_sealed_is_found_after_an_upgrade(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    body, path = {"name": "shop", "scopes": ["contacts:read"]}, "/v1/api-keys"
    first = await post(client, "k1", body, path)
    sent = IdempotentRequest.of(
        "k1", resources.cipher, method="POST", path=path, query="", body=first.request.content
    )
    async with resources.database.unit(tenant.workspace_id) as unit:
        await unit.connection.execute(
            "UPDATE idempotency_keys SET fingerprint = $1, body = $2",
            sent.fingerprint,
            resources.cipher.seal(first.text).encode(),
        )

    again = await post(client, "k1", body, path)

    assert (again.status_code, again.text) == (201, first.text)


def test_the_fingerprint_tells_query_and_body_apart(resources: Resources) -> None:
    def fingerprint(query: str, body: bytes) -> bytes:
        request = IdempotentRequest.of("k", resources.cipher, method="POST", path="/", query=query, body=body)
        return request.fingerprint

    assert fingerprint("a=1", b"{}") != fingerprint("", b"{}")
    assert fingerprint("", b'{"a":1}') != fingerprint("", b'{"a":2}')
