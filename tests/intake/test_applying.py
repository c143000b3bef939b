"""Stored events become contacts and touchpoints, each exactly once and in their order."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import httpx
import pytest
from structlog.testing import capture_logs

from app.intake.jobs import purge
from app.intake.service import applying
from app.kit.jobs import Job
from app.kit.resources import Resources
from app.touchpoints.service.recording import Recorder
from tests.conftest import Tenant
from tests.intake.sending import Partner, person, purchase
from tests.stand_ins import MovableClock
from tests.working import work_off

pytestmark = pytest.mark.slow


async def touchpoints(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    return (await client.get("/v1/touchpoints?limit=500&sort=occurred_at")).json()["items"]


async def contacts(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    return (await client.get("/v1/contacts?limit=500")).json()["items"]


async def states(resources: Resources, tenant: Tenant) -> list[str]:
    async with resources.database.unit(tenant.workspace_id) as unit:
        rows = await unit.connection.fetch("SELECT state FROM inbound_events ORDER BY id")
    return [row["state"] for row in rows]


async def test_a_purchase_becomes_a_touchpoint_of_its_contact(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
):
    await partner.send(purchase())
    await work_off(resources, tenant.workspace_id)
    [recorded] = await touchpoints(client)
    [contact] = await contacts(client)
    assert (recorded["kind"], recorded["value"]) == ("purchase", {"amount": "49.90", "currency": "EUR"})
    assert (recorded["source"], recorded["external_id"]) == ("shop", "order-1")
    assert recorded["occurred_at"] == "2026-01-31T09:00:00Z"
    assert recorded["contact_id"] == contact["id"]
    assert contact["stats"]["net_revenue"]["amount"] == "49.90"
    source = (await client.get(f"/v1/sources/{partner.id}")).json()
    assert (source["pending"], source["parked"]) == (0, 0)
    assert source["last_event_at"] is not None


async def test_what_the_data_says_wins_over_the_event(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
):
    said = {"occurred_at": "2026-01-01T00:00:00Z", "source": "till", "external_id": "77"}
    await partner.send(purchase(data=purchase()["data"] | said))
    await work_off(resources, tenant.workspace_id)
    [recorded] = await touchpoints(client)
    assert {name: recorded[name] for name in said} == said


async def test_the_same_fact_over_rest_is_the_same_touchpoint(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
):
    await partner.send(purchase())
    await work_off(resources, tenant.workspace_id)
    identity = {"source": "shop", "external_id": "order-1", "occurred_at": "2026-01-31T09:00:00Z"}
    again = await client.post("/v1/touchpoints", json=purchase()["data"] | identity)
    assert again.json()["status"] == "unchanged"
    assert len(await touchpoints(client)) == 1


async def test_events_of_two_systems_that_count_alike_do_not_overwrite_each_other(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
):
    await partner.send(purchase("1", source="/tickets"), purchase("1", source="/orders"))
    await partner.send(purchase("1", source="/returns"))
    await work_off(resources, tenant.workspace_id)
    recorded = await touchpoints(client)
    assert len(recorded) == 3
    assert "1" in {touchpoint["external_id"] for touchpoint in recorded}


async def test_a_contact_event_brings_the_contact_up_to_date(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
):
    known = {"external_ids": [{"source": "shop", "id": "C-1"}]}
    await partner.send(person("1", given_name="Ada", **known), person("2", family_name="Byron", **known))
    await partner.send(person("3", family_name="Lovelace", **known))
    await work_off(resources, tenant.workspace_id)
    [contact] = await contacts(client)
    assert contact["display_name"] == "Ada Lovelace"


async def test_contacts_and_touchpoints_keep_their_order(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
):
    await partner.send(purchase("1"), person("2", given_name="Ada"), purchase("3"))
    await work_off(resources, tenant.workspace_id)
    [contact] = await contacts(client)
    assert contact["acquired_at"] == "2026-01-31T09:00:00Z"
    assert contact["given_name"] == "Ada"
    assert contact["stats"]["purchase_count"] == 2


async def test_more_than_a_chunk_is_applied_in_one_go(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
):
    await partner.send(*[purchase(str(number)) for number in range(700)])
    await work_off(resources, tenant.workspace_id, sweep=False)
    [contact] = await contacts(client)
    assert contact["stats"]["touchpoint_count"] == 700


async def test_many_workers_at_once_apply_each_event_once(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
):
    await partner.send(*[purchase(str(number)) for number in range(100)])
    job = Job("intake.apply", tenant.workspace_id, subject_of(partner))
    await asyncio.gather(*[applying.apply_events(resources.database, job) for _ in range(8)])
    [contact] = await contacts(client)
    assert contact["stats"]["touchpoint_count"] == 100
    assert await states(resources, tenant) == ["applied"] * 100


class Breaks(Recorder):
    """Fails whenever it is to record the touchpoint with this external id."""

    bad = "3"
    times = 1

    async def record(self, items: Sequence[Any]) -> Any:
        changes = await super().record(items)
        if Breaks.times and any(getattr(item, "external_id", None) == Breaks.bad for item in items):
            Breaks.times -= 1
            raise RuntimeError("broken in the middle")
        return changes


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Breaks]]:
    monkeypatch.setattr(applying, "Recorder", Breaks)
    with capture_logs():
        yield Breaks


@pytest.mark.parametrize("times", [1, 2, 4])
async def test_a_fault_in_the_middle_loses_nothing_and_doubles_nothing(
    client: httpx.AsyncClient,
    partner: Partner,
    resources: Resources,
    tenant: Tenant,
    breaks: type[Breaks],
    times: int,
):
    breaks.times = times
    await partner.send(*[purchase(str(number)) for number in range(6)])
    await work_off(resources, tenant.workspace_id)
    [contact] = await contacts(client)
    assert contact["stats"]["touchpoint_count"] == 6
    assert await states(resources, tenant) == ["applied"] * 6


async def test_a_poisonous_event_is_parked_and_the_rest_goes_on(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant, breaks: type[Breaks]
):
    breaks.times = 1000
    await partner.send(*[purchase(str(number)) for number in range(6)])
    await work_off(resources, tenant.workspace_id)
    [parked] = (await client.get(f"/v1/sources/{partner.id}/parked")).json()["items"]
    assert (parked["event_id"], parked["reason"]) == ("3", "internal")
    assert len(await touchpoints(client)) == 5

    breaks.times = 0
    await client.post(f"/v1/sources/{partner.id}/parked/redrive", json={})
    await work_off(resources, tenant.workspace_id)
    assert len(await touchpoints(client)) == 6


async def test_a_worker_that_dies_leaves_the_events_as_they_were(
    client: httpx.AsyncClient,
    partner: Partner,
    resources: Resources,
    tenant: Tenant,
    monkeypatch: pytest.MonkeyPatch,
):
    async def die(self: object, source_id: object, at: object) -> None:
        raise asyncio.CancelledError

    await partner.send(purchase("1"), person("2"), purchase("3"))
    job = Job("intake.apply", tenant.workspace_id, subject_of(partner))
    with monkeypatch.context() as dying:
        dying.setattr(applying.SourceRepository, "note_event", die)
        with pytest.raises(asyncio.CancelledError):
            await applying.apply_events(resources.database, job)
    assert await states(resources, tenant) == ["pending"] * 3
    assert await contacts(client) == []

    await work_off(resources, tenant.workspace_id)
    [contact] = await contacts(client)
    assert contact["stats"]["touchpoint_count"] == 2


async def test_a_lost_job_is_found_by_the_sweep(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
):
    await partner.send(purchase())
    async with resources.database.raw() as connection:
        prefix = f"{tenant.workspace_id}%".encode()
        await connection.execute("DELETE FROM pgqueuer WHERE payload LIKE $1", prefix)
    await work_off(resources, tenant.workspace_id)
    assert len(await touchpoints(client)) == 1


async def test_payloads_go_after_a_week_and_what_knows_duplicates_after_ninety_days(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant, clock: MovableClock
):
    async def rows() -> list[Any]:
        await purge(resources, Job("intake.purge", tenant.workspace_id))
        async with resources.database.unit(tenant.workspace_id) as unit:
            return await unit.connection.fetch("SELECT payload, contact_id FROM inbound_events")

    await partner.send(purchase())
    await work_off(resources, tenant.workspace_id)
    [kept] = await rows()
    assert kept["payload"] == purchase()["data"]
    assert str(kept["contact_id"]) == (await contacts(client))[0]["id"]

    clock.advance(days=7, minutes=1)
    [emptied] = await rows()
    assert emptied["payload"] is None
    assert (await partner.send(purchase())).json()["duplicates"] == 1

    clock.advance(days=83)
    assert await rows() == []


def subject_of(partner: Partner) -> UUID:
    return UUID(partner.id)
