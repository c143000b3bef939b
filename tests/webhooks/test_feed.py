import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import jsonschema
import pytest
import uvicorn
from fastapi import FastAPI

from app.kit.outbox import emit
from app.kit.resources import Resources
from app.webhooks.service import feed
from tests.conftest import Tenant
from tests.webhooks.world import CREATED, UPDATED, Happened, get, publish, relay

FEED = "/v1/events"


async def follow(client: httpx.AsyncClient, cursor: str, **query: Any) -> tuple[list[str], str]:
    """Reads to the end from a cursor on: the ids, and where to go on."""
    ids: list[str] = []
    while True:
        page = await get(client, FEED, cursor=cursor, **query)
        ids += [event["id"] for event in page["items"]]
        cursor = page["position"]
        if page["next_cursor"] is None:
            return ids, cursor
        assert page["next_cursor"] == cursor


async def test_an_empty_feed_has_a_position_as_well(client: httpx.AsyncClient) -> None:
    assert await get(client, FEED) == {"items": [], "next_cursor": None, "position": "0"}


async def test_pages_meet_without_gap_or_overlap(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    ids = await publish(resources, tenant, 25)
    seen, cursor = await follow(client, "0", limit=10)
    assert seen == ids
    assert await follow(client, cursor) == ([], cursor)
    later = await publish(resources, tenant, 3)
    assert (await follow(client, cursor))[0] == later
    assert [event["sequence"] for event in (await get(client, FEED, after="25"))["items"]] == [26, 27, 28]


async def test_latest_starts_with_what_is_still_to_come(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    await publish(resources, tenant, 3)
    start = await get(client, FEED, after="latest")
    later = await publish(resources, tenant, 2)
    assert (await follow(client, start["position"]))[0] == later


async def test_only_the_types_that_are_asked_for(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_SCANNED", 4)
    await publish(resources, tenant, 10, CREATED)
    wanted = await publish(resources, tenant, 2, UPDATED)
    first = await get(client, FEED, types="contact.updated")
    assert (first["items"], first["next_cursor"], first["position"]) == ([], "4", "4")
    seen, cursor = await follow(client, "0", types="contact.updated")
    assert (seen, cursor) == (wanted, "12")


async def test_another_workspace_sees_nothing(
    other_client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    await publish(resources, tenant, 3)
    assert (await get(other_client, FEED))["items"] == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"after": "-1"}, "?after"),
        ({"after": "1e3"}, "?after"),
        ({"after": "7"}, "?after"),
        ({"cursor": "9999999999999999999"}, "?cursor"),
        ({"cursor": "zzz"}, "?cursor"),
        ({"types": "contact.exploded"}, "?types"),
        ({"limit": "0"}, "?limit"),
        ({"sort": "id"}, "?sort"),
    ],
)
async def test_a_position_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, query: dict[str, str], pointer: str
) -> None:
    answer = await client.get(FEED, params=query)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
async def test_a_reader_misses_nothing_of_slow_transactions(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, seed: int
) -> None:
    """Units that emit overlap and commit in any order, and a reader follows while they do."""
    rng = random.Random(seed)
    emitted: list[str] = []
    seen: list[str] = []
    cursor = "0"
    async with AsyncExitStack() as rest:
        open_units: list[AsyncExitStack] = []
        for step in range(24):
            if len(open_units) < 4 and rng.random() < 0.6:
                stack = await rest.enter_async_context(AsyncExitStack())
                unit = await stack.enter_async_context(resources.database.unit(tenant.workspace_id))
                await unit.connection.fetchval("SELECT pg_current_xact_id()")
                emitted += [str(emit(unit, CREATED, Happened(number=step))) for _ in range(rng.randint(1, 3))]
                open_units.append(stack)
            elif open_units:
                await open_units.pop(rng.randrange(len(open_units))).aclose()
            if rng.random() < 0.5:
                await relay(resources, tenant)
            ids, cursor = await follow(client, cursor, limit=rng.randint(1, 5))
            seen += ids
    await relay(resources, tenant)
    seen += (await follow(client, cursor))[0]
    assert len(seen) == len(set(seen))
    assert sorted(seen) == sorted(emitted)
    assert seen == (await follow(client, "0"))[0], "the order is the same for whoever reads later"


@pytest.mark.slow
async def test_every_event_type_describes_its_body(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    catalogue = {entry["name"]: entry for entry in (await get(client, "/v1/event-types"))["items"]}
    assert {"endpoint.failing", "endpoint.disabled", "contact.created"} <= set(catalogue)
    for entry in catalogue.values():
        jsonschema.Draft202012Validator.check_schema(entry["json_schema"])
    assert (await client.patch("/v1/workspace", json={"name": "Renamed"})).status_code == 200
    await relay(resources, tenant)
    (event,) = (await get(client, FEED))["items"]
    jsonschema.validate(event, catalogue["workspace.settings_changed"]["json_schema"])
    event["data"]["workspace"].pop("currency")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(event, catalogue["workspace.settings_changed"]["json_schema"])


@pytest.fixture
async def live(app: FastAPI, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the app behind a real server: a stream has no end to wait for."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=tenant.headers) as made:
        yield made
    server.should_exit = True
    await serving


async def frames(lines: AsyncIterator[str], count: int) -> list[dict[str, str]]:
    """The next events of a stream."""
    found: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    async for line in lines:
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "data" in fields:
            found.append(fields)
            fields = {}
        else:
            fields = {}
        if len(found) == count:
            return found
    raise AssertionError("the stream ended")


@pytest.mark.slow
async def test_events_arrive_as_they_happen(
    live: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    first = await publish(resources, tenant, 2)
    async with live.stream("GET", FEED, headers={"Accept": "text/event-stream"}) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.aiter_lines()
        assert [json.loads(frame["data"])["id"] for frame in await frames(lines, 2)] == first
        later = await publish(resources, tenant)
        (frame,) = await frames(lines, 1)
    assert (frame["id"], frame["event"], json.loads(frame["data"])["id"]) == (
        "3",
        "contact.created",
        later[0],
    )


async def test_a_stream_goes_on_where_it_broke_off(
    live: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    ids = await publish(resources, tenant, 5)
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "3"}
    async with live.stream("GET", FEED, headers=headers) as stream:
        found = await frames(stream.aiter_lines(), 2)
    assert [json.loads(frame["data"])["id"] for frame in found] == ids[3:]


async def test_a_stream_from_beyond_the_end_is_refused(live: httpx.AsyncClient) -> None:
    answer = await live.get(FEED, headers={"Accept": "text/event-stream", "Last-Event-ID": "3"})
    assert answer.status_code == 422


@pytest.mark.slow
async def test_a_quiet_stream_keeps_alive_and_ends_after_a_while(
    live: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "KEEP_ALIVE_SECONDS", 0.05)
    monkeypatch.setattr(feed, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(feed, "STREAM_SECONDS", 0.5)
    answer = await live.get(FEED, headers={"Accept": "text/event-stream"})
    assert answer.text.startswith("retry: 1000\n\n")
    assert ": keep-alive\nid: 0\n\n" in answer.text


async def test_a_stream_holds_no_connection_between_two_looks(
    live: httpx.AsyncClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "POLL_SECONDS", 30)
    async with AsyncExitStack() as stack:
        for _ in range(2 * resources.settings.database_pool_size):
            stream = await stack.enter_async_context(
                live.stream("GET", FEED, headers={"Accept": "text/event-stream"})
            )
            assert stream.status_code == 200
        assert (await live.get("/v1/workspace")).status_code == 200
