"""A workspace with many rows among others, and what PostgreSQL reads of them for a request."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from fastapi import FastAPI
from sqlalchemy import event

from app.kit import database
from app.kit.database import Unit
from app.kit.resources import Resources
from tests.contract.factories import World, a_world, make_consent
from tests.contract.rows import as_owner
from tests.crowds import copies

Statement = tuple[str, tuple[Any, ...]]

CONTACTS, NEIGHBOURS = 50_000, 10_000
MOST_ROWS_READ = 2_000
BIG = {
    "contacts", "contact_identities", "consents", "suppressions", "touchpoints", "events", "idempotency_keys",
    "webhook_deliveries", "survey_invitations", "survey_responses", "survey_contact_scores",
}  # fmt: skip


@dataclass(frozen=True)
class Crowd:
    """A workspace with many rows, and one contact and touchpoint from the middle of them."""

    app: FastAPI
    world: World
    contact: asyncpg.Record
    touchpoint: asyncpg.Record
    endpoint_id: str
    is_known: bool = False


@asynccontextmanager
async def a_crowd(app: FastAPI, resources: Resources) -> AsyncIterator[Crowd]:
    """PostgreSQL knows of the neighbours, and has not looked again since the crowd has come."""
    async with a_world(app, resources) as world, a_world(app, resources) as neighbour:
        await multiply(neighbour, NEIGHBOURS)
        async with as_owner(world) as owner:
            for table in BIG:
                await owner.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
            await owner.execute("ANALYZE")
            await multiply(world, CONTACTS)
            middle = "WHERE workspace_id = $1 ORDER BY id OFFSET $2 LIMIT 1"
            chosen = world.tenant.workspace_id, CONTACTS // 2
            contact = await owner.fetchrow(f"SELECT * FROM contacts {middle}", *chosen)
            touchpoint = await owner.fetchrow(f"SELECT * FROM touchpoints {middle}", *chosen)
            assert contact is not None
            assert touchpoint is not None
            yield Crowd(app, world, contact, touchpoint, await world.id("endpoint_id"))


async def multiply(world: World, many: int) -> None:
    """Copies of one real row of each kind."""
    for name in (
        "contact_id", "touchpoint_id", "definition_id", "delivery_id", "suppression_id", "invitation_id",
        "response_id", "token",
    ):  # fmt: skip
        await world.id(name)
    await make_consent(world)
    await world.post("/v1/attribute-definitions", {"key": "plan", "type": "text"})
    async with as_owner(world) as owner:
        for statement in COPIES:
            await owner.execute(statement, world.tenant.workspace_id, many)


NUMBERED_CONTACTS = """
    (SELECT id, row_number() OVER (ORDER BY id) AS number FROM contacts
     WHERE workspace_id = $1 AND $2::int > 0) AS i
"""

COPIES = [
    copies("contacts", {
        "id": "gen_random_uuid()",
        "created_at": "one.created_at - i * interval '1 minute'",
        "updated_at": "one.updated_at - i * interval '1 minute'",
        "display_name": "'Name ' || i",
        "tags": "ARRAY['tag-' || i % 1000]",
        "attributes": "jsonb_build_object('plan', 'plan-' || i % 1000)",
        "owner_id": "CASE WHEN i % 100 = 0 THEN one.owner_id END",
        "lifecycle_stage": "CASE WHEN i % 3 = 0 THEN 'lead' ELSE 'customer' END",
    }),
    """
        INSERT INTO contact_identities (workspace_id, kind, source, value, contact_id)
        SELECT workspace_id, kind, CASE kind WHEN 'email' THEN '' ELSE 'shop' END, id || '@example.com', id
        FROM contacts, unnest(ARRAY['email', 'external_id']) AS kind WHERE workspace_id = $1 AND $2::int > 0
        ON CONFLICT DO NOTHING
    """,
    copies("touchpoints", {
        "id": "gen_random_uuid()",
        "contact_id": "i.id",
        "external_id": "'order-' || i.id",
        "occurred_at": "one.occurred_at - i.number * interval '1 minute'",
        "recorded_at": "one.recorded_at - i.number * interval '1 minute'",
    }, NUMBERED_CONTACTS),
    copies("survey_invitations", {
        "id": "gen_random_uuid()",
        "contact_id": "i.id",
        "token_hash": "sha256(i.id::text::bytea)",
        "next_reminder_at": "NULL",
        "created_at": "one.created_at - i.number * interval '1 minute'",
    }, NUMBERED_CONTACTS),
    copies("survey_responses", {
        "id": "gen_random_uuid()",
        "contact_id": "i.id",
        "invitation_id": "NULL",
        "score": "CASE WHEN i.number % 1000 = 0 THEN 0 ELSE 9 END",
        "answered_at": "one.answered_at - i.number * interval '1 minute'",
        "answered_on": "one.answered_on - (i.number / 1440)::int",
    }, NUMBERED_CONTACTS),
    """
        INSERT INTO survey_contact_scores
        SELECT DISTINCT ON (contact_id) workspace_id, contact_id, score_type, score, answered_at, id
        FROM survey_responses WHERE workspace_id = $1 AND $2::int > 0 AND contact_id IS NOT NULL
        ORDER BY contact_id, answered_at DESC ON CONFLICT DO NOTHING
    """,
    copies("consents", {
        "id": "gen_random_uuid()",
        "contact_id": "i.id",
        "at": "one.at - i.times * interval '1 minute'",
    }, """
        (SELECT id, times FROM contacts, generate_series(1, 3) AS times
         WHERE workspace_id = $1 AND $2::int > 0) AS i
    """),
    copies("suppressions", {
        "id": "gen_random_uuid()",
        "value": "'p' || i || '@example.com'",
        "created_at": "one.created_at - i * interval '1 minute'",
    }),
    copies("events", {"id": "gen_random_uuid()", "sequence": "1000 + i"}),
    """
        INSERT INTO event_streams (workspace_id, last_sequence) VALUES ($1, 1000 + $2)
        ON CONFLICT (workspace_id) DO UPDATE SET last_sequence = excluded.last_sequence
    """,
    copies("idempotency_keys", {"key": "'key ' || i"}),
    copies("webhook_deliveries", {
        "id": "gen_random_uuid()",
        "status": "CASE WHEN i % 1000 = 0 THEN 'failed' ELSE 'succeeded' END",
        "due_at": "NULL",
        "created_at": "one.created_at - i * interval '1 second'",
        "finished_at": "one.created_at",
    }),
]  # fmt: skip


@contextmanager
def statements(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Statement]]:
    """What is sent to the database in the meantime, by SQLAlchemy and by the driver alone."""
    sent: list[Statement] = []
    engine = crowd.world.resources.database.engine.sync_engine
    connections = []

    def from_sqlalchemy(
        _c: Any, _cursor: Any, query: str, arguments: Any, _context: Any, _many: bool
    ) -> None:
        sent.append((query, tuple(arguments)))

    def from_driver(query: asyncpg.connection.LoggedQuery) -> None:
        sent.append((query.query, tuple(query.args or ())))

    def observed(bind: Any, connection: Any, *rest: Any) -> Unit:
        connection.add_query_logger(from_driver)
        connections.append(connection)
        return Unit(bind, connection, *rest)

    event.listen(engine, "before_cursor_execute", from_sqlalchemy)
    monkeypatch.setattr(database, "Unit", observed)
    try:
        yield sent
    finally:
        monkeypatch.undo()
        event.remove(engine, "before_cursor_execute", from_sqlalchemy)
        for connection in connections:
            connection.remove_query_logger(from_driver)


async def wasteful(crowd: Crowd, sent: list[Statement], most: int = MOST_ROWS_READ) -> list[str]:
    """The reads among these statements that look at more than they need, by the plan PostgreSQL makes."""
    found = []
    async with crowd.world.resources.database.unit(crowd.world.tenant.workspace_id) as unit:
        for query, arguments in sent:
            if query.lstrip().upper().startswith(("SELECT", "WITH")):
                plan = await explain(unit.connection, query, arguments)
                found += [f"{fault} in {query}" for fault in faults(plan, most)]
        await unit.connection.execute("SET TRANSACTION READ ONLY")
    assert sent
    return found


async def explain(connection: Any, query: str, arguments: tuple[Any, ...]) -> dict[str, Any]:
    told = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *arguments)
    plans = json.loads(told) if isinstance(told, str) else told
    plan: dict[str, Any] = plans[0]["Plan"]
    return plan


def faults(node: dict[str, Any], most: int = MOST_ROWS_READ) -> Iterator[str]:
    loops, table = node["Actual Loops"], node.get("Relation Name")
    read = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * loops
    if node["Node Type"] == "Seq Scan" and table in BIG:
        yield f"a scan of all {table}"
    elif table in BIG and read > most:
        yield f"{read} rows of {table} read"
    if (compared := node.get("Rows Removed by Join Filter", 0) * loops) > most:
        yield f"{compared} pairs compared"
    for below in node.get("Plans", ()):
        yield from faults(below, most)


def filled(text: str, crowd: Crowd) -> str:
    """The text with the chosen rows' values in it."""
    contact, touchpoint = crowd.contact, crowd.touchpoint
    values = {
        "{contact.id}": contact["id"],
        "{contact.owner_id}": crowd.world.made["member_id"],
        "{email}": f"{contact['id']}@example.com",
        "{external_id}": f"{contact['id']}@example.com",
        "{touchpoint.id}": touchpoint["id"],
        "{touchpoint.contact_id}": touchpoint["contact_id"],
        "{touchpoint.external_id}": touchpoint["external_id"],
        "{endpoint_id}": crowd.endpoint_id,
        "{survey_id}": crowd.world.made["survey_id"],
        "{token}": crowd.world.made["token"],
    }
    for place, value in values.items():
        text = text.replace(place, str(value))
    return text
