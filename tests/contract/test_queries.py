"""What PostgreSQL does for the app's role, behind row-level security, where there are many rows.

Under row-level security an index serves only leakproof operators, so a query that was fast without it may
read the whole workspace. Each request is sent for real and every SELECT it makes is explained.
"""

import base64
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import orjson
import pytest

from app.contacts.models import Channel
from app.contacts.service.consents import ConsentService
from app.contacts.service.matching import ContactMatcher
from app.contacts.service.suppressions import SuppressionService
from app.kit import outbox
from app.kit.embedded import EmbeddedServer
from app.kit.filters import parse_filter
from app.kit.resources import DatabaseAddress, open_resources
from app.kit.tenancy import SEARCH_ROLE
from app.main import create_app
from app.settings import Settings
from app.subscriptions import SWEEPS
from app.surveys.repository.public import PublicRepository, TokenHolder
from app.surveys.repository.responses import ResponseRepository
from app.surveys.repository.settling import SettlingRepository
from app.surveys.service.links import hash_of
from tests.conftest import a_database
from tests.contract.crowd import (
    CONTACTS,
    MOST_ROWS_READ,
    Crowd,
    a_crowd,
    explain,
    faults,
    filled,
    statements,
    wasteful,
)
from tests.contract.factories import a_world
from tests.contract.rows import as_owner
from tests.crowds import copies

pytestmark = pytest.mark.slow

BACKLOG = 5_000
UNTIL_LOOKED = {"responses of a contact", "search by an invitation of this month"}
"""What may look at each once as long as PostgreSQL does not know that nearly all are meant."""


@pytest.fixture(scope="module")
def place(server: EmbeddedServer) -> DatabaseAddress:
    """A database for the crowd alone: what other tests leave would be in PostgreSQL's figures."""
    return a_database(server, "crowd")


@pytest.fixture(scope="module")
async def everybody(place: DatabaseAddress, settings: Settings) -> AsyncIterator[Crowd]:
    resources = open_resources(settings, place)
    async with a_crowd(create_app(resources), resources) as crowd:
        yield crowd
    await resources.close()


@pytest.fixture(scope="module", params=["unheard of", "known"])
async def crowd(everybody: Crowd, request: pytest.FixtureRequest) -> Crowd:
    """First a tenant whose rows have just come, and of whom PostgreSQL has no statistics yet."""
    if request.param == "known":
        async with as_owner(everybody.world) as owner:
            await owner.execute("ANALYZE")
    return replace(everybody, is_known=request.param == "known")


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

SWEEPING = {
    "contacts": {"filter": {"or": [
        {"field": "company", "op": "contains", "value": "nobody"},
        {"field": "email", "op": "contains", "value": "nobody"},
        {"field": "surveys.response_count", "op": "gte", "value": 2},
    ]}},
    "touchpoints": found_by("summary", "contains", "nothing"),
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
    most = CONTACTS + MOST_ROWS_READ if name in UNTIL_LOOKED and not crowd.is_known else MOST_ROWS_READ
    assert await wasteful(crowd, sent, most) == []


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
            await settling.settle(survey_id, [], [], None)
            await responses.unsettled(survey_id)
            await responses.of_invitation(UUID(world.made["invitation_id"]))
            await responses.answered_since([UUID(world.made["invitation_id"])])

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


async def test_a_small_workspace_among_large_ones_reads_its_own(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked for: all that the table has are mostly the rows of others."""
    async with a_world(crowd.app, crowd.world.resources) as world:
        small = replace(crowd, world=world)
        for name in ("contact_id", "touchpoint_id", "invitation_id"):
            await world.id(name)
        with statements(small, monkeypatch) as sent:
            for noun, wanted in SWEEPING.items():
                answer = await world.client.post(f"/v1/{noun}/search", json=wanted)
                assert answer.is_success, answer.text

        assert await wasteful(small, sent) == []


async def test_a_backlog_of_events_is_numbered_without_comparing_each_with_each(crowd: Crowd) -> None:
    workspace_id = crowd.world.tenant.workspace_id
    async with as_owner(crowd.world) as owner:
        await owner.execute(
            copies("events", {"id": "gen_random_uuid()", "sequence": "NULL"}), workspace_id, BACKLOG
        )
    async with crowd.world.resources.database.unit(workspace_id) as unit:
        plan = await explain(unit.connection, outbox._NUMBER, (workspace_id, 100_000, 2 * BACKLOG))
        unnumbered = await unit.connection.fetchval("SELECT count(*) FROM events WHERE sequence IS NULL")
        await unit.connection.execute("DELETE FROM events WHERE sequence > 100000")

    assert unnumbered == 0
    # Not more than one look at each: those it has, and those it gets.
    assert list(faults(plan, CONTACTS + 3 * BACKLOG)) == []


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


def params_of(path: str) -> dict[str, str]:
    query = path.partition("?")[2]
    return dict([query.split("=")]) if query else {}


def moved(cursor: str, value: Any, row_id: Any) -> str:
    """A cursor of the same query that stands after another row."""
    packed = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    packed[:2] = value if isinstance(value, str) else value.isoformat(), str(row_id)
    return base64.urlsafe_b64encode(orjson.dumps(packed)).decode().rstrip("=")
