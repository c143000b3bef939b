"""A webhook receiver on a real socket: it notes what is posted and answers as it is told."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Posted:
    """One request that arrived whole."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass(frozen=True)
class Reply:
    """What to answer: a status with headers and a body, or nothing (`hang`), or a reset connection."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    hang: bool = False
    reset: bool = False


HANG, RESET = Reply(hang=True), Reply(reset=True)


@dataclass
class Receiver:
    """`replies` are used up first, then every request gets `reply`."""

    port: int = 0
    reply: Reply = field(default_factory=Reply)
    replies: deque[Reply] = field(default_factory=deque)
    posted: list[Posted] = field(default_factory=list)
    open_now: int = 0
    most_open: int = 0
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def ids(self) -> list[str]:
        return [request.id for request in self.posted]

    async def wait_for(self, count: int, seconds: float = 10) -> None:
        """Returns once so many requests have arrived in all."""
        async with asyncio.timeout(seconds), self.arrived:
            await self.arrived.wait_for(lambda: len(self.posted) >= count)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read(reader)) is not None:
                if not await self._answer(request, writer):
                    return
        except OSError:
            pass
        finally:
            writer.close()

    async def _answer(self, request: Posted, writer: asyncio.StreamWriter) -> bool:
        self.posted.append(request)
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        async with self.arrived:
            self.arrived.notify_all()
        reply = self.replies.popleft() if self.replies else self.reply
        try:
            if reply.hang:
                await self.released.wait()
            if reply.reset:
                writer.transport.abort()
                return False
            writer.write(_encode(reply))
            await writer.drain()
            return True
        finally:
            self.open_now -= 1


@asynccontextmanager
async def receiver(**settings: Any) -> AsyncIterator[Receiver]:
    """A running receiver; those it keeps hanging are let go at the end."""
    made = Receiver(**settings)
    server = await asyncio.start_server(made._serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.released.set()
        server.close()


async def _read(reader: asyncio.StreamReader) -> Posted | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    except asyncio.IncompleteReadError:
        return None
    return Posted(first.split(" ")[1], headers, body)


def _encode(reply: Reply) -> bytes:
    headers = {"Content-Length": str(len(reply.body)), **reply.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {reply.status} Status\r\n{lines}\r\n".encode() + reply.body
