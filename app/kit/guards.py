"""What stands in front of the app, as plain ASGI: request ids, answer headers, the access log, and the
refusal of requests that no route should see.

A client that sends half of its *header* is not in reach of an app: the server in front (a proxy) has to cut
it off. Half a *body* is cut off here.
"""

import re
import secrets
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.kit.body_guard import BodyGuard, takes_json
from app.kit.errors import InternalError, Malformed, Problem
from app.kit.methods import Template, written_out
from app.kit.web import BROKEN, problem_response

LONGEST_TARGET = 8 * 1024
CLIENT_LEFT = 499
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

Headers = tuple[tuple[bytes, bytes], ...]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_ALWAYS: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
_UNLESS_SET: Headers = (
    (b"cache-control", b"private, no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


def guards(
    *,
    registry: CollectorRegistry,
    limit_for: Callable[[str], int],
    media_types_for: Callable[[str], Collection[str]] = takes_json,
    body_seconds: float = 10,
    hsts_seconds: int = 0,
) -> list[Middleware]:
    """The guards in order, for `FastAPI(middleware=…)`. `limit_for` and `media_types_for` take a path."""
    return [
        Middleware(RequestContext, metrics=HttpMetrics(registry), hsts_seconds=hsts_seconds),
        Middleware(TargetGuard),
        Middleware(BodyGuard, limit_for=limit_for, media_types_for=media_types_for, seconds=body_seconds),
    ]


class HttpMetrics:
    """Requests and their durations by method, route template and status class (`2xx`)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("method", "route", "status")
        self._requests = Counter("http_requests", "Requests answered.", labels, registry=registry)
        self._seconds = Histogram(
            "http_request_duration_seconds", "Seconds until the end of the answer.", labels, registry=registry
        )
        self._children: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def observe(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Counts one request. `route` is None where no route matched; strange methods count as one."""
        key = (method if method in METHODS else "other", route or "unmatched", status // 100)
        children = self._children.get(key)
        if children is None:
            labels = (key[0], key[1], f"{key[2]}xx")
            children = self._requests.labels(*labels), self._seconds.labels(*labels)
            self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)


class RequestContext:
    """The outermost guard.

    Gives each request an id and each answer its headers, `scope["state"]["answer_headers"]` included, which
    anything further in may set; answers HEAD with the headers of GET, which further in only
    `scope["state"]["is_head"]` tells from it; writes one log line and the metrics; makes an exception that
    nobody caught a 500 problem.
    """

    def __init__(self, app: ASGIApp, *, metrics: HttpMetrics, hsts_seconds: int = 0) -> None:
        self._app = app
        self._metrics = metrics
        self._log = structlog.get_logger("app.access")
        hsts = f"max-age={hsts_seconds}".encode()
        self._always = (*_ALWAYS, (b"strict-transport-security", hsts)) if hsts_seconds else _ALWAYS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        state = scope.setdefault("state", {})
        state["request_id"] = request_id = _request_id(scope)
        tokens = structlog.contextvars.bind_contextvars(request_id=request_id)
        state["is_head"] = is_head = scope["method"] == "HEAD"
        answer = _Answer(send, state, self._always, is_head=is_head)
        # The server looks at its own scope to leave the body of a HEAD out, so that one stays as it is.
        inner = dict(scope, method="GET") if is_head else scope
        try:
            await self._run(inner, receive, answer)
        finally:
            self._record(scope["method"], inner, answer.status, time.perf_counter() - started)
            structlog.contextvars.reset_contextvars(**tokens)

    async def _run(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            await self._app(scope, receive, answer)
        except ClientDisconnect:
            return
        except Exception as error:
            self._log.error("unhandled_error", exc_info=error)
            if not answer.has_started:
                await problem_response(InternalError(BROKEN), HTTPConnection(scope))(scope, receive, answer)
            elif not answer.is_complete:
                raise

    def _record(self, method: str, scope: Scope, status: int, seconds: float) -> None:
        route, state = route_template(scope), scope["state"]
        self._metrics.observe(method, route, status, seconds)
        who = {name: state[name] for name in ("request_id", "workspace_id", "key_id") if name in state}
        duration = round(seconds * 1000, 2)
        self._log.info("request", method=method, route=route, status=status, duration_ms=duration, **who)


class _Answer:
    """The `send` of one request: adds the headers and remembers how far the answer has got."""

    __slots__ = ("_always", "_send", "_state", "has_started", "is_complete", "is_head", "status")

    def __init__(self, send: Send, state: dict[str, Any], always: Headers, *, is_head: bool) -> None:
        self._send = send
        self._state = state
        self._always = always
        self.is_head = is_head
        self.has_started = False
        self.is_complete = False
        self.status = CLIENT_LEFT

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            self.status = message["status"]
            message = dict(message, headers=self._headers(message.get("headers", ())))
        elif message["type"] == "http.response.body":
            self.is_complete = not message.get("more_body", False)
            if self.is_head:
                message = dict(message, body=b"")
        await self._send(message)

    def _headers(self, given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        headers = list(given)
        names = {name for name, _ in headers}
        headers.append((b"x-request-id", self._state["request_id"].encode()))
        headers += self._always
        headers += [header for header in _UNLESS_SET if header[0] not in names]
        for name, value in self._state.get("answer_headers", {}).items():
            raw = name.lower().encode("latin-1")
            if raw not in names:
                headers.append((raw, value.encode("latin-1")))
        return headers


class TargetGuard:
    """Refuses paths and queries that do not stand for text, or are longer than 8 KiB together."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = _target_problem(scope) if scope["type"] == "http" else None
        if problem is None:
            await self._app(scope, receive, send)
        else:
            await problem_response(problem, HTTPConnection(scope))(scope, receive, send)


class MethodGuard:
    """Refuses a method that a written-out path does not take, before the router sees another path in it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._written_out: dict[str, list[Template]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        template = self._template(scope) if scope["type"] == "http" else None
        if template is None or scope["method"] in template.methods:
            await self._app(scope, receive, send)
        else:
            await problem_response(template.refusal(), HTTPConnection(scope))(scope, receive, send)

    def _template(self, scope: Scope) -> Template | None:
        if self._written_out is None:
            self._written_out = written_out(scope["app"])
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        candidates = self._written_out.get(path.rpartition("/")[2], ())
        return next((each for each in candidates if each.pattern.match(path)), None)


class TargetTooLong(Problem):
    """Path and query together are longer than 8 KiB."""

    status = 414
    slug = "target-too-long"
    title = "The address is too long"


def route_template(scope: Scope) -> str | None:
    """`/v1/things/{thing_id}` and not the path, which may hold personal data; None when nothing matched."""
    context = scope.get("fastapi", {}).get("effective_route_context")
    if context is not None:
        context = context.starlette_route or context
    return getattr(context or scope.get("route"), "path_format", None)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode() if _REQUEST_ID.fullmatch(value) else secrets.token_hex(8)
    return secrets.token_hex(8)


def _target_problem(scope: Scope) -> Problem | None:
    path, query = scope.get("raw_path") or scope["path"].encode(), scope["query_string"]
    if len(path) + len(query) > LONGEST_TARGET:
        return TargetTooLong(f"Path and query together must not exceed {LONGEST_TARGET} bytes.")
    if not _is_text(path):
        return Malformed("The path holds a NUL character or percent-encoded bytes that are not UTF-8.")
    if not _is_text(query):
        return Malformed("The query holds a NUL character or percent-encoded bytes that are not UTF-8.")
    return None


def _is_text(encoded: bytes) -> bool:
    if encoded.isascii() and b"%" not in encoded:
        return b"\0" not in encoded
    plain = unquote_to_bytes(encoded)
    try:
        plain.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in plain
