"""The fast lane of a few hot routes, past the framework's routing and injection, which cost 230 µs a request.

A lane takes the plain case only: a request that is as most requests are, and right. Anything else, and
anything wrong, goes on to the route itself, whose endpoint, access and contract the lane shares; so whatever
is odd has one meaning. A test sends the same requests both ways.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import FastAPI, Request, Response
from pydantic import TypeAdapter, ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from app.kit.calls import Access, Call
from app.kit.web import PARSED_BODY

Plain = TypeVar("Plain")

# What these ask for is checked or done by the framework.
_ODD_HEADERS = frozenset((b"if-none-match", b"if-match", b"idempotency-key"))
_CANONICAL_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Lane(Generic[Plain]):
    """One way past the framework. `path_format` may end in one parameter, such as `/v1/things/{thing_id}`.

    `read` gives what the endpoint needs from the request, or None when the request is not a plain one; it
    gets the last segment of the path. `answer` gets the call of whom `access` lets in; on a public route,
    where `access` is None, the request itself.
    """

    method: str
    path_format: str
    access: Access | None
    read: Callable[[Scope, str], Plain | None]
    answer: Callable[[Any, Plain], Awaitable[Response]]

    @property
    def key(self) -> tuple[str, str]:
        """Method and path, without its parameter."""
        return self.method, self.path_format.partition("{")[0]


def install_lanes(app: FastAPI, lanes: Sequence[Lane[Any]]) -> None:
    """Puts the lanes before the router and behind everything else, error handlers included."""
    app.router.middleware_stack = _Switch(app.router.middleware_stack, lanes)


class _Switch:
    def __init__(self, router: ASGIApp, lanes: Sequence[Lane[Any]]) -> None:
        self._router = router
        self._lanes = {lane.key: lane for lane in lanes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        lane, plain = self._find(scope) if scope["type"] == "http" else (None, None)
        if lane is None:
            await self._router(scope, receive, send)
            return
        scope["route"] = lane
        request = Request(scope, receive)
        caller: Call | Request = request if lane.access is None else await lane.access.admit(request)
        response = await lane.answer(caller, plain)
        await response(scope, receive, send)

    def _find(self, scope: Scope) -> tuple[Lane[Any] | None, Any]:
        method, path = scope["method"], scope["path"]
        head, slash, last = path.rpartition("/")
        lane = self._lanes.get((method, path)) or self._lanes.get((method, head + slash))
        if (
            lane is None
            or scope.get("root_path")
            or any(name in _ODD_HEADERS for name, _ in scope["headers"])
        ):
            return None, None
        plain = lane.read(scope, last)
        return (None, None) if plain is None else (lane, plain)


def plain_id(scope: Scope, last: str) -> UUID | None:
    """The id at the end of the path, in its one canonical spelling."""
    return UUID(last) if not scope["query_string"] and _CANONICAL_ID.fullmatch(last) else None


def plain_query(scope: Scope, known: Collection[str]) -> Mapping[str, str] | None:
    """The query, if every parameter is known, given once and not empty."""
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    query = dict(pairs)
    if len(query) != len(pairs) or not query.keys() <= set(known) or not all(query.values()):
        return None
    return query


def plain_body(scope: Scope, model: TypeAdapter[Plain]) -> Plain | None:
    """The body that the body guard has parsed, if it is a valid one."""
    if scope["query_string"] or PARSED_BODY not in scope:
        return None
    try:
        return model.validate_python(scope[PARSED_BODY])
    except ValidationError:
        return None
