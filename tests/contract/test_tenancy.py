"""Every operation, tried from the wrong workspace, with the wrong key and without the scope it needs."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, get_args

import httpx
import pytest
from fastapi import FastAPI

from app.kit.ids import new_id
from app.workspaces.schemas import Scope
from tests.conftest import Tenant, make_client
from tests.contract.bodies import body_for, fields, with_value
from tests.contract.factories import FACTORIES, NAMED_IN_BODIES, SHARED, World
from tests.contract.operations import KEYED, OPERATIONS, Operation, resolve
from tests.contract.rows import ids_of, snapshot

pytestmark = pytest.mark.slow

NAMING = [each for each in KEYED if set(each.names("path")) - SHARED]
PAGED = [each for each in KEYED if "cursor" in each.names("query")]
OF_THE_REQUEST = ("instance", "request_id")

Place = tuple[Operation, str]


def places() -> Iterator[Place]:
    """Every field of a body that takes the id of something."""
    for operation in KEYED:
        seen = {at for at, schema in fields(operation.body or {}) if schema.get("format") == "uuid"}
        yield from ((operation, at) for at in sorted(seen))


def query_places() -> Iterator[Place]:
    for operation in KEYED:
        for parameter in operation.parameters:
            if parameter["in"] == "query" and resolve(parameter["schema"]).get("format") == "uuid":
                yield operation, parameter["name"]


def name_of(place: Place) -> str:
    """The name of the field: `owner_id` for `/items/0/owner_id`, `ids` for `/ids/0`."""
    return [step for step in place[1].split("/") if step and not step.isdigit()][-1]


def label(place: Place) -> str:
    return f"{place[0].id} {place[1]}"


async def send(client: httpx.AsyncClient, operation: Operation, ids: dict[str, str]) -> httpx.Response:
    return await send_body(client, operation, ids, body_for(operation))


async def send_body(
    client: httpx.AsyncClient, operation: Operation, ids: dict[str, str], body: Any
) -> httpx.Response:
    return await client.request(operation.method, operation.at(ids), json=body)


def told(response: httpx.Response, *without: str) -> tuple[int, str]:
    """What the caller learns: the status and the body, less what names the request or the ids in it."""
    text = response.text
    if response.headers.get("content-type") == "application/problem+json":
        body = response.json()
        text = str({name: value for name, value in body.items() if name not in OF_THE_REQUEST})
    for each in without:
        text = text.replace(each, "…")
    return response.status_code, text


@pytest.fixture(scope="module", autouse=True)
async def nothing_of_theirs_changes(theirs: World) -> AsyncIterator[None]:
    """Whatever is tried below, their rows are afterwards what they were before."""
    before = await snapshot(theirs)
    yield
    assert await snapshot(theirs) == before


def test_every_path_parameter_can_be_made() -> None:
    named = {name for operation in OPERATIONS for name in operation.names("path")}

    assert named == set(FACTORIES), "a new path parameter needs a factory in tests/contract/factories.py"


def test_every_id_in_a_body_or_query_can_be_made() -> None:
    named = {name_of(place) for place in (*places(), *query_places())}

    assert named == set(NAMED_IN_BODIES), "a new id in a body needs a line in tests/contract/factories.py"


def test_the_walk_sees_the_whole_contract() -> None:
    assert len(KEYED) > 60
    assert len(NAMING) > 35
    assert len(list(places())) > 15


@pytest.mark.parametrize("operation", KEYED, ids=str)
async def test_it_works_in_the_own_workspace(operation: Operation, world: World) -> None:
    """So that the refusals below are due to what they say."""
    ids, body = await world.ids_for(operation), await world.body_for(operation)

    answer = await send_body(world.client, operation, ids, body)

    assert answer.is_success, answer.text


@pytest.mark.parametrize("operation", NAMING, ids=str)
async def test_another_workspaces_id_is_an_absent_id(
    operation: Operation, ours: World, theirs: World
) -> None:
    own, foreign = await ours.ids_for(operation), await theirs.ids_for(operation)

    for name in set(operation.names("path")) - SHARED:
        absent = str(new_id())
        tried = await send(ours.client, operation, own | {name: foreign[name]})
        expected = await send(ours.client, operation, own | {name: absent})

        assert tried.status_code == 404
        assert told(tried, foreign[name]) == told(expected, absent)


@pytest.mark.parametrize("operation", KEYED, ids=str)
async def test_without_a_valid_key_it_is_a_401(
    operation: Operation, app: FastAPI, stranger: httpx.AsyncClient, theirs: World
) -> None:
    ids = await theirs.ids_for(operation)
    wrong = Tenant(theirs.tenant.workspace_id, theirs.tenant.api_key[:-1] + "?")

    async with make_client(app, wrong) as guesser:
        for client in (stranger, guesser):
            refused = await send(client, operation, ids)

            assert refused.status_code == 401
            assert refused.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("operation", KEYED, ids=str)
async def test_without_its_scope_it_is_a_403_whatever_the_id(
    operation: Operation, ours: World, theirs: World, limited: dict[str, httpx.AsyncClient]
) -> None:
    assert operation.scope is not None
    for world in (ours, theirs):
        refused = await send(limited[operation.scope], operation, await world.ids_for(operation))

        assert refused.status_code == 403
        assert operation.scope in refused.json()["detail"]


@pytest.mark.parametrize("place", [*places()], ids=label)
async def test_another_workspaces_id_in_a_body_is_an_absent_id(
    place: Place, ours: World, theirs: World
) -> None:
    operation, pointer = place
    ids, body = await ours.ids_for(operation), body_for(operation)
    foreign, absent = await theirs.id(NAMED_IN_BODIES[name_of(place)]), str(new_id())
    if pointer.endswith("/contact_id"):
        body = with_value(body, pointer.removesuffix("_id"), None)

    tried = await send_body(ours.client, operation, ids, with_value(body, pointer, foreign))
    expected = await send_body(ours.client, operation, ids, with_value(body, pointer, absent))

    assert told(tried, foreign) == told(expected, absent)
    assert is_without_effect(tried), tried.text


@pytest.mark.parametrize("place", [*query_places()], ids=label)
async def test_another_workspaces_id_in_a_query_finds_nothing(
    place: Place, ours: World, theirs: World
) -> None:
    operation, name = place
    query = {name: await theirs.id(NAMED_IN_BODIES[name])}

    found = await ours.client.get(operation.at(await ours.ids_for(operation)), params=query)

    assert found.json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("operation", PAGED, ids=str)
async def test_another_workspaces_cursor_opens_nothing(
    operation: Operation, ours: World, theirs: World
) -> None:
    first = await theirs.client.get(operation.at(await theirs.ids_for(operation)), params={"limit": 1})
    query = {"limit": 1, "cursor": first.json()["next_cursor"] or "x"}

    answer = await ours.client.get(operation.at(await ours.ids_for(operation)), params=query)

    assert answer.status_code in (200, 422)
    assert seen(answer, await ids_of(theirs)) == set()


@pytest.mark.parametrize("operation", [each for each in KEYED if each.method == "GET"], ids=str)
async def test_no_list_shows_anything_of_another_workspace(
    operation: Operation, ours: World, theirs: World
) -> None:
    answer = await send(ours.client, operation, await ours.ids_for(operation))

    assert answer.status_code == 200
    assert seen(answer, await ids_of(theirs)) == set()


async def test_events_signed_by_another_source_are_refused(ours: World, theirs: World) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/x", "type": "rapport.contact", "data": {}}
    signed = ours.signed(await ours.id("source_id"), event)

    refused = await ours.client.post(f"/v1/sources/{await theirs.id('source_id')}/events", **signed)
    unknown = await ours.client.post(f"/v1/sources/{new_id()}/events", **signed)

    assert (refused.status_code, unknown.status_code) == (401, 404)


def seen(answer: httpx.Response, ids: set[str]) -> set[str]:
    return {each for each in ids if each in answer.text}


def is_without_effect(answer: httpx.Response) -> bool:
    """Refused as a whole, or as the one item of a batch, or nothing was found to work on."""
    body = answer.json()
    passed_over = [item.get("skipped") or item.get("reason") for item in body.get("items", ())]
    return (
        answer.is_client_error
        or body.get("errors") == 1
        or body.get("redriven") == 0
        or passed_over == ["unknown_contact"]
    )


@pytest.fixture(scope="module")
async def limited(app: FastAPI, ours: World) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """For each scope a client whose key has all others, so far as they do not include it."""
    clients: dict[str, httpx.AsyncClient] = {}
    for scope in get_args(Scope):
        others = [each for each in get_args(Scope) if not includes(each, scope)]
        key = await ours.post("/v1/api-keys", {"name": f"without {scope}", "scopes": others})
        clients[scope] = make_client(app, Tenant(ours.tenant.workspace_id, key["api_key"]))
    yield clients
    for client in clients.values():
        await client.aclose()


def includes(scope: str, other: str) -> bool:
    return scope in (other, "admin") or scope == other.replace(":read", ":write")
