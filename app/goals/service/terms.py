"""The terms of a goal: what may be left out, what may not stand together, what the arithmetic sees."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Literal, cast

from app.goals.models import GoalRow
from app.goals.schemas import Direction, Measure, ReviewCadence
from app.goals.service.progress import ZERO, Point, Terms
from app.kit.errors import FieldError, Invalid
from app.kit.periods import Grain

Kind = Literal["flow", "level"]

REVIEW_DAYS: dict[ReviewCadence, int] = {"weekly": 7, "biweekly": 14, "monthly": 30, "quarterly": 91}
GRAIN_DAYS: dict[Grain, int] = {"day": 1, "week": 7, "month": 30, "quarter": 91}
WANTED_REVIEWS = 3
LONGEST_WINDOW = timedelta(days=3660)
MIDDLE_IMPACT = 3

METRIC_TERMS = ("direction", "target")
OPTIONAL_METRIC_TERMS = ("baseline", "measure", "grain")


def check_terms(row: GoalRow, kind: Kind | None) -> None:
    """Raises `Invalid` with every contradiction in the terms. `kind` is the metric's, if there is one."""
    errors = [*_window_errors(row), *_metric_errors(row), *_measure_errors(row, kind)]
    if errors:
        raise Invalid("The terms of the goal do not fit together.", errors=errors)


def fill_in(row: GoalRow, kind: Kind | None) -> None:
    """Gives the terms that were left out their defaults; the baseline follows when the figures are known."""
    length = (row.due_on - row.starts_on).days
    if row.review_cadence is None:
        row.review_cadence = _longest_fitting(length, ("monthly", "biweekly", "weekly"), REVIEW_DAYS)
    if row.metric_key is None:
        return
    if row.measure is None:
        row.measure = "window_total" if kind == "flow" and row.direction == "increase" else "period_value"
    if row.grain is None:
        total = row.measure == "window_total"
        row.grain = "day" if total else _longest_fitting(length + 1, ("month", "week", "day"), GRAIN_DAYS)


def settle_baseline(row: GoalRow, points: Sequence[Point]) -> None:
    """Takes a missing baseline from the latest complete period before the window, if there is one.

    A total starts at nothing, whatever was before.
    """
    if row.baseline is not None or row.metric_key is None:
        return
    if terms_of(row).sums:
        row.baseline, row.baseline_source = ZERO, "start_of_total"
        return
    before = [p for p in points if p.complete and p.value is not None and p.period.end <= row.starts_on]
    if before:
        row.baseline, row.baseline_source = max(before, key=lambda p: p.period.end).value, "snapshot"


def terms_of(row: GoalRow) -> Terms:
    """What the arithmetic needs of a goal. The value of an objective is its own progress, from 0 to 1."""
    if row.metric_key is None:
        return Terms("increase", ZERO, Decimal(1), row.starts_on, row.due_on, "period_value", "day")
    assert row.target is not None
    return Terms(
        direction=cast(Direction, row.direction),
        baseline=row.baseline,
        target=row.target,
        starts_on=row.starts_on,
        due_on=row.due_on,
        measure=cast(Measure, row.measure),
        grain=judged_grain(row),
    )


def judged_grain(row: GoalRow) -> Grain:
    """The grain of the points that a goal is judged by: totals are summed from days."""
    return "day" if row.measure == "window_total" else cast(Grain, row.grain)


def review_days(row: GoalRow) -> int:
    """Days between two check-ins."""
    return REVIEW_DAYS[cast(ReviewCadence, row.review_cadence)]


def weight_of(row: GoalRow) -> int:
    """What a goal weighs in its parent."""
    return row.impact or MIDDLE_IMPACT


def priority_of(row: GoalRow) -> int | None:
    """Impact times feasibility; None unless both are given."""
    return row.impact * row.feasibility if row.impact and row.feasibility else None


def _window_errors(row: GoalRow) -> Iterator[FieldError]:
    if row.due_on < row.starts_on:
        yield FieldError("/due_on", "must not lie before starts_on", "due_before_start")
    elif row.due_on - row.starts_on > LONGEST_WINDOW:
        yield FieldError("/due_on", f"must lie within {LONGEST_WINDOW.days} days of starts_on", "too_long")


def _metric_errors(row: GoalRow) -> Iterator[FieldError]:
    if row.metric_key is not None:
        for name in METRIC_TERMS:
            if getattr(row, name) is None:
                yield FieldError(f"/{name}", "is needed with a metric", "missing")
        return
    for name in (*METRIC_TERMS, *OPTIONAL_METRIC_TERMS):
        if getattr(row, name) is not None:
            yield FieldError(f"/{name}", "makes no sense without metric_key", "no_metric")


def _measure_errors(row: GoalRow, kind: Kind | None) -> Iterator[FieldError]:
    if row.measure != "window_total" or row.direction is None:
        return
    if kind == "level":
        yield FieldError(
            "/measure", "this metric is a level, which cannot be summed: use period_value", "not_summable"
        )
    elif row.direction != "increase":
        detail = f"a total can only increase: to {row.direction}, use period_value"
        yield FieldError("/measure", detail, "not_summable")


def _longest_fitting(
    length: int, choices: Sequence[str], days: dict[Grain, int] | dict[ReviewCadence, int]
) -> str:
    sizes = cast(dict[str, int], days)
    return next((name for name in choices if length // sizes[name] >= WANTED_REVIEWS), choices[-1])
