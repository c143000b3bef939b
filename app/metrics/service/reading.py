"""Reading metrics: the catalogue, snapshots as a list, and points for whoever computes with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from app.kit.database import Unit
from app.kit.errors import Invalid
from app.kit.pages import PageRequest
from app.kit.periods import Grain, Period, local_day, next_period, period_of, periods_between, previous_period
from app.metrics.errors import UnknownMetric
from app.metrics.models import MetricSnapshotRow
from app.metrics.repository.reading import SnapshotRepository
from app.metrics.schemas import Metric, MetricPage, SnapshotPage
from app.metrics.service.catalogue import BUILT_IN, DEFINITIONS, GRAINS, Definition
from app.metrics.service.figures import Standing, snapshot_of, value_of

DEFAULT_PERIODS = 30


@dataclass(frozen=True, slots=True)
class SnapshotPoint:
    """A metric's value in the local days [period_start, period_end); None for a quotient of nothing."""

    period_start: date
    period_end: date
    value: Decimal | None
    complete: bool
    computed_at: datetime


class MetricService:
    """The metrics of the unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = SnapshotRepository(unit)

    async def definition(self, key: str) -> Definition | None:
        """What a metric means; None when there is no such metric."""
        return BUILT_IN.get(key)

    async def today(self) -> date:
        """The present day in the workspace's time zone."""
        return (await self._standing()).today

    async def metric(self, key: str) -> Metric:
        return _metric(await self._definition(key))

    async def metrics(self, limit: int, cursor: str | None) -> MetricPage:
        """The catalogue, by key; the cursor is the last key of the page before."""
        if cursor is not None and cursor not in BUILT_IN:
            raise Invalid.at("?cursor", "is not a cursor of this list", "invalid_cursor")
        following = [definition for key, definition in sorted(BUILT_IN.items()) if key > (cursor or "")]
        page = following[:limit]
        more = len(following) > limit
        return MetricPage(items=[_metric(each) for each in page], next_cursor=page[-1].key if more else None)

    async def snapshots(
        self, key: str, grain: Grain, start: date | None, end: date | None, page: PageRequest
    ) -> SnapshotPage:
        """Those of the periods that start in [start, end); of the last 30 periods unless told otherwise."""
        definition = await self._definition(key)
        standing = await self._standing()
        start, end = _window(start, end, grain, standing.today)
        rows = await self.repository.page(page, key, grain, start, end)
        kept, cursor = page.cut(rows, self.repository.position)
        items = [snapshot_of(row, definition, standing) for row in kept]
        return SnapshotPage(items=items, next_cursor=cursor)

    async def points(self, key: str, grain: Grain, start: date, end: date) -> list[SnapshotPoint]:
        """The metric in the periods that start in [start, end) and have begun, oldest first.

        A flow metric is 0 in a period before the workspace's first data; of another metric it has no point.
        Raises `UnknownMetric`.
        """
        definition = await self._definition(key)
        standing = await self._standing()
        made = {row.period_start: row for row in await self.repository.between(key, grain, start, end)}
        points = []
        for period in _starting_in(start, min(end, standing.today + timedelta(days=1)), grain):
            row = made.get(period.start)
            if row is not None or definition.kind == "flow":
                points.append(self._point(period, row, definition, standing))
        return points

    def _point(
        self, period: Period, row: MetricSnapshotRow | None, definition: Definition, standing: Standing
    ) -> SnapshotPoint:
        value = Decimal(0) if row is None else value_of(definition, row.numerator, row.denominator)
        return SnapshotPoint(
            period.start,
            period.end,
            value,
            standing.is_complete(definition, period.start, period.end),
            self.unit.now if row is None else row.computed_at,
        )

    async def _definition(self, key: str) -> Definition:
        definition = await self.definition(key)
        if definition is None:
            raise UnknownMetric("The catalogue, /v1/metrics, has no metric of this key.")
        return definition

    async def _standing(self) -> Standing:
        """How far the workspace is folded, as seen now. Read before the snapshots it judges.

        A fold that commits in between then leaves marks in here that are folded already: a period may be
        called incomplete that is not, never the other way round.
        """
        marked = await self.repository.marked_days()
        workspace = await self.repository.workspace()
        state = await self.repository.state()
        folded_to = None
        if state is not None:
            made_for = (state.timezone, state.churn_after_days, state.definitions)
            if made_for == (workspace.timezone, workspace.churn_after_days, DEFINITIONS):
                folded_to = state.folded_to
        today = local_day(self.unit.now, ZoneInfo(workspace.timezone))
        return Standing(today, folded_to, workspace.churn_after_days, marked)


def _metric(definition: Definition) -> Metric:
    return Metric(
        key=definition.key,
        title=definition.title,
        description=definition.description,
        kind=definition.kind,
        unit=definition.unit,
        grains=list(GRAINS),
        definition_version=definition.version,
    )


def _window(start: date | None, end: date | None, grain: Grain, today: date) -> tuple[date, date]:
    end = end or next_period(period_of(today, grain), grain).start
    if start is None:
        start = _earlier(period_of(end - timedelta(days=1), grain), DEFAULT_PERIODS - 1, grain).start
    if start >= end:
        raise Invalid.at("?from", "must lie before `to`, which is not included", "empty_range")
    return start, end


def _earlier(period: Period, count: int, grain: Grain) -> Period:
    for _ in range(count):
        period = previous_period(period, grain)
    return period


def _starting_in(start: date, end: date, grain: Grain) -> Iterator[Period]:
    return (period for period in periods_between(start, end, grain) if period.start >= start)
