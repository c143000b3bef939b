"""Planning whom to ask later, and asking them when the time has come.

A plan is only an intention: whether a contact is asked is decided when it is due.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.contacts.service.matching import ContactMatcher
from app.contacts.service.stats import ContactStats
from app.kit.database import Unit
from app.kit.errors import Invalid
from app.kit.filters import Filter, parse_filter
from app.kit.jobs import enqueue
from app.kit.searching import expecting_many
from app.surveys.models.invitations import PlannedInvitationRow
from app.surveys.models.surveys import SurveyRow, SurveyState
from app.surveys.repository.planned import Fate, Plan, PlannedRepository, TriggeredAsk
from app.surveys.repository.surveys import SurveyRepository
from app.surveys.service.inviting import Invited, Inviter
from app.surveys.service.links import Links
from app.surveys.service.timing import is_open

PLAN_JOB = "surveys.plan"
CONTACTS_AT_ONCE = 25_000
SAMPLE_STEPS = 1_000_000

LATEST = timedelta(days=7)
"""How long after its time a trigger may still ask: touchpoints come in late, but an import of old ones asks
nobody about what is long past."""


async def plan_audience(unit: Unit, survey: SurveyRow) -> None:
    """Plans an ask of everybody whom the survey's audience names: all active contacts if it names nobody.
    Whom the iteration before has left over is asked in this one only.
    """
    await PlannedRepository(unit).cancel_recurring(survey.id)
    wanted = None if survey.audience is None else parse_filter(survey.audience)
    try:
        if wanted is not None:
            await ContactMatcher(unit).check(wanted, "/audience")
    except Invalid:
        # An attribute that the audience asks for is gone: better to ask nobody than everybody.
        return
    await plan_matching(unit, Plan(survey.id, "recurrence"), wanted)


async def plan_matching(unit: Unit, plan: Plan, filter: Filter | None) -> int:
    """Plans to ask all active contacts who match, and returns how many; the background goes on from there.

    Works in portions, so that memory does not grow with the workspace. The filter was checked.
    """
    matcher, repository = ContactMatcher(unit), PlannedRepository(unit)
    planned, after = 0, None
    async with expecting_many(unit):
        while ids := await matcher.matching(filter, after=after, limit=CONTACTS_AT_ONCE):
            await repository.add_all(plan, ids)
            planned, after = planned + len(ids), ids[-1]
    enqueue(unit, PLAN_JOB)
    return planned


@dataclass(frozen=True, slots=True)
class TouchpointSeen:
    """What a trigger looks at. `is_news`: it was recorded, or what it is has changed; only then may it plan
    an ask that it has not planned before."""

    id: UUID
    contact_id: UUID
    kind: str
    channel: str
    occurred_at: datetime
    is_deleted: bool
    is_news: bool


class TriggerService:
    """What touchpoints make open surveys do."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.planned = PlannedRepository(unit)

    async def plan(self, touchpoints: Sequence[TouchpointSeen]) -> None:
        """Plans the asks they trigger, each touchpoint once for each survey however often it is seen."""
        fresh = [touchpoint for touchpoint in touchpoints if touchpoint.is_news]
        if not fresh:
            return
        asks = self._asks(await self._surveys("open"), fresh)
        if asks:
            await self.planned.add_triggered(asks)
        self._go_on(asks)

    async def follow(self, touchpoints: Sequence[TouchpointSeen]) -> None:
        """They have changed: so does what they have planned and is not decided yet."""
        asks = self._asks(await self._surveys("open", "closed"), touchpoints)
        await self.planned.move_triggered([touchpoint.id for touchpoint in touchpoints], asks)
        self._go_on(asks)

    async def reconsider(self, survey: SurveyRow) -> None:
        """Its triggers have changed: so does what waits for its time."""
        waiting = [
            TouchpointSeen(**dict(row), is_news=False)
            for row in await self.planned.waiting_touchpoints(survey.id)
        ]
        asks = self._asks([survey], waiting)
        await self.planned.move_triggered([touchpoint.id for touchpoint in waiting], asks, survey.id)
        self._go_on(asks)

    async def _surveys(self, *states: SurveyState) -> Sequence[SurveyRow]:
        return await SurveyRepository(self.unit).with_triggers(states)

    def _asks(
        self, surveys: Sequence[SurveyRow], touchpoints: Sequence[TouchpointSeen]
    ) -> list[TriggeredAsk]:
        return [
            ask
            for touchpoint in touchpoints
            for survey in surveys
            for ask in _triggered(survey, touchpoint, self.unit.now)
        ]

    def _go_on(self, asks: Sequence[TriggeredAsk]) -> None:
        if any(ask.due_at <= self.unit.now for ask in asks):
            enqueue(self.unit, PLAN_JOB)


class Planner:
    """Works off what is due."""

    def __init__(self, unit: Unit, links: Links) -> None:
        self.unit = unit
        self.inviter = Inviter(unit, links)
        self.planned = PlannedRepository(unit)

    async def work_off(self, most: int) -> int:
        """Decides on at most so many planned invitations; returns how many there were."""
        rows = await self.planned.due(most)
        if not rows:
            return 0
        await ContactStats(self.unit).lock({row.contact_id for row in rows})
        # Held after the contacts, for which one may have to wait: nobody is asked once a survey is closed.
        surveys = await SurveyRepository(self.unit).held({row.survey_id for row in rows})
        fates: list[Fate] = []
        for group in _alike(rows):
            survey = surveys[group[0].survey_id]
            asks = is_open(survey, self.unit.now)
            fates += await self._ask(survey, group) if asks else _cancelled(group)
        await self.planned.settle(fates)
        return len(rows)

    async def _ask(self, survey: SurveyRow, group: Sequence[PlannedInvitationRow]) -> list[Fate]:
        first = group[0]
        results = await self.inviter.invite(
            survey,
            [row.contact_id for row in group],
            channel=first.channel,
            locale=first.locale,
            origin=first.origin,
            is_test=first.is_test,
        )
        return [
            Fate(row.id, "invited", None, result.invitation_id)
            if isinstance(result, Invited)
            else Fate(row.id, "skipped", result.reason)
            for row, result in zip(group, results, strict=True)
        ]


def is_sampled(survey_id: UUID, touchpoint_id: UUID, percent: float) -> bool:
    """Whether the touchpoint is in the share that leads to an ask: chance, but the same each time."""
    digest = hashlib.blake2b(survey_id.bytes + touchpoint_id.bytes, digest_size=8).digest()
    return int.from_bytes(digest, "big") % SAMPLE_STEPS < percent * SAMPLE_STEPS / 100


def _triggered(survey: SurveyRow, touchpoint: TouchpointSeen, now: datetime) -> Iterator[TriggeredAsk]:
    """The ask by the first trigger that fits, if any. What lies too far back is history, not an occasion."""
    occurred_at = touchpoint.occurred_at
    if touchpoint.is_deleted or survey.opened_at is None or occurred_at < survey.opened_at:
        return
    for trigger in survey.triggers:
        if _fits(trigger, touchpoint) and is_sampled(survey.id, touchpoint.id, trigger["sample_percent"]):
            due_at = occurred_at + timedelta(hours=trigger["delay_hours"])
            if due_at >= now - LATEST:
                asked = (survey.id, touchpoint.contact_id, touchpoint.id, trigger["channel"])
                yield TriggeredAsk(*asked, max(now, due_at))
            return


def _fits(trigger: dict[str, Any], touchpoint: TouchpointSeen) -> bool:
    channels = trigger["channels"]
    return trigger["kind"] == touchpoint.kind and (channels is None or touchpoint.channel in channels)


def _alike(rows: Sequence[PlannedInvitationRow]) -> list[list[PlannedInvitationRow]]:
    """Rows that can be asked in one go, in the order of their first."""
    groups: dict[tuple[Any, ...], list[PlannedInvitationRow]] = defaultdict(list)
    for row in rows:
        groups[row.survey_id, row.origin, row.channel, row.locale, row.is_test].append(row)
    return list(groups.values())


def _cancelled(rows: Sequence[PlannedInvitationRow]) -> list[Fate]:
    return [Fate(row.id, "cancelled") for row in rows]
