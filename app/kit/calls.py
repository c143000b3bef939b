"""From a request to an answer: one use case, in one unit of work, rendered before the commit.

The answer has to be rendered inside the transaction because an Idempotency-Key stores it there; and since
the unit is closed before the response object exists, a commit that fails can only be a 5xx. That is why
endpoints take a `Call` and hand it their use case, instead of a session from a `yield` dependency.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
from fastapi import Request, Response
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError

from app.kit.auth import Caller, KeyRing
from app.kit.database import Unit
from app.kit.errors import MissingScope, RateLimited, Unauthenticated
from app.kit.hot import Rendered
from app.kit.idempotency import Answer, IdempotentRequest
from app.kit.preconditions import Precondition, etag_of, names
from app.kit.rate_limit import RateLimiter
from app.kit.resources import Resources
from app.kit.web import strict_query

JSON = "application/json"
TRIES = 3

UseCase = Callable[[Unit], Awaitable[BaseModel | Rendered | None]]
Done = TypeVar("Done")


async def retried(attempt: Callable[[], Awaitable[Done]]) -> Done:
    """What an attempt in a unit of its own comes to; after a serialisation failure or a deadlock it is made
    again."""
    for _ in range(TRIES - 1):
        try:
            return await attempt()
        except (DBAPIError, asyncpg.PostgresError) as error:
            if not _passing(error):
                raise
    return await attempt()


async def idempotent_request(
    request: Request, resources: Resources, *, path: str | None = None
) -> IdempotentRequest | None:
    """The request by its Idempotency-Key; None without one, which only a POST has. `path` stands for one that
    nobody may read."""
    key = request.headers.get("idempotency-key")
    if key is None or request.method != "POST":
        return None
    return IdempotentRequest.of(
        key,
        resources.cipher,
        method="POST",
        path=path or request.url.path,
        query=request.url.query,
        body=await request.body(),
    )


@dataclass(frozen=True, slots=True)
class Services:
    """What one process holds for its requests; `main` puts it into the app's state."""

    resources: Resources
    keys: KeyRing
    limiter: RateLimiter
    strangers: RateLimiter


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated request."""

    request: Request
    caller: Caller
    services: Services

    async def read(self, use_case: UseCase, *, conditional: bool = True) -> Response:
        """Runs a use case that changes nothing. Answers 304 to a matching `If-None-Match`.

        Not `conditional`: the answer also shows counters, which move without a new version.
        """
        async with self._unit(read_only=True) as unit:
            result = await use_case(unit)
        answer = _render(result, 200, None)
        etag = answer.headers.get("ETag")
        if conditional and etag and names(self.request.headers.get("if-none-match"), etag):
            return Response(status_code=304, headers=answer.headers)
        next_cursor = getattr(result, "next_cursor", None)
        if next_cursor is not None and self.request.method == "GET":
            following = self.request.url.include_query_params(cursor=next_cursor)
            answer.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
        return _response(answer)

    async def write(
        self,
        use_case: UseCase,
        *,
        status: int | Callable[[Any], int] = 200,
        location: Callable[[Any], str] | None = None,
        sealed: bool = False,
    ) -> Response:
        """Runs a use case and commits it; a serialisation failure or deadlock is tried again from the start.

        `status` may depend on the result, where one request makes something or finds it; `location` makes the
        `Location` header from the result; `sealed` says that the answer shows a secret, which an
        Idempotency-Key may then keep only encrypted.
        """
        keyed = await idempotent_request(self.request, self.resources)
        return _response(await retried(lambda: self._attempt(use_case, keyed, status, location, sealed)))

    @property
    def resources(self) -> Resources:
        return self.services.resources

    def forget_keys(self) -> None:
        """A key was revoked: the next request with it is refused."""
        self.services.keys.forget()

    def if_match(self) -> "Precondition":
        """What `If-Match` demands of the version that is about to change."""
        return Precondition(self.request.headers.get("if-match"))

    async def _attempt(
        self,
        use_case: UseCase,
        keyed: IdempotentRequest | None,
        status: int | Callable[[Any], int],
        location: Callable[[Any], str] | None,
        sealed: bool,
    ) -> Answer:
        async with self._unit(read_only=False) as unit:
            if keyed is not None:
                stored = await keyed.stored_answer(unit)
                if stored is not None:
                    return stored
            result = await use_case(unit)
            answer = _render(result, status(result) if callable(status) else status, location)
            if keyed is not None:
                await keyed.store(unit, answer, sealed=sealed)
        return answer

    def _unit(self, *, read_only: bool) -> Any:
        return self.services.resources.database.unit(
            self.caller.workspace_id, actor=self.caller.actor, read_only=read_only
        )


class Access:
    """The dependency that lets a caller in: `Annotated[Call, Depends(Access("contacts:read"))]`.

    Every route has exactly one, or stands on the list of public routes; a test reads the scope off it.
    """

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> Call:
        return await self.admit(request, strict_query)

    async def admit(
        self, request: Request, check: Callable[[Request], Awaitable[None]] | None = None
    ) -> Call:
        """Lets the caller in, or raises. `check` judges the request of a caller who is known by then."""
        services: Services = request.app.state.services
        caller = await _caller(services, request)
        request.state.workspace_id = str(caller.workspace_id)
        request.state.key_id = str(caller.key_id)
        allowance = services.limiter.check(str(caller.key_id))
        request.state.answer_headers = allowance.headers()
        if allowance.retry_after is not None:
            raise RateLimited("This key has used up its requests for now.", headers=allowance.headers())
        if check is not None:
            await check(request)
        if not caller.may(self.scope):
            raise MissingScope(f"This operation needs the scope {self.scope}.")
        return Call(request, caller, services)


async def _caller(services: Services, request: Request) -> Caller:
    """Who calls. An address that keeps trying wrong keys gets 429, and nobody with a right one does."""
    try:
        return await services.keys.caller(request.headers.get("authorization"))
    except Unauthenticated:
        address = request.client.host if request.client else ""
        services.strangers.check(address).enforce("Too many wrong keys have come from this address.")
        raise


def _render(
    result: BaseModel | Rendered | None, status: int, location: Callable[[Any], str] | None
) -> Answer:
    if result is None:
        return Answer(204, {}, b"")
    headers = {}
    version = getattr(result, "version", None)
    if isinstance(version, int):
        headers["ETag"] = etag_of(version)
    if location is not None:
        headers["Location"] = location(result)
    body = result.body if isinstance(result, Rendered) else result.__pydantic_serializer__.to_json(result)
    return Answer(status, headers, body)


def _response(answer: Answer) -> Response:
    return Response(
        answer.body, answer.status, answer.headers, media_type=JSON if answer.status != 204 else None
    )


def _passing(error: Exception) -> bool:
    """Serialisation failures and deadlocks: the same work succeeds when it is done again."""
    source = getattr(error, "orig", None) or error
    return getattr(source, "sqlstate", None) in ("40001", "40P01")
