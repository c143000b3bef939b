"""Brings goals up to date and tells what changed: one way for every cause.

Whoever calls holds the board's lock, so two refreshes never see the same transition.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel

from app.goals import events
from app.goals.models import GoalRow
from app.goals.repository import GoalRepository
from app.goals.schemas import (
    Goal,
    Milestone,
    Status,
)
from app.goals.service.assessing import Assessor, foresee
from app.goals.service.figures import Calendar, MetricReader
from app.goals.service.progress import (
    SETTLING_DAYS,
    Child,
    Point,
    Reviews,
    RollUp,
    Standing,
    Terms,
    check_in_due_on,
    elapsed_share,
    health_of,
    last_computed_on,
    milestone_reached,
    next_status,
    pace_of,
    roll_up,
    standing_of,
)
from app.goals.service.terms import review_days, terms_of, weight_of
from app.kit.database import Unit
from app.kit.outbox import EventType, emit
from app.metrics.service.reading import MetricService

FORECAST_FOR = ("draft", "active")
COMPUTED = (
    "baseline", "baseline_source", "milestones", "status", "health", "current", "current_as_of", "progress",
    "pace", "reason", "forecast", "smart", "review_due_on", "review_flagged_on",
)  # fmt: skip
RECORDED = ("current", "progress", "pace", "health", "status")


@dataclass(frozen=True, slots=True)
class Before:
    """What a goal looked like before anything was changed."""

    version: int
    values: Mapping[str, Any]

    @classmethod
    def of(cls, row: GoalRow) -> "Before":
        return cls(row.version, {name: getattr(row, name) for name in COMPUTED})

    def differs(self, row: GoalRow, names: Iterable[str] = COMPUTED) -> bool:
        return any(self.values[name] != getattr(row, name) for name in names)


class GoalRefresh:
    """One refresh, to be run once. `watch` goals that are changed by hand before they are changed."""

    def __init__(self, unit: Unit, calendar: Calendar) -> None:
        self.unit = unit
        self.repository = GoalRepository(unit)
        self.metrics = MetricService(unit)
        self.calendar = calendar
        self._before: dict[UUID, Before] = {}
        self._born: set[UUID] = set()

    def watch(self, *rows: GoalRow) -> None:
        """Notes how these goals are now, unless that is known."""
        for row in rows:
            self._before.setdefault(row.id, Before.of(row))

    def born(self, row: GoalRow) -> None:
        """Says that the goal has just been made: its first figures are no news of their own."""
        self.watch(row)
        self._born.add(row.id)

    def touch(self, row: GoalRow) -> None:
        """Gives a goal that has changed its next version, once in this refresh."""
        if row.id not in self._born and row.version == self._before[row.id].version:
            row.version += 1
            row.updated_at = self.unit.now

    async def run(self, rows: Sequence[GoalRow], *, assess: bool, above: Collection[UUID] = ()) -> None:
        """Computes these goals and everything above them (and above `above`), and emits what became of it.

        `assess` also makes the SMART assessments anew.
        """
        family = await self.repository.with_ancestors([*(row.id for row in rows), *above])
        self.watch(*family)
        live = [row for row in rows if row.archived_at is None]
        for row in live:
            row.review_due_on = _review_due_on(row)
        points = await MetricReader(self.metrics, self.calendar).points(live)
        for row in live:
            if row.metric_key is not None:
                self._judge(row, points[row.id])
                # A forecast takes milliseconds: hundreds in a row would hold up everyone else in the process.
                await asyncio.sleep(0)
        await self._roll_up(family)
        if assess:
            await Assessor(self.repository, self.metrics).assess(live, points)
        for row in live:
            self._flag_review(row)
        computed = {row.id for row in live}
        await self._finish([*live, *(row for row in family if row.id not in computed)])

    def _judge(self, row: GoalRow, points: Sequence[Point]) -> None:
        if row.status not in FORECAST_FOR:
            return
        forecast, terms = foresee(row, points), terms_of(row)
        standing = standing_of(terms, points, self.calendar.today)
        self._stand(row, terms, standing, last_computed_on(points), forecast.probability)

    def _stand(
        self,
        row: GoalRow,
        terms: Terms,
        standing: Standing,
        computed_on: date | None = None,
        probability: Decimal | None = None,
    ) -> None:
        if row.status != "active":
            return
        row.current, row.current_as_of = standing.current, standing.as_of
        row.progress, row.pace, row.reason = standing.progress, standing.pace, standing.reason
        row.status = next_status(cast(Status, row.status), standing)
        row.health = health_of(
            terms,
            standing,
            reviews=Reviews(review_days(row), row.review_due_on),
            computed_on=computed_on,
            probability=probability,
            today=self.calendar.today,
        )
        row.milestones = [self._reached(step, row, terms) for step in row.milestones]

    def _reached(self, step: dict[str, Any], row: GoalRow, terms: Terms) -> dict[str, Any]:
        in_window = row.current_as_of is not None and row.current_as_of > row.starts_on
        if step["reached_at"] or not in_window:
            return step
        if not milestone_reached(terms, Decimal(step["threshold"]), row.current):
            return step
        return step | {"reached_at": self.unit.now.isoformat()}

    async def _roll_up(self, family: Sequence[GoalRow]) -> None:
        objectives = {row.id: row for row in family if row.metric_key is None and row.status == "active"}
        if not objectives:
            return
        children = await self.repository.children(objectives)
        for row in _bottom_up(objectives):
            standing = _objective_standing(row, children.get(row.id, []), self.calendar.today)
            self._stand(row, terms_of(row), standing)

    def _flag_review(self, row: GoalRow) -> None:
        overdue = row.status == "active" and self.calendar.today > row.review_due_on
        if overdue and row.review_flagged_on != row.review_due_on:
            row.review_flagged_on = row.review_due_on

    async def _finish(self, rows: Sequence[GoalRow]) -> None:
        changed = [row for row in rows if self._before[row.id].differs(row) or row.id in self._born]
        recorded = [row for row in changed if self._is_to_record(row)]
        if recorded:
            await self.repository.record_progress(recorded, self.calendar.today, self.unit.now)
        for row in changed:
            self.touch(row)
            self.repository.write_whole(row, (*COMPUTED, "version", "updated_at"))
            for event_type, data in self._news(row):
                emit(self.unit, event_type, data)

    def _is_to_record(self, row: GoalRow) -> bool:
        if row.id in self._born:
            return row.status != "draft"
        return self._before[row.id].differs(row, RECORDED)

    def _news(self, row: GoalRow) -> Iterable[tuple[EventType, BaseModel]]:
        goal, before = Goal.model_validate(row), self._before[row.id]
        if row.id in self._born:
            yield events.CREATED, events.GoalChanged(goal=goal)
        elif before.differs(row, ("current", "progress")):
            yield (
                events.PROGRESSED,
                events.GoalProgressed(
                    goal=goal,
                    previous_current=before.values["current"],
                    previous_progress=before.values["progress"],
                ),
            )
        for step in _newly_reached(before.values["milestones"], row.milestones):
            yield events.MILESTONE_REACHED, events.GoalMilestoneReached(goal=goal, milestone=step)
        if row.id not in self._born and before.differs(row, ("health",)):
            yield (
                events.HEALTH_CHANGED,
                events.GoalHealthChanged(goal=goal, previous_health=before.values["health"]),
            )
        if before.differs(row, ("status",)) and row.status in _ENDINGS:
            yield _ENDINGS[row.status], events.GoalChanged(goal=goal)
        if before.differs(row, ("review_flagged_on",)) and row.review_flagged_on is not None:
            yield events.REVIEW_DUE, events.GoalReviewDue(goal=goal, review_due_on=row.review_flagged_on)


_ENDINGS = {"achieved": events.ACHIEVED, "missed": events.MISSED}


def roll_up_of(children: Iterable[GoalRow]) -> RollUp:
    """The progress of the goals right below one."""
    return roll_up(Child(weight_of(child), child.progress) for child in children)


def _review_due_on(row: GoalRow) -> date:
    followed_since = max(row.starts_on, row.followed_since)
    return check_in_due_on(followed_since, row.last_check_in_on, review_days(row))


def _bottom_up(objectives: Mapping[UUID, GoalRow]) -> Iterable[GoalRow]:
    """Those that have others of them below come after these."""
    waiting = dict(objectives)
    while waiting:
        parents = {row.parent_id for row in waiting.values()}
        lowest = [row for row in waiting.values() if row.id not in parents]
        for row in lowest:
            yield waiting.pop(row.id)


def _objective_standing(row: GoalRow, children: Sequence[GoalRow], today: date) -> Standing:
    """An objective is achieved when every goal below it is, and over when none of them can change that.

    One that nothing was ever measured for is neither.
    """
    terms, done = terms_of(row), roll_up_of(children).progress
    elapsed = elapsed_share(terms, today)
    settled = all(child.status != "active" for child in children)
    return Standing(
        current=done,
        as_of=None if done is None else today + timedelta(days=1),
        progress=done,
        elapsed=elapsed,
        pace=pace_of(done, elapsed),
        reached=bool(children) and all(child.status == "achieved" for child in children),
        over=done is not None
        and today > row.due_on
        and (settled or today > row.due_on + timedelta(days=SETTLING_DAYS)),
        reason="no_data" if done is None else None,
    )


def _newly_reached(before: Iterable[dict[str, Any]], after: Iterable[dict[str, Any]]) -> list[Milestone]:
    known = {(step["title"], step["threshold"]) for step in before if step["reached_at"]}
    reached = (
        step for step in after if step["reached_at"] and (step["title"], step["threshold"]) not in known
    )
    return [Milestone.model_validate(step) for step in reached]
