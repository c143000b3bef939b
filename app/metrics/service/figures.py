"""From a snapshot's stored figures to what a reader sees: value, interval, completeness. Arithmetic only."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from app.kit.intervals import Interval, Signs, adjusted_wald, wilson
from app.metrics.models import MetricSnapshotRow
from app.metrics.schemas import Snapshot
from app.metrics.service.catalogue import Definition


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides whether a period is complete.

    `folded_to` is the local day on which the marks were last folded, None before the first time or while the
    facts are those of other settings; `marked` are the days that wait for the next fold.
    """

    today: date
    folded_to: date | None
    churn_after_days: int
    marked: Collection[date] = ()

    def is_complete(self, definition: Definition, start: date, end: date) -> bool:
        """Whether the period is over, was folded after its end, and depends on no marked day."""
        if self.folded_to is None or end > min(self.today, self.folded_to):
            return False
        since = self._reads_since(definition, start)
        return not any(since <= day < end for day in self.marked)

    def _reads_since(self, definition: Definition, start: date) -> date:
        match definition.reach:
            case "period":
                return start
            case "churn_window":
                return start - timedelta(days=self.churn_after_days)
            case "history":
                return date.min


def value_of(definition: Definition, numerator: Decimal, denominator: Decimal | None) -> Decimal | None:
    """The metric's value, None for a quotient of nothing. 28 significant digits, never rounded here."""
    if definition.empty is None:
        return numerator
    return definition.scale * numerator / denominator if denominator else None


def interval_of(definition: Definition, row: MetricSnapshotRow) -> Interval | None:
    """The 95 % interval of a share, or of a mean of marks -1, 0 and +1; None for all else and for nothing."""
    if not row.denominator or not definition.has_interval:
        return None
    if row.squares is None:
        low, high = wilson(row.numerator, row.denominator)
    else:
        low, high = adjusted_wald(Signs(row.n, int(row.numerator), row.squares))
    return definition.scale * low, definition.scale * high


def snapshot_of(row: MetricSnapshotRow, definition: Definition, standing: Standing) -> Snapshot:
    """The snapshot as callers and subscribers see it."""
    value = value_of(definition, row.numerator, row.denominator)
    low, high = interval_of(definition, row) or (None, None)
    return Snapshot(
        metric_key=definition.key,
        grain=row.grain,
        period_start=row.period_start,
        period_end=row.period_end,
        segment_id=None,
        value=value,
        numerator=row.numerator,
        denominator=row.denominator,
        n=row.n,
        ci_low=low,
        ci_high=high,
        complete=standing.is_complete(definition, row.period_start, row.period_end),
        reason=definition.empty if value is None else None,
        definition_version=row.definition_version,
        computed_at=row.computed_at,
    )
