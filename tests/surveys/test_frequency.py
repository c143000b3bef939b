"""Rules on how often any contact is asked, over all surveys."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from app.surveys.service.eligibility import EligibilityService
from app.surveys.service.frequency import MOST_RULES
from app.surveys.service.surveys import SurveyService
from tests.stand_ins import MovableClock
from tests.surveys.world import AskingWorld, Json

RULES = "/v1/contact-frequency-rules"
BERLIN = ZoneInfo("Europe/Berlin")


async def test_a_rule_counts_invitations_of_all_surveys(asking: AskingWorld, clock: MovableClock) -> None:
    await asking.rule(max_invitations=2, window_hours=48)
    ada, surveys = await asking.contact(), [await asking.survey() for _ in range(4)]
    assert await asking.skipped(surveys[0], ada) == [None]
    clock.advance(hours=24)
    assert await asking.skipped(surveys[1], ada) == [None]
    assert await asking.skipped(surveys[2], ada) == ["contact_frequency"]
    clock.advance(hours=24)
    assert await asking.skipped(surveys[2], ada) == [None]
    assert await asking.skipped(surveys[3], ada) == ["contact_frequency"]


async def test_a_gap_is_kept_from_the_last_invitation(asking: AskingWorld) -> None:
    await asking.rule(min_gap_hours=10)
    ada, bob = await asking.contacts(2)
    asked, survey_id = await asking.survey(), await asking.survey()
    await asking.asked_before(asked, ada, [30, 9.9])
    await asking.asked_before(asked, bob, [30, 10.1])

    assert await asking.judged(survey_id, ada, bob) == ["contact_frequency", None]


@pytest.mark.parametrize(
    ("asked_at", "day_length"),
    [("2026-03-28T12:00:00+00:00", 23), ("2026-10-24T12:00:00+00:00", 25)],
)
async def test_a_change_of_clocks_moves_no_window(
    asking: AskingWorld, clock: MovableClock, asked_at: str, day_length: int
) -> None:
    """In Berlin the next noon comes after 23 or 25 hours; a window of 24 ends after 24 all the same."""
    await asking.client.patch("/v1/workspace", json={"timezone": "Europe/Berlin"})
    await asking.rule(max_invitations=1, window_hours=24)
    start = datetime.fromisoformat(asked_at)
    clock.set(start)
    ada, asked, survey_id = await asking.contact(), await asking.survey(), await asking.survey()
    clock.set(start)
    await asking.invite(asked, ada)

    expected = {23: "contact_frequency", 24: None, 25: None}
    for hours in sorted({24, day_length}):
        clock.set(start + timedelta(hours=hours, minutes=1))
        assert await asking.judged(survey_id, ada) == [expected[hours]]
    clock.set(start + timedelta(hours=24, minutes=-1))
    assert await asking.judged(survey_id, ada) == ["contact_frequency"]


async def test_the_rules_agree_with_counting_by_hand(asking: AskingWorld) -> None:
    random = Random(7)
    rules = [await asking.rule(**limits) for limits in LIMITS]
    asked, survey_id = await asking.survey(), UUID(await asking.survey())
    contacts = await asking.contacts(60)
    for contact_id in contacts:
        await asking.asked_before(
            asked, contact_id, [random.choice(HOURS) for _ in range(random.randrange(6))]
        )

    async with asking.resources.database.unit(asking.tenant.workspace_id) as unit:
        survey = await SurveyService(unit).found(survey_id)
        ids = [UUID(contact_id) for contact_id in contacts]
        verdicts = await EligibilityService(unit).verdicts(survey, ids, None)
        rows = await unit.connection.fetch(
            "SELECT contact_id, created_at FROM survey_invitations WHERE workspace_id = $1",
            asking.tenant.workspace_id,
        )
    for each in ids:
        made = [row["created_at"] for row in rows if row["contact_id"] == each]
        assert (each in verdicts) == by_hand(rules, made, unit.now), made
    assert {verdict.reason for verdict in verdicts.values()} == {"contact_frequency"}
    assert len(verdicts) < len(ids)


LIMITS: list[Json] = [
    {"max_invitations": 1, "window_hours": 5},
    {"max_invitations": 2, "window_hours": 24, "min_gap_hours": 3},
    {"max_invitations": 4, "window_hours": 100},
    {"min_gap_hours": 6},
]
HOURS = (0.5, 2.9, 3.1, 4.9, 5.1, 5.9, 6.1, 23.9, 24.1, 50, 99.9, 100.1, 500)


def by_hand(rules: Sequence[Json], made: Sequence[datetime], now: datetime) -> bool:
    """Whether any of the rules forbids to ask somebody who was asked at these instants."""

    def within(hours: int) -> int:
        return sum(now - timedelta(hours=hours) < at <= now for at in made)

    return any(
        (rule["max_invitations"] is not None and within(rule["window_hours"]) >= rule["max_invitations"])
        or (rule["min_gap_hours"] is not None and within(rule["min_gap_hours"]) >= 1)
        for rule in rules
    )


async def test_an_ask_dated_after_the_own_now_counts(asking: AskingWorld) -> None:
    """Of two at once, the one that waited for the other may have begun before it."""
    await asking.rule(max_invitations=1, window_hours=24)
    ada, asked, survey_id = await asking.contact(), await asking.survey(), await asking.survey()
    await asking.asked_before(asked, ada, [-0.001])

    assert await asking.judged(survey_id, ada) == ["contact_frequency"]


@pytest.mark.parametrize(("delivery", "reason"), [("bounced", None), ("revoked", "contact_frequency")])
async def test_an_ask_that_reached_nobody_allows_another(
    asking: AskingWorld, delivery: str, reason: str | None
) -> None:
    await asking.rule(max_invitations=2, window_hours=24, min_gap_hours=2)
    ada = await asking.contact()
    asked, other, survey_id = [await asking.survey() for _ in range(3)]
    await asking.asked_before(asked, ada, [5])
    [invitation] = await asking.invite(other, ada)
    assert await asking.judged(survey_id, ada) == ["contact_frequency"]

    path = f"/v1/surveys/{other}/invitations/{invitation['invitation_id']}"
    await asking.client.patch(path, json={"delivery": delivery})

    assert await asking.judged(survey_id, ada) == [reason]


async def test_a_rule_is_made_changed_and_removed(asking: AskingWorld) -> None:
    rule = await asking.rule(name="Monthly", max_invitations=2, window_hours=720)
    path = f"{RULES}/{rule['id']}"
    changed = await asking.client.patch(
        path, json={"max_invitations": None, "window_hours": None, "min_gap_hours": 48}
    )
    assert changed.json()["min_gap_hours"] == 48
    assert changed.json()["version"] == 2
    assert await asking.listed(RULES) == [changed.json()]
    assert (await asking.client.delete(path, headers={"If-Match": '"1"'})).status_code == 412
    assert (await asking.client.delete(path)).status_code == 204
    assert (await asking.client.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("limits", "pointer", "code"),
    [
        ({}, "", "no_limit"),
        ({"max_invitations": 2}, "/window_hours", "missing"),
        ({"window_hours": 2, "min_gap_hours": 1}, "/max_invitations", "missing"),
    ],
)
async def test_a_rule_limits_something(asking: AskingWorld, limits: Json, pointer: str, code: str) -> None:
    refused = await asking.client.post(RULES, json={"name": "Rule"} | limits)

    assert refused.status_code == 422
    assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [(pointer, code)]


async def test_a_change_that_would_leave_half_a_rule_is_refused(asking: AskingWorld) -> None:
    rule = await asking.rule(max_invitations=2, window_hours=720)
    refused = await asking.client.patch(f"{RULES}/{rule['id']}", json={"window_hours": None})

    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/window_hours"]


async def test_a_workspace_has_no_more_rules_than_twenty_however_many_come_at_once(
    asking: AskingWorld,
) -> None:
    for _ in range(MOST_RULES - 3):
        await asking.rule(min_gap_hours=1)
    body = {"name": "Rule", "min_gap_hours": 1}
    answers = await asyncio.gather(*(asking.client.post(RULES, json=body) for _ in range(8)))

    assert Counter(answer.status_code for answer in answers) == {201: 3, 409: 5}
    assert len(await asking.listed(RULES)) == MOST_RULES


@pytest.mark.parametrize(
    ("before", "offsets"), [("2026-03-28T12:00:00", [1, 2]), ("2026-10-24T12:00:00", [2, 1])]
)
def test_the_days_of_the_test_are_days_of_a_change(before: str, offsets: list[int]) -> None:
    """So that the test of the change of clocks means something."""
    start = datetime.fromisoformat(before).replace(tzinfo=UTC)
    noons = [start.astimezone(BERLIN), (start + timedelta(days=1)).astimezone(BERLIN)]

    assert [noon.utcoffset() for noon in noons] == [timedelta(hours=hours) for hours in offsets]
