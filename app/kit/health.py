"""`/healthz` for who restarts the process, `/readyz` for who sends it traffic, `/metrics` for Prometheus."""

import asyncio
from typing import Literal

import asyncpg
from fastapi import FastAPI, Request, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError

from app.kit import migrations
from app.kit.backlog import Backlog
from app.kit.errors import Problem, Unavailable
from app.kit.schemas import Output
from app.kit.web import refuse_unknown_query

PATIENCE = 2


class Health(Output):
    """The process runs."""

    status: Literal["ok"] = Field(description="Always `ok`; a process that cannot say so does not answer.")


def process_registry() -> CollectorRegistry:
    """The registry of one app, with the figures of its process and platform."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


def install_health(app: FastAPI, registry: CollectorRegistry, backlog: Backlog) -> None:
    """Adds the three routes, which need no key."""
    strict = [refuse_unknown_query()]

    @app.get(
        "/healthz",
        dependencies=strict,
        operation_id="health_live",
        response_model=Health,
        tags=["operations"],
    )
    async def live() -> Health:
        """The process runs. Never asks the database."""
        return Health(status="ok")

    @app.get(
        "/readyz",
        dependencies=strict,
        operation_id="health_ready",
        response_model=Health,
        tags=["operations"],
    )
    async def ready(request: Request) -> Health:
        """The database is reachable and migrated, and the process is not stopping; 503 otherwise."""
        if not getattr(request.app.state, "ready", False):
            raise Unavailable("The process is starting or stopping.", headers={"Retry-After": "1"})
        await _require_database(request)
        return Health(status="ok")

    @app.get(
        "/metrics",
        dependencies=strict,
        operation_id="health_metrics",
        tags=["operations"],
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics() -> Response:
        """Counters and timings in Prometheus' text format."""
        await backlog.look()
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


async def _require_database(request: Request) -> None:
    try:
        async with (
            asyncio.timeout(PATIENCE),
            request.app.state.services.resources.database.raw() as connection,
        ):
            revision = await migrations.current(connection)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError, Problem):
        raise Unavailable("The database cannot be reached.", headers={"Retry-After": "1"}) from None
    if migrations.is_behind(revision):
        raise Unavailable(
            "The database is not migrated: run `rapport migrate`.", headers={"Retry-After": "5"}
        )
