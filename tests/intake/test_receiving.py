"""What is taken, and what is refused and why."""

import asyncio
import dataclasses
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest

from app.kit.ids import new_id
from app.kit.resources import Resources
from app.main import create_app
from tests.conftest import Tenant, make_client
from tests.intake.sending import BATCH, STRUCTURED, Partner, person, purchase
from tests.stand_ins import MovableClock
from tests.working import work_off


def binary_headers(**attributes: str) -> dict[str, str]:
    """The attributes of a purchase as headers."""
    event = purchase()
    named = {name: event[name] for name in ("specversion", "id", "source", "type", "time")} | attributes
    return {f"ce-{name}": value for name, value in named.items() if value}


BINARY_BODY = orjson.dumps(purchase()["data"])


async def test_a_structured_event_is_accepted(partner: Partner):
    answer = await partner.send(purchase())
    assert answer.status_code == 202
    assert answer.json() == {
        "accepted": 1,
        "duplicates": 0,
        "rejected": 0,
        "results": [{"index": 0, "id": "order-1", "status": "accepted", "problem": None}],
    }


async def test_a_binary_event_is_the_same_event(partner: Partner):
    first = await partner.post(BINARY_BODY, "application/json", binary_headers())
    again = await partner.send(purchase())
    assert first.json()["accepted"] == 1
    assert again.json()["duplicates"] == 1


async def test_header_values_are_decoded_once(
    partner: Partner, client: httpx.AsyncClient, resources: Resources, tenant: Tenant
):
    headers = binary_headers(id='"caf%C3%A9%2525"', type="other")
    answer = await partner.post(BINARY_BODY, "application/json; charset=utf-8", headers)
    await work_off(resources, tenant.workspace_id)
    parked = (await client.get(f"/v1/sources/{partner.id}/parked")).json()["items"]
    assert answer.json()["accepted"] == 1
    assert parked[0]["event_id"] == "café%25"


async def test_a_batch_is_judged_event_by_event(partner: Partner):
    answer = await partner.send(purchase("1"), purchase("2", specversion="0.3"), purchase("1"), person())
    statuses = [result["status"] for result in answer.json()["results"]]
    assert answer.status_code == 202
    assert statuses == ["accepted", "rejected", "duplicate", "accepted"]
    assert answer.json()["results"][1]["problem"]["errors"][0]["pointer"] == "/specversion"


async def test_an_empty_batch_is_nothing_and_fine(partner: Partner):
    answer = await partner.send()
    assert (answer.status_code, answer.json()["results"]) == (202, [])


async def test_a_thousand_events_are_taken_and_one_more_is_not(partner: Partner):
    events = [purchase(str(number)) for number in range(1001)]
    assert (await partner.send(*events)).status_code == 413
    assert (await partner.send(*events[:1000])).json()["accepted"] == 1000


async def test_the_same_id_of_another_ce_source_is_another_event(partner: Partner):
    answer = await partner.send(purchase("1"), purchase("1", source="/tickets"))
    assert answer.json()["accepted"] == 2


async def test_the_same_event_of_another_source_is_another_event(
    client: httpx.AsyncClient, partner: Partner, clock: MovableClock
):
    made = (await client.post("/v1/sources", json={"name": "other"})).json()
    other = Partner(partner.client, clock, made["id"], made["secret"])
    assert (await partner.send(purchase())).json()["accepted"] == 1
    assert (await other.send(purchase())).json()["accepted"] == 1


async def test_of_twenty_posts_at_once_each_event_is_accepted_once(partner: Partner):
    events = [purchase(str(number)) for number in range(20)]
    turns = [partner.send(*(events[turn:] + events[:turn])) for turn in range(20)]
    answers = await asyncio.gather(*turns)
    assert [answer.status_code for answer in answers] == [202] * 20
    assert sum(answer.json()["accepted"] for answer in answers) == 20
    assert sum(answer.json()["duplicates"] for answer in answers) == 380


async def test_an_unknown_type_is_accepted(partner: Partner):
    assert (await partner.send(purchase(type="rapport.spend"))).json()["accepted"] == 1


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"id": ""}, "/id"),
        ({"id": 7}, "/id"),
        ({"id": "x" * 256}, "/id"),
        ({"id": "a\u0007b"}, "/id"),
        ({"source": None}, "/source"),
        ({"source": "with space"}, "/source"),
        ({"type": None}, "/type"),
        ({"specversion": "1.1"}, "/specversion"),
        ({"time": "yesterday"}, "/time"),
        ({"time": "2026-01-31T09:00:00"}, "/time"),
        ({"datacontenttype": "text/xml"}, "/datacontenttype"),
        ({"data": [1]}, "/data"),
        ({"data": None}, "/data"),
        ({"data": {}}, "/data/kind"),
        ({"data": purchase()["data"] | {"kind": "gift"}}, "/data/kind"),
        ({"data": purchase()["data"] | {"colour": "red"}}, "/data/colour"),
        ({"data": purchase()["data"] | {"value": None}}, "/data/value"),
        ({"data": purchase()["data"] | {"contact": None}}, "/data/contact_id"),
        ({"data": purchase()["data"] | {"contact": {"email": "nobody"}}}, "/data/contact/email"),
        ({"time": None}, "/data/occurred_at"),
        ({"time": "2199-01-01T00:00:00Z"}, "/data/occurred_at"),
        ({"type": "rapport.contact", "data": {"given_name": "Ada"}}, "/data"),
        ({"type": "rapport.contact", "data": {"emails": [{"address": "x"}]}}, "/data/emails/0/address"),
    ],
)
async def test_a_bad_event_is_refused_with_its_place(partner: Partner, changes: dict[str, Any], pointer: str):
    answer = await partner.send(purchase(**changes))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


async def test_a_batch_without_one_good_event_names_the_places_of_all(partner: Partner):
    answer = await partner.send(purchase("1", data=3), "no event", purchase("2", id=None))
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert answer.status_code == 422
    assert pointers == ["/0/data", "/1", "/2/id"]


@pytest.mark.parametrize(
    ("attributes", "body", "pointer"),
    [
        ({"id": ""}, BINARY_BODY, "ce-id"),
        ({"id": "%FF"}, BINARY_BODY, "ce-id"),
        ({"id": "a%00b"}, BINARY_BODY, "ce-id"),
        ({"datacontenttype": "application/json"}, BINARY_BODY, "ce-datacontenttype"),
        ({}, b"[]", ""),
        ({}, orjson.dumps(purchase()["data"] | {"kind": "gift"}), "/kind"),
    ],
)
async def test_a_bad_binary_event_is_refused_with_its_header_or_place(
    partner: Partner, attributes: dict[str, str], body: bytes, pointer: str
):
    answer = await partner.post(body, "application/json", binary_headers(**attributes))
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"[]", STRUCTURED, 400),
        (b"7", STRUCTURED, 400),
        (b"{}", BATCH, 400),
        (b"{", STRUCTURED, 400),
        (b"", STRUCTURED, 400),
        (b"", BATCH, 400),
        (b"{}", "application/json", 415),
        (b"{}", "text/plain", 415),
        (b"{}", "application/cloudevents+avro", 415),
        (b"{}", f"{STRUCTURED}; charset=utf-16", 415),
        (b"{}", "", 415),
        (b" " * (8 * 1024 * 1024 + 1), STRUCTURED, 413),
    ],
)
async def test_what_is_no_envelope_is_refused(partner: Partner, body: bytes, content_type: str, status: int):
    answer = await partner.post(body, content_type)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_plain_json_is_told_what_is_taken(partner: Partner):
    answer = await partner.post(b"{}", "application/json")
    assert STRUCTURED in answer.json()["detail"]
    assert BATCH in answer.headers["Accept"]


async def test_media_types_are_read_whatever_their_case(partner: Partner):
    answer = await partner.post(orjson.dumps(purchase()), "Application/CloudEvents+JSON; Charset=UTF-8")
    assert answer.status_code == 202


@pytest.mark.parametrize("minutes", [-4.9, 4.9])
async def test_clocks_may_differ_by_five_minutes(partner: Partner, clock: MovableClock, minutes: float):
    signed_at = clock.now() + timedelta(minutes=minutes)
    answer = await partner.post(orjson.dumps(purchase()), STRUCTURED, signed_at=signed_at)
    assert answer.status_code == 202


@pytest.mark.parametrize("minutes", [-5.1, 5.1])
async def test_clocks_may_not_differ_by_more(partner: Partner, clock: MovableClock, minutes: float):
    signed_at = clock.now() + timedelta(minutes=minutes)
    answer = await partner.post(orjson.dumps(purchase()), STRUCTURED, signed_at=signed_at)
    assert answer.status_code == 401
    assert answer.json()["type"] == "/problems/bad-signature"


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_an_event_without_a_signature_is_refused(partner: Partner, clock: MovableClock, missing: str):
    body = orjson.dumps(purchase())
    headers = {name: value for name, value in partner.sign(body, clock.now()).items() if name != missing}
    answer = await partner.client.post(
        f"/v1/sources/{partner.id}/events", content=body, headers=headers | {"content-type": STRUCTURED}
    )
    assert answer.status_code == 401


async def test_the_signature_is_over_the_exact_bytes(partner: Partner, clock: MovableClock):
    body = orjson.dumps(purchase())
    headers = partner.sign(body, clock.now()) | {"content-type": STRUCTURED}
    answer = await partner.client.post(
        f"/v1/sources/{partner.id}/events", content=body + b" ", headers=headers
    )
    assert answer.status_code == 401


async def test_the_secret_of_another_source_does_not_fit(
    client: httpx.AsyncClient, partner: Partner, clock: MovableClock
):
    made = (await client.post("/v1/sources", json={"name": "other"})).json()
    stray = Partner(partner.client, clock, partner.id, made["secret"])
    assert (await stray.send(purchase())).status_code == 401


async def test_an_unknown_source_is_not_found(partner: Partner, clock: MovableClock):
    stray = Partner(partner.client, clock, str(new_id()), partner.secret)
    assert (await stray.send(purchase())).status_code == 404


async def test_an_api_key_is_no_signature(client: httpx.AsyncClient, partner: Partner):
    answer = await client.post(
        f"/v1/sources/{partner.id}/events", json=purchase(), headers={"content-type": STRUCTURED}
    )
    assert answer.status_code == 401


@pytest.mark.slow
async def test_a_full_backlog_is_a_503_until_it_is_worked_off(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
):
    small = resources.settings.model_copy(update={"intake_backlog": 3})
    app = create_app(dataclasses.replace(resources, settings=small))
    async with make_client(app, None) as stranger:
        crowded = dataclasses.replace(partner, client=stranger)
        assert (await crowded.send(*[purchase(str(number)) for number in range(4)])).status_code == 202
        refused = await crowded.send(purchase("late"))
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert (await client.get(f"/v1/sources/{partner.id}")).json()["pending"] == 4

    await work_off(resources, tenant.workspace_id)
    app = create_app(dataclasses.replace(resources, settings=small))
    async with make_client(app, None) as stranger:
        assert (await dataclasses.replace(partner, client=stranger).send(purchase("late"))).status_code == 202


async def test_each_source_has_a_budget_and_each_stranger_one_of_refusals(
    partner: Partner, resources: Resources
):
    slow = resources.settings.model_copy(update={"rate_limit_per_second": 0.2})
    app = create_app(dataclasses.replace(resources, settings=slow))
    async with make_client(app, None) as stranger:
        stray = dataclasses.replace(partner, client=stranger, id=str(new_id()))
        limited = dataclasses.replace(partner, client=stranger)
        signed = [await limited.send(purchase(str(number))) for number in range(2)]
        guessed = [await stray.send(purchase()) for _ in range(2)]
    assert [answer.status_code for answer in signed] == [202, 429]
    assert "RateLimit" in signed[0].headers
    assert [answer.status_code for answer in guessed] == [404, 429]
