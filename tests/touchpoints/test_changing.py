"""PATCH, DELETE and restore."""

from typing import Any

import httpx
import pytest

from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.touchpoints.examples import ADA, listed, make_contact, order, purchase, record, stats, told, visit

NOBODY = "019a0000-0000-7000-8000-000000000000"


async def patch(client: httpx.AsyncClient, made: dict[str, Any], **changes: Any) -> httpx.Response:
    return await client.patch(f"/v1/touchpoints/{made['id']}", json=changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"channel": "store"},
        {"kind": "refund"},
        {"direction": "outbound"},
        {"stage": "loyalty"},
        {"occurred_at": "2026-02-01T00:00:00Z"},
        {"summary": "New"},
        {"value": {"amount": "10.00", "currency": "EUR"}},
        {"campaign": "Spring"},
    ],
)
async def test_each_field_can_be_changed(client: httpx.AsyncClient, changes: dict[str, Any]) -> None:
    made = await record(client, purchase())
    changed = (await patch(client, made, **changes)).json()
    assert {name: changed[name] for name in changes} == changes
    assert changed["version"] == 2
    assert (await client.get(f"/v1/touchpoints/{made['id']}")).json() == changed


async def test_null_clears(client: httpx.AsyncClient) -> None:
    made = await record(
        client, visit(summary="Old", campaign="Old", value={"amount": "1.00", "currency": "EUR"})
    )
    changed = (await patch(client, made, summary=None, campaign=None, value=None)).json()
    assert (changed["summary"], changed["campaign"], changed["value"]) == (None, None, None)


async def test_the_stage_stays_when_the_kind_changes_and_null_derives_it(client: httpx.AsyncClient) -> None:
    made = await record(client, visit())
    assert (await patch(client, made, kind="referral")).json()["stage"] == "awareness"
    assert (await patch(client, made, stage=None)).json()["stage"] == "advocacy"


async def test_attributes_change_key_by_key(client: httpx.AsyncClient) -> None:
    made = await record(client, visit(attributes={"kept": 1, "changed": 1, "removed": 1}))
    changed = (await patch(client, made, attributes={"changed": [2], "removed": None, "added": "x"})).json()
    assert changed["attributes"] == {"kept": 1, "changed": [2], "added": "x"}


async def test_attributes_stay_within_their_limits(client: httpx.AsyncClient) -> None:
    made = await record(client, visit(attributes={f"key{n}": n for n in range(100)}))
    answer = await patch(client, made, attributes={"one-more": 1})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/attributes"


async def test_a_patch_that_changes_nothing_keeps_the_version(client: httpx.AsyncClient) -> None:
    made = await record(client, purchase())
    changed = (await patch(client, made, kind="purchase", value={"amount": "49.9", "currency": "EUR"})).json()
    assert changed["version"] == 1


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"value": None}, "/value"),
        ({"value": {"amount": "0.00", "currency": "EUR"}}, "/value/amount"),
        ({"value": {"amount": "1.00", "currency": "USD"}}, "/value/currency"),
        ({"occurred_at": "2199-01-01T00:00:00Z"}, "/occurred_at"),
        ({"kind": None}, "/kind"),
        ({"occurred_at": None}, "/occurred_at"),
        ({"contact_id": NOBODY}, "/contact_id"),
        ({"source": "till"}, "/source"),
        ({"external_id": "other"}, "/external_id"),
        ({"contact": ADA}, "/contact"),
    ],
)
async def test_a_wrong_change_is_refused_by_place(
    client: httpx.AsyncClient, changes: dict[str, Any], pointer: str
) -> None:
    made = await record(client, order(1))
    answer = await patch(client, made, **changes)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await client.get(f"/v1/touchpoints/{made['id']}")).json()["version"] == 1


async def test_turning_a_visit_into_a_purchase_needs_a_value(client: httpx.AsyncClient) -> None:
    made = await record(client, visit())
    assert (await patch(client, made, kind="purchase")).status_code == 422
    priced = await patch(client, made, kind="purchase", value={"amount": "5.00", "currency": "EUR"})
    assert priced.status_code == 200
    assert (await stats(client, made["contact_id"]))["net_revenue"]["amount"] == "5.00"


async def test_moving_to_another_contact_moves_the_statistics(client: httpx.AsyncClient) -> None:
    made = await record(client, purchase())
    other = await make_contact(client, 1)
    assert (await patch(client, made, contact_id=other)).json()["contact_id"] == other
    assert (await stats(client, made["contact_id"]))["touchpoint_count"] == 0
    assert (await stats(client, other))["net_revenue"]["amount"] == "49.90"


async def test_a_change_that_does_not_count_leaves_the_contact_alone(client: httpx.AsyncClient) -> None:
    made = await record(client, purchase())
    before = (await client.get(f"/v1/contacts/{made['contact_id']}")).json()
    await patch(client, made, summary="Only words")
    assert (await client.get(f"/v1/contacts/{made['contact_id']}")).json() == before


async def test_a_stale_if_match_is_refused(client: httpx.AsyncClient) -> None:
    made = await record(client, visit())
    url = f"/v1/touchpoints/{made['id']}"
    stale = {"If-Match": '"7"'}
    assert (await client.patch(url, json={"summary": "x"}, headers=stale)).status_code == 412
    assert (await client.delete(url, headers=stale)).status_code == 412
    assert (await client.patch(url, json={"summary": "x"}, headers={"If-Match": '"1"'})).status_code == 200


async def test_a_known_etag_gets_a_304(client: httpx.AsyncClient) -> None:
    made = await record(client, visit())
    answer = await client.get(f"/v1/touchpoints/{made['id']}", headers={"If-None-Match": '"1"'})
    assert (answer.status_code, answer.content) == (304, b"")


async def test_a_deleted_touchpoint_counts_no_more_until_it_is_restored(client: httpx.AsyncClient) -> None:
    made = await record(client, purchase())
    url = f"/v1/touchpoints/{made['id']}"
    assert (await client.delete(url)).status_code == 204
    assert await listed(client) == []
    assert (await client.get(url)).json()["deleted_at"] is not None
    assert [each["id"] for each in await listed(client, include_archived=True)] == [made["id"]]
    assert (await stats(client, made["contact_id"]))["purchase_count"] == 0
    restored = await client.post(f"{url}/restore")
    assert (restored.json()["deleted_at"], restored.json()["version"]) == (None, 3)
    assert (await stats(client, made["contact_id"]))["purchase_count"] == 1


async def test_deleting_and_restoring_twice_changes_nothing_more(client: httpx.AsyncClient) -> None:
    made = await record(client, visit())
    url = f"/v1/touchpoints/{made['id']}"
    assert [(await client.delete(url)).status_code for _ in range(2)] == [204, 204]
    assert (await client.get(url)).json()["version"] == 2
    assert [(await client.post(f"{url}/restore")).json()["version"] for _ in range(2)] == [3, 3]


async def test_a_deleted_one_can_be_changed_without_counting(client: httpx.AsyncClient) -> None:
    made = await record(client, purchase())
    url = f"/v1/touchpoints/{made['id']}"
    await client.delete(url)
    assert (await patch(client, made, value={"amount": "5.00", "currency": "EUR"})).status_code == 200
    assert (await stats(client, made["contact_id"]))["touchpoint_count"] == 0
    await client.post(f"{url}/restore")
    assert (await stats(client, made["contact_id"]))["net_revenue"]["amount"] == "5.00"


async def test_events_tell_what_it_counted_as_before(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    made = await record(client, purchase())
    url = f"/v1/touchpoints/{made['id']}"
    await patch(client, made, occurred_at="2026-02-01T00:00:00Z")
    await client.delete(url)
    await client.post(f"{url}/restore")
    rows = await told(resources, tenant.workspace_id)
    data = [row["data"] for row in rows]
    assert [row["type"].removeprefix("touchpoint.") for row in rows] == [
        "recorded", "updated", "deleted", "updated",
    ]  # fmt: skip
    assert [each["touchpoint"]["version"] for each in data] == [1, 2, 3, 4]
    assert data[0]["previous"] is None
    assert data[1]["previous"] == {
        "contact_id": made["contact_id"],
        "kind": "purchase",
        "channel": "web",
        "occurred_at": "2026-03-01T09:00:00Z",
        "value": {"amount": "49.90", "currency": "EUR"},
    }
    assert {str(row["subject_id"]) for row in rows} == {made["contact_id"]}


async def test_another_workspaces_touchpoint_is_absent(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    theirs = await record(other_client, order(1))
    mine = await record(client, visit())
    for touchpoint_id in (theirs["id"], NOBODY):
        url = f"/v1/touchpoints/{touchpoint_id}"
        answers = [
            await client.get(url),
            await client.patch(url, json={"summary": "x"}),
            await client.delete(url),
            await client.post(f"{url}/restore"),
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert {answer.json()["detail"] for answer in answers} == {
            "There is no such touchpoint in this workspace."
        }
    moved = await patch(client, mine, contact_id=theirs["contact_id"])
    assert moved.status_code == 422
    assert await listed(client, contact_id=theirs["contact_id"]) == []
