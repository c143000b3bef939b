"""POST /v1/touchpoints: one touchpoint, and the contact it belongs to."""

from typing import Any

import httpx
import pytest

from tests.stand_ins import MovableClock
from tests.touchpoints.examples import (
    ADA,
    AT,
    listed,
    make_contact,
    order,
    purchase,
    record,
    stats,
    visit,
)


async def test_everything_that_was_sent_comes_back(client: httpx.AsyncClient) -> None:
    sent = order(
        1,
        channel="store",
        direction="outbound",
        stage="loyalty",
        summary="Two lamps",
        campaign="Spring",
        attributes={"lines": 2, "coupon": "SPRING", "gift": True, "rate": 0.5, "skus": ["L1", "L2"]},
    )
    answer = await client.post("/v1/touchpoints", json=sent)
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/touchpoints/{made['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert made["status"] == "created"
    assert {name: made[name] for name in sent if name != "contact"} == {
        name: value for name, value in sent.items() if name != "contact"
    }
    got = (await client.get(f"/v1/touchpoints/{made['id']}")).json()
    assert got == {name: value for name, value in made.items() if name != "status"}


async def test_an_unknown_contact_is_made_from_the_reference(client: httpx.AsyncClient) -> None:
    made = await record(client, visit(contact={"email": "Ada@Example.com"}))
    contact = (await client.get(f"/v1/contacts/{made['contact_id']}")).json()
    assert contact["emails"][0]["address"] == "Ada@example.com"
    assert contact["acquired_at"] == AT


async def test_a_known_contact_is_found_by_each_of_its_keys(client: httpx.AsyncClient) -> None:
    new = {"emails": [{"address": "ada@example.com"}], "external_ids": [{"source": "shop", "id": "C-1"}]}
    contact_id = (await client.post("/v1/contacts", json=new)).json()["id"]
    references: list[dict[str, Any]] = [
        {"contact": ADA},
        {"contact": {"email": "ADA@example.com"}},
        {"contact_id": contact_id},
    ]
    made = [await record(client, visit(**reference)) for reference in references]
    assert {each["contact_id"] for each in made} == {contact_id}


@pytest.mark.parametrize(
    ("kind", "stage"),
    [
        ("visit", "awareness"),
        ("campaign_response", "awareness"),
        ("message", "consideration"),
        ("call", "consideration"),
        ("meeting", "consideration"),
        ("note", "consideration"),
        ("custom", "consideration"),
        ("support_case", "support"),
        ("support_resolved", "support"),
        ("referral", "advocacy"),
    ],
)
async def test_the_stage_follows_from_the_kind(client: httpx.AsyncClient, kind: str, stage: str) -> None:
    made = await record(client, visit(kind=kind))
    assert (made["stage"], made["direction"]) == (stage, "inbound")


async def test_purchases_and_refunds_have_stages_too(client: httpx.AsyncClient) -> None:
    bought = await record(client, purchase())
    refunded = await record(client, purchase() | {"kind": "refund"})
    assert (bought["stage"], refunded["stage"]) == ("purchase", "support")


async def test_the_contact_has_what_its_touchpoints_add_up_to(client: httpx.AsyncClient) -> None:
    bought = await record(client, purchase("100.00", occurred_at="2026-03-02T09:00:00Z"))
    await record(client, purchase("30.00", occurred_at="2026-03-04T09:00:00Z") | {"kind": "refund"})
    await record(client, visit(occurred_at="2026-03-01T09:00:00Z"))
    assert await stats(client, bought["contact_id"]) == {
        "touchpoint_count": 3,
        "last_touchpoint_at": "2026-03-04T09:00:00Z",
        "purchase_count": 1,
        "net_revenue": {"amount": "70.00", "currency": "EUR"},
        "first_purchase_at": "2026-03-02T09:00:00Z",
        "last_purchase_at": "2026-03-02T09:00:00Z",
    }


async def test_the_same_content_again_is_unchanged(client: httpx.AsyncClient) -> None:
    first = await record(client, order(1, "49.90", attributes={"a": 1, "b": 2}))
    answer = await client.post("/v1/touchpoints", json=order(1, "49.9", attributes={"b": 2, "a": 1}))
    assert answer.status_code == 200
    assert answer.json() == first | {"status": "unchanged"}


@pytest.mark.parametrize(
    "other",
    [
        {"attributes": {"a": True}},
        {"attributes": {"a": 1, "b": 2}},
        {"attributes": {}},
        {"summary": "Now with a summary"},
        {"occurred_at": "2026-03-01T09:00:01Z"},
        {"channel": "store"},
        {"stage": "loyalty"},
        {"kind": "refund"},
        {"value": {"amount": "49.91", "currency": "EUR"}},
        {"contact": {"email": "eve@example.com"}},
    ],
)
async def test_other_content_under_the_same_key_updates(
    client: httpx.AsyncClient, other: dict[str, Any]
) -> None:
    sent = order(1, attributes={"a": 1})
    first = await record(client, sent)
    answer = await client.post("/v1/touchpoints", json=sent | other)
    updated = answer.json()
    assert answer.status_code == 200
    assert (updated["status"], updated["version"], updated["id"]) == ("updated", 2, first["id"])
    assert updated["recorded_at"] == first["recorded_at"]
    assert {name: updated[name] for name in other if name != "contact"} == {
        name: value for name, value in other.items() if name != "contact"
    }


async def test_the_same_id_in_another_system_is_another_touchpoint(client: httpx.AsyncClient) -> None:
    first = await record(client, order(1))
    second = await record(client, order(1) | {"source": "till"})
    assert first["id"] != second["id"]


async def test_without_an_external_id_the_same_content_is_another_touchpoint(
    client: httpx.AsyncClient,
) -> None:
    await record(client, visit(source="shop"))
    await record(client, visit(source="shop"))
    assert len(await listed(client)) == 2


async def test_a_deleted_one_sent_again_stays_deleted(client: httpx.AsyncClient) -> None:
    made = await record(client, order(1))
    await client.delete(f"/v1/touchpoints/{made['id']}")
    assert (await record(client, order(1)))["status"] == "unchanged"
    updated = await record(client, order(1, "10.00"))
    assert updated["status"] == "updated"
    assert updated["deleted_at"] is not None
    assert (await stats(client, made["contact_id"]))["touchpoint_count"] == 0


async def test_null_attributes_are_left_out(client: httpx.AsyncClient) -> None:
    made = await record(client, visit(attributes={"kept": 1, "dropped": None}))
    assert made["attributes"] == {"kept": 1}


async def test_an_event_may_be_old_or_a_day_ahead(client: httpx.AsyncClient, clock: MovableClock) -> None:
    await record(client, visit(occurred_at="1900-01-01T00:00:00Z"))
    ahead = clock.now().replace(microsecond=0).timestamp() + 24 * 3600 - 60
    at = clock.now().fromtimestamp(ahead, tz=clock.now().tzinfo).isoformat()
    await record(client, visit(occurred_at=at))


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"kind": "dance"}, "/kind", "literal_error"),
    ({"channel": "pigeon"}, "/channel", "literal_error"),
    ({"direction": "up"}, "/direction", "literal_error"),
    ({"stage": "later"}, "/stage", "literal_error"),
    ({"colour": "red"}, "/colour", "extra_forbidden"),
    ({"occurred_at": "2026-03-01T09:00:00"}, "/occurred_at", "instant"),
    ({"occurred_at": "1899-12-31T23:59:59Z"}, "/occurred_at", "out_of_range"),
    ({"occurred_at": "2199-01-01T00:00:00Z"}, "/occurred_at", "in_the_future"),
    ({"occurred_at": None}, "/occurred_at", "datetime_type"),
    ({"kind": "purchase"}, "/value", "missing"),
    ({"kind": "refund"}, "/value", "missing"),
    ({"kind": "purchase", "value": {"amount": "0.00", "currency": "EUR"}}, "/value/amount", "not_positive"),
    ({"kind": "refund", "value": {"amount": "-5.00", "currency": "EUR"}}, "/value/amount", "not_positive"),
    ({"value": {"amount": "5.00", "currency": "USD"}}, "/value/currency", "currency_mismatch"),
    ({"value": {"amount": "5.001", "currency": "EUR"}}, "/value", "too_many_decimals"),
    ({"value": {"amount": 5, "currency": "EUR"}}, "/value/amount", "string_type"),
    ({"contact": ADA, "contact_id": "019a0000-0000-7000-8000-000000000000"}, "/contact", "one_contact"),
    ({"contact": None}, "/contact_id", "missing"),
    ({"contact": {}}, "/contact", "one_reference"),
    ({"contact": {"email": "nobody"}}, "/contact/email", "bad_email"),
    (
        {"contact": None, "contact_id": "019a0000-0000-7000-8000-000000000000"},
        "/contact_id",
        "unknown_contact",
    ),
    ({"external_id": "order-1"}, "/source", "missing"),
    ({"source": "a b", "external_id": "order-1"}, "/source", "string_pattern_mismatch"),
    ({"attributes": {"a": {"b": 1}}}, "/attributes/a", ""),
    ({"attributes": {"a": [[1]]}}, "/attributes/a", ""),
    ({"attributes": {"a": 10**30}}, "/attributes/a", ""),
    ({"attributes": {"a": list(range(51))}}, "/attributes/a", ""),
    ({"attributes": {f"key{n}": n for n in range(101)}}, "/attributes", "too_long"),
    ({"attributes": {f"key{n}": "x" * 1_900 for n in range(10)}}, "/attributes", "too_large"),
    ({"summary": "x" * 10_001}, "/summary", "string_too_long"),
]


@pytest.mark.parametrize(("wrong", "pointer", "code"), REFUSED)
async def test_what_is_wrong_is_refused_by_place(
    client: httpx.AsyncClient, wrong: dict[str, Any], pointer: str, code: str
) -> None:
    answer = await client.post("/v1/touchpoints", json=visit() | wrong)
    assert answer.status_code == 422, answer.text
    errors = answer.json()["errors"]
    assert any(each["pointer"].startswith(pointer) for each in errors)
    assert not code or code in {each["code"] for each in errors}
    assert await listed(client) == []


async def test_a_refusal_names_every_wrong_place(client: httpx.AsyncClient) -> None:
    wrong = visit(kind="purchase", external_id="order-1", occurred_at="2199-01-01T00:00:00Z")
    answer = await client.post("/v1/touchpoints", json=wrong)
    assert {each["pointer"] for each in answer.json()["errors"]} == {"/value", "/source", "/occurred_at"}


async def test_other_kinds_may_have_any_value(client: httpx.AsyncClient) -> None:
    made = await record(client, visit(kind="custom", value={"amount": "-3.50", "currency": "EUR"}))
    assert made["value"] == {"amount": "-3.50", "currency": "EUR"}
    assert (await stats(client, made["contact_id"]))["net_revenue"]["amount"] == "0.00"


async def test_an_idempotency_key_replays_the_status_of_its_answer(client: httpx.AsyncClient) -> None:
    await record(client, order(1))
    headers = {"Idempotency-Key": "again"}
    first = await client.post("/v1/touchpoints", json=order(1), headers=headers)
    replayed = await client.post("/v1/touchpoints", json=order(1), headers=headers)
    assert (first.status_code, replayed.status_code) == (200, 200)
    assert replayed.headers["Idempotent-Replayed"] == "true"
    assert replayed.json() == first.json()


async def test_the_contact_of_another_workspace_is_unknown(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    theirs = await make_contact(other_client, 1)
    answer = await client.post("/v1/touchpoints", json=visit(contact_id=theirs))
    absent = await client.post(
        "/v1/touchpoints", json=visit(contact_id="019a0000-0000-7000-8000-000000000000")
    )
    assert answer.status_code == 422
    assert answer.json()["errors"] == absent.json()["errors"]


async def test_workspaces_have_the_same_keys_apart(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    mine, theirs = await record(client, order(1)), await record(other_client, order(1, "10.00"))
    assert (mine["status"], theirs["status"]) == ("created", "created")
    assert mine["id"] != theirs["id"]
