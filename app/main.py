"""Builds the web app from its settings."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from app.api import LANES, ROUTERS
from app.kit.auth import KeyRing
from app.kit.backlog import Backlog
from app.kit.body_guard import JSON_TYPES
from app.kit.calls import Services
from app.kit.docs import install_docs
from app.kit.guards import MethodGuard, guards
from app.kit.health import install_health, process_registry
from app.kit.hot import settle_heap
from app.kit.lanes import install_lanes
from app.kit.openapi import install_openapi
from app.kit.rate_limit import RateLimiter
from app.kit.resources import Resources
from app.kit.web import install_problem_handlers
from app.settings import Settings
from app.subscriptions import EVENT_TYPES, SWEEPS
from app.worker import Worker

ALLOWED_HEADERS = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "X-Request-Id",
]
EXPOSED_HEADERS = [
    "Content-Language",
    "ETag",
    "Link",
    "Location",
    "Idempotent-Replayed",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-Id",
]
BODY_BYTES = 1024 * 1024
BATCH_BYTES = 8 * 1024 * 1024

# A CloudEvent in binary mode is of whatever type its data is of.
EVENT_MEDIA_TYPES = frozenset(("*/*",))

Lifespan = Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]

DESCRIPTION = """\
Rapport is a customer-relationship API: it takes every touchpoint from any system, keeps one clean profile
per customer, turns them into KPIs that are always current, ties the KPIs to SMART goals, and tells other
systems what changed by signed webhooks.

Every error is a problem document (RFC 9457), every list is paged by cursor, every POST that changes state
takes an `Idempotency-Key`, and every resource has an `ETag`."""


def create_app(resources: Resources, *, with_worker: bool = False) -> FastAPI:
    """The whole API. `with_worker` runs the background jobs in the same process."""
    settings = resources.settings
    registry = process_registry()
    app = FastAPI(
        title="Rapport",
        version=version("rapport"),
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=_lifespan(resources, with_worker=with_worker),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        middleware=[*_guards(settings, registry), *_cors(settings.cors_origins), Middleware(MethodGuard)],
    )
    app.state.services = Services(
        resources=resources,
        keys=KeyRing(resources.database),
        limiter=RateLimiter(settings.rate_limit_per_second, 5 * settings.rate_limit_per_second),
        strangers=RateLimiter(settings.rate_limit_per_second / 10, settings.rate_limit_per_second),
    )
    app.state.event_types = EVENT_TYPES
    for router in ROUTERS:
        app.include_router(router)
    install_lanes(app, LANES)
    install_problem_handlers(app)
    install_health(app, registry, Backlog(resources.database, SWEEPS, registry))
    install_docs(app)
    install_openapi(app, lambda: EVENT_TYPES)
    return app


def begin_stop(app: FastAPI) -> None:
    """Turns readiness off and takes no new job, while requests and jobs in flight go on."""
    app.state.ready = False
    if app.state.worker is not None:
        app.state.worker.stop()


def _lifespan(resources: Resources, *, with_worker: bool) -> Lifespan:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        worker = app.state.worker = Worker.beside(resources) if with_worker else None
        working = asyncio.create_task(worker.run()) if worker else None
        settle_heap()
        app.state.ready = True
        try:
            yield
        finally:
            begin_stop(app)
            if working is not None:
                await working
            await resources.close()

    return lifespan


def _guards(settings: Settings, registry: CollectorRegistry) -> list[Middleware]:
    return guards(
        registry=registry,
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
            allow_headers=ALLOWED_HEADERS,
            expose_headers=EXPOSED_HEADERS,
        )
    ]
