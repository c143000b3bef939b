"""Touchpoints, filters and iterations that make a survey ask by itself."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.kit.ids import new_id
from app.surveys.service.planning import is_sampled, plan_audience
from app.surveys.service.surveys import SurveyService
from tests.stand_ins import MovableClock
from tests.surveys.world import AskingWorld, Json
from tests.working import work_off


def trigger(**fields: Any) -> Json:
    return {"triggers": [{"kind": "support_resolved"} | fields]}


async def test_a_touchpoint_leads_to_an_ask_after_its_delay(asking: AskingWorld, clock: MovableClock) -> None:
    survey_id, ada = await asking.survey(**trigger(delay_hours=24, channel="sms")), await asking.contact()
    occurred_at = clock.now()
    touchpoint_id = await asking.touchpoint(ada, occurred_at=occurred_at.isoformat())
    await asking.relay()
    await asking.ask_planned()
    [planned] = await asking.planned(survey_id)
    assert (planned["state"], planned["touchpoint_id"]) == ("planned", touchpoint_id)
    assert datetime.fromisoformat(planned["due_at"]) == occurred_at + timedelta(hours=24)

    clock.advance(hours=24)
    await asking.ask_planned()
    [planned] = await asking.planned(survey_id)
    [invitation] = await asking.listed(f"/v1/surveys/{survey_id}/invitations")
    assert (planned["state"], planned["invitation_id"]) == ("invited", invitation["id"])
    assert (invitation["origin"], invitation["channel"], invitation["contact_id"]) == ("trigger", "sms", ada)


async def test_without_a_delay_the_background_asks_at_once(asking: AskingWorld) -> None:
    survey_id, ada = await asking.survey(**trigger()), await asking.contact()
    await asking.touchpoint(ada)
    await work_off(asking.resources, asking.tenant.workspace_id)

    assert [told["contact_id"] for told in await asking.published("survey.invitation_created")] == [ada]
    assert [planned["state"] for planned in await asking.planned(survey_id)] == ["invited"]


async def test_only_what_a_trigger_names_leads_to_an_ask(asking: AskingWorld, clock: MovableClock) -> None:
    ada, early = await asking.contact(), clock.now().isoformat()
    survey_id = await asking.survey(**trigger(channels=["chat", "phone"]))
    await asking.draft(**trigger())
    fitting = await asking.touchpoint(ada, channel="phone")
    await asking.touchpoint(ada, channel="email")
    await asking.touchpoint(ada, channel="phone", kind="note")
    await asking.touchpoint(ada, channel="phone", occurred_at=early)
    await asking.relay()
    rows = await asking.fetch(
        "SELECT survey_id, touchpoint_id FROM planned_invitations WHERE workspace_id = $1"
    )

    assert [(str(row["survey_id"]), str(row["touchpoint_id"])) for row in rows] == [(survey_id, fitting)]


async def test_a_deleted_touchpoint_leads_to_none(asking: AskingWorld, clock: MovableClock) -> None:
    survey_id, ada = await asking.survey(**trigger(delay_hours=1)), await asking.contact()
    touchpoint_id = await asking.touchpoint(ada)
    await asking.relay()
    await asking.client.delete(f"/v1/touchpoints/{touchpoint_id}")
    await asking.relay()
    clock.advance(hours=2)
    await asking.ask_planned()

    assert [planned["state"] for planned in await asking.planned(survey_id)] == ["cancelled"]
    assert await asking.published("survey.invitation_created") == []


async def test_events_that_come_again_plan_nothing_again(asking: AskingWorld) -> None:
    survey_id, ada = await asking.survey(**trigger()), await asking.contact()
    await asking.touchpoint(ada)
    await asking.relay()
    await asking.fetch("UPDATE event_cursors SET position = 0 WHERE workspace_id = $1")
    await asking.relay()

    assert len(await asking.planned(survey_id)) == 1


async def test_who_may_not_be_asked_is_skipped_for_a_reason(asking: AskingWorld) -> None:
    survey_id, ada = await asking.survey(**trigger()), await asking.contact()
    await asking.made(f"/v1/contacts/{ada}/consents", {"purpose": "surveys", "state": "denied"})
    await asking.touchpoint(ada)
    await work_off(asking.resources, asking.tenant.workspace_id)

    [planned] = await asking.planned(survey_id, state="skipped", reason="no_consent", contact_id=ada)
    assert planned["invitation_id"] is None


async def test_a_survey_that_is_closed_by_then_asks_nobody(asking: AskingWorld, clock: MovableClock) -> None:
    survey_id, ada = await asking.survey(**trigger(delay_hours=1)), await asking.contact()
    await asking.touchpoint(ada)
    await asking.relay()
    await asking.client.post(f"/v1/surveys/{survey_id}/close")
    clock.advance(hours=2)
    await asking.ask_planned()

    assert [planned["state"] for planned in await asking.planned(survey_id)] == ["cancelled"]


async def test_workers_at_once_ask_each_once(asking: AskingWorld) -> None:
    survey_id = await asking.survey(recontact_rule="always", **trigger())
    for contact_id in await asking.contacts(10):
        await asking.touchpoint(contact_id)
    await asking.relay()
    await asyncio.gather(*(asking.ask_planned() for _ in range(4)))

    assert Counter(planned["state"] for planned in await asking.planned(survey_id)) == {"invited": 10}
    assert len(await asking.published("survey.invitation_created")) == 10


async def test_an_iteration_asks_the_audience(asking: AskingWorld) -> None:
    ada = await asking.contact(tags=["vip"])
    await asking.contact()
    audience = {"field": "tags", "op": "contains", "value": "vip"}
    survey_id = await asking.survey(audience=audience)
    async with asking.resources.database.unit(asking.tenant.workspace_id) as unit:
        await plan_audience(unit, await SurveyService(unit).found(UUID(survey_id)))
    await asking.ask_planned()

    [invitation] = await asking.listed(f"/v1/surveys/{survey_id}/invitations")
    assert (invitation["contact_id"], invitation["origin"]) == (ada, "recurrence")


def test_a_sample_is_the_share_it_says_and_the_same_each_time() -> None:
    survey_id, touchpoints = new_id(), [new_id() for _ in range(10_000)]
    sampled = [each for each in touchpoints if is_sampled(survey_id, each, 12.5)]

    assert sampled == [each for each in touchpoints if is_sampled(survey_id, each, 12.5)]
    assert 1_100 < len(sampled) < 1_400
    assert set(sampled) < {each for each in touchpoints if is_sampled(survey_id, each, 50)}
    assert all(is_sampled(survey_id, each, 100) for each in touchpoints)
