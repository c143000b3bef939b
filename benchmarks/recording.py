"""What Rapport says to PostgreSQL for each path, written down by asking it once."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import asyncpg
import httpx
import orjson
from asyncpg.connection import LoggedQuery
from sqlalchemy import event

from app.kit.database import Database
from app.kit.resources import Resources, open_resources
from app.main import create_app
from app.settings import Settings
from benchmarks.floor import Floor
from benchmarks.world import World

POOL = 2


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, and which of the known values each of its parameters was."""

    text: str
    order: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """A request that stands for its path. `values` names the values that its statements may be given.
    `target` and `body` may be functions, where each request has its own."""

    method: str
    target: Any
    body: Any
    values: Mapping[str, Any]


async def record(world: World, settings: Settings, probes: Mapping[str, Probe]) -> dict[str, list[Statement]]:
    """The statements of each path in order, as Rapport executes them."""
    async with _rapport(world, settings) as (client, resources):
        found = {}
        for path, probe in probes.items():
            await _ask(client, probe)  # what is remembered from now on is not asked again
            async with heard(resources.database) as spoken:
                await _ask(client, probe)
            found[path] = [Statement(text, _order(arguments, probe.values)) for text, arguments in spoken]
    return found


@asynccontextmanager
async def heard(database: Database) -> AsyncIterator[list[tuple[str, Any]]]:
    """Every statement and its arguments, raw or through SQLAlchemy, in a database whose pool has two."""
    spoken: list[tuple[str, Any]] = []

    def raw(query: LoggedQuery) -> None:
        spoken.append((query.query, query.args))

    def through_sqlalchemy(_c: Any, _cursor: Any, text: str, arguments: Any, *_: Any) -> None:
        spoken.append((text, arguments))

    connections: list[asyncpg.Connection[asyncpg.Record]] = []
    async with AsyncExitStack() as stack:
        for _ in range(POOL):
            connections.append(await stack.enter_async_context(database.raw()))
    for connection in connections:
        connection.add_query_logger(raw)
    event.listen(database.engine.sync_engine, "before_cursor_execute", through_sqlalchemy)
    yield spoken
    await asyncio.sleep(0)  # the driver tells its loggers a moment later
    event.remove(database.engine.sync_engine, "before_cursor_execute", through_sqlalchemy)
    for connection in connections:
        connection.remove_query_logger(raw)


def as_data(recorded: Mapping[str, list[Statement]]) -> dict[str, Any]:
    return {path: [asdict(each) for each in statements] for path, statements in recorded.items()}


def in_one_spelling(text: str) -> str:
    """Without the accidents of white space, and without the workspace."""
    return re.sub(r"'[0-9a-f-]{36}'", "'…'", " ".join(text.split()))


@asynccontextmanager
async def _rapport(world: World, settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, Resources]]:
    resources = open_resources(settings.model_copy(update={"database_pool_size": POOL}), world.address)
    app = create_app(resources)
    headers = {"Authorization": f"Bearer {world.api_key}"}
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://rapport", headers=headers) as client:
        yield client, resources
    await resources.close()


async def _ask(client: httpx.AsyncClient, probe: Probe) -> None:
    target = probe.target() if callable(probe.target) else probe.target
    body = probe.body() if callable(probe.body) else probe.body
    answer = await client.request(probe.method, target, json=body)
    if answer.is_error:
        raise RuntimeError(f"{probe.method} {target} was answered with {answer.text}")


def _order(arguments: Any, values: Mapping[str, Any]) -> tuple[str | None, ...]:
    return tuple(_name_of(argument, values) for argument in arguments)


def _name_of(argument: Any, values: Mapping[str, Any]) -> str | None:
    for name, value in values.items():
        if str(argument) == str(value):
            return name
    return None


async def heard_of_floor(app: Floor, world: World, probe: Probe) -> list[str]:
    """What the floor says for a path."""
    spoken: list[str] = []

    def note(query: LoggedQuery) -> None:
        spoken.append(query.query)

    headers = {"Authorization": f"Bearer {world.api_key}"}
    transport = httpx.ASGITransport(app)
    connections = [await app.connections.take() for _ in range(POOL)]
    for connection in connections:
        connection.add_query_logger(note)
        app.connections.give_back(connection)
    async with httpx.AsyncClient(transport=transport, base_url="http://floor", headers=headers) as client:
        await _ask(client, probe)
        await asyncio.sleep(0)
        spoken.clear()
        await _ask(client, probe)
        await asyncio.sleep(0)
    for connection in connections:
        connection.remove_query_logger(note)
    return spoken


def cursor_position(target: str) -> tuple[datetime, str]:
    """The sort value and id in the cursor of a list's URL."""
    cursor = target.partition("cursor=")[2]
    at, row_id, _ = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    return datetime.fromisoformat(at), row_id
