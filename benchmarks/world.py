"""The world that is measured: a durable embedded PostgreSQL with 200,000 contacts in 20 workspaces."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
from sqlalchemy.engine import make_url

from app.kit import migrations
from app.kit.auth import new_key, visible_part
from app.kit.embedded import EmbeddedServer
from app.kit.resources import DatabaseAddress
from benchmarks.measuring import children

# Durable, as in production: an answer to a write waits for the disk.
DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "max_connections": "100",
}
WORKSPACES = 20
CONTACTS_EACH = 10_000
STAGES = ("lead", "prospect", "customer", "advocate", "churned")


@dataclass(frozen=True, slots=True)
class World:
    """Where everything is. `workspace_id` is the one that is measured, `api_key` opens it."""

    owner_url: str
    app_url: str
    workspace_id: UUID
    api_key: str
    postmaster: int

    @property
    def address(self) -> DatabaseAddress:
        return DatabaseAddress(self.owner_url, self.app_url, None)

    @property
    def owner_dsn(self) -> str:
        return plain(self.owner_url)

    @property
    def app_dsn(self) -> str:
        return plain(self.app_url)


@contextmanager
def running_world(place: Path) -> Iterator[World]:
    """Starts the server in `place`, migrates and fills it; one that was filled before is used again."""
    with EmbeddedServer(place, settings=DURABLE) as server:
        urls = server.urls()
        migrations.upgrade(urls.owner_url, "rapport_app")
        workspace_id, key = asyncio.run(_fill(plain(urls.owner_url)))
        yield World(urls.owner_url, urls.app_url, workspace_id, key, server.postmaster_pid())


def plain(url: str) -> str:
    """The URL as asyncpg takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def pin(pid: int, core: int | None) -> None:
    """Keeps a process, with its children to come, on one core; one that has just ended needs no place."""
    if core is not None:
        with suppress(ProcessLookupError):
            os.sched_setaffinity(pid, {core})


def pin_database(world: World, core: int | None) -> None:
    """Keeps PostgreSQL on one core, with the connections to come."""
    for pid in (world.postmaster, *children(world.postmaster)):
        pin(pid, core)


async def _fill(dsn: str) -> tuple[UUID, str]:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("TRUNCATE touchpoints, events, event_streams, pgqueuer, api_keys CASCADE")
        await connection.execute("DELETE FROM contacts WHERE company = 'Made by the benchmark'")
        if await connection.fetchval("SELECT count(*) FROM contacts") < WORKSPACES * CONTACTS_EACH:
            await connection.execute(_WORKSPACES)
            for number in range(1, WORKSPACES + 1):
                await connection.execute(_CONTACTS.format(number=number, count=CONTACTS_EACH))
            await connection.execute(_IDENTITIES)
        key = new_key()
        workspace_id: UUID = await connection.fetchval(
            _KEY, visible_part(key), hashlib.sha256(key.encode()).digest()
        )
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
    return workspace_id, key


_WORKSPACES = f"""
    INSERT INTO workspaces (id, name, currency, timezone, churn_after_days, working_hours,
                            created_at, updated_at, version)
    SELECT md5('workspace' || n)::uuid, 'Workspace ' || n, 'EUR', 'UTC', 90, '[]', now(), now(), 1
    FROM generate_series(1, {WORKSPACES}) AS n
"""

# Spread over two years; a fifth in each stage; half of them bought something.
_CONTACTS = """
    INSERT INTO contacts (workspace_id, id, given_name, family_name, display_name, emails, phones,
        external_ids, company, job_title, lifecycle_stage, tags, attributes, locale, timezone, acquired_at,
        acquisition_channel, acquisition_campaign, touchpoint_count, last_touchpoint_at, purchase_count,
        net_revenue, first_purchase_at, last_purchase_at, created_at, updated_at, version)
    SELECT md5('workspace{number}')::uuid, md5('contact{number}/' || n)::uuid, 'Given' || n, 'Family' || n,
        'Given' || n || ' Family' || n,
        jsonb_build_array(jsonb_build_object('address', 'person' || n || '@example.com', 'label', 'work')),
        jsonb_build_array(jsonb_build_object('number', '+49301' || lpad(n::text, 6, '0'), 'label', null)),
        jsonb_build_array(jsonb_build_object('source', 'shop', 'id', 'C-' || n)),
        'Company ' || n % 500, 'Buyer',
        (ARRAY['lead', 'prospect', 'customer', 'advocate', 'churned'])[n % 5 + 1],
        ARRAY['newsletter', 'tag' || n % 50], '{{}}', 'de-DE', 'Europe/Berlin', at, 'web', 'spring',
        n % 40, CASE WHEN n % 40 > 0 THEN at + interval '40 days' END, n % 2 * 3, n % 2 * 149.70,
        CASE WHEN n % 2 = 1 THEN at + interval '1 day' END,
        CASE WHEN n % 2 = 1 THEN at + interval '30 days' END, at, at, 1
    FROM (SELECT n, timestamptz '2024-11-01 12:00Z' + n * interval '104 minutes 0.123456 seconds' AS at
          FROM generate_series(1, {count}) AS n) AS person
"""

_IDENTITIES = """
    INSERT INTO contact_identities (workspace_id, kind, source, value, contact_id)
    SELECT workspace_id, 'email', '', emails -> 0 ->> 'address', id FROM contacts
    UNION ALL
    SELECT workspace_id, 'external_id', 'shop', external_ids -> 0 ->> 'id', id FROM contacts
"""

_KEY = """
    INSERT INTO api_keys (workspace_id, id, name, prefix, key_hash, scopes, created_at, last_used_at)
    VALUES (md5('workspace1')::uuid, gen_random_uuid(), 'benchmark', $1, $2, '{admin}', now(), now())
    RETURNING workspace_id
"""
