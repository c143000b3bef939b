"""Who sends what when: drains, leases, crashes and hand-overs."""

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from app.kit.ids import new_id
from app.kit.jobs import Job
from app.kit.resources import Resources
from app.webhooks.jobs import PURGE_JOB, purge
from app.webhooks.models import DeliveryRow
from app.webhooks.repository import DeliveryRepository
from app.webhooks.service import draining
from app.webhooks.service.schedule import MOST_TRIES
from tests.conftest import Tenant
from tests.receivers import HANG, Reply, receiver
from tests.stand_ins import MovableClock
from tests.webhooks.world import (
    deliveries,
    drain,
    only_delivery,
    publish,
    reload,
    subscribe,
)
from tests.working import work_off


async def test_a_slow_or_dead_endpoint_delays_no_other(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    async with receiver(reply=HANG) as stuck, receiver() as good:
        hanging = await subscribe(client, stuck)
        healthy = [await subscribe(client, good) for _ in range(5)]
        await publish(resources, tenant, 20)
        waiting = asyncio.create_task(drain(resources, tenant, hanging))
        await stuck.wait_for(1)
        await asyncio.gather(*(drain(resources, tenant, endpoint) for endpoint in healthy))
        assert len(good.posted) == 100
        assert not waiting.done()
        assert stuck.most_open <= 8
        stuck.released.set()
        await waiting
        for endpoint in [hanging, *healthy]:
            assert {row["status"] for row in await deliveries(client, endpoint)} == {"succeeded"}


async def test_a_second_job_makes_the_running_drain_look_again(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    async with receiver() as partner:
        partner.replies.append(HANG)
        endpoint = await subscribe(client, partner)
        first = await publish(resources, tenant)
        running = asyncio.create_task(drain(resources, tenant, endpoint))
        await partner.wait_for(1)
        second = await publish(resources, tenant)
        await drain(resources, tenant, endpoint)
        await partner.wait_for(2)
        assert not running.done()
        partner.released.set()
        await running
        assert partner.ids == first + second


async def test_a_drain_hands_over_after_a_while_so_that_its_process_can_stop(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiver() as partner:
        monkeypatch.setattr(draining.Drain, "_is_late", lambda _: len(partner.posted) >= 8)
        partner.replies.extend([HANG] * 8)
        endpoint = await subscribe(client, partner)
        ids = await publish(resources, tenant, 20)
        running = asyncio.create_task(drain(resources, tenant, endpoint))
        await partner.wait_for(8)
        partner.released.set()
        await running
        assert len(partner.posted) == 8
        monkeypatch.undo()
        await work_off(resources, tenant.workspace_id)
        assert sorted(partner.ids) == sorted(ids)


async def test_messages_that_waited_too_long_for_their_turn_are_given_back_untried(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "FRESH_SECONDS", 0)
    monkeypatch.setattr(draining, "DRAIN_SECONDS", 0.2)
    async with receiver() as partner:
        endpoint = await subscribe(client, partner)
        await publish(resources, tenant, 3)
        await drain(resources, tenant, endpoint)
        assert partner.posted == []
    rows = await deliveries(client, endpoint)
    assert {(row["status"], row["attempt_count"]) for row in rows} == {("pending", 0)}


async def test_deliveries_are_kept_for_30_days(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, clock: MovableClock
) -> None:
    async with receiver() as partner:
        endpoint = await subscribe(client, partner)
        await publish(resources, tenant, 5)
        await drain(resources, tenant, endpoint)
        clock.advance(days=29)
        kept = await publish(resources, tenant)
        await drain(resources, tenant, endpoint)
        clock.advance(days=2)
        await purge(resources, Job(PURGE_JOB, tenant.workspace_id, UUID(endpoint["id"])))
        assert [row["event_id"] for row in await deliveries(client, endpoint)] == kept
    async with resources.database.unit(tenant.workspace_id) as unit:
        assert await unit.connection.fetchval("SELECT count(*) FROM webhook_attempts") == 1


async def test_a_crashed_try_counts_and_the_event_is_sent_once_its_lease_ends(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, clock: MovableClock
) -> None:
    async with receiver() as partner:
        endpoint = await subscribe(client, partner)
        await publish(resources, tenant)
        await _claim_and_die(resources, tenant, endpoint["id"])
        await drain(resources, tenant, endpoint)
        assert partner.posted == []
        clock.advance(seconds=61)
        await drain(resources, tenant, endpoint)
        delivery = await only_delivery(client, endpoint)
        assert len(partner.posted) == 1
    assert delivery["status"] == "succeeded"
    assert [attempt["error_kind"] for attempt in delivery["attempts"]] == ["interrupted", None]


async def test_a_try_that_kills_the_process_each_time_is_given_up(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, clock: MovableClock
) -> None:
    async with receiver() as partner:
        endpoint = await subscribe(client, partner)
        await publish(resources, tenant)
        for _ in range(10):
            await _claim_and_die(resources, tenant, endpoint["id"])
            clock.advance(seconds=61)
        await drain(resources, tenant, endpoint)
        assert partner.posted == []
    delivery = await only_delivery(client, endpoint)
    assert (delivery["status"], delivery["attempt_count"]) == ("failed", 10)
    assert len(delivery["attempts"]) == 10


async def test_the_result_of_a_try_whose_lease_was_lost_is_dropped(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, clock: MovableClock
) -> None:
    async with receiver() as partner:
        partner.replies.append(HANG)
        endpoint = await subscribe(client, partner)
        await publish(resources, tenant)
        stale = asyncio.create_task(drain(resources, tenant, endpoint))
        await partner.wait_for(1)
        clock.advance(seconds=61)
        token = await _claim_and_die(resources, tenant, endpoint["id"])
        partner.released.set()
        await stale
        row = await _row(resources, tenant)
    assert (row.status, row.lease_token) == ("pending", token)
    assert (await reload(client, endpoint))["last_success_at"] is None


async def test_a_process_that_stops_gives_its_leases_back(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    async with receiver(reply=HANG) as partner:
        endpoint = await subscribe(client, partner)
        await publish(resources, tenant, 12)
        running = asyncio.create_task(drain(resources, tenant, endpoint))
        await partner.wait_for(8)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        partner.released.set()
        partner.reply = Reply()
        partner.posted.clear()
        await drain(resources, tenant, endpoint)
        assert len(set(partner.ids)) == 12
        rows = await deliveries(client, endpoint)
        assert sorted(row["attempt_count"] for row in rows) == [1] * 4 + [2] * 8
        assert (await reload(client, endpoint))["consecutive_failures"] == 0


async def test_every_event_arrives_once_when_nothing_breaks(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    async with receiver() as partner:
        endpoint = await subscribe(client, partner)
        ids = await publish(resources, tenant, 300)
        await asyncio.gather(*(drain(resources, tenant, endpoint) for _ in range(3)))
        assert sorted(partner.ids) == sorted(ids)
        assert partner.most_open <= 8


async def _claim_and_die(resources: Resources, tenant: Tenant, endpoint_id: str) -> UUID:
    """What a process leaves behind that is killed between claiming and writing down."""
    token = new_id()
    async with resources.database.unit(tenant.workspace_id) as unit:
        until = unit.now + timedelta(seconds=60)
        rows = await DeliveryRepository(unit).claim(
            UUID(endpoint_id), token=token, until=until, limit=5, most_tries=MOST_TRIES
        )
        assert rows
    return token


async def _row(resources: Resources, tenant: Tenant) -> DeliveryRow:
    async with resources.database.unit(tenant.workspace_id) as unit:
        row_id = await unit.connection.fetchval("SELECT id FROM webhook_deliveries")
        row = await DeliveryRepository(unit).get(row_id)
        assert row is not None
        return row
