"""A webhook receiver that does next to nothing: it answers 200 and notes when each event arrived.

Takes orders a line on standard input: `{"do": "start"}` answers with its port, `{"do": "look"}` with how many
have arrived and how long after `occurred_at` each of them did.
"""

import asyncio
import sys
import time
from datetime import datetime
from typing import Any

import orjson
import uvloop

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
HEAD_END = b"\r\n\r\n"


class Sink:
    """What has arrived."""

    def __init__(self) -> None:
        self.late_ms: list[float] = []

    def note(self, body: bytes) -> None:
        now = time.time()
        occurred = datetime.fromisoformat(orjson.loads(body)["occurred_at"]).timestamp()
        self.late_ms.append(1000 * (now - occurred))


class Receiver(asyncio.Protocol):
    """One connection, kept alive."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.received = bytearray()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(HEAD_END)) >= 0:
            head = bytes(self.received[:end]).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            complete = end + len(HEAD_END) + length
            if len(self.received) < complete:
                return
            self.sink.note(bytes(self.received[end + len(HEAD_END) : complete]))
            del self.received[:complete]
            self.transport.write(OK)


async def main() -> None:
    sink = Sink()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Receiver(sink), "127.0.0.1", 0, backlog=1024)
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        order = orjson.loads(line)
        answer: dict[str, Any] = {"port": server.sockets[0].getsockname()[1], "count": len(sink.late_ms)}
        if order["do"] == "look":
            answer["late_ms"] = sink.late_ms[order.get("after", 0) :]
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(main())
