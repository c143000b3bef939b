"""A small app behind the guards, and a real server for it: what the tests of the web kit share."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Collection, Iterator
from typing import Annotated, Any

import httpx
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import StreamingResponse
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, ConfigDict
from starlette.types import ASGIApp

from app.kit.body_guard import JSON_TYPES
from app.kit.docs import install_docs
from app.kit.errors import NotFound
from app.kit.guards import guards
from app.kit.web import JsonRoute, install_problem_handlers, refuse_unknown_query

LIMIT = 2000
FORM = "application/x-www-form-urlencoded"


class Email(BaseModel):
    model_config = ConfigDict(extra="forbid")
    address: str


class Person(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    emails: list[Email] = []
    age: int | None = None


class Paging(BaseModel):
    cursor: str | None = None
    sort: str | None = None


def _page_size(limit: Annotated[int, Query(ge=1, le=500)] = 50) -> int:
    return limit


router = APIRouter(prefix="/v1", route_class=JsonRoute)


@router.get("/people")
async def people(
    paging: Annotated[Paging, Query()],
    limit: Annotated[int, Depends(_page_size)],
    tag: Annotated[list[str], Query()] = [],  # noqa: B006
) -> dict[str, Any]:
    return {"limit": limit, "tags": tag, "cursor": paging.cursor}


@router.post("/people", status_code=201)
async def create_person(person: Person) -> Person:
    return person


@router.get("/people/{number}")
async def person(number: int, request: Request) -> dict[str, int]:
    request.state.workspace_id = "w1"
    request.state.key_id = "k1"
    request.state.answer_headers = {"RateLimit": '"default";r=1;t=1'}
    return {"number": number}


@router.delete("/people/{number}", status_code=204)
async def remove_person(number: int) -> None:
    raise NotFound(f"There is no person {number}.")


@router.post("/echo")
async def echo(request: Request) -> dict[str, Any]:
    body = await request.body()
    return {"bytes": body.hex(), "seen": len(body)}


@router.post("/upload")
async def upload(request: Request) -> dict[str, int]:
    size = 0
    async for part in request.stream():
        size += len(part)
    return {"size": size}


@router.get("/broken")
async def broken() -> None:
    raise RuntimeError("secret-canary")


@router.get("/broken-midway")
async def broken_midway() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"first "
        raise RuntimeError("secret-canary")

    return StreamingResponse(parts())


@router.get("/misshapen")
async def misshapen() -> Person:
    return {"name": ["secret-canary"]}  # type: ignore[return-value]


@router.get("/cached")
async def cached() -> Response:
    return Response("{}", headers={"Cache-Control": "private, no-cache", "ETag": '"1"'})


def media_types_for(path: str) -> Collection[str]:
    return {
        "/v1/echo": {*JSON_TYPES, FORM},
        "/v1/upload": {"text/csv"},
    }.get(path, JSON_TYPES)


def build_app(
    *,
    seconds: float = 10,
    limit: int = LIMIT,
    registry: CollectorRegistry | None = None,
    hsts_seconds: int = 0,
) -> FastAPI:
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        dependencies=[refuse_unknown_query()],
        middleware=guards(
            registry=registry or CollectorRegistry(),
            limit_for=lambda path: limit,
            media_types_for=media_types_for,
            body_seconds=seconds,
            hsts_seconds=hsts_seconds,
        ),
    )
    app.include_router(router)
    install_problem_handlers(app)
    install_docs(app)
    return app


@contextlib.asynccontextmanager
async def calling(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that talks to the app directly."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[int]:
    """The app on a socket of its own; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(uvicorn.Config(app, lifespan="off", log_config=None, server_header=False))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await running


@contextlib.asynccontextmanager
async def browsing(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """A client that talks to the app over a socket."""
    async with serving(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


async def talk(port: int, *parts: bytes) -> bytes:
    """Sends the parts and reads until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await reader.read()
    finally:
        writer.close()
