"""What a touchpoint has planned follows the touchpoint and the triggers until it is decided."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.surveys.waiting import someone_waits
from tests.surveys.world import AskingWorld, Json
from tests.working import work_off


def trigger(**fields: Any) -> Json:
    return {"triggers": [{"kind": "support_resolved", "delay_hours": 24} | fields]}


async def waiting(asking: AskingWorld, **fields: Any) -> tuple[str, str, str]:
    """A survey, a contact, and the touchpoint that made the survey plan to ask them in a day."""
    survey_id, ada = await asking.survey(**trigger(**fields)), await asking.contact()
    touchpoint_id = await asking.touchpoint(ada)
    await asking.relay()
    assert [each["state"] for each in await asking.planned(survey_id)] == ["planned"]
    return survey_id, ada, touchpoint_id


async def change(asking: AskingWorld, touchpoint_id: str, **changes: Any) -> None:
    answer = await asking.client.patch(f"/v1/touchpoints/{touchpoint_id}", json=changes)
    assert answer.status_code == 200, answer.text
    await asking.relay()


async def asked_after_a_day(asking: AskingWorld) -> list[str]:
    asking.clock.advance(hours=25)
    await asking.ask_planned()
    return [told["contact_id"] for told in await asking.published("survey.invitation_created")]


async def test_a_touchpoint_of_another_contact_asks_that_one(asking: AskingWorld) -> None:
    _, _, touchpoint_id = await waiting(asking)
    bob = await asking.contact()
    await change(asking, touchpoint_id, contact_id=bob)

    assert await asked_after_a_day(asking) == [bob]


async def test_a_touchpoint_of_another_kind_asks_nobody(asking: AskingWorld) -> None:
    survey_id, _, touchpoint_id = await waiting(asking)
    await change(asking, touchpoint_id, kind="note")

    assert [each["state"] for each in await asking.planned(survey_id)] == ["cancelled"]
    assert await asked_after_a_day(asking) == []


async def test_a_touchpoint_on_another_channel_asks_nobody(asking: AskingWorld) -> None:
    survey_id, _, touchpoint_id = await waiting(asking, channels=["email"])
    await change(asking, touchpoint_id, channel="chat")

    assert [each["state"] for each in await asking.planned(survey_id)] == ["cancelled"]


async def test_a_case_that_is_resolved_later_asks_from_then(asking: AskingWorld) -> None:
    """Partners send the same touchpoint again with another kind."""
    survey_id, ada = await asking.survey(**trigger()), await asking.contact()
    touchpoint_id = await asking.touchpoint(ada, kind="support_case")
    await asking.relay()
    assert await asking.planned(survey_id) == []
    await change(asking, touchpoint_id, kind="support_resolved")

    assert await asked_after_a_day(asking) == [ada]


async def test_another_time_of_the_touchpoint_is_another_time_of_the_ask(asking: AskingWorld) -> None:
    survey_id, _, touchpoint_id = await waiting(asking)
    later = asking.clock.now() + timedelta(minutes=3)
    await change(asking, touchpoint_id, occurred_at=later.isoformat())

    [planned] = await asking.planned(survey_id)
    assert datetime.fromisoformat(planned["due_at"]) == later + timedelta(hours=24)


async def test_a_restored_touchpoint_asks_again(asking: AskingWorld) -> None:
    survey_id, ada, touchpoint_id = await waiting(asking)
    await asking.client.delete(f"/v1/touchpoints/{touchpoint_id}")
    await asking.relay()
    assert [each["state"] for each in await asking.planned(survey_id)] == ["cancelled"]
    await asking.client.post(f"/v1/touchpoints/{touchpoint_id}/restore")
    await asking.relay()

    assert await asked_after_a_day(asking) == [ada]


async def test_deleted_and_restored_at_once_changes_nothing(asking: AskingWorld) -> None:
    survey_id, ada = await asking.survey(**trigger()), await asking.contact()
    touchpoint_id = await asking.touchpoint(ada)
    await asking.client.delete(f"/v1/touchpoints/{touchpoint_id}")
    await asking.client.post(f"/v1/touchpoints/{touchpoint_id}/restore")
    await asking.relay()

    assert [each["state"] for each in await asking.planned(survey_id)] == ["planned"]


async def test_what_was_decided_is_not_decided_again(asking: AskingWorld) -> None:
    survey_id, ada, touchpoint_id = await waiting(asking)
    assert await asked_after_a_day(asking) == [ada]
    await change(asking, touchpoint_id, contact_id=await asking.contact())
    await change(asking, touchpoint_id, kind="note")
    await asking.client.delete(f"/v1/touchpoints/{touchpoint_id}")
    await work_off(asking.resources, asking.tenant.workspace_id)

    assert [each["state"] for each in await asking.planned(survey_id)] == ["invited"]
    assert len(await asking.published("survey.invitation_created")) == 1


async def test_a_word_more_in_an_old_touchpoint_asks_nobody(asking: AskingWorld) -> None:
    """It was there before the survey had a trigger."""
    survey_id, ada = await asking.survey(), await asking.contact()
    touchpoint_id = await asking.touchpoint(ada)
    await asking.relay()
    await asking.client.patch(f"/v1/surveys/{survey_id}", json=trigger())
    await change(asking, touchpoint_id, summary="Solved by a new cable.")

    assert await asking.planned(survey_id) == []


async def test_what_a_closed_survey_cancelled_stays_so(asking: AskingWorld) -> None:
    survey_id, _, touchpoint_id = await waiting(asking)
    await asking.client.post(f"/v1/surveys/{survey_id}/close")
    await asked_after_a_day(asking)
    await asking.client.post(f"/v1/surveys/{survey_id}/open")
    await change(asking, touchpoint_id, summary="Solved by a new cable.")

    assert [each["state"] for each in await asking.planned(survey_id)] == ["cancelled"]


async def test_while_a_survey_is_closed_its_plans_follow_too(asking: AskingWorld) -> None:
    survey_id, _, touchpoint_id = await waiting(asking)
    bob = await asking.contact()
    await asking.client.post(f"/v1/surveys/{survey_id}/close")
    await change(asking, touchpoint_id, contact_id=bob)
    await asking.client.post(f"/v1/surveys/{survey_id}/open")

    assert await asked_after_a_day(asking) == [bob]


@pytest.mark.parametrize("triggers", [[], [{"kind": "visit", "delay_hours": 24}]])
async def test_without_its_trigger_nothing_is_asked(asking: AskingWorld, triggers: list[Json]) -> None:
    survey_id, _, _ = await waiting(asking)
    other_id, _, _ = await waiting(asking)
    await asking.client.patch(f"/v1/surveys/{survey_id}", json={"triggers": triggers})

    assert [each["state"] for each in await asking.planned(survey_id)] == ["cancelled"] * 2
    assert [each["state"] for each in await asking.planned(other_id)] == ["planned"]


async def test_another_delay_holds_for_what_waits(asking: AskingWorld) -> None:
    survey_id, _, _ = await waiting(asking)
    [before] = await asking.planned(survey_id)
    await asking.client.patch(f"/v1/surveys/{survey_id}", json=trigger(delay_hours=48, channel="chat"))

    [after] = await asking.planned(survey_id)
    waited = datetime.fromisoformat(after["due_at"]) - datetime.fromisoformat(before["due_at"])
    assert (waited, after["channel"]) == (timedelta(hours=24), "chat")


async def test_an_import_of_old_touchpoints_asks_nobody(asking: AskingWorld) -> None:
    survey_id, ada = await asking.survey(**trigger()), await asking.contact()
    opened = asking.clock.now()
    asking.clock.advance(days=30)
    for days in (1, 10, 21.9, 22.1, 29):
        at = opened + timedelta(days=days)
        await asking.touchpoint(ada, occurred_at=at.isoformat())
    await asking.relay()

    late = {datetime.fromisoformat(each["due_at"]) for each in await asking.planned(survey_id)}
    assert len(await asking.planned(survey_id)) == 2
    assert late == {each for each in late if each >= opened + timedelta(days=30)}


async def test_who_is_waited_for_may_be_closed_meanwhile(asking: AskingWorld) -> None:
    """A request that has to wait for a contact asks nobody for a survey that was closed in the meantime."""
    survey_id, ada = await asking.survey(), await asking.contact()
    async with asking.resources.database.unit(asking.tenant.workspace_id) as unit:
        await unit.connection.execute(
            "SELECT FROM contacts WHERE workspace_id = $1 FOR UPDATE", unit.workspace_id
        )
        path, body = f"/v1/surveys/{survey_id}/invitations", {"contact_ids": [ada]}
        request = asyncio.create_task(asking.client.post(path, json=body))
        await someone_waits(asking)
        assert (await asking.client.post(f"/v1/surveys/{survey_id}/close")).status_code == 200

    assert (await request).status_code == 409
    assert await asking.published("survey.invitation_created") == []


async def test_a_survey_whose_time_is_over_asks_nobody_before_it_is_closed(asking: AskingWorld) -> None:
    closes_at = asking.clock.now() + timedelta(hours=1)
    survey_id = await asking.survey(closes_at=closes_at.isoformat(), reminders_max=1, reminder_gap_hours=1)
    ada, bob = await asking.contacts(2)
    await asking.invite(survey_id, ada)
    asking.clock.advance(hours=1)
    refused = await asking.client.post(f"/v1/surveys/{survey_id}/invitations", json={"contact_ids": [bob]})
    await asking.remind()

    assert refused.status_code == 409
    assert await asking.published("survey.reminder_due") == []
