"""One embedded server a run, one migrated database a worker, one fresh workspace a test.

Tests commit for real, as the app does: its hot paths, its relay and its jobs use connections of their own,
which an outer transaction would blind. Row-level security is what keeps the tests apart, and costs as
little as a rollback.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from app.kit import migrations
from app.kit.embedded import EmbeddedServer
from app.kit.ids import new_id
from app.kit.logs import configure_logs
from app.kit.resources import DatabaseAddress, Resources, open_resources
from app.main import create_app
from app.settings import Settings
from app.workspaces.schemas import WorkspaceCreate
from app.workspaces.service import WorkspaceService
from tests.stand_ins import MovableClock

PLACE = "PYTEST_RAPPORT_PLACE"
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "300"}


def pytest_configure(config: pytest.Config) -> None:
    """The run's place for its server, which the workers inherit.

    Not in pytest's own directory: where PostgreSQL has to run as another user, it could not get there.
    """
    if not _is_worker(config):
        os.environ[PLACE] = tempfile.mkdtemp(prefix="rapport-tests-", dir="/tmp")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not _is_worker(config):
        shutil.rmtree(os.environ.pop(PLACE), ignore_errors=True)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


@pytest.fixture(scope="session", autouse=True)
def logs() -> None:
    """As in production: the stock renderer spends seconds on each traceback."""
    configure_logs("json", "info")
    logging.getLogger("httpx").setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """The embedded PostgreSQL, shared by the workers of one run; of RAPPORT_PG_BINDIR if that is set."""
    bindir = os.environ.get("RAPPORT_PG_BINDIR")
    place = Path(os.environ[PLACE])
    with EmbeddedServer(place, bindir=Path(bindir) if bindir else None, settings=FAST) as running:
        yield running


@pytest.fixture(scope="session")
def address(server: EmbeddedServer) -> DatabaseAddress:
    """A migrated database of this worker's own."""
    return a_database(server, "rapport")


def a_database(server: EmbeddedServer, name: str) -> DatabaseAddress:
    """A fresh database, migrated; another one each time, since a worker may come back to a module."""
    name += f"_{new_id()}"
    server.create_database(name)
    urls = server.urls(name)
    found = DatabaseAddress(urls.owner_url, urls.app_url, None)
    migrations.upgrade(found.owner_url, found.app_role)
    return found


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a process under test; webhooks may reach this machine."""
    return Settings(
        _env_file=None,
        data_dir=tmp_path_factory.mktemp("data"),
        rate_limit_per_second=0,
        outbound_allowed_networks=["127.0.0.0/8"],  # type: ignore[list-item]
    )


@pytest.fixture(scope="session")
def clock() -> MovableClock:
    """The clock of the app under test."""
    return MovableClock()


@pytest.fixture(scope="session")
async def resources(
    settings: Settings, address: DatabaseAddress, clock: MovableClock
) -> AsyncIterator[Resources]:
    opened = open_resources(settings, address, clock=clock)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def app(resources: Resources) -> FastAPI:
    built = create_app(resources)
    built.state.ready = True
    return built


@pytest.fixture(autouse=True)
def real_time(clock: MovableClock) -> Iterator[None]:
    """A test may move the clock; the next one starts at the present."""
    yield
    clock.reset()


@dataclass(frozen=True, slots=True)
class Tenant:
    """A workspace and a key with every scope in it."""

    workspace_id: UUID
    api_key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}


async def make_tenant(resources: Resources, **settings: str) -> Tenant:
    """A fresh workspace; `settings` are fields of `WorkspaceCreate`."""
    workspace_id = new_id()
    async with resources.database.unit(workspace_id) as unit:
        service = WorkspaceService(unit)
        await service.create(WorkspaceCreate.model_validate({"name": "Test", "currency": "EUR"} | settings))
        key = await service.create_admin_key("test")
    return Tenant(workspace_id, key.api_key)


def make_client(app: FastAPI, tenant: Tenant | None) -> httpx.AsyncClient:
    """A client of the app, with a tenant's key or without any."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://rapport.test",
        headers=tenant.headers if tenant else {},
    )


@pytest.fixture
async def tenant(resources: Resources) -> Tenant:
    return await make_tenant(resources)


@pytest.fixture
async def other_tenant(resources: Resources) -> Tenant:
    """A second workspace, which must never see the first."""
    return await make_tenant(resources)


@pytest.fixture
async def client(app: FastAPI, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(app, tenant) as made:
        yield made


@pytest.fixture
async def other_client(app: FastAPI, other_tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(app, other_tenant) as made:
        yield made


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    async with make_client(app, None) as made:
        yield made
