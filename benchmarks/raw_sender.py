"""The floor of webhook delivery: signed posts over asyncio streams on uvloop, kept alive.

Takes one order on standard input, `{"port", "connections", "seconds", "body"}`, and answers with the posts
it made and the CPU seconds that it took.
"""

import asyncio
import base64
import hashlib
import hmac
import sys
import time
import uuid
from typing import Any

import orjson
import uvloop

SECRET = b"0123456789abcdef0123456789abcdef"


async def send(order: dict[str, Any]) -> dict[str, Any]:
    until = time.perf_counter() + order["seconds"]
    started = time.process_time()
    loops = [_post_until(until, order["port"], order["body"].encode()) for _ in range(order["connections"])]
    posts = sum(await asyncio.gather(*loops))
    return {"posts": posts, "cpu_seconds": time.process_time() - started}


async def _post_until(until: float, port: int, body: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /hook HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    count = 0
    while time.perf_counter() < until:
        writer.write(_signed(head, body))
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        await reader.readexactly(int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        count += 1
    writer.close()
    return count


def _signed(head: str, body: bytes) -> bytes:
    event_id, now = str(uuid.uuid4()), str(int(time.time()))
    signed = f"{event_id}.{now}.".encode() + body
    signature = base64.b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
    lines = (
        f"{head}Content-Length: {len(body)}\r\nwebhook-id: {event_id}\r\n"
        f"webhook-timestamp: {now}\r\nwebhook-signature: v1,{signature}\r\n\r\n"
    )
    return lines.encode() + body


def main() -> None:
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(orjson.dumps(uvloop.run(send(orjson.loads(line)))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
