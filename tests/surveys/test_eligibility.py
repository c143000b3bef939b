"""Who may be asked, why not, and which reason comes first."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.kit.ids import new_id
from app.surveys.service.eligibility import EligibilityService
from app.surveys.service.surveys import SurveyService
from tests.stand_ins import MovableClock
from tests.surveys.world import AskingWorld, Json

VIPS: Json = {"field": "tags", "op": "contains", "value": "vip"}


async def deny(asking: AskingWorld, contact_id: str, **fields: Any) -> None:
    said = {"purpose": "surveys", "state": "denied"} | fields
    await asking.made(f"/v1/contacts/{contact_id}/consents", said)


async def suppress(asking: AskingWorld, email: str) -> None:
    await asking.made("/v1/suppressions", {"email": email, "reason": "unsubscribed"})


async def test_the_first_reason_of_the_order_is_told(asking: AskingWorld) -> None:
    """A contact to whom every reason applies loses them one by one."""
    await asking.rule(min_gap_hours=1)
    survey_id = await asking.survey(audience=VIPS)
    ada = await asking.contact(emails=[{"address": "ada@example.com"}])
    await asking.invite(await asking.survey(), ada)
    await asking.asked_before(survey_id, ada, [2])
    await asking.answered_before(survey_id, ada)
    await deny(asking, ada)
    await suppress(asking, "ada@example.com")
    await asking.client.delete(f"/v1/contacts/{ada}")

    reasons = [(await asking.judged(survey_id, ada))[0]]
    for cure in (
        lambda: asking.client.post(f"/v1/contacts/{ada}/restore"),
        lambda: deny(asking, ada, state="granted"),
        lambda: asking.fetch("DELETE FROM suppressions WHERE workspace_id = $1"),
        lambda: asking.client.patch(f"/v1/contacts/{ada}", json={"tags": ["vip"]}),
        lambda: asking.fetch("DELETE FROM survey_responses WHERE workspace_id = $1"),
        lambda: asking.client.patch(f"/v1/surveys/{survey_id}", json={"recontact_rule": "always"}),
        lambda: asking.fetch("DELETE FROM contact_frequency_rules WHERE workspace_id = $1"),
    ):
        await cure()
        reasons += await asking.judged(survey_id, ada)

    assert reasons == [
        "archived_contact",
        "no_consent",
        "suppressed",
        "outside_audience",
        "already_answered",
        "recontact",
        "contact_frequency",
        None,
    ]


async def test_judging_has_no_effect_and_says_what_inviting_would_do(asking: AskingWorld) -> None:
    survey_id, ada, bob = await asking.survey(), *await asking.contacts(2)
    await deny(asking, bob)
    named = (ada, bob, ada, str(new_id()))
    judged = await asking.judged(survey_id, *named)

    assert judged == [None, "no_consent", "duplicate", "unknown_contact"]
    assert await asking.listed(f"/v1/surveys/{survey_id}/invitations") == []
    assert await asking.skipped(survey_id, *named) == judged


async def test_a_denial_counts_on_its_channel_and_everywhere_if_it_has_none(asking: AskingWorld) -> None:
    survey_id, ada, bob = await asking.survey(), *await asking.contacts(2)
    await deny(asking, ada, channel="sms")
    await deny(asking, bob)

    assert await asking.judged(survey_id, ada, bob, channel="sms") == ["no_consent", "no_consent"]
    assert await asking.judged(survey_id, ada, bob, channel="email") == [None, "no_consent"]


async def test_the_surveys_channel_counts_where_none_is_asked_for(asking: AskingWorld) -> None:
    survey_id, ada = await asking.survey(channel="sms"), await asking.contact()
    await deny(asking, ada, channel="sms")

    assert await asking.judged(survey_id, ada) == ["no_consent"]
    assert await asking.judged(survey_id, ada, channel="email") == [None]


async def test_a_survey_may_ask_for_a_grant(asking: AskingWorld) -> None:
    survey_id, ada, bob = await asking.survey(consent_required=True), *await asking.contacts(2)
    await deny(asking, ada, state="granted")

    assert await asking.judged(survey_id, ada, bob) == [None, "no_consent"]


async def test_a_denial_of_another_purpose_is_none_of_ours(asking: AskingWorld) -> None:
    survey_id, ada = await asking.survey(), await asking.contact()
    await deny(asking, ada, purpose="marketing")

    assert await asking.judged(survey_id, ada) == [None]


async def test_an_audience_whose_attribute_is_gone_holds_nobody(asking: AskingWorld) -> None:
    definition = await asking.made("/v1/attribute-definitions", {"key": "plan", "type": "text"})
    survey_id = await asking.survey(audience={"field": "attributes.plan", "op": "eq", "value": "pro"})
    ada = await asking.contact(attributes={"plan": "pro"})
    assert await asking.judged(survey_id, ada) == [None]
    await asking.client.delete(f"/v1/attribute-definitions/{definition['id']}")
    await asking.fetch("DELETE FROM attribute_definitions WHERE workspace_id = $1")

    assert await asking.judged(survey_id, ada) == ["outside_audience"]


@pytest.mark.parametrize(
    ("rule", "after_ask", "after_answer"),
    [
        ("once", "recontact", "already_answered"),
        ("until_response", None, "already_answered"),
        ("recurring", "recontact", "recontact"),
        ("always", None, None),
    ],
)
async def test_each_rule_on_asking_again(
    asking: AskingWorld, rule: str, after_ask: str | None, after_answer: str | None
) -> None:
    days = {"recontact_days": 7} if rule == "recurring" else {}
    survey_id, ada, bob = await asking.survey(recontact_rule=rule, **days), *await asking.contacts(2)
    await asking.invite(survey_id, ada)
    await asking.answered_before(survey_id, bob)

    assert await asking.judged(survey_id, ada, bob) == [after_ask, after_answer]


async def test_a_recurring_ask_waits_its_days_from_the_last_ask_or_answer(
    asking: AskingWorld, clock: MovableClock
) -> None:
    survey_id = await asking.survey(recontact_rule="recurring", recontact_days=7)
    ada, bob = await asking.contacts(2)
    await asking.asked_before(survey_id, ada, [24 * 7 - 1])
    await asking.answered_before(survey_id, bob, hours_ago=24 * 7 - 1)

    assert await asking.judged(survey_id, ada, bob) == ["recontact", "recontact"]
    clock.advance(hours=1)
    assert await asking.judged(survey_id, ada, bob) == [None, None]


@pytest.mark.parametrize("answer", [{"state": "partial"}, {"test": True}])
async def test_neither_a_partial_answer_nor_a_test_counts(asking: AskingWorld, answer: Json) -> None:
    survey_id, ada = await asking.survey(), await asking.contact()
    await asking.answered_before(survey_id, ada, **answer)

    assert await asking.judged(survey_id, ada) == [None]


async def test_an_ask_that_bounced_may_be_repeated(asking: AskingWorld) -> None:
    survey_id, ada = await asking.survey(), await asking.contact()
    [item] = await asking.invite(survey_id, ada)
    path = f"/v1/surveys/{survey_id}/invitations/{item['invitation_id']}"
    await asking.client.patch(path, json={"delivery": "bounced"})

    assert await asking.judged(survey_id, ada) == [None]


async def test_a_new_iteration_asks_those_who_have_answered(asking: AskingWorld, clock: MovableClock) -> None:
    survey_id, ada = await asking.survey(recurrence_days=30), await asking.contact()
    await asking.invite(survey_id, ada)
    await asking.answered_before(survey_id, ada)
    clock.advance(days=29)
    assert await asking.judged(survey_id, ada) == ["already_answered"]
    clock.advance(days=1)
    assert await asking.judged(survey_id, ada) == [None]
    await asking.invite(survey_id, ada)

    assert [item["iteration"] for item in await asking.listed(f"/v1/surveys/{survey_id}/invitations")] == [
        2,
        1,
    ]


async def test_who_answered_an_anonymous_survey_is_not_told_before_it_is_settled(asking: AskingWorld) -> None:
    survey_id = await asking.survey(anonymous=True, recontact_rule="until_response")
    ada, bob = await asking.contacts(2)
    invited = await asking.invite(survey_id, ada, bob)
    await asking.answer(invited[0]["invitation_id"], settled=False)
    assert await asking.judged(survey_id, ada, bob) == ["recontact", "recontact"]
    await asking.answer(invited[0]["invitation_id"], settled=True)

    assert await asking.judged(survey_id, ada, bob) == ["already_answered", "recontact"]


async def test_a_test_is_past_the_rules_and_counts_for_none(asking: AskingWorld) -> None:
    await asking.rule(max_invitations=1, window_hours=24)
    survey_id, ada = await asking.survey(), await asking.contact()

    assert await asking.skipped(survey_id, ada, test=True) == [None]
    assert await asking.skipped(survey_id, ada, test=True) == [None]
    assert await asking.skipped(survey_id, ada) == [None]
    assert await asking.skipped(survey_id, ada, test=True) == [None]
    assert await asking.skipped(survey_id, ada) == ["recontact"]


async def test_the_detail_names_the_rule_and_until_when_it_holds(
    asking: AskingWorld, clock: MovableClock
) -> None:
    await asking.rule(name="Short gap", min_gap_hours=1)
    await asking.rule(name="Twice a month", max_invitations=2, window_hours=720)
    ada = await asking.contact()
    asked, survey_id = await asking.survey(), await asking.survey()
    await asking.asked_before(asked, ada, [100, 0.5])
    answer = await asking.client.post(f"/v1/surveys/{survey_id}/eligibility", json={"contact_ids": [ada]})
    [item] = answer.json()["items"]

    until = clock.now() + timedelta(hours=620)
    assert (item["eligible"], item["reason"]) == (False, "contact_frequency")
    assert item["detail"].startswith(f"The rule “Twice a month” holds until {until:%Y-%m-%dT%H:}")


async def test_the_number_of_queries_does_not_follow_the_number_of_contacts(asking: AskingWorld) -> None:
    await asking.rule(max_invitations=1, window_hours=24)
    survey_id = await asking.survey(audience=VIPS, consent_required=True)
    contacts = [await asking.contact(tags=["vip"]) for _ in range(20)]
    for contact_id in contacts:
        await deny(asking, contact_id, state="granted")

    async def statements(few: list[str]) -> int:
        async with asking.resources.database.unit(asking.tenant.workspace_id) as unit:
            survey = await SurveyService(unit).found(UUID(survey_id))
            queries: list[str] = []
            with unit.connection.query_logger(lambda record: queries.append(record.query)):
                verdicts = await EligibilityService(unit).verdicts(survey, [UUID(each) for each in few], None)
        assert verdicts == {}
        return len(queries)

    assert 0 < await statements(contacts[:1]) == await statements(contacts) <= 12
