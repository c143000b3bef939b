"""Asking contacts: what each gets, what is told of it, and that two at once break no rule."""

import asyncio
import hashlib
from collections import Counter
from itertools import chain
from uuid import UUID

import httpx
import pytest

from app.kit.ids import new_id
from app.surveys.events import INVITATION_CREATED
from app.surveys.service.inviting import Invited, Inviter
from app.surveys.service.links import Links
from app.surveys.service.surveys import SurveyService
from tests.crowds import copies
from tests.surveys.world import AskingWorld

VIPS = {"field": "tags", "op": "contains", "value": "vip"}


async def test_a_contact_gets_a_link_of_its_own(asking: AskingWorld) -> None:
    survey_id = await asking.survey(link_url="https://shop.example/s/{token}?lang=de", channel="email")
    first, second = await asking.invite(survey_id, *await asking.contacts(2))

    assert first["url"] == f"https://shop.example/s/{first['token']}?lang=de"
    assert first["channel"] == "email"
    assert first["skipped"] is None
    assert first["token"] != second["token"]


async def test_the_token_is_stored_as_its_hash_and_sealed(asking: AskingWorld) -> None:
    survey_id = await asking.survey()
    [item] = await asking.invite(survey_id, await asking.contact())
    [row] = await asking.fetch("SELECT * FROM survey_invitations WHERE workspace_id = $1")

    assert row["token_hash"] == hashlib.sha256(item["token"].encode()).digest()
    assert asking.resources.cipher.open(row["token_sealed"]) == item["token"]
    assert item["token"] not in row["token_sealed"]


async def test_items_stand_in_the_order_of_the_request(asking: AskingWorld) -> None:
    survey_id, stranger = await asking.survey(), str(new_id())
    ada, bob = await asking.contacts(2)
    items = await asking.invite(survey_id, bob, stranger, ada, bob, stranger)

    assert [item["contact_id"] for item in items] == [bob, stranger, ada, bob, stranger]
    assert [item["skipped"] for item in items] == [
        None,
        "unknown_contact",
        None,
        "duplicate",
        "unknown_contact",
    ]


async def test_a_mailer_learns_all_it_needs(asking: AskingWorld) -> None:
    survey_id = await asking.survey(title={"en": "Hello", "de": "Hallo"}, invitation_days=7)
    ada = await asking.contact(
        emails=[{"address": "ada@example.com"}], phones=[{"number": "+4930901820"}], locale="de-AT"
    )
    [item] = await asking.invite(survey_id, ada, channel="sms", test=True)
    [told] = await asking.published("survey.invitation_created")

    assert INVITATION_CREATED.data.model_validate(told).model_dump(mode="json") == told
    assert told["survey"] == {"id": survey_id, "title": {"en": "Hello", "de": "Hallo"}, "type": "nps"}
    expected = {
        "invitation_id": item["invitation_id"],
        "contact_id": ada,
        "email": "ada@example.com",
        "phone": "+4930901820",
        "locale": "de-AT",
        "channel": "sms",
        "url": item["url"],
        "expires_at": item["expires_at"],
        "iteration": 1,
        "test": True,
        "reminders_sent": 0,
    }
    assert {name: told[name] for name in expected} == expected


@pytest.mark.parametrize("state", ["draft", "closed", "archived"])
async def test_only_an_open_survey_asks(asking: AskingWorld, state: str) -> None:
    survey_id = await (asking.draft() if state == "draft" else asking.survey())
    if state == "closed":
        await asking.client.post(f"/v1/surveys/{survey_id}/close")
    if state == "archived":
        await asking.client.delete(f"/v1/surveys/{survey_id}")
    refused = await asking.client.post(
        f"/v1/surveys/{survey_id}/invitations", json={"contact_ids": [await asking.contact()]}
    )

    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/survey-not-open"


@pytest.mark.parametrize("body", [{}, {"contact_ids": [str(new_id())], "filter": VIPS}])
async def test_whom_to_ask_is_said_in_one_way(asking: AskingWorld, body: dict[str, object]) -> None:
    refused = await asking.client.post(f"/v1/surveys/{await asking.survey()}/invitations", json=body)

    assert refused.status_code == 422
    assert [error["code"] for error in refused.json()["errors"]] == ["one_selection"]


async def test_a_wrong_filter_is_refused_by_its_place(asking: AskingWorld) -> None:
    body = {"filter": {"field": "shoe_size", "op": "eq", "value": 42}}
    refused = await asking.client.post(f"/v1/surveys/{await asking.survey()}/invitations", json=body)

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"].startswith("/filter")


async def test_a_filter_asks_those_who_match(asking: AskingWorld) -> None:
    survey_id, vip = await asking.survey(), await asking.contact(tags=["vip"])
    await asking.contact()
    answer = await asking.made(f"/v1/surveys/{survey_id}/invitations", {"filter": VIPS})

    assert [item["contact_id"] for item in answer["items"]] == [vip]
    assert answer["planned"] == 0


@pytest.mark.slow
async def test_a_filter_that_many_match_is_worked_off_in_the_background(asking: AskingWorld) -> None:
    await asking.contact(tags=["vip"])
    await asking.fetch(copies("contacts", {"id": "gen_random_uuid()"}), 1_500)
    survey_id = await asking.survey()
    answer = await asking.made(f"/v1/surveys/{survey_id}/invitations", {"filter": VIPS})
    assert answer == {"items": [], "planned": 1_501}

    await asking.ask_planned()
    fates = await asking.fetch("SELECT state FROM planned_invitations WHERE workspace_id = $1")
    asked = await asking.fetch("SELECT DISTINCT contact_id FROM survey_invitations WHERE workspace_id = $1")
    assert Counter(row["state"] for row in fates) == {"invited": 1_501}
    assert len(asked) == len(await asking.published("survey.invitation_created")) == 1_501


async def test_a_retry_with_the_same_key_asks_nobody_again(asking: AskingWorld) -> None:
    path = f"/v1/surveys/{await asking.survey()}/invitations"
    body, headers = {"contact_ids": [await asking.contact()]}, {"Idempotency-Key": str(new_id())}
    first = await asking.client.post(path, json=body, headers=headers)
    again = await asking.client.post(path, json=body, headers=headers)

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()
    assert len(await asking.published("survey.invitation_created")) == 1


async def test_twenty_at_once_in_two_surveys_ask_a_contact_once(asking: AskingWorld) -> None:
    await asking.rule(max_invitations=1, window_hours=24)
    ada = await asking.contact()
    surveys = [await asking.survey(recontact_rule="always") for _ in range(2)]
    reasons = await asyncio.gather(*(asking.skipped(surveys[n % 2], ada) for n in range(20)))

    assert Counter(reason for [reason] in reasons) == {None: 1, "contact_frequency": 19}


async def test_many_contacts_at_once_in_any_order_neither_deadlock_nor_break_a_rule(
    asking: AskingWorld,
) -> None:
    await asking.rule(max_invitations=2, window_hours=24)
    survey_id, contacts = await asking.survey(recontact_rule="always"), await asking.contacts(6)
    orders = [contacts[n:] + contacts[:n] for n in range(6)]
    reasons = await asyncio.gather(*(asking.skipped(survey_id, *order) for order in orders))

    assert Counter(chain.from_iterable(reasons)) == {None: 12, "contact_frequency": 24}


async def test_a_transaction_that_fails_leaves_neither_invitation_nor_event(asking: AskingWorld) -> None:
    survey_id, ada = UUID(await asking.survey()), UUID(await asking.contact())
    with pytest.raises(ZeroDivisionError):
        async with asking.resources.database.unit(asking.tenant.workspace_id) as unit:
            survey = await SurveyService(unit).found(survey_id)
            [result] = await Inviter(unit, Links.of(asking.resources)).invite(
                survey, [ada], channel=None, locale=None, origin="request", is_test=False
            )
            assert isinstance(result, Invited)
            raise ZeroDivisionError

    assert await asking.listed(f"/v1/surveys/{survey_id}/invitations") == []
    assert await asking.published("survey.invitation_created") == []


async def test_invitations_are_found_by_what_became_of_them(asking: AskingWorld) -> None:
    survey_id = await asking.survey()
    path = f"/v1/surveys/{survey_id}/invitations"
    ada, bob = await asking.invite(survey_id, *await asking.contacts(2))
    await asking.answer(ada["invitation_id"])

    async def found(**query: object) -> list[str]:
        return [item["id"] for item in await asking.listed(path, **query)]

    assert await found(answered=True) == [ada["invitation_id"]]
    assert await found(answered=False) == [bob["invitation_id"]]
    assert await found(contact_id=bob["contact_id"]) == [bob["invitation_id"]]
    assert await found(delivery="bounced") == await found(test=True) == []
    assert await found(iteration=1, sort="created_at", limit=2) == sorted(
        [ada["invitation_id"], bob["invitation_id"]]
    )


async def test_a_bounce_is_noted_and_told(asking: AskingWorld) -> None:
    survey_id = await asking.survey()
    [item] = await asking.invite(survey_id, await asking.contact())
    changed = await patched(asking, survey_id, item["invitation_id"], "bounced")
    [told] = await asking.published("survey.invitation_changed")

    assert changed.json()["delivery"] == "bounced"
    assert told == {"invitation": changed.json(), "previous": {"delivery": "sent", "test": False}}


async def test_a_revoked_invitation_stays_revoked(asking: AskingWorld) -> None:
    survey_id = await asking.survey()
    [item] = await asking.invite(survey_id, await asking.contact())
    await patched(asking, survey_id, item["invitation_id"], "revoked")
    refused = await patched(asking, survey_id, item["invitation_id"], "sent")

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["code"] == "status_change"


async def test_an_invitation_changes_only_from_the_version_that_was_read(asking: AskingWorld) -> None:
    survey_id = await asking.survey()
    [item] = await asking.invite(survey_id, await asking.contact())
    path = f"/v1/surveys/{survey_id}/invitations/{item['invitation_id']}"
    etag = (await asking.client.get(path)).headers["ETag"]
    await asking.client.patch(path, json={"delivery": "bounced"})
    stale = await asking.client.patch(path, json={"delivery": "sent"}, headers={"If-Match": etag})

    assert stale.status_code == 412


async def test_an_anonymous_invitation_shows_nothing_before_it_is_settled(asking: AskingWorld) -> None:
    survey_id = await asking.survey(anonymous=True)
    [item] = await asking.invite(survey_id, await asking.contact())
    path = f"/v1/surveys/{survey_id}/invitations"
    before = await asking.listed(path)
    await asking.answer(item["invitation_id"], settled=False)

    assert await asking.listed(path) == before
    assert await asking.listed(path, answered=True) == []
    await asking.answer(item["invitation_id"], settled=True)
    [shown] = await asking.listed(path, answered=True)
    assert (shown["answered"], shown["answered_at"]) == (True, None)


async def patched(asking: AskingWorld, survey_id: str, invitation_id: str, delivery: str) -> httpx.Response:
    path = f"/v1/surveys/{survey_id}/invitations/{invitation_id}"
    return await asking.client.patch(path, json={"delivery": delivery})
