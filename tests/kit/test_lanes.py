"""A request on a fast lane is answered as the framework would answer it."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.api import LANES
from app.kit.calls import Access
from app.kit.lanes import Lane
from app.kit.resources import Resources
from tests.conftest import Tenant, make_client

# Each makes a request an odd one, which takes the ordinary way, and changes nothing about its answer.
ODD = {"GET": {"If-None-Match": '"none"'}, "POST": {"Idempotency-Key": "k"}}
OWN = {"x-request-id", "etag", "location"}


async def both_ways(client: httpx.AsyncClient, method: str, target: str, body: Any = None) -> httpx.Response:
    """The fast answer, once it is known to be the ordinary one."""
    fast = await client.request(method, target, json=body)
    ordinary = await client.request(method, target, json=body, headers=ODD[method])
    assert fast.status_code == ordinary.status_code
    assert set(fast.headers) == set(ordinary.headers)
    for name in set(fast.headers) - OWN - {"content-length"}:
        assert fast.headers[name] == ordinary.headers[name]
    return fast


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: " ".join((lane.method, lane.path_format)))
def test_a_lane_has_the_scope_of_its_route(app: FastAPI, lane: Lane[Any]) -> None:
    routes = [
        context
        for context in iter_route_contexts(app.routes)
        if context.path_format == lane.path_format and lane.method in (context.methods or ())
    ]
    assert len(routes) == 1
    scopes = [call for below in routes[0].dependant.dependencies if isinstance(call := below.call, Access)]
    assert scopes == ([] if lane.access is None else [lane.access])


async def test_one_contact(client: httpx.AsyncClient) -> None:
    made = (await client.post("/v1/contacts", json={"given_name": "Ada"})).json()

    fast = await both_ways(client, "GET", f"/v1/contacts/{made['id']}")

    assert fast.json() == made
    assert fast.headers["etag"] == '"1"'


@pytest.mark.parametrize(
    ("spelling", "status"), [("{}", 200), ("urn:uuid:{}", 200), ("{}0", 422), ("{}/", 404), ("", 404)]
)
async def test_an_id_has_the_spellings_that_the_route_takes(
    client: httpx.AsyncClient, spelling: str, status: int
) -> None:
    made = (await client.post("/v1/contacts", json={})).json()

    answer = await client.get("/v1/contacts/" + spelling.format(made["id"].upper()))

    assert answer.status_code == status


@pytest.mark.parametrize(
    "target",
    [
        "/v1/contacts/01890000-0000-7000-8000-000000000000",
        "/v1/contacts",
        "/v1/contacts?limit=1&lifecycle_stage=lead",
        "/v1/contacts?limit=0",
        "/v1/contacts?limit=501",
        "/v1/contacts?limit=1&limit=1",
        "/v1/contacts?limit=٣",
        "/v1/contacts?lifecycle_stage=stranger",
        "/v1/contacts?lifecycle_stage=",
        "/v1/contacts?cursor=broken",
        "/v1/contacts?nothing=1",
        "/v1/contacts?sort=display_name",
    ],
)
async def test_reads_are_answered_alike(client: httpx.AsyncClient, target: str) -> None:
    for name in ("Ada", "Bob"):
        await client.post("/v1/contacts", json={"given_name": name})
    fast = await both_ways(client, "GET", target)
    ordinary = await client.get(target, headers=ODD["GET"])

    same = {name: value for name, value in fast.json().items() if name != "request_id"}
    assert same == {name: value for name, value in ordinary.json().items() if name != "request_id"}


@pytest.mark.parametrize("body", [{"given_name": "Ada"}, {"given_name": 1}, {"nothing": 1}, [], "x"])
async def test_creates_are_answered_alike(client: httpx.AsyncClient, body: Any) -> None:
    fast = await both_ways(client, "POST", "/v1/contacts", body)

    if fast.status_code == 201:
        assert (await client.get(fast.headers["location"])).json() == fast.json()


async def test_nobody_gets_in_by_a_lane(
    app: FastAPI, stranger: httpx.AsyncClient, client: httpx.AsyncClient, tenant: Tenant
) -> None:
    made = await client.post("/v1/api-keys", json={"name": "k", "scopes": ["goals:read"]})
    async with make_client(app, Tenant(tenant.workspace_id, made.json()["api_key"])) as narrow:
        for target in ("/v1/contacts", "/v1/contacts/01890000-0000-7000-8000-000000000000"):
            assert (await both_ways(stranger, "GET", target)).status_code == 401
            assert (await both_ways(narrow, "GET", target)).status_code == 403
        assert (await both_ways(narrow, "POST", "/v1/contacts", {})).status_code == 403


async def test_a_fault_on_a_lane_is_a_problem(
    client: httpx.AsyncClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: object) -> None:
        raise RuntimeError("it fails late")

    monkeypatch.setattr(resources.database, "_before_commit", (fail,))
    answer = await client.get("/v1/contacts")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
