"""Making, changing, opening, closing and finding surveys."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.kit.ids import new_id
from app.kit.jobs import Job
from app.kit.resources import Resources
from app.surveys.jobs import turn
from app.surveys.service.surveys import TURN_JOB
from tests.conftest import Tenant
from tests.stand_ins import MovableClock

NPS: dict[str, Any] = {
    "title": "How are we doing?",
    "type": "nps",
    "questions": [
        {"key": "score", "type": "nps", "text": {"en": "How likely …?", "de": "Wie wahrscheinlich …?"}},
        {
            "key": "why",
            "type": "text",
            "text": "What went wrong?",
            "show_if": {"field": "score", "op": "lte", "value": 6},
        },
    ],
}


async def make(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    made = await client.post("/v1/surveys", json=NPS | fields)
    assert made.status_code == 201, made.text
    survey: dict[str, Any] = made.json()
    return survey


async def refusals(client: httpx.AsyncClient, **fields: Any) -> list[tuple[str, str]]:
    refused = await client.post("/v1/surveys", json=NPS | fields)
    assert refused.status_code == 422, refused.text
    return [(error["pointer"], error["code"]) for error in refused.json()["errors"]]


async def told(client: httpx.AsyncClient, resources: Resources, tenant: Tenant, kind: str) -> list[Any]:
    async with resources.database.unit(tenant.workspace_id, read_only=True) as unit:
        rows = await unit.connection.fetch(
            "SELECT data FROM events WHERE workspace_id = $1 AND type = $2 ORDER BY id",
            tenant.workspace_id,
            kind,
        )
    return [row["data"]["survey"] for row in rows]


async def test_a_survey_needs_little_and_gets_sensible_defaults(client: httpx.AsyncClient) -> None:
    survey = await make(client)
    expected = {
        "state": "draft",
        "questions_version": 1,
        "score_question": "score",
        "anonymous": False,
        "recontact_rule": "once",
        "iteration": None,
        "audience": None,
        "triggers": [],
        "version": 1,
    }
    assert {name: survey[name] for name in expected} == expected
    assert [rule["score_at_most"] for rule in survey["followup_rules"]] == [6]
    assert (await client.get(f"/v1/surveys/{survey['id']}")).json() == survey


async def test_what_is_given_is_kept(client: httpx.AsyncClient) -> None:
    given = {
        "title": {"en": "Hello", "de": "Hallo"},
        "introduction": "Two questions.",
        "audience": {"field": "lifecycle_stage", "op": "eq", "value": "customer"},
        "channel": "email",
        "link_url": "https://example.com/s/{token}?lang=de",
        "recontact_rule": "recurring",
        "recontact_days": 90,
        "reminders_max": 2,
        "recurrence_days": 91,
        "recurrence_iterations": 4,
        "triggers": [
            {
                "kind": "support_resolved",
                "channels": ["chat"],
                "delay_hours": 24,
                "sample_percent": 20.0,
                "channel": "email",
            }
        ],
        "closes_at": "2199-01-01T00:00:00Z",
    }
    survey = await make(client, **given)
    assert {name: survey[name] for name in given} == given


async def test_an_anonymous_survey_opens_no_followups(client: httpx.AsyncClient) -> None:
    assert (await make(client, anonymous=True))["followup_rules"] == []
    rules = [{"score_at_most": 6}]
    assert await refusals(client, anonymous=True, followup_rules=rules) == [("/followup_rules", "anonymous")]


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"recontact_rule": "recurring"}, "/recontact_days", "missing"),
        ({"recontact_days": 3}, "/recontact_days", "not_allowed"),
        ({"recurrence_invites": True}, "/recurrence_invites", "not_allowed"),
        ({"closes_at": "2020-01-01T00:00:00Z"}, "/closes_at", "in_the_past"),
        (
            {"opens_at": "2199-02-01T00:00:00Z", "closes_at": "2199-01-01T00:00:00Z"},
            "/closes_at",
            "closes_first",
        ),
        ({"link_url": "https://example.com/s"}, "/link_url", "string_pattern_mismatch"),
        ({"audience": {"field": "plan", "op": "eq", "value": "x"}}, "/audience/field", "unknown_field"),
        ({"followup_rules": [{"score_at_most": 11}]}, "/followup_rules/0/score_at_most", "out_of_range"),
        ({"followup_rules": [{}]}, "/followup_rules/0", "one_condition"),
        (
            {"followup_rules": [{"text_contains": ["bad"], "question": "score"}]},
            "/followup_rules/0/question",
            "unknown_question",
        ),
        (
            {"followup_rules": [{"score_at_most": 3, "owner_id": str(new_id())}]},
            "/followup_rules/0/owner_id",
            "unknown_member",
        ),
    ],
)
async def test_what_makes_no_sense_is_refused_by_its_place(
    client: httpx.AsyncClient, fields: dict[str, Any], pointer: str, code: str
) -> None:
    assert await refusals(client, **fields) == [(pointer, code)]


async def test_questions_change_in_place_until_somebody_has_answered(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    survey = await make(client)
    url = f"/v1/surveys/{survey['id']}"
    shorter = NPS["questions"][:1]
    changed = (await client.patch(url, json={"questions": shorter})).json()
    assert (changed["questions_version"], len(changed["questions"])) == (1, 1)
    await _answer(resources, tenant)
    changed = (await client.patch(url, json={"questions": NPS["questions"]})).json()
    assert (changed["questions_version"], len(changed["questions"])) == (2, 2)
    versions = (await client.get(f"{url}/versions", params={"limit": 1})).json()
    assert [(each["questions_version"], each["answered"]) for each in versions["items"]] == [(2, False)]
    older = (await client.get(f"{url}/versions", params={"cursor": versions["next_cursor"]})).json()
    assert [(each["questions_version"], len(each["questions"])) for each in older["items"]] == [(1, 1)]


async def test_the_same_questions_again_change_nothing(client: httpx.AsyncClient) -> None:
    survey = await make(client)
    same = await client.patch(f"/v1/surveys/{survey['id']}", json={"questions": survey["questions"]})
    assert same.json() == survey


@pytest.mark.parametrize("name", ["title", "introduction", "thanks"])
@pytest.mark.parametrize(
    ("text", "change", "left"),
    [
        ({"en": "A", "de": "B"}, {"en": "C"}, {"en": "C", "de": "B"}),
        ({"en": "A", "de": "B"}, {"fr": "C"}, {"en": "A", "de": "B", "fr": "C"}),
        ({"en": "A", "de": "B"}, {"de": None, "fr": None}, {"en": "A"}),
        ({"en": "A", "de": "B"}, {"de": None, "en": None, "fr": "C"}, {"fr": "C"}),
        ({"en": "A", "de": "B"}, {}, {"en": "A", "de": "B"}),
        ({"en": "A", "de": "B"}, "C", "C"),
        ("A", {"en": "B", "de": None}, {"en": "B"}),
    ],
)
async def test_a_change_of_texts_is_merged_language_by_language(
    client: httpx.AsyncClient, name: str, text: Any, change: Any, left: Any
) -> None:
    survey = await make(client, **{name: text})
    changed = await client.patch(f"/v1/surveys/{survey['id']}", json={name: change})
    assert (changed.status_code, changed.json()[name]) == (200, left)
    assert changed.json()["version"] == survey["version"] + (left != text)


@pytest.mark.parametrize(
    ("change", "place", "code"),
    [
        ({"title": {"en": None, "de": None}}, "/title", "too_few"),
        ({"title": {"en": " "}}, "/title/en", "string_too_short"),
        ({"title": None}, "/title", "string_type"),
        ({"introduction": {"en": None}}, "/introduction", "too_few"),
        ({"thanks": {}}, "/thanks", "too_few"),
        ({"title": {f"{a}{b}": "A" for a in "xyz" for b in "abcdefghijklmnopq"}}, "/title", "too_many"),
    ],
)
async def test_what_is_left_of_a_text_must_be_one(
    client: httpx.AsyncClient, change: dict[str, Any], place: str, code: str
) -> None:
    survey = await make(client, title={"en": "A", "de": "B"}, introduction={"en": "A"})
    url = f"/v1/surveys/{survey['id']}"
    refused = await client.patch(url, json=change)
    assert refused.status_code == 422
    assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [(place, code)]
    assert (await client.get(url)).json() == survey


async def test_anonymity_is_fixed_by_the_first_response(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    survey = await make(client, anonymous=True)
    url = f"/v1/surveys/{survey['id']}"
    assert (await client.patch(url, json={"anonymous": False})).json()["anonymous"] is False
    await client.patch(url, json={"anonymous": True})
    await _answer(resources, tenant)
    refused = await client.patch(url, json={"anonymous": False})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/survey-answered")
    assert (await client.get(url)).json()["anonymous"] is True


async def test_a_survey_opens_closes_and_opens_again(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    survey = await make(client)
    url = f"/v1/surveys/{survey['id']}"
    opened = (await client.post(f"{url}/open")).json()
    assert (opened["state"], opened["iteration"]) == ("open", 1)
    assert (await client.post(f"{url}/open")).json() == opened
    closed = (await client.post(f"{url}/close")).json()
    assert closed["state"] == "closed"
    assert closed["closed_at"] is not None
    again = (await client.post(f"{url}/open")).json()
    assert (again["state"], again["closed_at"], again["opened_at"]) == ("open", None, opened["opened_at"])
    assert len(await told(client, resources, tenant, "survey.opened")) == 2
    assert await told(client, resources, tenant, "survey.closed") == [closed]


async def test_a_draft_cannot_be_closed(client: httpx.AsyncClient) -> None:
    survey = await make(client)
    refused = await client.post(f"/v1/surveys/{survey['id']}/close")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/survey-not-open")


async def test_a_scheduled_survey_opens_and_closes_by_itself(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant, clock: MovableClock
) -> None:
    opens_at, closes_at = clock.now() + timedelta(hours=1), clock.now() + timedelta(days=1)
    survey = await make(client, opens_at=opens_at.isoformat(), closes_at=closes_at.isoformat())
    url = f"/v1/surveys/{survey['id']}"
    assert (await client.post(f"{url}/open")).json()["state"] == "scheduled"
    job = Job(TURN_JOB, tenant.workspace_id)
    await turn(resources, job)
    assert (await client.get(url)).json()["state"] == "scheduled"
    clock.set(opens_at)
    await turn(resources, job)
    assert (await client.get(url)).json()["state"] == "open"
    clock.set(closes_at)
    await turn(resources, job)
    assert (await client.get(url)).json()["state"] == "closed"
    await turn(resources, job)
    assert len(await told(client, resources, tenant, "survey.closed")) == 1


async def test_a_survey_whose_time_is_over_does_not_open(
    client: httpx.AsyncClient, clock: MovableClock
) -> None:
    survey = await make(client, closes_at=(clock.now() + timedelta(hours=1)).isoformat())
    clock.set(clock.now() + timedelta(hours=2))
    refused = await client.post(f"/v1/surveys/{survey['id']}/open")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/survey-over")


@pytest.mark.parametrize("state", ["open", "closed"])
async def test_when_it_opens_is_fixed_once_it_was_opened(
    client: httpx.AsyncClient, clock: MovableClock, state: str
) -> None:
    opens_at = (clock.now() - timedelta(hours=1)).isoformat()
    survey = await make(client, opens_at=opens_at)
    url = f"/v1/surveys/{survey['id']}"
    await client.post(f"{url}/open")
    if state == "closed":
        await client.post(f"{url}/close")
    for other in ((clock.now() + timedelta(days=9)).isoformat(), None):
        refused = await client.patch(url, json={"opens_at": other})
        assert refused.status_code == 422
        errors = [(error["pointer"], error["code"]) for error in refused.json()["errors"]]
        assert errors == [("/opens_at", "fixed")]

    closes_at = (clock.now() + timedelta(days=1)).isoformat()
    changed = await client.patch(url, json={"opens_at": opens_at, "closes_at": closes_at})
    assert (changed.status_code, changed.json()["state"]) == (200, state)


async def test_iterations_are_counted_in_local_days(client: httpx.AsyncClient, clock: MovableClock) -> None:
    await client.patch("/v1/workspace", json={"timezone": "Europe/Berlin"})
    survey = await make(client, recurrence_days=1, recurrence_iterations=3)
    url = f"/v1/surveys/{survey['id']}"
    clock.set(clock.now().replace(2026, 10, 24, 12, 0))
    await client.post(f"{url}/open")
    # The 25th has 25 hours in Berlin; its last one is still the second iteration.
    for day, hour, iteration in ((24, 21, 1), (24, 22, 2), (25, 22, 2), (25, 23, 3), (31, 12, 3)):
        clock.set(clock.now().replace(day=day, hour=hour))
        assert (await client.get(url)).json()["iteration"] == iteration


async def test_archiving_closes_and_restoring_leaves_closed(
    client: httpx.AsyncClient, resources: Resources, tenant: Tenant
) -> None:
    survey = await make(client)
    url = f"/v1/surveys/{survey['id']}"
    await client.post(f"{url}/open")
    assert (await client.delete(url)).status_code == 204
    assert (await client.get("/v1/surveys")).json()["items"] == []
    assert (await client.post(f"{url}/open")).status_code == 409
    restored = (await client.post(f"{url}/restore")).json()
    assert (restored["state"], restored["archived_at"]) == ("closed", None)
    assert restored["version"] == survey["version"] + 3
    assert len(await told(client, resources, tenant, "survey.closed")) == 1


async def test_what_was_scheduled_when_it_was_archived_does_not_open_by_being_restored(
    client: httpx.AsyncClient, clock: MovableClock
) -> None:
    survey = await make(client, opens_at=(clock.now() + timedelta(hours=1)).isoformat())
    url = f"/v1/surveys/{survey['id']}"
    assert (await client.post(f"{url}/open")).json()["state"] == "scheduled"
    await client.delete(url)
    clock.advance(hours=2)
    assert (await client.post(f"{url}/restore")).json()["state"] == "draft"


async def test_a_stale_change_is_refused(client: httpx.AsyncClient) -> None:
    survey = await make(client)
    url = f"/v1/surveys/{survey['id']}"
    await client.patch(url, json={"title": "Anew"}, headers={"If-Match": '"1"'})
    stale = await client.patch(url, json={"title": "Again"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412


async def test_lists_are_narrowed_by_state_and_type(client: httpx.AsyncClient) -> None:
    open_one, draft = await make(client), await make(client)
    await client.post(f"/v1/surveys/{open_one['id']}/open")
    for params, expected in (
        ({"state": "open"}, [open_one["id"]]),
        ({"state": "draft"}, [draft["id"]]),
        ({"type": "csat"}, []),
        ({"sort": "created_at"}, [open_one["id"], draft["id"]]),
    ):
        listed = (await client.get("/v1/surveys", params=params)).json()["items"]
        assert [each["id"] for each in listed] == expected


async def _answer(resources: Resources, tenant: Tenant) -> None:
    """As if somebody had answered."""
    async with resources.database.unit(tenant.workspace_id) as unit:
        for table in ("surveys", "survey_versions"):
            await unit.connection.execute(
                f"UPDATE {table} SET answered = true WHERE workspace_id = $1", tenant.workspace_id
            )
