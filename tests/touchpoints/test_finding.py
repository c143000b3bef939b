"""Lists and searches."""

from typing import Any

import httpx
import pytest

from tests.touchpoints.examples import batch, listed, order, purchase, record, visit


def days(number: int) -> str:
    return f"2026-03-{number:02d}T09:00:00Z"


async def test_the_latest_come_first(client: httpx.AsyncClient) -> None:
    await batch(client, [visit(occurred_at=days(day)) for day in (2, 3, 1)])
    assert [each["occurred_at"] for each in await listed(client)] == [days(3), days(2), days(1)]
    assert [each["occurred_at"] for each in await listed(client, sort="occurred_at")] == [
        days(1),
        days(2),
        days(3),
    ]
    recorded = [each["occurred_at"] for each in await listed(client, sort="recorded_at")]
    assert sorted(recorded) == [days(1), days(2), days(3)]


async def test_pages_hold_each_touchpoint_once(client: httpx.AsyncClient) -> None:
    made = await batch(client, [visit() for _ in range(7)])
    seen, cursor = [], None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/touchpoints", params=query)).json()
        seen += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(each["id"] for each in made["results"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"kind": "purchase"}, ["order-1"]),
        ({"channel": "email"}, ["mail-1"]),
        ({"stage": "awareness"}, ["mail-1", "visit-1"]),
        ({"campaign": "Spring"}, ["mail-1"]),
        ({"source": "shop"}, ["order-1"]),
        ({"external_id": "visit-1"}, ["visit-1"]),
        ({"source": "shop", "external_id": "order-1"}, ["order-1"]),
        ({"from": days(2)}, ["order-1", "visit-1"]),
        ({"to": days(2)}, ["mail-1"]),
        ({"from": days(2), "to": days(3)}, ["order-1"]),
        ({"kind": "purchase", "channel": "email"}, []),
    ],
)
async def test_the_list_can_be_narrowed(
    client: httpx.AsyncClient, query: dict[str, str], found: list[str]
) -> None:
    await batch(
        client,
        [
            visit(kind="campaign_response", channel="email", campaign="Spring", source="mailer",
                  external_id="mail-1", occurred_at=days(1)),
            order(1, occurred_at=days(2)),
            visit(source="site", external_id="visit-1", occurred_at=days(3)),
        ],
    )  # fmt: skip
    assert sorted(each["external_id"] for each in await listed(client, **query)) == sorted(found)


async def test_the_list_can_be_narrowed_to_a_contact(client: httpx.AsyncClient) -> None:
    ada = await record(client, visit())
    await record(client, visit(contact={"email": "eve@example.com"}))
    assert [each["id"] for each in await listed(client, contact_id=ada["contact_id"])] == [ada["id"]]


@pytest.mark.parametrize("query", ["colour=red", "kind=dance", "sort=colour", "from=yesterday", "cursor=x"])
async def test_an_unknown_query_is_refused(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/v1/touchpoints?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"?{query.partition('=')[0]}"


async def search(client: httpx.AsyncClient, wanted: Any) -> list[str]:
    answer = await client.post("/v1/touchpoints/search", json={"filter": wanted})
    assert answer.status_code == 200, answer.text
    return sorted(each["external_id"] for each in answer.json()["items"])


STOCK = [
    order(1, "10.00", attributes={"coupon": "SPRING", "lines": 3, "gift": True, "due": "2026-05-01"}),
    order(2, "99.50", summary="A lamp, 100% brass", attributes={"coupon": "autumn", "lines": 3.5}),
    order(3, "500.00", campaign="Spring", attributes={"coupon": ["SPRING", "VIP"], "lines": "3", "gift": 1}),
    visit(source="site", external_id="visit-1"),
]


@pytest.mark.parametrize(
    ("field", "op", "value", "found"),
    [
        ("kind", "eq", "visit", ["visit-1"]),
        ("kind", "in", ["visit", "call"], ["visit-1"]),
        ("value", "gte", 99.5, ["order-2", "order-3"]),
        ("value", "exists", False, ["visit-1"]),
        ("summary", "contains", "100% BRASS", ["order-2"]),
        ("campaign", "eq", "Spring", ["order-3"]),
        ("source", "ne", "shop", ["visit-1"]),
        ("external_id", "starts_with", "order", ["order-1", "order-2", "order-3"]),
        ("occurred_at", "lt", "2026-03-01T09:00:00Z", []),
        ("stage", "eq", "purchase", ["order-1", "order-2", "order-3"]),
        ("attributes.coupon", "eq", "SPRING", ["order-1"]),
        ("attributes.coupon", "contains", "spr", ["order-1"]),
        ("attributes.coupon", "contains", "VIP", ["order-3"]),
        ("attributes.coupon", "ne", "SPRING", ["order-2", "order-3", "visit-1"]),
        ("attributes.coupon", "exists", True, ["order-1", "order-2", "order-3"]),
        ("attributes.coupon", "exists", False, ["visit-1"]),
        ("attributes.lines", "gt", 3, ["order-2"]),
        ("attributes.lines", "between", [3, 3.5], ["order-1", "order-2"]),
        ("attributes.lines", "eq", "3", ["order-3"]),
        ("attributes.gift", "eq", True, ["order-1"]),
        ("attributes.gift", "eq", 1, ["order-3"]),
        ("attributes.due", "gte", "2026-04-30", ["order-1"]),
        ("attributes.unheard-of", "exists", True, []),
    ],
)
async def test_predicates_find_what_they_say(
    client: httpx.AsyncClient, field: str, op: str, value: Any, found: list[str]
) -> None:
    await batch(client, STOCK)
    assert await search(client, {"field": field, "op": op, "value": value}) == found


async def test_predicates_combine(client: httpx.AsyncClient) -> None:
    await batch(client, STOCK)
    lines = {"field": "attributes.lines", "op": "exists", "value": True}
    spring = {"field": "attributes.coupon", "op": "eq", "value": "SPRING"}
    assert await search(client, {"and": [lines, {"not": spring}]}) == ["order-2", "order-3"]
    assert await search(client, {"or": [spring, {"field": "kind", "op": "eq", "value": "visit"}]}) == [
        "order-1",
        "visit-1",
    ]


async def test_a_touchpoint_is_found_as_soon_as_it_is_recorded(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await record(client, order(number))
        wanted = {"field": "external_id", "op": "eq", "value": f"order-{number}"}
        assert await search(client, wanted) == [f"order-{number}"]


@pytest.mark.parametrize(
    ("predicate", "pointer"),
    [
        ({"field": "colour", "op": "eq", "value": "red"}, "/filter/field"),
        ({"field": "kind", "op": "eq", "value": "dance"}, "/filter/value"),
        ({"field": "kind", "op": "gt", "value": "call"}, "/filter/op"),
        ({"field": "value", "op": "eq", "value": "ten"}, "/filter/value"),
        ({"field": "attributes.lines", "op": "gt", "value": True}, "/filter/op"),
        ({"field": "attributes.due", "op": "gt", "value": "tomorrow"}, "/filter/value"),
    ],
)
async def test_a_wrong_filter_is_refused_by_place(
    client: httpx.AsyncClient, predicate: dict[str, Any], pointer: str
) -> None:
    answer = await client.post("/v1/touchpoints/search", json={"filter": predicate})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_searches_are_sorted_and_paged_like_lists(client: httpx.AsyncClient) -> None:
    await batch(client, [purchase(occurred_at=days(day)) for day in (1, 2, 3)])
    body: dict[str, Any] = {"sort": "occurred_at", "limit": 2}
    first = (await client.post("/v1/touchpoints/search", json=body)).json()
    rest = await client.post("/v1/touchpoints/search", json=body | {"cursor": first["next_cursor"]})
    assert [each["occurred_at"] for each in first["items"] + rest.json()["items"]] == [
        days(1),
        days(2),
        days(3),
    ]


async def test_searches_stay_in_their_workspace(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    await record(other_client, order(1))
    assert await search(client, {"field": "kind", "op": "eq", "value": "purchase"}) == []
    assert await listed(client) == []
