"""The floor: the same answers from the same statements, with nothing around them.

A bare ASGI app on uvicorn (uvloop, httptools) over raw asyncpg: its own last-in-first-out list of
connections without a reset, the same look-up of API keys, remembered for as long, the same trips for
row-level security, orjson. No validation, no log, no metrics, no error documents.

The statements are Rapport's own, as `recording.py` heard them; `speaks` says what the floor executes for a
path, so that the two can be compared before anything is timed.
"""

import asyncio
import base64
import hashlib
import os
import re
import socket
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import uvicorn
import uvloop

from app.kit.auth import REMEMBERED_SECONDS
from app.kit.ids import new_id
from benchmarks.floor_surveys import SurveyFloor
from benchmarks.floor_touchpoints import TouchpointFloor

JSON_HEADER = (b"content-type", b"application/json")
PUBLIC_SURVEYS = "/v1/public/surveys/"
RELAY = "events.relay"
READ = " ISOLATION LEVEL REPEATABLE READ, READ ONLY"


class Statements:
    """The recorded statements of each path, found by what only one of them says."""

    def __init__(self, recorded: dict[str, Any]) -> None:
        self._recorded = recorded

    def one(self, path: str, marker: str) -> tuple[str, list[str | None]]:
        """Its text, and the names of its parameters as far as they are known."""
        found = [each for each in self._recorded[path] if marker in each["text"]]
        if len(found) != 1:
            raise LookupError(f"{len(found)} statements of {path} hold {marker!r}")
        return found[0]["text"], found[0]["order"]


class Connections:
    """As many connections as Rapport's pool has, the last one used first; waiters in their order."""

    def __init__(self, dsn: str, size: int) -> None:
        self._dsn, self._size = dsn, size
        self._idle: list[Any] = []
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._made = 0

    async def take(self) -> Any:
        if self._idle:
            return self._idle.pop()
        if self._made < self._size:
            self._made += 1
            return await asyncpg.connect(self._dsn, server_settings={"jit": "off"})
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        return await waiter

    async def close(self) -> None:
        for connection in self._idle:
            await connection.close()

    def give_back(self, connection: Any) -> None:
        if self._waiting:
            self._waiting.popleft().set_result(connection)
        else:
            self._idle.append(connection)


class Floor:
    """The app: `await floor(scope, receive, send)`."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.connections = Connections(config["dsn"], config["pool"])
        self.remembered: dict[bytes, tuple[UUID, UUID, float]] = {}
        statements = Statements(config["statements"])
        self.one_sql, one_order = statements.one("one", "FROM contacts")
        self.list_sql, list_order = statements.one("list", "FROM contacts")
        self.one_order, self.list_order = tuple(one_order), tuple(list_order)
        self.insert_sql, _ = statements.one("create", "INTO contacts ")
        columns = re.search(r"INTO contacts \(([^)]*)\)", self.insert_sql)
        assert columns is not None
        self.insert_columns = [column.strip() for column in columns[1].split(",")]
        self.claim_sql, _ = statements.one("create", "INTO contact_identities")
        self.events_sql, _ = statements.one("create", "INTO events")
        self.jobs_sql, _ = statements.one("create", "INTO pgqueuer AS")
        self.touchpoints = TouchpointFloor(statements, self.write_events)
        self.surveys = SurveyFloor(statements, self.connections, self.unit, self.write_events)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].startswith(PUBLIC_SURVEYS):
            token = scope["path"][len(PUBLIC_SURVEYS) :]
            status, body = 200, await self.surveys.submit(token, orjson.loads(await _read(receive)))
        else:
            workspace_id, key_id = await self.caller(scope["headers"])
            status, body = await self.route(scope, receive, workspace_id, f"key:{key_id}")
        headers = [JSON_HEADER, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def route(self, scope: Any, receive: Any, workspace_id: UUID, actor: str) -> tuple[int, bytes]:
        path: str = scope["path"]
        if scope["method"] == "GET":
            if path == "/v1/contacts":
                return 200, await self.page(workspace_id, scope["query_string"].decode())
            return 200, await self.one(workspace_id, path.rpartition("/")[2])
        body = orjson.loads(await _read(receive))
        if path == "/v1/contacts":
            return 201, await self.create(workspace_id, actor, body)
        return 200, await self.batch(workspace_id, actor, body["items"])

    async def caller(self, headers: Any) -> tuple[UUID, UUID]:
        authorization = next(value for name, value in headers if name == b"authorization")
        digest = hashlib.sha256(authorization[7:]).digest()
        remembered = self.remembered.get(digest)
        if remembered is None or remembered[2] < time.monotonic():
            connection = await self.connections.take()
            row = await connection.fetchrow("SELECT * FROM find_api_key($1)", digest)
            self.connections.give_back(connection)
            remembered = row["workspace_id"], row["id"], time.monotonic() + REMEMBERED_SECONDS
            self.remembered[digest] = remembered
        return remembered[0], remembered[1]

    @asynccontextmanager
    async def unit(self, workspace_id: UUID, mode: str = "") -> AsyncIterator[Any]:
        connection = await self.connections.take()
        await connection.execute(
            f"BEGIN{mode}; SELECT set_config('app.workspace_id', '{workspace_id}', true)"
        )
        yield connection
        await connection.execute("COMMIT")
        self.connections.give_back(connection)

    async def one(self, workspace_id: UUID, contact_id: str) -> bytes:
        values: dict[str | None, Any] = {"workspace": workspace_id, "contact": UUID(contact_id)}
        async with self.unit(workspace_id, READ) as connection:
            row = await connection.fetchrow(self.one_sql, *[values[name] for name in self.one_order])
        return _json(contact(row))

    async def page(self, workspace_id: UUID, query: str) -> bytes:
        cursor = query.partition("cursor=")[2].partition("&")[0]
        at, after, fingerprint = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        stage = query.partition("lifecycle_stage=")[2].partition("&")[0]
        values: dict[str | None, Any] = {
            "workspace": workspace_id,
            "stage": stage,
            "after_at": datetime.fromisoformat(at),
            "after_id": UUID(after),
            "limit": 51,
        }
        async with self.unit(workspace_id, READ) as connection:
            rows = await connection.fetch(self.list_sql, *[values[name] for name in self.list_order])
        last = rows[49]
        packed = orjson.dumps([last["created_at"].isoformat(), str(last["id"]), fingerprint])
        cursor = base64.urlsafe_b64encode(packed).decode().rstrip("=")
        return _json({"items": [contact(row) for row in rows[:50]], "next_cursor": cursor})

    async def create(self, workspace_id: UUID, actor: str, body: dict[str, Any]) -> bytes:
        now = datetime.now(UTC)
        row = _new_contact(workspace_id, body, now)
        keys = [("email", "", email["address"].lower()) for email in body["emails"]]
        keys += [("external_id", each["source"], each["id"]) for each in body["external_ids"]]
        answer = contact(row)
        async with self.unit(workspace_id) as connection:
            await connection.execute(self.insert_sql, *[row[column] for column in self.insert_columns])
            kinds, sources, values = zip(*keys, strict=True)
            owners = [row["id"]] * len(keys)
            await connection.fetch(self.claim_sql, workspace_id, kinds, sources, values, owners)
            events = [("contact.created", row["id"], _json({"contact": answer}).decode())]
            await self.write_events(connection, workspace_id, now, actor, events)
        return _json(answer)

    async def batch(self, workspace_id: UUID, actor: str, items: list[dict[str, Any]]) -> bytes:
        async with self.unit(workspace_id) as connection:
            answer = await self.touchpoints.batch(connection, workspace_id, actor, items)
        return _json(answer)

    async def write_events(
        self, connection: Any, workspace_id: UUID, now: datetime, actor: str, events: list[Any]
    ) -> None:
        """Events are (type, subject, JSON); with them goes the one job that tells of them."""
        types, subjects, data = zip(*events, strict=True)
        ids, versions, unblurred = [new_id() for _ in events], [1] * len(events), [None] * len(events)
        await connection.execute(
            self.events_sql, workspace_id, now, actor, ids, types, versions, subjects, data, unblurred
        )
        payload = f"{workspace_id}/".encode()
        await connection.fetch(self.jobs_sql, [0], [RELAY], [payload], [timedelta()], [None], ["null"])


def contact(row: Any) -> dict[str, Any]:
    """A contact as it is answered, from a row or from the values of one."""
    return {
        "id": row["id"],
        "given_name": row["given_name"],
        "family_name": row["family_name"],
        "display_name": row["display_name"],
        "emails": orjson.Fragment(row["emails"]),
        "phones": orjson.Fragment(row["phones"]),
        "company": row["company"],
        "job_title": row["job_title"],
        "lifecycle_stage": row["lifecycle_stage"],
        "owner_id": row["owner_id"],
        "tags": row["tags"],
        "attributes": orjson.Fragment(row["attributes"]),
        "external_ids": orjson.Fragment(row["external_ids"]),
        "locale": row["locale"],
        "timezone": row["timezone"],
        "acquired_at": row["acquired_at"],
        "acquisition_channel": row["acquisition_channel"],
        "acquisition_campaign": row["acquisition_campaign"],
        "stats": {
            "touchpoint_count": row["touchpoint_count"],
            "last_touchpoint_at": row["last_touchpoint_at"],
            "purchase_count": row["purchase_count"],
            "net_revenue": {"amount": f"{row['net_revenue']:.2f}", "currency": "EUR"},
            "first_purchase_at": row["first_purchase_at"],
            "last_purchase_at": row["last_purchase_at"],
        },
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "archived_at": row["archived_at"],
        "version": row["version"],
    }


def _new_contact(workspace_id: UUID, body: dict[str, Any], now: datetime) -> dict[str, Any]:
    row = dict.fromkeys(_OPTIONAL) | body
    row["workspace_id"], row["id"] = workspace_id, new_id()
    row["display_name"] = f"{body['given_name']} {body['family_name']}"
    for name in ("emails", "external_ids"):
        row[name] = orjson.dumps(body[name]).decode()
    row["phones"] = orjson.dumps([{**each, "label": None} for each in body["phones"]]).decode()
    row["attributes"] = "{}"
    row["touchpoint_count"] = row["purchase_count"] = 0
    row["net_revenue"] = Decimal(0)
    row["acquired_at"] = row["created_at"] = row["updated_at"] = now
    row["version"] = 1
    return row


_OPTIONAL = (
    "company", "job_title", "owner_id", "locale", "timezone", "acquisition_channel", "acquisition_campaign",
    "last_touchpoint_at", "first_purchase_at", "last_purchase_at", "archived_at",
)  # fmt: skip


def _json(value: Any) -> bytes:
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z)


async def _read(receive: Callable[[], Awaitable[Any]]) -> bytes:
    message = await receive()
    chunks = [message["body"]]
    while message["more_body"]:
        message = await receive()
        chunks.append(message["body"])
    return b"".join(chunks)


def main() -> None:
    config = orjson.loads(sys.stdin.buffer.read())
    listener = socket.create_server(("127.0.0.1", config["port"]), backlog=2048)
    settings = uvicorn.Config(
        Floor(config), loop="uvloop", http="httptools", ws="none", lifespan="off", log_config=None,
        access_log=False, server_header=False, proxy_headers=False,
    )  # fmt: skip
    uvloop.run(uvicorn.Server(settings).serve([listener]))


if __name__ == "__main__":
    os.environ.pop("PYTHONASYNCIODEBUG", None)
    main()
