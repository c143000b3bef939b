"""Follow-ups as people make, change, close and find them."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.followups.followup_world import FollowupWorld, opening


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def refusal(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


async def test_it_is_the_contact_owners_and_due_in_48_hours(world: FollowupWorld) -> None:
    mara = await world.member()
    made = await world.make(await world.contact(owner_id=mara))
    assert made["owner_id"] == mara
    assert instant(made["due_at"]) - instant(made["opened_at"]) == timedelta(hours=48)
    assert (made["state"], made["overdue"], made["origin"]) == ("open", False, None)
    assert await world.get(made) == made
    assert await world.told() == ["opened"]


async def test_an_archived_owner_of_the_contact_gets_none(world: FollowupWorld) -> None:
    mara = await world.member()
    contact = await world.contact(owner_id=mara)
    await world.client.delete(f"/v1/members/{mara}")
    assert (await world.make(contact))["owner_id"] is None


async def test_owners_are_active_members(world: FollowupWorld) -> None:
    contact, mara = await world.contact(), await world.member()
    made = await world.make(contact, owner_id=mara)
    await world.client.delete(f"/v1/members/{mara}")
    body = {"contact_id": contact, "title": "Call", "owner_id": mara}
    assert refusal(await world.client.post("/v1/followups", json=body)) == [("/owner_id", "unknown_member")]
    assert refusal(await world.patch(made, owner_id=contact)) == [("/owner_id", "unknown_member")]
    assert (await world.patched(made, title="Keeps its archived owner"))["owner_id"] == mara


async def test_closing_notes_when_and_reopening_forgets_it(world: FollowupWorld) -> None:
    made = await world.make()
    done = await world.patched(made, state="done", outcome="Refunded", root_cause="late_delivery")
    assert (done["state"], done["outcome"], done["root_cause"]) == ("done", "Refunded", "late_delivery")
    assert instant(done["closed_at"]) > instant(done["opened_at"])
    again = await world.patched(made, state="open")
    assert (again["closed_at"], again["opened_at"]) == (None, made["opened_at"])
    await world.patched(made, state="cancelled")
    assert await world.told() == ["opened", "closed", "reopened", "closed"]
    first, _ = await world.told("closed")
    assert (first["previous"]["state"], first["followup"]["state"]) == ("open", "done")


async def test_what_is_closed_is_not_closed_otherwise(world: FollowupWorld) -> None:
    made = await world.make()
    await world.patched(made, state="done")
    assert refusal(await world.patch(made, state="cancelled")) == [("/state", "status_change")]


async def test_saying_the_same_again_changes_nothing(world: FollowupWorld) -> None:
    made = await world.make(note="Prefers mornings")
    assert await world.patched(made, note="Prefers mornings", state="open", due_at=made["due_at"]) == made
    assert await world.told() == ["opened"]


async def test_a_change_based_on_an_old_version_is_refused(world: FollowupWorld) -> None:
    made = await world.make()
    stale = {"If-Match": '"1"'}
    path = f"/v1/followups/{made['id']}"
    first = await world.client.patch(path, json={"title": "Mine"}, headers=stale)
    second = await world.client.patch(path, json={"title": "Yours"}, headers=stale)
    assert (first.status_code, second.status_code) == (200, 412)
    assert (await world.get(made))["title"] == "Mine"


async def test_contact_lies_between_the_opening_and_now(world: FollowupWorld) -> None:
    made = await world.make()
    world.clock.advance(hours=1)
    now, opened_at = world.clock.now(), instant(made["opened_at"])
    early, late = opened_at - timedelta(seconds=1), now + timedelta(minutes=1)
    expected = [(early, "before_opening"), (late, "in_the_future")]
    for wrong, code in expected:
        answer = await world.patch(made, contacted_at=wrong.isoformat())
        assert refusal(answer) == [("/contacted_at", code)]
    contacted = await world.patched(made, contacted_at=now.isoformat())
    assert instant(contacted["contacted_at"]) == now
    (told,) = await world.told("updated")
    assert told["previous"]["contacted_at"] is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"state": "done"}, ["done"]),
        ({"root_cause": "price"}, ["done"]),
        ({"overdue": "true"}, ["late"]),
        ({"overdue": "false"}, ["survey", "done"]),
        ({"origin_kind": "survey_response"}, ["survey"]),
        ({"survey_id": "{survey_id}"}, ["survey"]),
        ({"owner_id": "{owner_id}"}, ["late"]),
        ({"contact_id": "{contact_id}"}, ["late"]),
        ({"due_from": "{due_at}"}, ["survey", "done"]),
        ({"due_to": "{due_at}"}, ["late"]),
        ({"sort": "due_at"}, ["late", "done", "survey"]),
        ({"sort": "-updated_at"}, ["done", "survey", "late"]),
    ],
    ids=str,
)
async def test_the_list_shows_what_was_asked_for(
    world: FollowupWorld, query: dict[str, str], expected: list[str]
) -> None:
    late = await world.make(owner_id=await world.member(), due_at="2026-01-01T00:00:00Z")
    done = await world.make()
    (survey,) = await world.open_many(opening(await world.contact()))
    assert survey.origin is not None
    await world.patched(done, state="done", root_cause="price", due_at=done["due_at"])
    values: dict[str, Any] = {**late, "due_at": done["due_at"], "survey_id": survey.origin.survey_id}
    names = {late["id"]: "late", done["id"]: "done", str(survey.id): "survey"}
    found = await world.listed(**{name: text.format_map(values) for name, text in query.items()})
    assert [names[each] for each in found] == expected


async def test_pages_show_each_follow_up_once(world: FollowupWorld) -> None:
    contact = await world.contact()
    opened = await world.open_many(*(opening(contact) for _ in range(5)))
    seen, query = [], {"limit": "2", "sort": "due_at", "state": "open"}
    for _ in range(3):
        page = (await world.client.get("/v1/followups", params=query)).json()
        seen += [each["id"] for each in page["items"]]
        query["cursor"] = page["next_cursor"]
    assert page["next_cursor"] is None
    assert sorted(seen) == sorted(str(each.id) for each in opened)


async def test_other_workspaces_neither_see_nor_use_it(
    world: FollowupWorld, other_client: httpx.AsyncClient
) -> None:
    made = await world.make()
    path = f"/v1/followups/{made['id']}"
    assert (await other_client.get(path)).status_code == 404
    assert (await other_client.patch(path, json={"state": "done"})).status_code == 404
    assert (await other_client.get("/v1/followups")).json()["items"] == []
    body = {"contact_id": made["contact_id"], "title": "Theirs"}
    assert refusal(await other_client.post("/v1/followups", json=body)) == [
        ("/contact_id", "unknown_contact")
    ]
    assert await world.get(made) == made
