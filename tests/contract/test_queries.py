"""What PostgreSQL does for the app's role, behind row-level security, where there are many rows.

Under row-level security an index serves only leakproof operators, so a query that was fast without it may
read the whole workspace. Each request is sent for real and every SELECT it makes is explained.
"""

import base64
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from fastapi import FastAPI
from sqlalchemy import event

from app.contacts.models import Channel
from app.contacts.service.consents import ConsentService
from app.contacts.service.matching import ContactMatcher
from app.contacts.service.suppressions import SuppressionService
from app.kit import database
from app.kit.database import Unit
from app.kit.filters import parse_filter
from app.kit.resources import Resources
from app.kit.tenancy import SEARCH_ROLE
from app.subscriptions import SWEEPS
from app.surveys.repository.public import PublicRepository, TokenHolder
from app.surveys.repository.responses import ResponseRepository
from app.surveys.repository.settling import SettlingRepository
from app.surveys.service.links import hash_of
from tests.contract.factories import World, a_world, make_consent
from tests.contract.rows import as_owner
from tests.crowds import copies

pytestmark = pytest.mark.slow

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

    world: World
    contact: asyncpg.Record
    touchpoint: asyncpg.Record
    endpoint_id: str


@pytest.fixture(scope="module")
async def crowd(app: FastAPI, resources: Resources) -> AsyncIterator[Crowd]:
    async with a_world(app, resources) as world, a_world(app, resources) as neighbour:
        await multiply(neighbour, NEIGHBOURS)
        await multiply(world, CONTACTS)
        async with as_owner(world) as owner:
            await owner.execute("ANALYZE")
            middle = "WHERE workspace_id = $1 ORDER BY id OFFSET $2 LIMIT 1"
            chosen = world.tenant.workspace_id, CONTACTS // 2
            contact = await owner.fetchrow(f"SELECT * FROM contacts {middle}", *chosen)
            touchpoint = await owner.fetchrow(f"SELECT * FROM touchpoints {middle}", *chosen)
        assert contact is not None
        assert touchpoint is not None
        yield Crowd(world, contact, touchpoint, await world.id("endpoint_id"))


def found_by(field: str, op: str, value: Any) -> dict[str, Any]:
    return {"filter": {"field": field, "op": op, "value": value}}


REQUESTS: dict[str, tuple[str, str, Any]] = {
    "a contact": ("GET", "/v1/contacts/{contact.id}", None),
    "contacts": ("GET", "/v1/contacts", None),
    "contacts by name": ("GET", "/v1/contacts?sort=display_name", None),
    "contacts by email": ("GET", "/v1/contacts?email={email}", None),
    "contacts by tag": ("GET", "/v1/contacts?tag=tag-77", None),
    "contacts by stage": ("GET", "/v1/contacts?lifecycle_stage=lead", None),
    "contacts by owner": ("GET", "/v1/contacts?owner_id={contact.owner_id}", None),
    "search by email": ("POST", "/v1/contacts/search", found_by("email", "eq", "{email}")),
    "search by external id": ("POST", "/v1/contacts/search", found_by("external_id", "eq", "{external_id}")),
    "search by tag": ("POST", "/v1/contacts/search", found_by("tags", "contains", "tag-77")),
    "search by attribute": ("POST", "/v1/contacts/search", found_by("attributes.plan", "eq", "plan-77")),
    "search by time": ("POST", "/v1/contacts/search", found_by("created_at", "within_last", "30d")),
    "consents of a contact": ("GET", "/v1/contacts/{contact.id}/consents?purpose=surveys", None),
    "what a contact allows": ("GET", "/v1/contacts/{contact.id}/consents/current", None),
    "suppressions": ("GET", "/v1/suppressions", None),
    "a suppressed address": ("GET", "/v1/suppressions?email=p77@example.com", None),
    "a touchpoint": ("GET", "/v1/touchpoints/{touchpoint.id}", None),
    "touchpoints": ("GET", "/v1/touchpoints", None),
    "touchpoints of a contact": ("GET", "/v1/touchpoints?contact_id={touchpoint.contact_id}", None),
    "touchpoints of a kind": ("GET", "/v1/touchpoints?kind=purchase", None),
    "touchpoints by their foreign id": (
        "GET", "/v1/touchpoints?source=shop&external_id={touchpoint.external_id}", None
    ),
    "a timeline": ("GET", "/v1/contacts/{touchpoint.contact_id}/timeline", None),
    "search by last score": ("POST", "/v1/contacts/search", found_by("surveys.nps.last_score", "lte", 0.5)),
    "search by any score": ("POST", "/v1/contacts/search", found_by("surveys.nps.last_score", "gte", 0)),
    "search by an answer of today": (
        "POST", "/v1/contacts/search", found_by("surveys.nps.last_answered_at", "within_last", "2h")
    ),
    "search by an answer of this month": (
        "POST", "/v1/contacts/search", found_by("surveys.nps.last_answered_at", "within_last", "30d")
    ),
    "search by an invitation of today": (
        "POST", "/v1/contacts/search", found_by("surveys.last_invited_at", "within_last", "2h")
    ),
    "search by an invitation of this month": (
        "POST", "/v1/contacts/search", found_by("surveys.last_invited_at", "within_last", "30d")
    ),
    "responses to a survey": ("GET", "/v1/surveys/{survey_id}/responses", None),
    "responses of a contact": ("GET", "/v1/surveys/{survey_id}/responses?contact_id={contact.id}", None),
    "a survey's public face": ("GET", "/v1/public/surveys/{token}", None),
    "a partner's response": ("POST", "/v1/surveys/{survey_id}/responses", {
        "contact_id": "{contact.id}", "answers": {"score": 3},
        "source": "shop", "external_id": "{contact.id}",
    }),
    "deliveries of an endpoint": ("GET", "/v1/webhook-endpoints/{endpoint_id}/deliveries", None),
    "failed deliveries": ("GET", "/v1/webhook-endpoints/{endpoint_id}/deliveries?status=failed", None),
    "the feed": ("GET", "/v1/events?after=20000", None),
    "an upsert": ("POST", "/v1/contacts/batch", {"items": [{"emails": [{"address": "{email}"}]}]}),
    "a purchase": ("POST", "/v1/touchpoints", {
        "contact": {"email": "{email}"}, "kind": "note", "occurred_at": "2026-01-31T09:00:00Z",
        "source": "shop", "external_id": "order-{contact.id}",
    }),
}  # fmt: skip

OF_NOBODY = parse_filter({"field": "company", "op": "eq", "value": "nobody"})

LISTS = {
    "/v1/contacts": ("contact", "created_at"),
    "/v1/contacts?sort=display_name": ("contact", "display_name"),
    "/v1/contacts?sort=updated_at": ("contact", "updated_at"),
    "/v1/contacts?lifecycle_stage=lead": ("contact", "created_at"),
    "/v1/touchpoints": ("touchpoint", "occurred_at"),
    "/v1/touchpoints?kind=purchase": ("touchpoint", "occurred_at"),
}


LOOKUPS: dict[str, tuple[str, str, Any]] = {
    "contacts_with_tags": ("wanted", "text[]", ["tag-77"]),
    "contacts_with_attribute": ("wanted", "jsonb[]", ['{"plan": "plan-77"}']),
    "find_survey_token": ("hash", "bytea", hash_of("nobody-has-it")),
}
"""The functions that look past the security of rows: their parameter, its type, and what to look for."""


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_reads_what_it_needs(
    name: str, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, path, body = REQUESTS[name]
    with statements(crowd, monkeypatch) as sent:
        answer = await crowd.world.client.request(
            method, filled(path, crowd), json=body and json.loads(filled(json.dumps(body), crowd))
        )

    assert answer.is_success, answer.text
    assert answer.json().get("items") != []
    assert await wasteful(crowd, sent) == []


async def test_what_an_answer_is_led_by_has_its_indexes(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, survey_id = crowd.world, UUID(crowd.world.made["survey_id"])
    holder = TokenHolder(world.tenant.workspace_id, UUID(world.made["invitation_id"]), None)
    with statements(crowd, monkeypatch) as sent:
        async with world.resources.database.unit(world.tenant.workspace_id) as unit:
            settling, responses = SettlingRepository(unit), ResponseRepository(unit)
            assert await PublicRepository(unit, holder).open_frozen()
            await settling.note(survey_id, unit.now, 5)
            await settling.invitations(survey_id)
            await settling.settle(survey_id, [], [])
            await responses.unsettled(survey_id)
            await responses.of_invitation(UUID(world.made["invitation_id"]))

    assert await wasteful(crowd, sent) == []


@pytest.mark.parametrize("channel", [None, "email", "sms"])
async def test_who_may_be_asked_is_looked_up_by_key(
    channel: Channel | None, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = crowd.world
    async with world.resources.database.unit(world.tenant.workspace_id, read_only=True) as unit:
        ids = await ContactMatcher(unit).matching(None, limit=200)

    with statements(crowd, monkeypatch) as sent:
        async with world.resources.database.unit(world.tenant.workspace_id, read_only=True) as unit:
            await ContactMatcher(unit).matching(None, after=ids[0], limit=200)
            await ContactMatcher(unit).matching(OF_NOBODY, among=ids, limit=200)
            await ContactMatcher(unit).states(ids)
            assert await ConsentService(unit).granted(ids, "surveys", channel) == set(ids)
            await ConsentService(unit).latest_of(ids[0], (unit.now, ids[0]), 10)
            await SuppressionService(unit).suppressed(ids, channel)

    assert len(sent) > 6
    assert await wasteful(crowd, sent) == []


@pytest.mark.parametrize("path", LISTS)
async def test_a_page_deep_in_a_list_costs_what_the_first_costs(
    path: str, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, column = LISTS[path]
    client = crowd.world.client
    first = (await client.get(path, params={"limit": 50} | params_of(path))).json()
    row = getattr(crowd, kind)

    with statements(crowd, monkeypatch) as sent:
        answer = await client.get(
            path.partition("?")[0],
            params={"limit": 50, "cursor": moved(first["next_cursor"], row[column], row["id"])}
            | params_of(path),
        )

    assert len(answer.json()["items"]) == 50
    assert await wasteful(crowd, sent) == []


@pytest.mark.parametrize("function", sorted({sweep.due_function for sweep in SWEEPS}))
async def test_looking_for_due_work_reads_no_big_table(function: str, crowd: Crowd) -> None:
    """The search role sees all workspaces: it may look at one row of each, and not at every row."""
    async with as_owner(crowd.world) as owner:
        body = await owner.fetchval("SELECT prosrc FROM pg_proc WHERE proname = $1", function)
        await owner.execute(f"SET ROLE {SEARCH_ROLE}")
        plan = await explain(owner, body, ())
        workspaces = await owner.fetchval("SELECT count(*) FROM workspaces")

    assert list(faults(plan, MOST_ROWS_READ + workspaces)) == []


@pytest.mark.parametrize("function", LOOKUPS)
async def test_a_look_up_past_row_level_security_uses_its_index(function: str, crowd: Crowd) -> None:
    name, kind, wanted = LOOKUPS[function]
    async with as_owner(crowd.world) as owner:
        body = await owner.fetchval("SELECT prosrc FROM pg_proc WHERE proname = $1", function)
        await owner.execute(f"SET ROLE {SEARCH_ROLE}")
        plan = await explain(owner, re.sub(rf"\b{name}\b", f"$1::{kind}", body), (wanted,))

    assert list(faults(plan)) == []


async def test_the_measure_sees_a_scan(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the silence above means something."""
    with statements(crowd, monkeypatch) as sent:
        await crowd.world.client.post("/v1/contacts/search", json=found_by("company", "contains", "nobody"))

    assert any("contacts" in fault for fault in await wasteful(crowd, sent))


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


async def wasteful(crowd: Crowd, sent: list[Statement]) -> list[str]:
    """The reads among these statements that look at more than they need, by the plan PostgreSQL makes."""
    found = []
    async with crowd.world.resources.database.unit(crowd.world.tenant.workspace_id) as unit:
        for query, arguments in sent:
            if query.lstrip().upper().startswith(("SELECT", "WITH")):
                plan = await explain(unit.connection, query, arguments)
                found += [f"{fault} in {query}" for fault in faults(plan)]
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


def params_of(path: str) -> dict[str, str]:
    query = path.partition("?")[2]
    return dict([query.split("=")]) if query else {}


def moved(cursor: str, value: Any, row_id: Any) -> str:
    """A cursor of the same query that stands after another row."""
    packed = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    packed[:2] = value if isinstance(value, str) else value.isoformat(), str(row_id)
    return base64.urlsafe_b64encode(orjson.dumps(packed)).decode().rstrip("=")
