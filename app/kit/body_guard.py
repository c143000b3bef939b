"""Admits request bodies: within a size, within a time, of a type the path takes, JSON with one meaning.

A JSON body is read once, checked, and handed on whole: as the very bytes, and as the tree in
`scope[PARSED_BODY]` for `kit.web.JsonRoute`. Any other accepted type streams through under the same limits.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.kit.errors import BodyTimeout, Problem, TooLarge, UnsupportedMediaType
from app.kit.strict_json import read_json
from app.kit.web import PARSED_BODY, problem_response

# JSON under its own name or as a suffix, `application/merge-patch+json` for one.
JSON_TYPES = frozenset(("application/json", "+json"))

# A streamed upload may take longer than the flat time, as long as it makes this much headway.
SLOWEST_STREAM = 50_000
# How long a refused client may go on sending before its connection is closed: it would lose the answer if
# the connection were closed on bytes that nobody has read.
LINGER_SECONDS = 1.0


def takes_json(_path: str) -> Collection[str]:
    """The media types of a path that takes JSON and nothing else."""
    return JSON_TYPES


class BodyGuard:
    """Answers 413, 408, 415 and 400 for bodies that no route should see.

    `limit_for` gives the most bytes a path takes, `media_types_for` its media types: full names, `+json` for
    the suffix, `*/*` for any. `seconds` is for the whole of a JSON body.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit_for: Callable[[str], int],
        media_types_for: Callable[[str], Collection[str]] = takes_json,
        seconds: float = 10,
    ) -> None:
        self._app = app
        self._limit_for = limit_for
        self._media_types_for = media_types_for
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _body_headers(scope) if scope["type"] == "http" else None
        if headers is None:
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._limit_for(scope["path"]), self._seconds)
        send = body.lingering(send)
        try:
            admitted = await self._admit(scope, headers, body)
        except Problem as problem:
            await problem_response(problem, HTTPConnection(scope))(scope, receive, send)
            return
        if admitted is not None:
            await self._app(scope, admitted, send)

    async def _admit(self, scope: Scope, headers: "_BodyHeaders", body: "_Body") -> Receive | None:
        """What the app is to read from; None when the client left before its body was complete."""
        body.check_length(headers.length)
        if headers.encoding not in (b"", b"identity"):
            raise body.refused(_unsupported_encoding())
        media_type = headers.media_type()
        types = self._media_types_for(scope["path"])
        if not _accepts(types, media_type):
            raise body.refused(_unsupported_type(types, scope["method"]))
        if not _is_json(media_type):
            return body.stream
        content = await body.read()
        if content:
            scope[PARSED_BODY] = read_json(content)
        return None if content is None else _replay(content, body.stream)


@dataclass(frozen=True, slots=True)
class _BodyHeaders:
    length: int | None
    content_type: bytes
    encoding: bytes

    def media_type(self) -> str:
        """In lower case without parameters; empty for one that claims another encoding than UTF-8."""
        media_type, _, parameters = self.content_type.decode("latin-1").lower().partition(";")
        charset = parameters.partition("charset=")[2].partition(";")[0].strip(' "')
        return media_type.strip() if charset in ("", "utf-8", "utf8", "us-ascii") else ""


def _body_headers(scope: Scope) -> _BodyHeaders | None:
    """None when the request has no body."""
    length, is_chunked, content_type, encoding = None, False, b"", b""
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = int(value) if value.isdigit() else None
        elif name == b"transfer-encoding":
            is_chunked = True
        elif name == b"content-type":
            content_type = content_type or value
        elif name == b"content-encoding":
            encoding = value.strip().lower()
    return _BodyHeaders(length, content_type, encoding) if length or is_chunked else None


def _accepts(types: Collection[str], media_type: str) -> bool:
    return media_type in types or ("+json" in types and _has_json_suffix(media_type)) or "*/*" in types


def _is_json(media_type: str) -> bool:
    return media_type == "application/json" or _has_json_suffix(media_type)


def _has_json_suffix(media_type: str) -> bool:
    return media_type.startswith("application/") and media_type.endswith("+json")


def _unsupported_type(types: Collection[str], method: str) -> Problem:
    names = ", ".join(sorted(name for name in types if "/" in name))
    headers = {"Accept": names}
    if method == "PATCH":
        headers["Accept-Patch"] = f"application/merge-patch+json, {names}"
    return UnsupportedMediaType(f"The Content-Type must be {names}, in UTF-8.", headers=headers)


def _unsupported_encoding() -> Problem:
    detail = "Compressed bodies are not taken; send it without a Content-Encoding."
    return UnsupportedMediaType(detail, headers={"Accept-Encoding": "identity"})


def _replay(content: bytes, then: Receive) -> Receive:
    """Hands the body on in one message; after that, the app waits for the client to leave."""
    messages: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else await then()

    return receive


class _Body:
    """A request body on its way in."""

    def __init__(self, receive: Receive, limit: int, seconds: float) -> None:
        self._receive = receive
        self._limit = limit
        self._seconds = seconds
        self._started = time.monotonic()
        self._size = 0
        self._is_complete = False
        self._is_refused = False

    def check_length(self, length: int | None) -> None:
        if length is not None and length > self._limit:
            raise self.refused(self._too_large())

    def refused(self, problem: Problem) -> Problem:
        """Marks that nobody will read on, so that the connection closes after the answer."""
        self._is_refused = True
        problem.headers["Connection"] = "close"
        return problem

    async def read(self) -> bytes | None:
        """All of it; None when the client left before the end."""
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(self._seconds):
                while not self._is_complete:
                    message = await self._next()
                    if message["type"] == "http.disconnect":
                        return None
                    chunks.append(message.get("body", b""))
        except TimeoutError:
            raise self.refused(self._too_slow()) from None
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def stream(self) -> Message:
        """The next part, as an ASGI `receive`."""
        if self._is_complete:
            return await self._receive()
        until = self._started + self._seconds + self._size / SLOWEST_STREAM
        try:
            async with asyncio.timeout(until - time.monotonic()):
                return await self._next()
        except TimeoutError:
            raise self.refused(self._too_slow()) from None

    def lingering(self, send: Send) -> Send:
        """A `send` that, after a refusal, reads on for a moment before it ends the answer."""

        async def linger(message: Message) -> None:
            is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if is_last and self._is_refused and not self._is_complete:
                await send(dict(message, more_body=True))
                await self._drain()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        return linger

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self._is_complete = not message.get("more_body", False)
            if self._size > self._limit:
                raise self.refused(self._too_large())
        return message

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not self._is_complete:
                    message = await self._receive()
                    self._is_complete = not message.get("more_body", False)

    def _too_large(self) -> Problem:
        return TooLarge(f"The body must not exceed {self._limit} bytes here.")

    def _too_slow(self) -> Problem:
        return BodyTimeout(f"The body did not arrive within {self._seconds:g} seconds.")
