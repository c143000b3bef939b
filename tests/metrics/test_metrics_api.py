"""Metrics over HTTP, fed by hand-made rows."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.kit.resources import Resources
from tests.conftest import Tenant, make_client, make_tenant
from tests.metrics.world import MetricWorld
from tests.stand_ins import MovableClock

NOON = datetime(2025, 11, 20, 12, tzinfo=UTC)
KEYS = [
    "active_customers", "average_order_value", "churn_rate", "customer_effort", "customer_satisfaction",
    "loop_closed_rate", "net_promoter_score", "net_revenue", "new_contacts", "new_customers",
    "repeat_purchase_rate", "retention_rate", "survey_response_rate", "time_to_contact_minutes",
    "touchpoint_count",
]  # fmt: skip


@pytest.fixture
def world(resources: Resources, tenant: Tenant, clock: MovableClock) -> MetricWorld:
    clock.set(NOON)
    return MetricWorld(resources, tenant.workspace_id)


async def read(client: httpx.AsyncClient, key: str, **query: str) -> list[dict[str, Any]]:
    answer = await client.get(f"/v1/metrics/{key}/snapshots", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_the_catalogue_lists_every_metric(client: httpx.AsyncClient) -> None:
    catalogue = (await client.get("/v1/metrics")).json()
    assert [metric["key"] for metric in catalogue["items"]] == KEYS
    assert catalogue["next_cursor"] is None


async def test_the_catalogue_is_paged(client: httpx.AsyncClient) -> None:
    found: list[str] = []
    path: str | None = "/v1/metrics?limit=4"
    while path:
        answer = await client.get(path)
        found += [metric["key"] for metric in answer.json()["items"]]
        path = answer.links.get("next", {}).get("url")
    assert found == KEYS


async def test_a_foreign_cursor_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/metrics?cursor=zzz")).status_code == 422


async def test_a_metric_says_what_it_is(client: httpx.AsyncClient) -> None:
    metric = (await client.get("/v1/metrics/net_revenue")).json()
    assert (metric["kind"], metric["unit"], metric["definition_version"]) == ("flow", "money", 1)
    assert metric["grains"] == ["day", "week", "month", "quarter"]


@pytest.mark.parametrize("path", ["/v1/metrics/nonsense", "/v1/metrics/nonsense/snapshots"])
async def test_an_unknown_metric_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown-metric")


@pytest.mark.parametrize(
    "query",
    ["grain=hour", "from=2025-13-01", "to=soon", "from=2025-11-20&to=2025-11-20", "sort=value", "x=1"],
)
async def test_a_query_that_makes_no_sense_is_refused(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/v1/metrics/net_revenue/snapshots?{query}")).status_code == 422


async def test_a_workspace_without_data_has_no_periods(client: httpx.AsyncClient, world: MetricWorld) -> None:
    await world.catch_up()
    assert await read(client, "net_revenue") == []


async def test_refunds_are_negative_revenue_of_their_own_day(
    client: httpx.AsyncClient, world: MetricWorld
) -> None:
    contact = await world.contact(NOON)
    await world.touchpoint(contact, "purchase", NOON.replace(day=18), Decimal("49.90"))
    await world.touchpoint(contact, "refund", NOON.replace(day=19), Decimal("9.90"))
    await world.catch_up()
    days = await read(client, "net_revenue")
    assert [(day["period_start"], day["value"]) for day in days] == [
        ("2025-11-18", 49.9), ("2025-11-19", -9.9), ("2025-11-20", 0)
    ]  # fmt: skip
    assert [month["value"] for month in await read(client, "net_revenue", grain="month")] == [40]


async def test_a_snapshot_says_what_it_was_made_of(client: httpx.AsyncClient, world: MetricWorld) -> None:
    for number in range(4):
        contact = await world.contact(NOON)
        await world.touchpoint(contact, "purchase", NOON.replace(month=10, day=1))
        if number:
            await world.touchpoint(contact, "purchase", NOON.replace(month=11, day=1))
    await world.change_settings(churn_after_days=30)
    await world.catch_up()
    day = (await read(client, "churn_rate", **{"from": "2025-10-31", "to": "2025-11-01"}))[0]
    assert day["complete"] is True
    assert day["reason"] is None
    assert day["segment_id"] is None
    assert (day["numerator"], day["denominator"], day["n"], day["value"]) == (4, 4, 4, 1)
    october = (await read(client, "repeat_purchase_rate", grain="month", to="2025-12-01"))[1]
    assert (october["numerator"], october["denominator"], october["value"]) == (3, 4, 0.75)
    assert (october["ci_low"], october["ci_high"]) == (0.300642, 0.954413)


async def test_nothing_to_divide_by_is_null_with_a_reason(
    client: httpx.AsyncClient, world: MetricWorld
) -> None:
    await world.contact(NOON)
    await world.catch_up()
    reasons = {}
    for key in ("average_order_value", "churn_rate", "retention_rate", "repeat_purchase_rate", "net_revenue"):
        today = (await read(client, key))[0]
        assert (today["value"] is None) == (key != "net_revenue")
        assert today["ci_low"] is None
        reasons[key] = today["reason"]
    assert reasons == {
        "average_order_value": "no_purchases",
        "churn_rate": "no_customers_at_start",
        "retention_rate": "no_customers_at_start",
        "repeat_purchase_rate": "no_customers",
        "net_revenue": None,
    }


async def test_snapshots_are_paged_in_either_order(client: httpx.AsyncClient, world: MetricWorld) -> None:
    await world.contact(NOON.replace(day=1))
    await world.catch_up()
    for sort in ("period_start", "-period_start"):
        found: list[str] = []
        path: str | None = f"/v1/metrics/new_contacts/snapshots?limit=7&sort={sort}"
        while path:
            answer = await client.get(path)
            found += [item["period_start"] for item in answer.json()["items"]]
            path = answer.links.get("next", {}).get("url")
        assert found == sorted(found, reverse=sort.startswith("-"))
        assert len(found) == 20


async def test_the_range_is_half_open_and_thirty_periods_by_default(
    client: httpx.AsyncClient, world: MetricWorld
) -> None:
    await world.contact(NOON.replace(year=2024))
    await world.catch_up()
    default = await read(client, "new_contacts")
    assert (default[0]["period_start"], default[-1]["period_start"]) == ("2025-10-22", "2025-11-20")
    some = await read(client, "new_contacts", **{"from": "2025-03-01", "to": "2025-03-03"})
    assert [day["period_start"] for day in some] == ["2025-03-01", "2025-03-02"]
    weeks = await read(client, "new_contacts", grain="week", to="2025-03-05")
    assert weeks[-1]["period_start"] == "2025-03-03"


async def test_the_running_period_is_incomplete_and_becomes_complete(
    client: httpx.AsyncClient, world: MetricWorld, clock: MovableClock
) -> None:
    await world.contact(NOON)
    await world.catch_up()
    assert [day["complete"] for day in await read(client, "new_contacts")] == [False]
    clock.advance(days=1)
    assert [day["complete"] for day in await read(client, "new_contacts")] == [False]
    await world.fold()
    assert [day["complete"] for day in await read(client, "new_contacts")] == [True, False]


async def test_a_mark_makes_just_the_periods_it_may_move_incomplete(
    client: httpx.AsyncClient, world: MetricWorld
) -> None:
    contact = await world.contact(NOON.replace(day=16))
    await world.catch_up()
    await world.touchpoint(contact, "purchase", NOON.replace(day=18))
    await world.relay()
    assert [day["complete"] for day in await read(client, "net_revenue")] == [True, True, False, True, False]
    assert [day["complete"] for day in await read(client, "churn_rate")] == [True, True, False, False, False]
    await world.fold()
    assert [day["complete"] for day in await read(client, "churn_rate")] == [True, True, True, True, False]


async def test_new_settings_make_everything_incomplete_until_the_rebuild(
    client: httpx.AsyncClient, world: MetricWorld
) -> None:
    contact = await world.contact(NOON.replace(day=18))
    await world.touchpoint(contact, "message", NOON.replace(day=18, hour=23))
    await world.catch_up()
    await world.change_settings(timezone="Asia/Tokyo")
    assert {day["complete"] for day in await read(client, "touchpoint_count")} == {False}
    await world.catch_up()
    assert [day["value"] for day in await read(client, "touchpoint_count")] == [0, 1, 0]


async def test_churn_moves_although_nothing_is_written(
    client: httpx.AsyncClient, world: MetricWorld, clock: MovableClock
) -> None:
    await world.change_settings(churn_after_days=3)
    await world.touchpoint(await world.contact(NOON), "purchase", NOON)
    await world.catch_up()
    clock.advance(days=5)
    await world.fold()
    churn = await read(client, "churn_rate")
    assert [day["value"] for day in churn] == [None, 0, 0, 1, None, None]


@pytest.fixture
async def reader(app: FastAPI, client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    new = await client.post("/v1/api-keys", json={"name": "reader", "scopes": ["metrics:read"]})
    headers = {"Authorization": f"Bearer {new.json()['api_key']}"}
    async with make_client(app, None) as made:
        made.headers.update(headers)
        yield made


async def test_scopes(reader: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    assert (await reader.get("/v1/metrics")).status_code == 200
    assert (await reader.post("/v1/metrics/refresh")).status_code == 403
    assert (await stranger.get("/v1/metrics")).status_code == 401


async def test_a_refresh_is_a_job_that_ends(client: httpx.AsyncClient, world: MetricWorld) -> None:
    await world.contact(NOON)
    await world.catch_up()
    asked = await client.post("/v1/metrics/refresh")
    assert (asked.status_code, asked.json()["state"]) == (202, "queued")
    await world.fold()
    job = (await client.get(asked.headers["Location"])).json()
    assert (job["state"], job["progress"], job["result"]) == ("done", 1, {"changed": 0})
    assert job["finished_at"] is not None
    assert job["error"] is None


async def test_a_refresh_mends_what_no_mark_told_of(client: httpx.AsyncClient, world: MetricWorld) -> None:
    await world.touchpoint(await world.contact(NOON), "purchase", NOON)
    await world.catch_up()
    world.pending.clear()
    await world.touchpoint(await world.contact(NOON), "purchase", NOON)
    asked = await client.post("/v1/metrics/refresh")
    await world.fold()
    assert (await client.get(asked.headers["Location"])).json()["result"]["changed"] > 0
    assert (await read(client, "active_customers"))[0]["value"] == 2


async def test_a_repeated_refresh_with_a_key_is_one_job(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "once"}
    first = await client.post("/v1/metrics/refresh", headers=headers)
    again = await client.post("/v1/metrics/refresh", headers=headers)
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_other_workspaces_see_neither_snapshots_nor_jobs(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, world: MetricWorld
) -> None:
    await world.contact(NOON)
    await world.catch_up()
    job = (await client.post("/v1/metrics/refresh")).headers["Location"]
    assert await read(other_client, "new_contacts") == []
    assert (await other_client.get(job)).status_code == 404


async def test_two_workspaces_fold_apart(resources: Resources, world: MetricWorld) -> None:
    other = MetricWorld(resources, (await make_tenant(resources)).workspace_id)
    for each, count in ((world, 1), (other, 2)):
        for _ in range(count):
            await each.touchpoint(await each.contact(NOON), "purchase", NOON)
        await each.catch_up()
    for each, count in ((world, 1), (other, 2)):
        snapshots = await each.snapshots()
        assert snapshots["active_customers", "day", NOON.date()][1] == count
