"""The figures goals are judged by, read for many goals at once, and the day it is for them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from app.goals.models import GoalRow
from app.goals.service.progress import Point
from app.goals.service.terms import judged_grain, terms_of
from app.kit.database import Unit
from app.kit.periods import ONE_DAY, Grain, Period, day_start, local_day
from app.metrics.service.reading import MetricService, SnapshotPoint
from app.workspaces.service import WorkspaceService

HISTORY_DAYS: dict[Grain, int] = {"day": 90, "week": 182, "month": 396, "quarter": 1098}
"""How far before its window a forecast of a goal looks: far enough to see a trend, near enough to be true."""

AFTER_MIDNIGHT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Calendar:
    """What day it is in the workspace."""

    zone: ZoneInfo
    today: date

    @classmethod
    async def of(cls, unit: Unit) -> "Calendar":
        zone = ZoneInfo((await WorkspaceService(unit).get()).timezone)
        return cls(zone, local_day(unit.now, zone))

    @property
    def next_pass_at(self) -> datetime:
        """When today's figures are in: metrics close a day within seconds of its end."""
        return day_start(self.today + ONE_DAY, self.zone) + AFTER_MIDNIGHT


class MetricReader:
    """Reads the figures of many goals with one query for each metric and grain among them."""

    def __init__(self, metrics: MetricService, calendar: Calendar) -> None:
        self.metrics = metrics
        self.calendar = calendar

    async def points(self, rows: Iterable[GoalRow]) -> dict[UUID, list[Point]]:
        """For each goal with a metric, by its id, the points it is judged by and the history before them."""
        wanted = [row for row in rows if row.metric_key is not None]
        spans: dict[tuple[str, Grain], tuple[date, date]] = {}
        for row in wanted:
            key, (start, end) = _source(row), self._span(row)
            known = spans.get(key, (start, end))
            spans[key] = (min(start, known[0]), max(end, known[1]))
        found = {key: await self._read(*key, *span) for key, span in spans.items()}
        return {row.id: self._of(row, found[_source(row)]) for row in wanted}

    async def _read(self, key: str, grain: Grain, start: date, end: date) -> list[Point]:
        if await self.metrics.definition(key) is None:
            return []
        return [self._point(point) for point in await self.metrics.points(key, grain, start, end)]

    def _point(self, point: SnapshotPoint) -> Point:
        period = Period(point.period_start, point.period_end)
        return Point(period, point.value, point.complete, local_day(point.computed_at, self.calendar.zone))

    def _span(self, row: GoalRow) -> tuple[date, date]:
        history = timedelta(days=HISTORY_DAYS[judged_grain(row)])
        return min(row.starts_on, self.calendar.today) - history, row.due_on + ONE_DAY

    def _of(self, row: GoalRow, points: Sequence[Point]) -> list[Point]:
        start, end = self._span(row)
        within = [point for point in points if start <= point.period.start and point.period.end <= end]
        return _without_lead_in(within, row.starts_on) if terms_of(row).sums else within


def _source(row: GoalRow) -> tuple[str, Grain]:
    assert row.metric_key is not None
    return row.metric_key, judged_grain(row)


def _without_lead_in(points: Sequence[Point], starts_on: date) -> list[Point]:
    """Zeros before the first thing that ever happened say when recording began, not how business went."""
    first = next(
        (at for at, point in enumerate(points) if point.value or point.period.start >= starts_on), None
    )
    return [] if first is None else list(points[first:])
