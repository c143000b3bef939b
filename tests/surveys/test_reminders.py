"""Reminding contacts of what they have not answered."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from structlog.testing import capture_logs

from app.kit.crypto import Cipher
from app.surveys.events import REMINDER_DUE
from app.surveys.repository.responses import ResponseRepository
from tests.stand_ins import MovableClock
from tests.surveys.world import AskingWorld, Json

REMINDED = "survey.reminder_due"


async def invited(asking: AskingWorld, **settings: Any) -> tuple[str, Json]:
    """A survey that reminds twice, a day apart, and the invitation of a contact to it."""
    survey_id = await asking.survey(**{"reminders_max": 2, "reminder_gap_hours": 24} | settings)
    ada = await asking.contact(emails=[{"address": "ada@example.com"}])
    [item] = await asking.invite(survey_id, ada, channel="email")
    return survey_id, item


async def days_pass(asking: AskingWorld, days: int) -> None:
    for _ in range(days):
        asking.clock.advance(hours=24)
        await asking.remind()


async def test_as_many_reminders_as_allowed_each_after_its_gap(asking: AskingWorld) -> None:
    survey_id, _ = await invited(asking)
    asking.clock.advance(hours=23)
    await asking.remind()
    assert await asking.published(REMINDED) == []
    asking.clock.advance(hours=1)
    await asking.remind()
    await asking.remind()
    assert len(await asking.published(REMINDED)) == 1
    await days_pass(asking, 3)

    [shown] = await asking.listed(f"/v1/surveys/{survey_id}/invitations")
    assert shown["reminders_sent"] == 2
    assert [told["reminders_sent"] for told in await asking.published(REMINDED)] == [1, 2]


async def test_a_reminder_says_what_the_invitation_said(asking: AskingWorld) -> None:
    await invited(asking, link_url="https://shop.example/{token}")
    await days_pass(asking, 1)
    [asked] = await asking.published("survey.invitation_created")
    [told] = await asking.published(REMINDED)

    assert told == asked | {"reminders_sent": 1}
    assert REMINDER_DUE.data.model_validate(told).model_dump(mode="json") == told


async def test_workers_at_once_remind_once(asking: AskingWorld) -> None:
    await invited(asking)
    asking.clock.advance(hours=24)
    await asyncio.gather(*(asking.remind() for _ in range(4)))

    assert len(await asking.published(REMINDED)) == 1


async def test_who_waits_for_a_survey_holds_none_of_its_invitations(asking: AskingWorld) -> None:
    """Whoever answers holds the survey first, and would wait for them in a circle."""
    survey_id, item = await invited(asking)
    asking.clock.advance(hours=24)
    async with asking.resources.database.unit(asking.tenant.workspace_id) as unit:
        await ResponseRepository(unit).hold_surveys([UUID(survey_id)])
        reminding = asyncio.create_task(asking.remind())
        await asking.someone_waits()
        await unit.connection.fetch(HOLD, unit.workspace_id, UUID(item["invitation_id"]))
    await reminding

    assert len(await asking.published(REMINDED)) == 1


async def test_rules_on_frequency_do_not_hold_for_reminders_and_do_not_count_them(
    asking: AskingWorld,
) -> None:
    await asking.rule(max_invitations=1, window_hours=30)
    _, item = await invited(asking)
    await days_pass(asking, 1)
    assert len(await asking.published(REMINDED)) == 1
    asking.clock.advance(hours=7)

    assert await asking.skipped(await asking.survey(), item["contact_id"]) == [None]


@pytest.mark.parametrize("ending", ["answered", "bounced", "revoked", "archived survey", "expired"])
async def test_what_is_over_is_not_reminded_of(asking: AskingWorld, ending: str) -> None:
    survey_id, item = await invited(asking, invitation_days=1 if ending == "expired" else 30)
    path = f"/v1/surveys/{survey_id}"
    if ending == "answered":
        await asking.answer(item["invitation_id"])
    elif ending == "archived survey":
        await asking.client.delete(path)
    elif ending != "expired":
        await asking.client.patch(f"{path}/invitations/{item['invitation_id']}", json={"delivery": ending})
    await days_pass(asking, 2)

    assert await asking.published(REMINDED) == []
    assert await asking.fetch(WAITING) == []


async def test_who_is_asked_until_they_answer_is_not_reminded_of_the_other_links(asking: AskingWorld) -> None:
    survey_id, item = await invited(asking, recontact_rule="until_response")
    [other] = await asking.invite(survey_id, await asking.contact())
    asking.clock.advance(hours=1)
    [again] = await asking.invite(survey_id, item["contact_id"])
    answer = {"answers": {"score": 9}, "complete": True}
    assert (await asking.client.post(f"/v1/public/surveys/{again['token']}", json=answer)).status_code == 200
    await days_pass(asking, 3)

    assert {told["invitation_id"] for told in await asking.published(REMINDED)} == {other["invitation_id"]}
    assert await asking.fetch(WAITING) == []


@pytest.mark.parametrize("hindrance", ["denied", "suppressed", "archived", "closed"])
async def test_who_may_not_be_written_to_is_reminded_once_they_may(
    asking: AskingWorld, hindrance: str
) -> None:
    survey_id, item = await invited(asking)
    contact, survey = f"/v1/contacts/{item['contact_id']}", f"/v1/surveys/{survey_id}"
    match hindrance:
        case "denied":
            await asking.made(f"{contact}/consents", {"purpose": "surveys", "state": "denied"})
        case "suppressed":
            await asking.made("/v1/suppressions", {"email": "ada@example.com", "reason": "objected"})
        case "archived":
            await asking.client.delete(contact)
        case "closed":
            await asking.client.post(f"{survey}/close")
    await days_pass(asking, 1)
    assert await asking.published(REMINDED) == []

    match hindrance:
        case "denied":
            await asking.made(f"{contact}/consents", {"purpose": "surveys", "state": "granted"})
        case "suppressed":
            [entry] = await asking.listed("/v1/suppressions")
            await asking.client.delete(f"/v1/suppressions/{entry['id']}")
        case "archived":
            await asking.client.post(f"{contact}/restore")
        case "closed":
            await asking.client.post(f"{survey}/open")
    await days_pass(asking, 1)
    assert len(await asking.published(REMINDED)) == 1


async def test_who_has_not_granted_consent_is_not_reminded_once_the_survey_asks_for_it(
    asking: AskingWorld,
) -> None:
    survey_id, item = await invited(asking)
    await asking.client.patch(f"/v1/surveys/{survey_id}", json={"consent_required": True})
    await days_pass(asking, 1)
    assert await asking.published(REMINDED) == []
    await asking.made(
        f"/v1/contacts/{item['contact_id']}/consents", {"purpose": "surveys", "state": "granted"}
    )
    await days_pass(asking, 1)

    assert len(await asking.published(REMINDED)) == 1


async def test_a_denial_on_another_channel_hinders_nothing(asking: AskingWorld) -> None:
    _, item = await invited(asking)
    said = {"purpose": "surveys", "state": "denied", "channel": "sms"}
    await asking.made(f"/v1/contacts/{item['contact_id']}/consents", said)
    await days_pass(asking, 1)

    assert len(await asking.published(REMINDED)) == 1


async def test_reminders_of_an_anonymous_survey_do_not_tell_who_has_answered(asking: AskingWorld) -> None:
    """Until their answer may be told they are reminded like all: whoever was left out would be them."""
    survey_id, item = await invited(asking, anonymous=True)
    (other,) = await asking.invite(survey_id, await asking.contact())
    await asking.answer(item["invitation_id"], settled=False)
    await days_pass(asking, 1)
    reminded = [told["contact_id"] for told in await asking.published(REMINDED)]
    assert sorted(reminded) == sorted([item["contact_id"], other["contact_id"]])


async def test_an_address_that_works_again_is_reminded_whether_or_not_it_answered_in_secret(
    asking: AskingWorld,
) -> None:
    survey_id, item = await invited(asking, anonymous=True)
    await asking.answer(item["invitation_id"], settled=False)
    url = f"/v1/surveys/{survey_id}/invitations/{item['invitation_id']}"
    for delivery in ("bounced", "sent"):
        assert (await asking.client.patch(url, json={"delivery": delivery})).status_code == 200
    await days_pass(asking, 1)
    assert len(await asking.published(REMINDED)) == 1


async def test_who_is_known_to_have_answered_an_anonymous_survey_is_not_reminded(asking: AskingWorld) -> None:
    _, item = await invited(asking, anonymous=True)
    await asking.answer(item["invitation_id"], settled=True)
    await days_pass(asking, 1)
    assert await asking.published(REMINDED) == []


async def test_reminders_that_are_allowed_later_are_for_those_already_asked(asking: AskingWorld) -> None:
    survey_id, _ = await invited(asking, reminders_max=0)
    await days_pass(asking, 3)
    await asking.client.patch(f"/v1/surveys/{survey_id}", json={"reminders_max": 2})
    await asking.remind()
    assert len(await asking.published(REMINDED)) == 1
    await days_pass(asking, 3)

    assert [told["reminders_sent"] for told in await asking.published(REMINDED)] == [1, 2]


async def test_a_longer_gap_holds_for_those_already_asked(asking: AskingWorld) -> None:
    survey_id, _ = await invited(asking)
    await days_pass(asking, 1)
    await asking.client.patch(f"/v1/surveys/{survey_id}", json={"reminder_gap_hours": 72})
    await days_pass(asking, 2)
    assert len(await asking.published(REMINDED)) == 1
    await days_pass(asking, 1)

    assert len(await asking.published(REMINDED)) == 2


async def test_fewer_reminders_hold_for_those_already_asked(asking: AskingWorld) -> None:
    survey_id, _ = await invited(asking)
    await days_pass(asking, 1)
    await asking.client.patch(f"/v1/surveys/{survey_id}", json={"reminders_max": 1})
    assert await asking.fetch(WAITING) == []
    await days_pass(asking, 2)

    assert len(await asking.published(REMINDED)) == 1


async def test_whose_token_no_key_opens_keeps_no_other_from_being_reminded(asking: AskingWorld) -> None:
    survey_id, item = await invited(asking)
    [other] = await asking.invite(survey_id, await asking.contact())
    sealed = Cipher([Fernet.generate_key().decode()]).seal("a token of a key that is gone")
    await asking.fetch(SEAL, UUID(item["invitation_id"]), sealed)
    asking.clock.advance(hours=24)
    with capture_logs() as lines:
        await asking.remind()

    assert [told["invitation_id"] for told in await asking.published(REMINDED)] == [other["invitation_id"]]
    sent = {
        each["id"]: each["reminders_sent"]
        for each in await asking.listed(f"/v1/surveys/{survey_id}/invitations")
    }
    assert sent == {item["invitation_id"]: 0, other["invitation_id"]: 1}
    waiting = {str(row["id"]) for row in await asking.fetch(WAITING)}
    assert waiting == {item["invitation_id"], other["invitation_id"]}, "the key may come back"
    [unreadable] = [line for line in lines if line["event"] == "surveys.reminder_unreadable"]
    assert unreadable["invitation_id"] == item["invitation_id"]


async def test_due_reminders_are_found(asking: AskingWorld, clock: MovableClock) -> None:
    clock.advance(hours=-25)
    await invited(asking)
    async with asking.resources.database.raw() as connection:
        rows = await connection.fetch("SELECT workspace_id FROM due_survey_reminders()")

    assert asking.tenant.workspace_id in {row["workspace_id"] for row in rows}


HOLD = "SELECT FROM survey_invitations WHERE workspace_id = $1 AND id = $2 FOR NO KEY UPDATE NOWAIT"
SEAL = "UPDATE survey_invitations SET token_sealed = $3 WHERE workspace_id = $1 AND id = $2"
WAITING = "SELECT id FROM survey_invitations WHERE workspace_id = $1 AND next_reminder_at IS NOT NULL"
