"""The fold: takes the marks, counts the marked days afresh, and brings the snapshots up to date.

Facts are counted from the rows and never added up from events, so a late, changed, deleted or doubled event
is the same as any other, and a full rebuild is the same counting with everything marked.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby

from app.kit.database import Unit
from app.kit.outbox import emit
from app.kit.periods import day_bounds, day_start, local_day, period_of
from app.metrics.events import SNAPSHOT_REFRESHED
from app.metrics.models import MetricSnapshotRow, MetricStateRow
from app.metrics.repository.facts import Days, Extent, FactRepository
from app.metrics.repository.folding import FoldRepository, FoldSettings
from app.metrics.schemas import MetricSnapshotsRefreshed
from app.metrics.service.catalogue import BUILT_IN, DEFINITIONS, GRAINS
from app.metrics.service.figures import Standing, snapshot_of

DAYS_AT_ONCE = 64
COUNTED, SUMMED = Decimal("0.7"), Decimal("0.9")
_VERSIONS = {key: definition.version for key, definition in BUILT_IN.items()}

Report = Callable[[Decimal], Awaitable[None]]


class FoldService:
    """Folds the unit's workspace. The unit is the fold: nobody sees half of it; its end frees the lock."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = FoldRepository(unit)
        self.facts = FactRepository(unit)
        self._state: MetricStateRow | None = None

    async def lock(self) -> bool:
        """Takes the workspace's fold lock; False when somebody holds it or there never was a mark."""
        self._state = await self.repository.lock()
        return self._state is not None

    async def fold(self, rebuild_for: Report | None = None) -> int:
        """Folds what is marked and rolls forward to today, under the lock. Returns how many snapshots moved.

        Rebuilds everything when asked to (`rebuild_for` hears of the progress) or when the facts were made
        for other settings. Emits one event for each metric with a snapshot that is new or has moved.
        """
        state = self._state
        if state is None:
            raise RuntimeError("a fold needs the lock")
        await self.facts.allow_long_statements()
        settings = await self.repository.settings()
        marked = await self.repository.take_marks()
        rebuild = rebuild_for is not None or not _made_for(state, settings)
        if rebuild:
            await self._rebuild(settings, rebuild_for or _ignore)
        else:
            await self._count(marked, settings)
        return await self._publish(state, settings, marked, rebuild=rebuild)

    async def has_marks(self) -> bool:
        """Whether there is more to fold."""
        return await self.repository.has_marks()

    async def _count(self, marked: Sequence[date], settings: FoldSettings) -> None:
        for days in _chunks(marked, settings):
            await self.facts.count_days(days)
            added, gone = await self.facts.moved_purchase_days(days)
            moved = sorted({*added.contacts, *gone.contacts})
            if moved:
                await self.facts.count_customers(settings.churn_after_days, moved, sign=-1)
                await self.facts.add_purchase_days(added)
                await self.facts.remove_purchase_days(gone)
                await self.facts.count_customers(settings.churn_after_days, moved)

    async def _rebuild(self, settings: FoldSettings, report: Report) -> None:
        await self.facts.wipe()
        every = _days_of(await self.facts.extent(), settings)
        done = 0
        for days in _chunks(every, settings):
            await report(COUNTED * done / len(every))
            await self.facts.count_days(days)
            await self.facts.add_all_purchase_days(days)
            done += len(days.days)
        await report(COUNTED)
        await self.facts.count_customers(settings.churn_after_days, None)
        await report(SUMMED)

    async def _publish(
        self, state: MetricStateRow, settings: FoldSettings, marked: Sequence[date], *, rebuild: bool
    ) -> int:
        """Makes the snapshots that the new facts may move, and moves the state on; returns how many moved."""
        today = local_day(self.unit.now, settings.zone)
        first_day = await self.facts.first_day()
        if rebuild or (state.first_day, state.folded_to) != (first_day, today):
            await self.repository.trim_snapshots(first_day, today)
        changed = 0
        if first_day is not None:
            since = first_day if rebuild else _since(state, first_day, marked)
            rows = await self.repository.make_snapshots(since, today, _VERSIONS)
            running = None if rebuild else [(grain, period_of(today, grain).start) for grain in GRAINS]
            await self.repository.confirm_snapshots(BUILT_IN, running)
            changed = self._emit(rows, Standing(today, today, settings.churn_after_days))
        _move_on(state, settings, first_day, today)
        return changed

    def _emit(self, rows: Sequence[tuple[MetricSnapshotRow, int]], standing: Standing) -> int:
        total = 0
        for (key, changed), group in groupby(rows, lambda row: (row[0].metric_key, row[1])):
            snapshots = [snapshot_of(row, BUILT_IN[key], standing) for row, _ in group]
            data = MetricSnapshotsRefreshed(
                metric_key=key, segment_id=None, snapshots=snapshots, changed=changed
            )
            emit(self.unit, SNAPSHOT_REFRESHED, data)
            total += changed
        return total


def _days_of(extent: Extent, settings: FoldSettings) -> list[date]:
    """Every day on which there may be something to count, and those between."""
    instants = [instant for instant in (extent.first, extent.last) if instant is not None]
    known = [day for day in (extent.first_day, extent.last_day) if day is not None]
    days = [*known, *(local_day(instant, settings.zone) for instant in instants)]
    if not days:
        return []
    return [min(days) + timedelta(days=number) for number in range((max(days) - min(days)).days + 1)]


async def _ignore(_: Decimal) -> None:
    """Nobody watches a rebuild that new settings brought about."""


def _made_for(state: MetricStateRow, settings: FoldSettings) -> bool:
    made_for = (state.timezone, state.churn_after_days, state.definitions)
    return made_for == (settings.zone.key, settings.churn_after_days, DEFINITIONS)


def _chunks(days: Sequence[date], settings: FoldSettings) -> Iterator[Days]:
    for start in range(0, len(days), DAYS_AT_ONCE):
        chunk = days[start : start + DAYS_AT_ONCE]
        bounds = [day_bounds(day, settings.zone) for day in chunk]
        yield Days(chunk, [begins for begins, _ in bounds], [ends for _, ends in bounds])


def _since(state: MetricStateRow, first_day: date, marked: Sequence[date]) -> date:
    """The earliest day whose periods may have moved, or are not made yet."""
    if state.first_day is None or state.folded_to is None:
        return first_day
    return max(first_day, min([state.folded_to, *marked[:1]]))


def _move_on(state: MetricStateRow, settings: FoldSettings, first_day: date | None, today: date) -> None:
    state.timezone = settings.zone.key
    state.churn_after_days = settings.churn_after_days
    state.definitions = DEFINITIONS
    state.first_day = first_day
    state.folded_to = today
    tomorrow = day_start(today + timedelta(days=1), settings.zone)
    state.next_day_at = tomorrow if first_day is not None else None
