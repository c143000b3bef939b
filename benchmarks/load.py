"""The load generator: closed loops over plain sockets, in a process of its own.

It takes one order a line on standard input and answers with one line of figures:
`{"port": 1, "path": "one", "connections": 16, "seconds": 1.5}`.
Every answer is looked at: its status, and that it holds what each answer of its path must hold.
"""

import asyncio
import itertools
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvloop

Maker = Callable[[], bytes]

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"
GRACE_SECONDS = 20
COMPLETED = b'{"state":"completed","next":null,"missing":[],"token":null}'
"""All that an answer to a visitor who is done says."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How requests of a path are made, and what an answer must begin with and hold."""

    make: Maker
    status: bytes
    holds: bytes


@dataclass(slots=True)
class Tally:
    """What came of one slice."""

    seconds: list[float] = field(default_factory=list)
    unexpected: int = 0
    example: str = ""


class Client(asyncio.Protocol):
    """One connection: the next request goes out when the answer to the last one is complete."""

    def __init__(self, shape: Shape, tally: Tally, until: float, done: asyncio.Future[None]) -> None:
        self.shape, self.tally, self.until, self.done = shape, tally, until, done
        self.received = bytearray()
        self.missing = -1

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._fire()

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.missing < 0:
            self._read_head()
        else:
            self.missing -= len(data)
        if self.missing == 0:
            self._judge()
            self._fire()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self._unexpected(b"the connection was closed")
            self.done.set_result(None)

    def _fire(self) -> None:
        self.received.clear()
        self.missing = -1
        self.started = time.perf_counter()
        if self.started >= self.until:
            self.done.set_result(None)
            self.transport.close()
        else:
            self.transport.write(self.shape.make())

    def _read_head(self) -> None:
        end = self.received.find(HEAD_END)
        if end < 0:
            return
        head = bytes(self.received[:end]).lower()
        _, _, rest = head.partition(LENGTH)
        length = int(rest.partition(b"\r\n")[0])
        self.missing = length - (len(self.received) - end - len(HEAD_END))

    def _judge(self) -> None:
        self.tally.seconds.append(time.perf_counter() - self.started)
        if not self.received.startswith(self.shape.status) or self.shape.holds not in self.received:
            self._unexpected(bytes(self.received))

    def _unexpected(self, answer: bytes) -> None:
        self.tally.unexpected += 1
        self.tally.example = self.tally.example or answer[:500].decode(errors="replace")


class Loads:
    """The requests of every path. Writes never repeat, except where duplicates are meant to."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._authorization = f"Authorization: Bearer {plan['api_key']}\r\n".encode()
        self._numbers = itertools.count(random.SystemRandom().randrange(10**9) * 1000)
        self._orders = [random.SystemRandom().randrange(10**9) * 1000]
        self._first_order = self._orders[0]
        self._contacts = plan["contacts_each"]
        self._tokens = itertools.count(plan["first_token"])
        self._random = random.Random(7)
        self.shapes = {
            "one": Shape(self._reads(plan["one"]), b"HTTP/1.1 200", b'"display_name"'),
            "list": Shape(self._reads(plan["list"]), b"HTTP/1.1 200", b'"next_cursor":"'),
            "create": Shape(self._create, b"HTTP/1.1 201", b'"version":1'),
            "batch100": Shape(lambda: self._batch(100), b"HTTP/1.1 200", b'"errors":0'),
            "batch1000": Shape(lambda: self._batch(1000), b"HTTP/1.1 200", b'"errors":0'),
            "submit": Shape(self._submit, b"HTTP/1.1 200", b"\r\n\r\n" + COMPLETED),
        }

    def _reads(self, targets: list[str]) -> Maker:
        lines = [f"GET {target} HTTP/1.1\r\nHost: benchmark\r\n".encode() for target in targets]
        requests = itertools.cycle([line + self._authorization + b"\r\n" for line in lines])
        return lambda: next(requests)

    def _create(self) -> bytes:
        return self._post("/v1/contacts", new_contact(next(self._numbers)))

    def _batch(self, size: int) -> bytes:
        """A tenth of the items was sent some batches ago, and says the same again."""
        first, repeats = self._orders[0], size // 10
        earliest, latest = self._first_order, first - 20 * size
        fresh = size - repeats if latest > earliest else size
        self._orders[0] += fresh
        numbers = list(range(first, first + fresh))
        numbers += [self._random.randrange(earliest, latest) for _ in range(size - fresh)]
        items = [touchpoint(number, self._contacts) for number in dict.fromkeys(numbers)]
        return self._post("/v1/touchpoints/batch", {"items": items})

    def _submit(self) -> bytes:
        return self._post(public(token(next(self._tokens))), answers(), authorization=b"")

    def _post(self, target: str, body: Any, authorization: bytes | None = None) -> bytes:
        content = orjson.dumps(body)
        head = f"POST {target} HTTP/1.1\r\nHost: benchmark\r\nContent-Type: application/json\r\n"
        length = f"Content-Length: {len(content)}\r\n\r\n"
        proof = self._authorization if authorization is None else authorization
        return head.encode() + proof + length.encode() + content


def new_contact(number: int) -> dict[str, Any]:
    """The body of a create: a person with an address, a phone number and an id in the shop."""
    return {
        "given_name": f"Given{number}",
        "family_name": "Made",
        "emails": [{"address": f"made{number}@example.com", "label": "work"}],
        "phones": [{"number": f"+4930{number % 10**7:07d}"}],
        "company": "Made by the benchmark",
        "job_title": "Buyer",
        "lifecycle_stage": "lead",
        "tags": ["newsletter"],
        "external_ids": [{"source": "shop", "id": f"M-{number}"}],
        "locale": "de-DE",
        "timezone": "Europe/Berlin",
        "acquisition_channel": "web",
    }


def touchpoint(number: int, contacts: int) -> dict[str, Any]:
    """An item of a batch: the same number always says the same; every third is a purchase."""
    item = {
        "contact": {"external_id": {"source": "shop", "id": f"C-{number * 7919 % contacts + 1}"}},
        "channel": "web",
        "kind": "visit",
        "occurred_at": f"2026-{number % 9 + 1:02d}-{number % 28 + 1:02d}T{number % 24:02d}:30:00Z",
        "summary": f"Order {number} of the spring campaign",
        "campaign": "spring",
        "source": "shop",
        "external_id": f"O-{number}",
        "attributes": {"order_lines": number % 9, "coupon": "SPRING"},
    }
    if number % 3 == 0:
        item |= {"kind": "purchase", "value": {"amount": f"{number % 900 + 10}.90", "currency": "EUR"}}
    return item


def token(number: int) -> str:
    """The token of an invitation, as long as a real one."""
    return f"benchmark{number:013d}"


def public(token: str) -> str:
    """Where a visitor with this token answers."""
    return f"/v1/public/surveys/{token}"


def answers() -> dict[str, Any]:
    """What every visitor says: all that is asked, and nothing to act upon."""
    why = "Fast delivery, and a person who answered the phone."
    return {"answers": {"score": 9, "why": why}, "complete": True}


async def run_slice(shape: Shape, port: int, connections: int, seconds: float) -> dict[str, Any]:
    """One slice of closed loops, until the last answer is in."""
    loop = asyncio.get_running_loop()
    tally, started = Tally(), time.perf_counter()
    futures = [loop.create_future() for _ in range(connections)]
    for future in futures:
        await loop.create_connection(
            lambda future=future: Client(shape, tally, started + seconds, future),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
    _, late = await asyncio.wait(futures, timeout=seconds + GRACE_SECONDS)
    tally.unexpected += len(late)
    return _figures(tally, time.perf_counter() - started)


def _figures(tally: Tally, seconds: float) -> dict[str, Any]:
    times = sorted(tally.seconds)
    return {
        "requests": len(times),
        "per_second": len(times) / seconds,
        "p50_ms": 1000 * times[len(times) // 2] if times else 0.0,
        "p99_ms": 1000 * times[min(len(times) - 1, int(len(times) * 0.99))] if times else 0.0,
        "unexpected": tally.unexpected + (not times),
        "example": tally.example,
    }


def orders() -> Iterator[dict[str, Any]]:
    for line in sys.stdin.buffer:
        yield orjson.loads(line)


def main() -> None:
    incoming = orders()
    loads = Loads(next(incoming))
    for order in incoming:
        shape = loads.shapes[order["path"]]
        figures = uvloop.run(run_slice(shape, order["port"], order["connections"], order["seconds"]))
        sys.stdout.buffer.write(orjson.dumps(figures) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
