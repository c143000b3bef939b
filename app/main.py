"""Builds the web app from its settings."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version

from fastapi import FastAPI
from prometheus_client import REGISTRY
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from app.api import ROUTERS
from app.kit.auth import KeyRing
from app.kit.calls import Services
from app.kit.body_guard import JSON_TYPES
from app.kit.docs import install_docs
from app.kit.guards import guards
from app.kit.health import install_health
from app.kit.openapi import install_openapi
from app.kit.rate_limit import RateLimiter
from app.kit.resources import Resources
from app.kit.web import install_problem_handlers, refuse_unknown_query
from app.settings import Settings
from app.subscriptions import EVENT_TYPES
from app.worker import build_runner, run_worker

BODY_BYTES = 1024 * 1024
BATCH_BYTES = 8 * 1024 * 1024

# A CloudEvent in binary mode is of whatever type its data is of.
EVENT_MEDIA_TYPES = frozenset(("*/*",))

DESCRIPTION = """\
Rapport is a customer-relationship API: it takes every touchpoint from any system, keeps one clean profile
per customer, turns them into KPIs that are always current, ties the KPIs to SMART goals, and tells other
systems what changed by signed webhooks.

Every error is a problem document (RFC 9457), every list is paged by cursor, every POST that changes state
takes an `Idempotency-Key`, and every resource has an `ETag`."""


def create_app(resources: Resources, *, with_worker: bool = False) -> FastAPI:
    """The whole API. `with_worker` runs the background jobs in the same process."""
    settings = resources.settings
    app = FastAPI(
        title="Rapport",
        version=version("rapport"),
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=_lifespan(resources, with_worker=with_worker),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[refuse_unknown_query()],
        middleware=[*_guards(settings), *_cors(settings.cors_origins)],
    )
    app.state.services = Services(
        resources=resources,
        keys=KeyRing(resources.database),
        limiter=RateLimiter(settings.rate_limit_per_second, 5 * settings.rate_limit_per_second),
    )
    app.state.event_types = EVENT_TYPES
    for router in ROUTERS:
        app.include_router(router)
    install_problem_handlers(app)
    install_health(app)
    install_docs(app)
    install_openapi(app, lambda: EVENT_TYPES)
    return app


def _lifespan(resources: Resources, *, with_worker: bool):  # type: ignore[no-untyped-def]
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.ready = True
        runner = build_runner(resources)
        working = asyncio.create_task(run_worker(runner, resources)) if with_worker else None
        try:
            yield
        finally:
            app.state.ready = False
            if working is not None:
                runner.stop()
                await working
            await resources.close()

    return lifespan


def _guards(settings: Settings) -> list[Middleware]:
    return guards(
        registry=REGISTRY,
        limit_for=lambda path: BATCH_BYTES if path.endswith(("/batch", "/events")) else BODY_BYTES,
        media_types_for=lambda path: EVENT_MEDIA_TYPES if path.endswith("/events") else JSON_TYPES,
        body_seconds=settings.body_seconds,
    )


def _cors(origins: list[str]) -> list[Middleware]:
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"],
            expose_headers=["ETag", "Link", "Location", "Idempotent-Replayed", "X-Request-Id", "Retry-After"],
        )
    ]
