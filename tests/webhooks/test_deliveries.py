from datetime import timedelta

import httpx
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.kit.resources import Resources
from app.webhooks.service.schedule import DELAYS
from tests.conftest import Tenant
from tests.receivers import RESET, Reply, receiver
from tests.stand_ins import MovableClock
from tests.webhooks.world import (
    CREATED,
    ENDPOINTS,
    UPDATED,
    deliveries,
    drain,
    get,
    instant,
    only_delivery,
    post,
    publish,
    reload,
    subscribe,
)
from tests.working import work_off


async def test_a_change_reaches_the_subscriber_signed(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    async with receiver() as partner:
        endpoint = await subscribe(client, partner, "workspace.settings_changed")
        assert (await client.patch("/v1/workspace", json={"name": "Renamed"})).status_code == 200
        await work_off(resources, tenant.workspace_id)
        (posted,) = partner.posted
    body = Webhook(endpoint["secret"]).verify(posted.body, dict(posted.headers))
    assert list(body) == ["id", "type", "version", "occurred_at", "workspace_id", "data"]
    assert body["id"] == posted.id
    assert body["type"] == "workspace.settings_changed"
    assert body["workspace_id"] == str(tenant.workspace_id)
    assert body["data"]["workspace"]["name"] == "Renamed"
    assert posted.headers["content-type"] == "application/json"


async def test_sends_only_what_was_subscribed_to(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    async with receiver() as partner, receiver() as everything:
        some = await subscribe(client, partner, "contact.updated")
        every = await subscribe(client, everything)
        first = await publish(resources, tenant, 2, CREATED)
        second = await publish(resources, tenant, 1, UPDATED)
        await drain(resources, tenant, some)
        await drain(resources, tenant, every)
        assert partner.ids == second
        assert sorted(everything.ids) == sorted(first + second)


async def test_events_of_another_workspace_stay_there(
    client: httpx.AsyncClient, resources: Resources, other_tenant: Tenant, tenant: Tenant
) -> None:
    async with receiver() as partner:
        endpoint = await subscribe(client, partner)
        await publish(resources, other_tenant)
        await drain(resources, tenant, endpoint)
        assert partner.posted == []


async def test_nothing_is_sent_for_a_change_that_was_rolled_back(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    async with receiver() as partner:
        endpoint = await subscribe(client, partner)
        answer = await client.patch("/v1/workspace", json={"timezone": "Mars/Olympus"})
        assert answer.status_code == 422
        await work_off(resources, tenant.workspace_id)
        assert await deliveries(client, endpoint) == []


@pytest.mark.parametrize(
    ("reply", "kind", "status"),
    [
        (Reply(500, body=b"oh no"), "status", 500),
        (Reply(404), "status", 404),
        (Reply(301, {"Location": "http://127.0.0.1:1/"}), "redirect", 301),
        (RESET, "protocol", None),
    ],
)
async def test_only_2xx_counts_as_received(
    client: httpx.AsyncClient,
    resources: Resources,
    tenant: Tenant,
    reply: Reply,
    kind: str,
    status: int | None,
) -> None:
    async with receiver(reply=reply) as partner:
        endpoint = await subscribe(client, partner)
        await publish(resources, tenant)
        await drain(resources, tenant, endpoint)
        delivery = await only_delivery(client, endpoint)
        assert len(partner.posted) == 1
    assert delivery["status"] == "pending"
    assert (delivery["last_error_kind"], delivery["last_status_code"]) == (kind, status)
    (attempt,) = delivery["attempts"]
    assert (attempt["number"], attempt["error_kind"], attempt["status_code"]) == (1, kind, status)


async def test_keeps_the_first_16_kilobytes_of_an_answer(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    async with receiver(reply=Reply(500, body=b"\x00\xff" + b"x" * 100_000)) as partner:
        endpoint = await subscribe(client, partner)
        await publish(resources, tenant)
        await drain(resources, tenant, endpoint)
        (attempt,) = (await only_delivery(client, endpoint))["attempts"]
    assert attempt["answer"] == "\x00\N{REPLACEMENT CHARACTER}" + "x" * (16 * 1024 - 2)
    assert attempt["answer_truncated"] is True
    assert attempt["duration_ms"] > 0


async def test_follows_the_schedule_with_at_most_a_fifth_added_and_then_gives_up(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, clock: MovableClock
) -> None:
    async with receiver(reply=Reply(503)) as partner:
        endpoint = await subscribe(client, partner)
        (event_id,) = await publish(resources, tenant)
        for number, delay in enumerate(DELAYS, start=1):
            before = clock.now()
            await drain(resources, tenant, endpoint)
            delivery = await only_delivery(client, endpoint)
            assert delivery["attempt_count"] == number
            waits = instant(delivery["next_attempt_at"]) - before
            assert delay <= waits <= delay * 1.2 + timedelta(seconds=5)
            clock.set(instant(delivery["next_attempt_at"]) - timedelta(seconds=2))
            await drain(resources, tenant, endpoint)
            assert len(partner.posted) == number, "tried before it was due"
            clock.advance(seconds=3)
        await drain(resources, tenant, endpoint)
        delivery = await only_delivery(client, endpoint)
        assert (delivery["status"], delivery["next_attempt_at"]) == ("failed", None)
        assert delivery["finished_at"] is not None
        assert [attempt["number"] for attempt in delivery["attempts"]] == list(range(1, 11))
        assert partner.ids == [event_id] * 10
        assert len({request.body for request in partner.posted}) == 1
        assert len({request.headers["webhook-timestamp"] for request in partner.posted}) == 10


async def test_retries_until_it_is_received(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, clock: MovableClock
) -> None:
    async with receiver() as partner:
        partner.replies.extend([Reply(500), RESET])
        endpoint = await subscribe(client, partner)
        await publish(resources, tenant)
        await drain(resources, tenant, endpoint)
        for wait in (7, 400):
            clock.advance(seconds=wait)
            await drain(resources, tenant, endpoint)
        delivery = await only_delivery(client, endpoint)
    assert delivery["status"] == "succeeded"
    assert [attempt["status_code"] for attempt in delivery["attempts"]] == [500, None, 200]
    assert delivery["last_error_kind"] is None


async def test_waits_as_long_as_the_receiver_asks_but_no_longer_than_a_day(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, clock: MovableClock
) -> None:
    for asked, waits in (("3600", 3600), ("999999999", 24 * 3600), ("soon", 5)):
        async with receiver(reply=Reply(429, {"Retry-After": asked})) as partner:
            endpoint = await subscribe(client, partner)
            await publish(resources, tenant)
            before = clock.now()
            await drain(resources, tenant, endpoint)
            wait = instant((await only_delivery(client, endpoint))["next_attempt_at"]) - before
            assert timedelta(seconds=waits) <= wait <= timedelta(seconds=waits * 1.2 + 5)
            await client.delete(f"{ENDPOINTS}/{endpoint['id']}")


async def test_a_name_that_leads_inside_is_given_up_at_once(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    async with receiver() as partner:
        endpoint = await subscribe(client, partner)
        async with resources.database.unit(tenant.workspace_id) as unit:
            await unit.connection.execute("UPDATE webhook_endpoints SET url = 'https://192.168.0.1/hook'")
        await publish(resources, tenant)
        await drain(resources, tenant, endpoint)
    delivery = await only_delivery(client, endpoint)
    assert (delivery["status"], delivery["last_error_kind"]) == ("failed", "refused_address")
    assert (await reload(client, endpoint))["consecutive_failures"] == 1


async def test_a_ping_goes_the_way_of_all_events(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    async with receiver() as partner:
        endpoint = await subscribe(client, partner, "contact.created")
        answer = await client.post(f"{ENDPOINTS}/{endpoint['id']}/ping")
        assert answer.status_code == 202
        assert partner.posted == []
        await work_off(resources, tenant.workspace_id)
        (posted,) = partner.posted
        body = Webhook(endpoint["secret"]).verify(posted.body, dict(posted.headers))
        assert (body["type"], body["data"]) == ("webhook.ping", {"endpoint_id": endpoint["id"]})
        delivery = await get(client, answer.headers["Location"])
        assert (delivery["status"], delivery["event_id"], delivery["origin"]) == (
            "succeeded",
            posted.id,
            "ping",
        )


async def test_a_ping_is_tried_once(client: httpx.AsyncClient, resources: Resources, tenant: Tenant) -> None:
    async with receiver(reply=Reply(500)) as partner:
        endpoint = await subscribe(client, partner)
        await post(client, f"{ENDPOINTS}/{endpoint['id']}/ping")
        await drain(resources, tenant, endpoint)
    assert (await only_delivery(client, endpoint))["status"] == "failed"


async def test_old_and_new_secret_both_sign_for_a_day(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, clock: MovableClock
) -> None:
    async with receiver() as partner:
        endpoint = await subscribe(client, partner)
        rotated = await post(client, f"{ENDPOINTS}/{endpoint['id']}/rotate-secret")
        await publish(resources, tenant)
        await drain(resources, tenant, endpoint)
        both = partner.posted[-1]
        for secret in (endpoint["secret"], rotated["secret"]):
            Webhook(secret).verify(both.body, dict(both.headers))
        clock.advance(hours=24, seconds=1)
        await publish(resources, tenant)
        await drain(resources, tenant, endpoint)
        later = partner.posted[-1]
    clock.reset()
    assert len(later.headers["webhook-signature"].split(" ")) == 1
    assert len(both.headers["webhook-signature"].split(" ")) == 2
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint["secret"]).verify(
            later.body, dict(later.headers) | {"webhook-timestamp": _now(clock)}
        )


async def test_a_secret_may_not_be_rotated_without_end(client: httpx.AsyncClient) -> None:
    async with receiver() as partner:
        endpoint = await subscribe(client, partner)
    path = f"{ENDPOINTS}/{endpoint['id']}/rotate-secret"
    answers = [(await client.post(path)).status_code for _ in range(10)]
    assert answers == [200] * 9 + [409]


async def test_a_finished_delivery_can_be_sent_again(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    async with receiver() as partner:
        endpoint = await subscribe(client, partner)
        await publish(resources, tenant)
        await drain(resources, tenant, endpoint)
        delivery = await only_delivery(client, endpoint)
        again = await client.post(f"/v1/webhook-deliveries/{delivery['id']}/retry")
        assert (again.status_code, again.json()["status"]) == (202, "pending")
        await work_off(resources, tenant.workspace_id)
        assert partner.ids == [delivery["event_id"]] * 2
        assert partner.posted[0].body == partner.posted[1].body
        assert len((await only_delivery(client, endpoint))["attempts"]) == 2


async def test_a_replay_sends_what_matches_under_the_ids_it_always_had(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, clock: MovableClock
) -> None:
    async with receiver() as partner:
        endpoint = await subscribe(client, partner, "contact.created", "contact.updated")
        await publish(resources, tenant, 2)
        clock.advance(hours=1)
        since = clock.now().isoformat()
        created = await publish(resources, tenant, 3, CREATED)
        updated = await publish(resources, tenant, 2, UPDATED)
        await drain(resources, tenant, endpoint)
        partner.posted.clear()
        clock.advance(minutes=1)
        path = f"{ENDPOINTS}/{endpoint['id']}/replay"
        assert await post(client, path, {"since": since}, dry_run=True) == {
            "dry_run": True,
            "matched": 5,
            "created": 0,
        }
        await drain(resources, tenant, endpoint)
        assert partner.posted == []
        answer = await post(client, path, {"since": since, "types": ["contact.created"]})
        assert answer == {"dry_run": False, "matched": 3, "created": 3}
        await drain(resources, tenant, endpoint)
        assert sorted(partner.ids) == sorted(created)
        assert not set(updated) & set(partner.ids)
        assert (await post(client, path, {"since": since, "types": ["goal.created"]}, dry_run=True))[
            "matched"
        ] == 0


async def test_a_replay_of_an_impossible_time_is_refused(client: httpx.AsyncClient) -> None:
    async with receiver() as partner:
        endpoint = await subscribe(client, partner)
    path = f"{ENDPOINTS}/{endpoint['id']}/replay"
    for body in (
        {"since": "2150-01-01T00:00:00Z"},
        {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
    ):
        assert (await client.post(path, json=body)).status_code == 422


async def test_a_replay_of_an_unknown_type_is_refused_where_it_stands(client: httpx.AsyncClient) -> None:
    async with receiver() as partner:
        endpoint = await subscribe(client, partner)
    body = {"since": "2026-01-01T00:00:00Z", "types": ["contact.created", "no.such"]}
    answer = await client.post(f"{ENDPOINTS}/{endpoint['id']}/replay", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/types/1")


async def test_the_log_is_filtered_by_state_and_type(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    async with receiver() as partner:
        endpoint = await subscribe(client, partner)
        await publish(resources, tenant, 2, CREATED)
        await drain(resources, tenant, endpoint)
        partner.reply = Reply(500)
        await publish(resources, tenant, 1, UPDATED)
        await drain(resources, tenant, endpoint)
    assert [row["event_type"] for row in await deliveries(client, endpoint, status="pending")] == [
        "contact.updated"
    ]
    assert len(await deliveries(client, endpoint, event_type="contact.created")) == 2
    unknown = await client.get(f"{ENDPOINTS}/{endpoint['id']}/deliveries", params={"status": "lost"})
    assert unknown.status_code == 422


def _now(clock: MovableClock) -> str:
    return str(int(clock.now().timestamp()))
