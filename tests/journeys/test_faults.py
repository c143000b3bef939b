"""The promise under faults: processes killed again and again, the database stopped hard, and nothing lost."""

import asyncio
import contextlib
import fcntl
import itertools
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.kit.embedded import EmbeddedServer
from tests.journeys.processes import Installation, items, status_of, until
from tests.receivers import Receiver, receiver

pytestmark = pytest.mark.slow

KILLS = 20
WRITERS = 8
PATIENCE = 120


class Writer:
    """Posts purchases with idempotency keys and retries each until it is answered."""

    def __init__(self, installation: Installation, api_key: str, name: int) -> None:
        self.installation = installation
        self.headers = {"Authorization": f"Bearer {api_key}"}
        self.name = name
        self.acknowledged: dict[str, Decimal] = {}
        self.unavailable = 0

    async def write_until(self, stopped: asyncio.Event) -> None:
        async with httpx.AsyncClient(base_url=self.installation.url, headers=self.headers) as client:
            for number in itertools.count():
                if stopped.is_set():
                    return
                amount = Decimal(random.randint(100, 9999)) / 100
                made = await self._post(client, amount, number)
                assert made["id"] not in self.acknowledged
                self.acknowledged[made["id"]] = amount

    async def _post(self, client: httpx.AsyncClient, amount: Decimal, number: int) -> dict[str, Any]:
        body = {
            "contact": {"external_id": {"source": "crm", "id": f"{self.name}-{number % 5}"}},
            "channel": "store",
            "kind": "purchase",
            "occurred_at": datetime.now(UTC).isoformat(),
            "value": {"amount": str(amount), "currency": "EUR"},
        }
        key = str(uuid4())
        while True:
            try:
                answer = await client.post("/v1/touchpoints", json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                await asyncio.sleep(0.02)
                continue
            if answer.status_code == 201:
                made: dict[str, Any] = answer.json()
                return made
            assert answer.status_code in (409, 503), answer.text
            self.unavailable += answer.status_code == 503
            await asyncio.sleep(0.02)


@asynccontextmanager
async def writing(installation: Installation, api_key: str) -> AsyncIterator[list[Writer]]:
    """Eight writers at work while the block runs; all of them have their last answer at its end."""
    writers = [Writer(installation, api_key, name) for name in range(WRITERS)]
    stopped = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for writer in writers:
            group.create_task(writer.write_until(stopped))
        yield writers
        await installation.ready()
        stopped.set()


async def test_killing_processes_loses_nothing_and_doubles_nothing(installation: Installation) -> None:
    tenant = installation.command("workspace", "create", "Shop", "--currency", "EUR", "--json")
    installation.start("api", "worker")
    await installation.ready()
    headers = {"Authorization": f"Bearer {tenant['api_key']}"}
    async with receiver() as sink, httpx.AsyncClient(base_url=installation.url, headers=headers) as client:
        made = await client.post("/v1/webhook-endpoints", json={"url": sink.url()})
        assert made.status_code == 201, made.text
        async with writing(installation, tenant["api_key"]) as writers:
            await kill_again_and_again(installation, writers)
        acknowledged = {key: amount for writer in writers for key, amount in writer.acknowledged.items()}

        assert await stored(client) == acknowledged
        await delivered_at_least_once(client, sink)
        await revenue_is(client, sum(acknowledged.values()))
        await statistics_are(client, acknowledged)


async def kill_again_and_again(installation: Installation, writers: list[Writer]) -> None:
    """Each time when some more has been written, so that every kill hits work in progress."""
    for number in range(KILLS):
        name = ("api", "worker")[number % 2]
        await ten_more(writers)
        installation.kill(name)
        installation.start(name)
    await ten_more(writers)


async def ten_more(writers: list[Writer]) -> None:
    before = written(writers)

    async def came() -> bool:
        return written(writers) >= before + 10

    await until(came, PATIENCE)


async def test_a_database_stopped_hard_is_a_503_and_then_all_is_well(installation: Installation) -> None:
    tenant = installation.command("workspace", "create", "Shop", "--currency", "EUR", "--json")
    installation.start("api", "worker")
    await installation.ready()
    headers = {"Authorization": f"Bearer {tenant['api_key']}"}
    async with httpx.AsyncClient(base_url=installation.url, headers=headers) as client:
        async with writing(installation, tenant["api_key"]) as writers:
            for _ in range(2):
                await ten_more(writers)
                with database_down(installation):
                    await answers(installation, client, 503)
                await installation.ready()
        acknowledged = {key: amount for writer in writers for key, amount in writer.acknowledged.items()}

        assert await stored(client) == acknowledged
        await revenue_is(client, sum(acknowledged.values()))
        assert all(process.poll() is None for process in installation.running.values()), "ours was restarted"


@contextlib.contextmanager
def database_down(installation: Installation) -> Iterator[None]:
    """Stops it hard, and until the block ends keeps our processes from bringing it back, as they then do."""
    with next(installation.data_dir.glob("pg*.lock")).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.kill(EmbeddedServer(installation.data_dir).postmaster_pid(), signal.SIGKILL)
        yield


async def answers(installation: Installation, client: httpx.AsyncClient, status: int) -> None:
    """Reads say so as problem documents, and the process itself is well all the while."""

    async def said() -> bool:
        answer = await client.get("/v1/contacts")
        if answer.status_code != status:
            return False
        assert answer.headers["content-type"] == "application/problem+json"
        assert "retry-after" in answer.headers
        return True

    await until(said, 20)
    assert await status_of(f"{installation.url}/healthz") == 200
    assert await status_of(f"{installation.url}/readyz") == 503


def written(writers: list[Writer]) -> int:
    return sum(len(writer.acknowledged) for writer in writers)


async def stored(client: httpx.AsyncClient) -> dict[str, Decimal]:
    """Every touchpoint there is, with its amount."""
    found: dict[str, Decimal] = {}
    async for each in walk(client, "/v1/touchpoints"):
        assert each["id"] not in found
        found[each["id"]] = Decimal(each["value"]["amount"])
    return found


async def walk(client: httpx.AsyncClient, path: str, **params: Any) -> AsyncIterator[dict[str, Any]]:
    cursor = None
    while True:
        page = (
            await client.get(path, params={"limit": 500, **params, **({"cursor": cursor} if cursor else {})})
        ).json()
        for each in items(page):
            yield each
        cursor = page["next_cursor"]
        if cursor is None:
            return


async def delivered_at_least_once(client: httpx.AsyncClient, sink: Receiver) -> None:
    """Every event arrives, under its own id however often it was sent."""
    async with asyncio.timeout(PATIENCE):
        while True:
            owed = {event["id"] async for event in walk(client, "/v1/events")}
            if owed and owed <= set(sink.ids):
                break
            await asyncio.sleep(0.5)
    recorded = Counter(
        each.json["data"]["touchpoint"]["id"] for each in first_of_each(sink, "touchpoint.recorded")
    )
    assert set(recorded.values()) == {1}, "two events tell of one touchpoint"


def first_of_each(sink: Receiver, event_type: str) -> list[Any]:
    seen = {each.id: each for each in reversed(sink.posted)}
    return [each for each in seen.values() if each.json["type"] == event_type]


async def revenue_is(client: httpx.AsyncClient, expected: Any) -> None:
    async def folded() -> bool:
        page = (await client.get("/v1/metrics/net_revenue/snapshots", params={"grain": "day"})).json()
        total = sum(Decimal(str(snapshot["value"])) for snapshot in items(page) if snapshot["value"])
        return bool(total == expected)

    await until(folded, PATIENCE, pause=0.5)


async def statistics_are(client: httpx.AsyncClient, acknowledged: dict[str, Decimal]) -> None:
    """The contacts' own sums agree with a naive recomputation over the touchpoints."""
    count: Counter[str] = Counter()
    revenue: dict[str, Decimal] = {}
    async for each in walk(client, "/v1/touchpoints"):
        count[each["contact_id"]] += 1
        revenue[each["contact_id"]] = revenue.get(each["contact_id"], Decimal(0)) + acknowledged[each["id"]]
    async for contact in walk(client, "/v1/contacts"):
        assert contact["stats"]["purchase_count"] == count[contact["id"]]
        assert Decimal(contact["stats"]["net_revenue"]["amount"]) == revenue[contact["id"]]
