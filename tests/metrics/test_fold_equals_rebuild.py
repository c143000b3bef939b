"""Whatever happens in whatever order: the fold, a rebuild and the plain definition say the same."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.kit.resources import Resources
from tests.conftest import make_tenant
from tests.metrics.survey_world import SurveyWorld
from tests.metrics.world import MetricWorld
from tests.stand_ins import MovableClock

pytestmark = pytest.mark.slow

NOW = datetime(2025, 11, 20, 12, tzinfo=UTC)
# The clocks go back in Berlin, Havana and New York, forth in Lord Howe, Berlin and New York; and a year ends.
EDGES = [datetime(*at, tzinfo=UTC) for at in (
    (2025, 10, 26), (2025, 11, 2, 4), (2025, 10, 4, 14), (2025, 3, 30), (2025, 3, 9, 5), (2025, 1, 1)
)]  # fmt: skip
SCALES = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
SURVEY_STEPS = [
    "answer", "answer_anonymously", "flag", "invite", "deliver", "settle", "follow_up", "reach", "close"
]  # fmt: skip
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "America/Havana", "Australia/Lord_Howe", "Asia/Dhaka"]

near_edges = st.builds(
    lambda edge, minutes: edge + timedelta(minutes=minutes), st.sampled_from(EDGES), st.integers(-1600, 1600)
)
recently = st.integers(0, 100_000).map(lambda minutes: NOW - timedelta(minutes=minutes))
ahead = st.integers(0, 5000).map(lambda minutes: NOW + timedelta(minutes=minutes))
instants = st.one_of(near_edges, recently, recently, ahead)
kinds = st.sampled_from(["purchase", "purchase", "purchase", "refund", "message"])
amounts = st.decimals("0.01", 1000, places=2)
picks = st.integers(0, 1000)


@dataclass(frozen=True)
class Step:
    """Something that happens; `pick` chooses among what is there."""

    name: str
    pick: int
    other: int
    kind: str
    at: datetime
    amount: Decimal


steps = st.lists(
    st.builds(
        Step,
        st.sampled_from(
            ["record"] * 6
            + ["change", "change", "change", "delete", "repeat", "acquire", "reacquire"]
            + ["answer", "answer", "invite", "follow_up", *SURVEY_STEPS]
            + ["relay", "fold", "fold", "wait", "churn"]
        ),
        picks, picks, kinds, instants, amounts,
    ),
    min_size=1,
    max_size=40,
)  # fmt: skip


@pytest.mark.slow
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=steps, zone=st.sampled_from(ZONES), churn_after_days=st.sampled_from([1, 6, 30, 90]))
async def test_incremental_rebuilt_and_naive_snapshots_are_equal(
    resources: Resources, clock: MovableClock, steps: list[Step], zone: str, churn_after_days: int
) -> None:
    clock.set(NOW)
    tenant = await make_tenant(resources, timezone=zone)
    play = Play(MetricWorld(resources, tenant.workspace_id), clock)
    await play.world.change_settings(churn_after_days=churn_after_days)
    for step in steps:
        await getattr(play, step.name)(step)
    await play.world.catch_up()
    await assert_all_agree(play.world)


@pytest.mark.slow
async def test_a_year_of_business_agrees_and_is_not_empty(resources: Resources, clock: MovableClock) -> None:
    clock.set(NOW)
    tenant = await make_tenant(resources, timezone="Europe/Berlin")
    world = MetricWorld(resources, tenant.workspace_id)
    contacts = [await world.contact(NOW - timedelta(days=300 - number)) for number in range(8)]
    for number in range(120):
        at = NOW - timedelta(hours=(number * 613) % 7300)
        await world.touchpoint(contacts[number % 8], ["purchase", "refund", "purchase"][number % 3], at)
        if number % 25 == 0:
            await world.catch_up()
    await world.catch_up()
    await assert_all_agree(world)
    snapshots = await world.snapshots()
    assert len(snapshots) > 15 * 300
    assert sum(row[1] for key, row in snapshots.items() if key[:2] == ("touchpoint_count", "day")) == 120
    assert any(0 < row[1] < row[2] for key, row in snapshots.items() if key[0] == "churn_rate" and row[2])


@pytest.mark.slow
async def test_weeks_of_surveys_agree_and_are_not_empty(resources: Resources, clock: MovableClock) -> None:
    clock.set(NOW)
    tenant = await make_tenant(resources, timezone="America/New_York")
    play = Play(MetricWorld(resources, tenant.workspace_id), clock)
    chance = Random(2003)
    for number in range(240):
        name = chance.choice(["invite", "answer", "answer", *SURVEY_STEPS])
        at = NOW - timedelta(minutes=chance.randrange(40_000))
        step = Step(name, chance.randrange(1000), chance.randrange(1000), "message", at, Decimal(1))
        await getattr(play, name)(step)
        if number % 12 == 0:
            await play.world.catch_up()
    await play.world.catch_up()
    await assert_all_agree(play.world)
    snapshots = await play.world.snapshots()
    for key in ("net_promoter_score", "survey_response_rate", "loop_closed_rate", "time_to_contact_minutes"):
        assert any(row[1] for each, row in snapshots.items() if each[:2] == (key, "quarter")), key


async def test_folds_that_run_while_rows_are_written_lose_nothing(
    resources: Resources, clock: MovableClock
) -> None:
    clock.set(NOW)
    tenant = await make_tenant(resources)
    world = MetricWorld(resources, tenant.workspace_id)
    contacts = [await world.contact(NOW - timedelta(days=number)) for number in range(4)]

    async def write(writer: int) -> None:
        mine = MetricWorld(resources, tenant.workspace_id)
        for number in range(10):
            await mine.touchpoint(
                contacts[(writer + number) % 4], "purchase", NOW - timedelta(days=(7 * number) % 40)
            )
            await mine.relay()
            await mine.fold()

    await world.catch_up()
    await asyncio.gather(*(write(writer) for writer in range(4)), world.rebuild(), world.rebuild())
    await world.fold()
    await assert_all_agree(world)


@pytest.mark.parametrize("zone", ["Pacific/Apia", "America/Sao_Paulo"])
async def test_days_that_are_skipped_or_start_late_agree(
    resources: Resources, clock: MovableClock, zone: str
) -> None:
    clock.set(datetime(2012, 1, 5, 12, tzinfo=UTC))
    tenant = await make_tenant(resources, timezone=zone)
    world = MetricWorld(resources, tenant.workspace_id)
    contact = await world.contact(datetime(2011, 10, 1, tzinfo=UTC))
    for hour in range(0, 24 * 4, 3):
        for begin in (datetime(2011, 12, 28, tzinfo=UTC), datetime(2011, 10, 15, tzinfo=UTC)):
            await world.touchpoint(contact, "purchase", begin + timedelta(hours=hour))
    await world.catch_up()
    await assert_all_agree(world)


async def assert_all_agree(world: MetricWorld) -> None:
    folded, facts = await world.snapshots(), await world.facts()
    expected = await world.naive()
    assert differences(folded, expected) == {}
    await world.rebuild()
    assert differences(await world.snapshots(), folded) == {}
    assert await world.facts() == facts


def differences(found: dict[Any, Any], expected: dict[Any, Any]) -> dict[Any, Any]:
    """What either side has that the other has not."""
    return {
        key: (found.get(key), expected.get(key))
        for key in found.keys() | expected.keys()
        if found.get(key) != expected.get(key)
    }


class Play:
    """Makes steps happen in a world."""

    def __init__(self, world: MetricWorld, clock: MovableClock) -> None:
        self.world = world
        self.clock = clock
        self.contacts: list[UUID] = []
        self.touchpoints: list[UUID] = []
        self.surveys = SurveyWorld(world)
        self.invitations: list[UUID] = []
        self.used: set[UUID] = set()
        self.responses: list[UUID] = []
        self.followups: dict[UUID, datetime] = {}

    async def acquire(self, step: Step) -> None:
        self.contacts.append(await self.world.contact(step.at))

    async def reacquire(self, step: Step) -> None:
        if self.contacts:
            await self.world.move_contact(self._contact(step), step.at)

    async def record(self, step: Step) -> None:
        if step.pick % 3 == 0 or not self.contacts:
            await self.acquire(step)
        touchpoint = await self.world.touchpoint(self._contact(step), step.kind, step.at, step.amount)
        self.touchpoints.append(touchpoint)

    async def change(self, step: Step) -> None:
        """Of a deleted touchpoint: restores it."""
        if self.touchpoints:
            await self.world.change_touchpoint(
                self._touchpoint(step), self._contact(step), step.kind, step.at, step.amount
            )

    async def delete(self, step: Step) -> None:
        if self.touchpoints:
            await self.world.delete_touchpoint(self._touchpoint(step))

    async def repeat(self, step: Step) -> None:
        """The same event arrives twice."""
        if self.world.pending:
            self.world.pending.append(self.world.pending[step.pick % len(self.world.pending)])

    async def invite(self, step: Step) -> None:
        nobody, test = step.pick % 7 == 0, step.pick % 5 == 0
        contact = None if nobody else await self._somebody(step)
        self.invitations.append(await self.surveys.invite(step.at, contact, test=test))

    async def deliver(self, step: Step) -> None:
        """It bounces, is revoked, or is sent after all."""
        if self.invitations:
            invitation = self.invitations[step.pick % len(self.invitations)]
            await self.surveys.deliver(invitation, ["bounced", "sent", "revoked"][step.other % 3])

    async def answer(self, step: Step) -> None:
        score_type = [*SCALES, None][step.other % 4]
        score = None if score_type is None else self._score(step, score_type)
        state = "partial" if step.pick % 9 == 0 else "completed"
        invitation = self._unanswered(step)
        self.responses.append(
            await self.surveys.answer(step.at, score_type, score, invitation_id=invitation, state=state)
        )

    async def answer_anonymously(self, step: Step) -> None:
        """One, or a few at once: days with fewer than five are not counted."""
        score_type = [*SCALES][step.other % 3]
        score, invitation = self._score(step, score_type), self._unanswered(step)
        for each in [invitation, *[None] * (step.pick % 7)]:
            self.responses.append(
                await self.surveys.answer_anonymously(step.at.date(), score_type, score, each)
            )

    async def settle(self, step: Step) -> None:
        await self.surveys.settle()

    async def flag(self, step: Step) -> None:
        """A response turns out to be a test, or to be none."""
        if self.responses:
            await self.surveys.flag(self.responses[step.pick % len(self.responses)], test=step.other % 3 > 0)

    async def follow_up(self, step: Step) -> None:
        contact = await self._somebody(step)
        by_hand = step.pick % 5 == 0
        self.followups[await self.surveys.open_followup(step.at, contact, by_hand=by_hand)] = step.at

    async def reach(self, step: Step) -> None:
        """The contact is got in touch with, or was not after all."""
        if self.followups:
            followup_id, opened_at = [*self.followups.items()][step.pick % len(self.followups)]
            at = None if step.other % 4 == 0 else opened_at + timedelta(minutes=step.other * 7)
            await self.surveys.change_followup(followup_id, "followup.updated", contacted_at=at)

    async def close(self, step: Step) -> None:
        """A follow-up is done, cancelled, or taken up again."""
        if self.followups:
            state = ["done", "done", "cancelled", "open"][step.other % 4]
            event = "followup.reopened" if state == "open" else "followup.closed"
            closed_at = None if state == "open" else step.at
            followup_id = [*self.followups][step.pick % len(self.followups)]
            await self.surveys.change_followup(followup_id, event, state=state, closed_at=closed_at)

    async def relay(self, step: Step) -> None:
        await self.world.relay()

    async def fold(self, step: Step) -> None:
        if step.pick % 2:
            await self.world.relay()
        await self.world.fold()

    async def wait(self, step: Step) -> None:
        self.clock.advance(days=step.pick % 40)

    async def churn(self, step: Step) -> None:
        await self.world.change_settings(churn_after_days=1 + step.pick % 60)

    async def _somebody(self, step: Step) -> UUID:
        if not self.contacts:
            await self.acquire(step)
        return self._contact(step)

    def _unanswered(self, step: Step) -> UUID | None:
        """An invitation that nobody answered yet, from now on spent."""
        free = [invitation for invitation in self.invitations if invitation not in self.used]
        if not free or step.pick % 3 == 0:
            return None
        self.used.add(free[step.other % len(free)])
        return free[step.other % len(free)]

    def _score(self, step: Step, score_type: str) -> int:
        lowest, highest = SCALES[score_type]
        return lowest + step.pick % (highest - lowest + 1)

    def _contact(self, step: Step) -> UUID:
        return self.contacts[step.other % len(self.contacts)]

    def _touchpoint(self, step: Step) -> UUID:
        return self.touchpoints[step.pick % len(self.touchpoints)]
