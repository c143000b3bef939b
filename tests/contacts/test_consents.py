"""Consents: an append-only ledger, in which denying wins."""

import random
from datetime import datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import asyncpg
import httpx
import pytest

from app.contacts.models import Channel
from app.contacts.schemas import Consent
from app.contacts.schemas.consents import ConsentCreate
from app.contacts.service.consents import ConsentService
from app.kit.ids import new_id
from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.contacts.test_contacts import create, places
from tests.stand_ins import MovableClock

CHANNELS: tuple[Channel | None, ...] = (None, *get_args(Channel))


@pytest.fixture
async def ada(client: httpx.AsyncClient) -> str:
    return str((await create(client, given_name="Ada"))["id"])


async def say(client: httpx.AsyncClient, contact_id: str, state: str, **more: Any) -> dict[str, Any]:
    body = {"purpose": "surveys", "state": state} | more
    response = await client.post(f"/v1/contacts/{contact_id}/consents", json=body)
    assert response.status_code == 201, response.text
    said: dict[str, Any] = response.json()
    return said


async def holds(
    resources: Resources, tenant: Tenant, contact_id: str, channel: Channel | None
) -> tuple[bool, bool]:
    """Whether surveys are denied, and whether they are granted."""
    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        service, ids = ConsentService(unit), [UUID(contact_id)]
        denied = await service.denied(ids, "surveys", channel)
        granted = await service.granted(ids, "surveys", channel)
    return bool(denied), bool(granted)


async def test_what_a_contact_says_is_kept_as_it_was_said(client: httpx.AsyncClient, ada: str) -> None:
    said = await say(
        client,
        ada,
        "granted",
        channel="email",
        basis="contract",
        source=" checkout ",
        note="Box ticked.",
        at="2026-01-31T10:00:00+01:00",
    )

    assert said | {"id": None, "recorded_at": None} == {
        "id": None,
        "contact_id": ada,
        "purpose": "surveys",
        "channel": "email",
        "state": "granted",
        "basis": "contract",
        "source": "checkout",
        "note": "Box ticked.",
        "at": "2026-01-31T09:00:00Z",
        "recorded_at": None,
    }


async def test_the_rest_is_filled_in(client: httpx.AsyncClient, ada: str) -> None:
    said = await say(client, ada, "denied")

    assert said["at"] == said["recorded_at"]
    assert (said["channel"], said["basis"], said["source"], said["note"]) == (None, "consent", None, None)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"purpose": "all of it"}, "/purpose"),
        ({"channel": "pigeon"}, "/channel"),
        ({"state": "perhaps"}, "/state"),
        ({"basis": "habit"}, "/basis"),
        ({"source": ""}, "/source"),
        ({"at": "yesterday"}, "/at"),
        ({"at": "2199-01-01T00:00:00Z"}, "/at"),
        ({"id": "mine"}, "/id"),
    ],
)
async def test_what_makes_no_sense_is_refused_at_its_place(
    client: httpx.AsyncClient, ada: str, change: dict[str, str], pointer: str
) -> None:
    body = {"purpose": "surveys", "state": "granted"} | change

    refused = await client.post(f"/v1/contacts/{ada}/consents", json=body)

    assert refused.status_code == 422
    assert places(refused) == {pointer}


async def test_a_clock_that_is_ahead_dates_nothing_after_now(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, ada: str, clock: MovableClock
) -> None:
    ahead = clock.now() + timedelta(hours=23)
    said = await say(client, ada, "granted", at=ahead.isoformat())
    await say(client, ada, "denied")

    assert said["at"] == said["recorded_at"]
    assert await holds(resources, tenant, ada, None) == (True, False)


async def test_the_list_begins_with_what_was_said_last(client: httpx.AsyncClient, ada: str) -> None:
    days = ["2026-01-02", "2026-01-03", "2026-01-01"]
    said = {day: await say(client, ada, "granted", at=f"{day}T00:00:00Z") for day in days}
    await say(client, ada, "denied", purpose="marketing")

    first = (await client.get(f"/v1/contacts/{ada}/consents?purpose=Surveys&limit=2")).json()
    second = (
        await client.get(
            f"/v1/contacts/{ada}/consents",
            params={"purpose": "surveys", "limit": 2, "cursor": first["next_cursor"]},
        )
    ).json()

    assert first["items"] + second["items"] == [said[day] for day in sorted(days, reverse=True)]
    assert second["next_cursor"] is None


async def test_what_holds_now_is_the_latest_entry_of_each_purpose_and_channel(
    client: httpx.AsyncClient, ada: str
) -> None:
    old = await say(client, ada, "granted", channel="email", at="2026-01-01T00:00:00Z")
    new = await say(client, ada, "denied", channel="email", at="2026-01-02T00:00:00Z")
    late_news = await say(client, ada, "granted", channel="email", at="2025-01-01T00:00:00Z")
    everywhere = await say(client, ada, "granted")
    other = await say(client, ada, "granted", purpose="marketing", channel="post")

    current = (await client.get(f"/v1/contacts/{ada}/consents/current")).json()

    assert {old["id"], late_news["id"]} & {each["consent_id"] for each in current["items"]} == set()
    assert current["items"] == [
        {name: entry[name] for name in ("purpose", "channel", "state", "at")} | {"consent_id": entry["id"]}
        for entry in (other, everywhere, new)
    ]


async def test_of_two_entries_of_one_instant_the_later_recorded_holds(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, ada: str
) -> None:
    for state in ("granted", "denied", "granted"):
        await say(client, ada, state, at="2026-01-01T00:00:00Z")

    assert await holds(resources, tenant, ada, None) == (False, True)


@pytest.mark.parametrize("on_channel", [None, "granted", "denied"])
@pytest.mark.parametrize("on_all", [None, "granted", "denied"])
async def test_a_denial_wins_wherever_it_stands(
    client: httpx.AsyncClient,
    resources: Resources,
    tenant: Tenant,
    ada: str,
    on_channel: str | None,
    on_all: str | None,
) -> None:
    if on_channel:
        await say(client, ada, on_channel, channel="email")
    if on_all:
        await say(client, ada, on_all)
    said = {on_channel, on_all}

    assert await holds(resources, tenant, ada, "email") == (
        "denied" in said,
        "granted" in said and "denied" not in said,
    )
    assert await holds(resources, tenant, ada, "sms") == (on_all == "denied", on_all == "granted")
    assert await holds(resources, tenant, ada, None) == (on_all == "denied", on_all == "granted")


@pytest.mark.parametrize("seed", range(4))
async def test_many_ledgers_at_once_say_what_reading_each_says(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, seed: int
) -> None:
    dice = random.Random(seed)
    people = [UUID((await create(client))["id"]) for _ in range(8)]
    async with resources.database.unit(tenant.workspace_id) as unit:
        service = ConsentService(unit)
        said = [
            await service.record(dice.choice(people), an_entry(dice, unit.now))
            for _ in range(dice.randrange(80))
        ]
        for channel in (None, "email", "sms"):
            expected = {person: verdict(said, person, channel) for person in people}
            denied = await service.denied(people, "surveys", channel)
            granted = await service.granted(people, "surveys", channel)

            assert denied == {person for person in people if expected[person] == "denied"}
            assert granted == {person for person in people if expected[person] == "granted"}


def an_entry(dice: random.Random, now: datetime) -> ConsentCreate:
    """Few instants, purposes and channels, so that many entries meet."""
    return ConsentCreate(
        purpose=dice.choice(["surveys", "marketing"]),
        channel=dice.choice([None, "email", "sms"]),
        state=dice.choice(["granted", "denied"]),
        at=now - timedelta(days=dice.randrange(5)),
    )


def verdict(said: list[Consent], person: UUID, channel: Channel | None) -> str | None:
    """By the words of the rule: of the latest entries that are about it, one denial is enough."""
    latest: dict[Channel | None, Consent] = {}
    for entry in sorted(said, key=lambda entry: (entry.at, entry.id)):
        if entry.contact_id == person and entry.purpose == "surveys":
            latest[entry.channel] = entry
    states = {latest[slot].state for slot in {None, channel} if slot in latest}
    return "denied" if "denied" in states else "granted" if states else None


async def test_every_channel_of_touchpoints_can_be_spoken_of(client: httpx.AsyncClient, ada: str) -> None:
    for channel in CHANNELS:
        assert (await say(client, ada, "granted", channel=channel))["channel"] == channel


async def test_a_purpose_is_the_same_however_it_is_written(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, ada: str
) -> None:
    await say(client, ada, "denied", purpose="Surveys")

    assert await holds(resources, tenant, ada, "email") == (True, False)


async def test_an_archived_contact_may_still_object(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, ada: str
) -> None:
    await client.delete(f"/v1/contacts/{ada}")

    await say(client, ada, "denied")

    assert await holds(resources, tenant, ada, None) == (True, False)


async def test_nobody_is_asked_about_without_a_query(resources: Resources, tenant: Tenant) -> None:
    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        assert await ConsentService(unit).denied([], "surveys", None) == set()
        assert await ConsentService(unit).granted([new_id()], "surveys", None) == set()


async def test_a_timeline_reads_on_from_where_it_was(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, ada: str
) -> None:
    said = [await say(client, ada, "granted", at="2026-01-01T00:00:00Z") for _ in range(3)]
    person = UUID(ada)

    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        service = ConsentService(unit)
        first = await service.latest_of(person, None, 2)
        rest = await service.latest_of(person, (first[-1].at, first[-1].id), 2)

    assert [str(each.id) for each in first + rest] == [each["id"] for each in reversed(said)]


async def test_each_entry_is_an_event(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, ada: str
) -> None:
    said = await say(client, ada, "denied")

    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        told = await unit.connection.fetch(
            "SELECT subject_id, data FROM events WHERE type = 'contact.consent_changed'"
        )
    assert [tuple(event) for event in told] == [(UUID(ada), {"contact_id": ada, "consent": said})]


@pytest.mark.parametrize("path", ["consents", "consents/current"])
async def test_a_contact_of_another_workspace_is_an_unknown_one(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, ada: str, path: str
) -> None:
    await say(client, ada, "granted")

    assert (await other_client.get(f"/v1/contacts/{ada}/{path}")).status_code == 404
    assert (await client.get(f"/v1/contacts/{new_id()}/{path}")).status_code == 404


async def test_nothing_is_recorded_of_a_contact_of_another_workspace(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, ada: str
) -> None:
    body = {"purpose": "surveys", "state": "granted"}

    assert (await other_client.post(f"/v1/contacts/{ada}/consents", json=body)).status_code == 404
    assert (await client.get(f"/v1/contacts/{ada}/consents")).json()["items"] == []


async def test_other_workspaces_hold_nothing_against_the_contact(
    client: httpx.AsyncClient, resources: Resources, other_tenant: Tenant, ada: str
) -> None:
    await say(client, ada, "denied")

    assert await holds(resources, other_tenant, ada, None) == (False, False)


@pytest.mark.parametrize(
    "attempt",
    ["UPDATE consents SET state = 'granted'", "UPDATE consents SET at = now()", "DELETE FROM consents"],
)
async def test_what_was_said_cannot_be_unsaid(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, ada: str, attempt: str
) -> None:
    await say(client, ada, "denied")

    async with resources.database.raw() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT set_config('app.workspace_id', $1, true)", str(tenant.workspace_id))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(attempt)
        await transaction.rollback()


async def test_the_ledger_goes_with_its_contact(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, ada: str
) -> None:
    await say(client, ada, "denied")

    async with resources.database.unit(tenant.workspace_id) as unit:
        await unit.connection.execute("DELETE FROM contacts WHERE id = $1", UUID(ada))

        assert await unit.connection.fetchval("SELECT count(*) FROM consents") == 0
