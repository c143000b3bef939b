"""The circuit breaker and what ends in `failing` or `disabled`."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from app.kit.resources import Resources
from app.webhooks.models import EndpointRow
from app.webhooks.service.health import PAUSE, is_open, note_try
from tests.conftest import Tenant
from tests.receivers import Reply, receiver
from tests.stand_ins import MovableClock
from tests.webhooks.world import (
    ENDPOINTS,
    deliveries,
    drain,
    get,
    instant,
    only_delivery,
    post,
    publish,
    relay,
    reload,
    subscribe,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def endpoint_row() -> EndpointRow:
    return EndpointRow(status="enabled", consecutive_failures=0, recent_tries=[], archived_at=None)


def tried(
    endpoint: EndpointRow, outcomes: Sequence[bool], at: datetime, *, every: timedelta = timedelta()
) -> None:
    for number, ok in enumerate(outcomes):
        note_try(endpoint, ok=ok, at=at + number * every, probe=False)


def test_nine_failures_do_not_stop_an_endpoint_and_ten_do() -> None:
    endpoint = endpoint_row()
    tried(endpoint, [False] * 9, NOON)
    assert (endpoint.status, endpoint.paused_until) == ("enabled", None)
    tried(endpoint, [False], NOON)
    assert (endpoint.status, endpoint.paused_until) == ("failing", NOON + PAUSE)
    assert not is_open(endpoint, NOON)
    assert is_open(endpoint, NOON + PAUSE)


def test_six_failures_of_ten_are_no_reason_to_stop_and_seven_are() -> None:
    six, seven = endpoint_row(), endpoint_row()
    tried(six, [True] * 4 + [False] * 6, NOON)
    tried(seven, [True] * 3 + [False] * 7, NOON)
    assert (six.paused_until, seven.paused_until) == (None, NOON + PAUSE)


def test_failures_are_forgotten_after_five_minutes() -> None:
    endpoint = endpoint_row()
    tried(endpoint, [False] * 9, NOON)
    tried(endpoint, [False] * 5, NOON + timedelta(minutes=6))
    assert endpoint.paused_until is None


def test_one_probe_decides_whether_a_pause_ends() -> None:
    endpoint = endpoint_row()
    tried(endpoint, [False] * 10, NOON)
    note_try(endpoint, ok=False, at=NOON + timedelta(seconds=31), probe=True)
    assert endpoint.paused_until == NOON + timedelta(seconds=61)
    note_try(endpoint, ok=True, at=NOON + timedelta(seconds=62), probe=True)
    assert (endpoint.status, endpoint.paused_until, endpoint.recent_tries) == ("enabled", None, [])


def test_half_an_hour_without_a_success_is_failing_and_one_success_ends_it() -> None:
    endpoint = endpoint_row()
    tried(endpoint, [False] * 4, NOON, every=timedelta(minutes=10))
    assert endpoint.status == "failing"
    tried(endpoint, [True], NOON + timedelta(hours=1))
    assert (endpoint.status, endpoint.consecutive_failures, endpoint.failing_since) == ("enabled", 0, None)


def test_five_days_of_failures_disable() -> None:
    endpoint = endpoint_row()
    tried(endpoint, [False] * 5, NOON, every=timedelta(days=1))
    assert endpoint.status == "failing"
    tried(endpoint, [False], NOON + timedelta(days=5))
    assert (endpoint.status, endpoint.disabled_reason) == ("disabled", "too_many_failures")


def test_two_failures_a_month_apart_do_not_disable() -> None:
    endpoint = endpoint_row()
    tried(endpoint, [False] * 2, NOON, every=timedelta(days=30))
    assert endpoint.status == "enabled"


async def test_a_failing_endpoint_is_left_alone_and_says_so_once(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, clock: MovableClock
) -> None:
    async with receiver(reply=Reply(500)) as partner:
        endpoint = await subscribe(client, partner, "contact.created")
        await publish(resources, tenant, 60)
        await drain(resources, tenant, endpoint)
        tried_at_first = len(partner.posted)
        assert 10 <= tried_at_first < 10 + 8
        paused = await reload(client, endpoint)
        assert paused["status"] == "failing"
        assert paused["paused_until"] is not None
        clock.set(instant(paused["paused_until"]) + timedelta(seconds=1))
        await drain(resources, tenant, endpoint)
        await drain(resources, tenant, endpoint)
        assert len(partner.posted) == tried_at_first + 1, "one probe, and no more"
        partner.reply = Reply()
        clock.advance(minutes=10)
        await drain(resources, tenant, endpoint)
        healed = await reload(client, endpoint)
        assert (healed["status"], healed["consecutive_failures"], healed["paused_until"]) == (
            "enabled",
            0,
            None,
        )
        assert {row["status"] for row in await deliveries(client, endpoint)} == {"succeeded"}
    (event,) = await announced(client, resources, tenant, "endpoint.failing")
    assert event["data"]["endpoint"]["id"] == endpoint["id"]
    assert event["data"]["endpoint"]["status"] == "failing"


async def test_untried_messages_of_a_paused_endpoint_cost_them_no_try(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    async with receiver(reply=Reply(500)) as partner:
        endpoint = await subscribe(client, partner)
        await publish(resources, tenant, 60)
        await drain(resources, tenant, endpoint)
        rows = await deliveries(client, endpoint)
        assert sum(row["attempt_count"] for row in rows) == len(partner.posted)


async def test_410_disables_and_enabling_sends_what_waited(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    async with receiver(reply=Reply(410)) as partner:
        endpoint = await subscribe(client, partner, "contact.created")
        await publish(resources, tenant)
        await drain(resources, tenant, endpoint)
        gone = await reload(client, endpoint)
        assert (gone["status"], gone["disabled_reason"]) == ("disabled", "gone")
        delivery = await only_delivery(client, endpoint)
        assert delivery["status"] == "failed"
        (event,) = await announced(client, resources, tenant, "endpoint.disabled")
        assert event["data"]["reason"] == "gone"
        await publish(resources, tenant)
        assert len(await deliveries(client, endpoint)) == 1, "nothing is owed to a disabled endpoint"
        assert (await client.post(f"{ENDPOINTS}/{endpoint['id']}/ping")).status_code == 409
        assert (await client.post(f"/v1/webhook-deliveries/{delivery['id']}/retry")).status_code == 409
        partner.reply = Reply()
        enabled = await post(client, f"{ENDPOINTS}/{endpoint['id']}/enable")
        assert (enabled["status"], enabled["disabled_reason"], enabled["consecutive_failures"]) == (
            "enabled",
            None,
            0,
        )
        await post(client, f"/v1/webhook-deliveries/{delivery['id']}/retry")
        await drain(resources, tenant, endpoint)
        assert (await only_delivery(client, endpoint))["status"] == "succeeded"


async def test_five_days_of_failures_disable_and_say_so_once(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, clock: MovableClock
) -> None:
    async with receiver(reply=Reply(500)) as partner:
        endpoint = await subscribe(client, partner, "contact.created")
        for _ in range(6):
            await publish(resources, tenant)
            await drain(resources, tenant, endpoint)
            clock.advance(hours=25)
        disabled = await reload(client, endpoint)
        assert (disabled["status"], disabled["disabled_reason"]) == ("disabled", "too_many_failures")
        assert len(await announced(client, resources, tenant, "endpoint.failing")) == 1
        assert len(await announced(client, resources, tenant, "endpoint.disabled")) == 1


async def test_a_new_url_starts_with_a_clean_record(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, clock: MovableClock
) -> None:
    async with receiver(reply=Reply(500)) as broken, receiver() as mended:
        endpoint = await subscribe(client, broken)
        await publish(resources, tenant, 20)
        await drain(resources, tenant, endpoint)
        assert (await reload(client, endpoint))["status"] == "failing"
        await client.patch(f"{ENDPOINTS}/{endpoint['id']}", json={"url": mended.url()})
        clock.advance(minutes=1)
        await drain(resources, tenant, endpoint)
        assert (await reload(client, endpoint))["status"] == "enabled"
        assert len(mended.posted) >= 20


async def test_the_sweeper_finds_what_is_due_and_passes_over_what_may_not_be_sent(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    async with receiver() as partner:
        due, archived, paused = [await subscribe(client, partner) for _ in range(3)]
        await publish(resources, tenant)
        await client.delete(f"{ENDPOINTS}/{archived['id']}")
        async with resources.database.unit(tenant.workspace_id) as unit:
            await unit.connection.execute(
                "UPDATE webhook_endpoints SET paused_until = now() + interval '1 hour' WHERE id = $1",
                paused["id"],
            )
        async with resources.database.raw() as connection:
            rows = await connection.fetch("SELECT workspace_id, subject FROM due_deliveries()")
    assert [str(row["subject"]) for row in rows if row["workspace_id"] == tenant.workspace_id] == [due["id"]]


async def announced(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, event_type: str
) -> list[dict[str, Any]]:
    await relay(resources, tenant)
    page = await get(client, "/v1/events", types=event_type)
    items: list[dict[str, Any]] = page["items"]
    return items
