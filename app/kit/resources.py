"""What a process holds for as long as it runs: made once from the settings, handed to whoever needs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import asyncpg
from sqlalchemy.engine import make_url

from app.kit.clock import Clock, SystemClock
from app.kit.crypto import Cipher, kept_key
from app.kit.database import Database
from app.kit.embedded import EmbeddedServer
from app.kit.embedded_keeper import kept_up
from app.kit.jobs import flush_jobs
from app.kit.outbound import OutboundClient
from app.kit.outbox import flush_events
from app.kit.tenancy import APP_ROLE
from app.settings import Settings

# How a worker's connections to the queue are called, so that others can tell that one is at work.
WORKER_NAME = "rapport-worker"
KEPT_KEY = "secret.key"


class ConfigurationError(Exception):
    """A setting is missing or makes no sense; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where the database is. `role` is what the app turns into after logging in, if it must."""

    owner_url: str
    app_url: str
    role: str | None

    @property
    def app_role(self) -> str:
        """The role that needs the app's grants."""
        return self.role or make_url(self.app_url).username or APP_ROLE


@contextmanager
def database_address(settings: Settings) -> Iterator[DatabaseAddress]:
    """The configured database, or the embedded server, which runs, and is kept up, while the block does."""
    if settings.database_url is None and settings.database_owner_url is not None:
        raise ConfigurationError(
            "RAPPORT_DATABASE_OWNER_URL is set but RAPPORT_DATABASE_URL is not: set both, or neither for the "
            "embedded PostgreSQL."
        )
    if settings.database_url is not None:
        app_url = settings.database_url.get_secret_value()
        if settings.database_owner_url is None:
            yield DatabaseAddress(app_url, app_url, APP_ROLE)
        else:
            yield DatabaseAddress(settings.database_owner_url.get_secret_value(), app_url, None)
        return
    with EmbeddedServer(settings.data_dir, bindir=settings.pg_bindir) as server, kept_up(server):
        urls = server.urls()
        yield DatabaseAddress(urls.owner_url, urls.app_url, None)


@dataclass(frozen=True, slots=True)
class Resources:
    """The connections, keys and clients of one process."""

    settings: Settings
    address: DatabaseAddress
    database: Database
    cipher: Cipher
    outbound: OutboundClient

    async def close(self) -> None:
        await self.outbound.aclose()
        await self.database.close()

    async def queue_pool(self) -> "asyncpg.Pool[asyncpg.Record]":
        """A small pool of its own for the job queue, which listens on one of its connections."""
        url = make_url(self.address.app_url).set(drivername="postgresql")
        settings = {"application_name": WORKER_NAME}
        if self.address.role:
            settings["role"] = self.address.role
        return await asyncpg.create_pool(
            url.render_as_string(hide_password=False),
            min_size=2,
            max_size=4,
            timeout=5,
            command_timeout=30,
            server_settings=settings,
        )


def open_resources(
    settings: Settings,
    address: DatabaseAddress,
    *,
    clock: Clock | None = None,
    statement_seconds: float = 15,
    wait_seconds: float = 5,
) -> Resources:
    """Opens nothing yet: connections are made when they are first needed."""
    return Resources(
        settings=settings,
        address=address,
        database=Database(
            address.app_url,
            pool_size=settings.database_pool_size,
            role=address.role,
            statement_seconds=statement_seconds,
            wait_seconds=wait_seconds,
            clock=clock or SystemClock(),
            before_commit=(flush_events, flush_jobs),
        ),
        cipher=_cipher(settings),
        outbound=OutboundClient(allowed_networks=settings.outbound_allowed_networks),
    )


def _cipher(settings: Settings) -> Cipher:
    try:
        return Cipher(_secret_keys(settings))
    except ValueError:
        place = "RAPPORT_SECRET_KEY" if settings.secret_key else str(settings.data_dir / KEPT_KEY)
        raise ConfigurationError(
            f"{place} holds no usable key: each is base64 of 32 bytes, as `openssl rand -base64 32` makes."
        ) from None


def _secret_keys(settings: Settings) -> list[str]:
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value().split(",")
    if settings.database_url is not None:
        raise ConfigurationError(
            "RAPPORT_SECRET_KEY is missing: it encrypts stored secrets, so every process needs the same. "
            "Make one with `openssl rand -base64 32`."
        )
    return [kept_key(settings.data_dir / KEPT_KEY)]
