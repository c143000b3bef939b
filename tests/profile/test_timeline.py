"""GET /v1/contacts/{id}/timeline."""

from typing import Any, get_args

import httpx
import pytest

from app.kit.pages import PageRequest
from app.kit.resources import Resources
from app.profile.schemas import EntryType
from app.profile.service import TimelineService
from app.touchpoints.repository import SORTING
from tests.conftest import Tenant
from tests.touchpoints.examples import batch, counted, make_contact, purchase, record, visit


async def timeline(client: httpx.AsyncClient, contact_id: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(f"/v1/contacts/{contact_id}/timeline", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def consent(client: httpx.AsyncClient, contact_id: str, at: str) -> None:
    said = {"purpose": "surveys", "state": "granted", "at": at}
    assert (await client.post(f"/v1/contacts/{contact_id}/consents", json=said)).status_code == 201


async def respond(client: httpx.AsyncClient, contact_id: str, at: str) -> dict[str, Any]:
    questions = [{"key": "score", "type": "nps", "text": "How likely?"}]
    survey = await client.post("/v1/surveys", json={"title": "NPS", "type": "nps", "questions": questions})
    url = f"/v1/surveys/{survey.json()['id']}"
    await client.post(f"{url}/open")
    said = {"contact_id": contact_id, "answers": {"score": 9}, "answered_at": at}
    answer = await client.post(f"{url}/responses", json=said)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_an_entry_shows_what_it_is_about(client: httpx.AsyncClient) -> None:
    made = await record(client, purchase())
    (entry,) = (await timeline(client, made["contact_id"]))["items"]
    touchpoint = (await client.get(f"/v1/touchpoints/{made['id']}")).json()
    assert entry == {
        "type": "touchpoint",
        "at": made["occurred_at"],
        "id": made["id"],
        "touchpoint": touchpoint,
    }


async def test_the_latest_come_first_and_each_once(client: httpx.AsyncClient) -> None:
    contact_id = await make_contact(client, 1)
    same_instant = [visit(contact_id=contact_id) for _ in range(4)]
    later = [visit(contact_id=contact_id, occurred_at=f"2026-03-0{day}T00:00:00Z") for day in (3, 5, 4)]
    await batch(client, same_instant + later)
    seen, page = [], await timeline(client, contact_id, limit=2)
    while True:
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        page = await timeline(client, contact_id, limit=2, cursor=page["next_cursor"])
    instants = [entry["at"] for entry in seen]
    assert instants == sorted(instants, reverse=True)
    assert len({entry["id"] for entry in seen}) == 7


async def test_new_entries_do_not_shift_a_page(client: httpx.AsyncClient) -> None:
    contact_id = await make_contact(client, 1)
    await batch(client, [visit(contact_id=contact_id) for _ in range(4)])
    first = await timeline(client, contact_id, limit=2)
    await record(client, visit(contact_id=contact_id, occurred_at="2026-04-01T00:00:00Z"))
    second = await timeline(client, contact_id, limit=2, cursor=first["next_cursor"])
    ids = [entry["id"] for entry in first["items"] + second["items"]]
    assert len(set(ids)) == 4


async def test_others_and_deleted_touchpoints_are_not_on_it(client: httpx.AsyncClient) -> None:
    made = await record(client, visit())
    gone = await record(client, visit())
    await record(client, visit(contact={"email": "eve@example.com"}))
    await client.delete(f"/v1/touchpoints/{gone['id']}")
    entries = (await timeline(client, made["contact_id"]))["items"]
    assert [entry["id"] for entry in entries] == [made["id"]]


async def test_entries_can_be_chosen_by_type(client: httpx.AsyncClient) -> None:
    made = await record(client, visit())
    assert len((await timeline(client, made["contact_id"], type="touchpoint"))["items"]) == 1
    answer = await client.get(f"/v1/contacts/{made['contact_id']}/timeline?type=dream")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "?type"


async def test_answers_and_consents_stand_between_the_touchpoints(client: httpx.AsyncClient) -> None:
    contact_id = await make_contact(client, 1)
    await consent(client, contact_id, "2026-03-01T00:00:00Z")
    await record(client, visit(contact_id=contact_id, occurred_at="2026-03-02T00:00:00Z"))
    response = await respond(client, contact_id, "2026-03-03T00:00:00Z")
    await record(client, visit(contact_id=contact_id, occurred_at="2026-03-04T00:00:00Z"))
    entries = (await timeline(client, contact_id))["items"]
    assert [entry["type"] for entry in entries] == ["touchpoint", "survey_response", "touchpoint", "consent"]
    shown = (await client.get(f"/v1/surveys/{response['survey_id']}/responses/{response['id']}")).json()
    assert entries[1]["survey_response"] == shown
    chosen = await timeline(client, contact_id, type=["consent", "survey_response"])
    assert [entry["type"] for entry in chosen["items"]] == ["survey_response", "consent"]


async def test_pages_over_mixed_entries_hold_each_once(client: httpx.AsyncClient) -> None:
    contact_id = await make_contact(client, 1)
    instant = "2026-03-01T00:00:00Z"
    for _ in range(3):
        await consent(client, contact_id, instant)
        await respond(client, contact_id, instant)
        await record(client, visit(contact_id=contact_id, occurred_at=instant))
    seen, cursor = [], None
    while True:
        page = await timeline(client, contact_id, limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [entry["id"] for entry in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert (len(seen), len(set(seen))) == (9, 9)


async def test_a_key_sees_the_entries_it_may_read(client: httpx.AsyncClient) -> None:
    contact_id = await make_contact(client, 1)
    await record(client, visit(contact_id=contact_id))
    await consent(client, contact_id, "2026-03-01T00:00:00Z")
    made = await client.post("/v1/api-keys", json={"name": "desk", "scopes": ["contacts:read"]})
    headers = {"Authorization": f"Bearer {made.json()['api_key']}"}
    url = f"/v1/contacts/{contact_id}/timeline"
    shown = (await client.get(url, headers=headers)).json()["items"]
    assert [entry["type"] for entry in shown] == ["consent"]
    assert (await client.get(f"{url}?type=touchpoint", headers=headers)).status_code == 403


async def test_a_contact_without_history_has_an_empty_timeline(client: httpx.AsyncClient) -> None:
    assert await timeline(client, await make_contact(client, 1)) == {"items": [], "next_cursor": None}


async def test_the_cursor_of_another_contact_is_refused(client: httpx.AsyncClient) -> None:
    contact_id = await make_contact(client, 1)
    await batch(client, [visit(contact_id=contact_id) for _ in range(2)])
    cursor = (await timeline(client, contact_id, limit=1))["next_cursor"]
    other = await make_contact(client, 2)
    answer = await client.get(f"/v1/contacts/{other}/timeline", params={"limit": 1, "cursor": cursor})
    assert answer.status_code == 422


async def test_an_unknown_contact_and_another_workspaces_are_the_same_404(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    theirs = await make_contact(other_client, 1)
    answers = [
        await client.get(f"/v1/contacts/{contact_id}/timeline")
        for contact_id in (theirs, "019a0000-0000-7000-8000-000000000000")
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]


@pytest.mark.parametrize("limit", [1, 20])
async def test_the_number_of_queries_is_fixed(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, limit: int
) -> None:
    contact_id = await make_contact(client, 1)
    made = await batch(client, [visit(contact_id=contact_id) for _ in range(30)])
    assert made["created"] == 30
    page = PageRequest(SORTING.parse("-occurred_at"), limit)
    contact = (await client.get(f"/v1/contacts/{contact_id}")).json()["id"]
    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        with counted(unit.connection) as queries:
            found = await TimelineService(unit).page(contact, page, get_args(EntryType))
    assert len(found.items) == limit
    assert len(queries) <= 6
