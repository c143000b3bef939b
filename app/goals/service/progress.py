"""Where a goal stands: current value, progress, pace, status and health. Arithmetic only.

Every fact is handed in: the metric's points, the terms of the goal, and `today`, a day in the workspace's
time zone. Values are Decimals and never rounded here (a quotient carries 28 significant digits).

The window of a goal is [starts_on, due_on] with *both* days in it: whoever owes something "by the 31st" has
all of the 31st. Only points that lie in the window as a whole count, so a goal whose window cuts through
weeks or months wants day points.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from app.goals.schemas import Direction, Health, Measure, StandingReason, Status
from app.kit.periods import ONE_DAY, Grain, Period

ON_TRACK_FROM = Decimal("0.9")
BEHIND_FROM = Decimal("0.6")
LIFTED_FROM = Decimal("0.7")
LOWERED_BELOW = Decimal("0.3")
STALE_AFTER_REVIEWS = 2
SETTLING_DAYS = 2

ZERO, ONE = Decimal(0), Decimal(1)


@dataclass(frozen=True, slots=True)
class Point:
    """A metric's snapshot of one period. `value` is None when it cannot be computed.

    `complete` is False while the period runs or its changes are not folded yet; `computed_on` is the local
    day on which the value was last computed or handed in.
    """

    period: Period
    value: Decimal | None
    complete: bool
    computed_on: date


@dataclass(frozen=True, slots=True)
class Terms:
    """What a goal with a metric promises. `grain` is that of the points it is judged by."""

    direction: Direction
    baseline: Decimal | None
    target: Decimal
    starts_on: date
    due_on: date
    measure: Measure
    grain: Grain

    @property
    def ends(self) -> date:
        """The first day after the window."""
        return self.due_on + ONE_DAY

    @property
    def stays(self) -> bool:
        """Whether the goal is to keep a bound, rather than to get somewhere."""
        return self.direction in ("stay_above", "stay_below")

    @property
    def sums(self) -> bool:
        """Whether the goal is judged by the sum over its window; goals that keep a bound never are."""
        return self.measure == "window_total" and not self.stays

    def satisfied_by(self, value: Decimal, threshold: Decimal | None = None) -> bool:
        """Whether the value is at the threshold (the target, if none is given) or on its good side."""
        bound = self.target if threshold is None else threshold
        return value >= bound if self.direction in ("increase", "stay_above") else value <= bound


@dataclass(frozen=True, slots=True)
class Current:
    """The value a goal is judged by. `as_of` is the (exclusive) end of the newest period in it."""

    value: Decimal | None
    as_of: date | None
    reason: StandingReason | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a goal stands on a day. `reason` says why `current` or `progress` is None.

    `elapsed` is the share 0..1 of the window's days that are over. `over` means that nothing can change the
    outcome any more. `pace` is None while nothing has elapsed, and for stay_* goals.
    """

    current: Decimal | None
    as_of: date | None
    progress: Decimal | None
    elapsed: Decimal
    pace: Decimal | None
    reached: bool
    over: bool
    reason: StandingReason | None


@dataclass(frozen=True, slots=True)
class Reviews:
    """How closely a goal is followed. `due_on` is the day by which the next check-in is expected."""

    every_days: int
    due_on: date


@dataclass(frozen=True, slots=True)
class Child:
    """A goal below another one. `weight` is its impact."""

    weight: int
    progress: Decimal | None


@dataclass(frozen=True, slots=True)
class RollUp:
    """The progress of a parent, from `counted` children; `left_out` more have no progress to give."""

    progress: Decimal | None
    counted: int
    left_out: int


def standing_of(terms: Terms, points: Sequence[Point], today: date) -> Standing:
    """Where the goal stands. The points are of one grain and in any order; at most one per period."""
    now = current_of(terms, points, today)
    done, why = progress_of(terms, points, now.value)
    elapsed = elapsed_share(terms, today)
    over = is_over(terms, points, today)
    return Standing(
        current=now.value,
        as_of=now.as_of,
        progress=done,
        elapsed=elapsed,
        pace=None if terms.stays else pace_of(done, elapsed),
        reached=_is_reached(terms, now, done, over),
        over=over,
        reason=now.reason or why,
    )


def current_of(terms: Terms, points: Sequence[Point], today: date) -> Current:
    """The sum over the window so far (the running period included), or the latest complete period's value.

    A complete period without a value (no answers that week) is passed over for the one before it: `as_of`
    tells. Periods that end after the window never count; for `period_value` one from before the window does,
    since it is what is known, but it cannot reach the target.
    """
    if terms.sums:
        return _total_in_window(terms, points, today)
    known = [(p.period.end, p.value) for p in points if p.complete and p.value is not None]
    in_time = [(end, value) for end, value in known if end <= terms.ends]
    if not in_time:
        return Current(None, None, "no_complete_period" if points else "no_data")
    as_of, value = max(in_time)
    return Current(value, as_of, None)


def progress_of(
    terms: Terms, points: Sequence[Point], current: Decimal | None
) -> tuple[Decimal | None, StandingReason | None]:
    """The way from baseline to target that is done, or why there is none.

    0 at the baseline, 1 at the target, not clamped: below 0 the goal has moved away, above 1 it is surpassed.
    For stay_* goals the share of the window's complete periods that were in bounds.
    """
    if terms.stays:
        return _share_in_bounds(terms, points)
    if current is None:
        return None, None
    if terms.baseline is None:
        return None, "no_baseline"
    if terms.target == terms.baseline:
        return None, "target_equals_baseline"
    return (current - terms.baseline) / (terms.target - terms.baseline), None


def elapsed_share(terms: Terms, today: date) -> Decimal:
    """The share of the window's days that are over: 0 on all of the first day, 1 after due_on."""
    length = max((terms.ends - terms.starts_on).days, 1)
    gone = (today - terms.starts_on).days
    return Decimal(min(max(gone, 0), length)) / length


def pace_of(progress: Decimal | None, elapsed: Decimal) -> Decimal | None:
    """Progress per share of time: 1 arrives just in time, below 1 too late. None before any elapsed."""
    return None if progress is None or elapsed == 0 else progress / elapsed


def is_over(terms: Terms, points: Iterable[Point], today: date) -> bool:
    """Whether due_on has passed and its figures are in.

    A period of the window that is not folded yet holds the verdict back, by at most two days.
    """
    if today <= terms.due_on:
        return False
    settled = all(point.complete for point in points if _in_window(terms, point))
    return settled or today > terms.due_on + timedelta(days=SETTLING_DAYS)


def next_status(status: Status, standing: Standing) -> Status:
    """`active` becomes `achieved` as soon as the goal is reached (a stay_* goal only at its end), `missed`
    when it is over and was not. No other status moves by itself.
    """
    if status != "active":
        return status
    if standing.reached:
        return "achieved"
    return "missed" if standing.over else "active"


def health_of(
    terms: Terms,
    standing: Standing,
    *,
    reviews: Reviews,
    computed_on: date | None,
    probability: Decimal | None,
    today: date,
) -> Health:
    """How the goal does.

    - `unknown`: there is no value, or neither a pace nor a forecast.
    - `stale`: the check-in is overdue, or the metric was last computed more than two review periods ago.
    - `on_track` at a pace of 0.9 or more, `behind` at 0.6 or more, `at_risk` below. While nothing has elapsed
      nothing is owed: `on_track`. A forecast of 0.7 or more lifts that by one step, one below 0.3 lowers it.
    - A stay_* goal is `on_track` while every period was in bounds, `behind` when 0.9 of them were, else
      `at_risk`; there only a poor forecast counts, since a good one cannot mend what has happened.
    """
    if standing.current is None:
        return "unknown"
    if _is_stale(reviews, computed_on, today):
        return "stale"
    if standing.reached:
        return "on_track"
    grade = _kept_grade(standing.progress) if terms.stays else _pace_grade(standing)
    if grade is None:
        return _forecast_grade(probability)
    return _adjusted(grade, probability, liftable=not terms.stays)


def check_in_due_on(followed_since: date, last_check_in_on: date | None, every_days: int) -> date:
    """The day by which the next check-in is expected; it is overdue from the day after.

    `followed_since` is the later of starts_on and the day the goal was written down, so that a goal entered
    with a start in the past is not born overdue.
    """
    return max(followed_since, last_check_in_on or followed_since) + timedelta(days=every_days)


def last_computed_on(points: Iterable[Point]) -> date | None:
    """The day the newest of the points was computed."""
    return max((point.computed_on for point in points), default=None)


def milestone_reached(terms: Terms, threshold: Decimal, current: Decimal | None) -> bool:
    """Whether the goal has come as far as the milestone, in its own direction."""
    return current is not None and terms.satisfied_by(current, threshold)


def roll_up(children: Iterable[Child]) -> RollUp:
    """The weighted mean of the children's progress, each clamped to 0..1 so that none makes up for another.

    Children without progress are left out and counted; None when no weight remains.
    """
    everyone = list(children)
    known = [(child.weight, child.progress) for child in everyone if child.progress is not None]
    total = sum(weight for weight, _ in known)
    done = sum((weight * min(max(progress, ZERO), ONE) for weight, progress in known), ZERO)
    return RollUp(done / total if total else None, len(known), len(everyone) - len(known))


def _total_in_window(terms: Terms, points: Iterable[Point], today: date) -> Current:
    inside = [p for p in points if _in_window(terms, p)]
    values = [p.value for p in inside if p.value is not None]
    if not values:
        return Current(None, None, "not_started" if today < terms.starts_on else "no_data")
    return Current(sum(values, ZERO), max(p.period.end for p in inside), None)


def _share_in_bounds(terms: Terms, points: Iterable[Point]) -> tuple[Decimal | None, StandingReason | None]:
    inside = [p for p in points if p.complete and _in_window(terms, p)]
    values = [p.value for p in inside if p.value is not None]
    if not values:
        return None, "no_complete_period"
    return Decimal(sum(terms.satisfied_by(value) for value in values)) / len(values), None


def _in_window(terms: Terms, point: Point) -> bool:
    return terms.starts_on <= point.period.start and point.period.end <= terms.ends


def _is_reached(terms: Terms, now: Current, done: Decimal | None, over: bool) -> bool:
    if terms.stays:
        return over and done == 1
    if now.value is None or now.as_of is None or now.as_of <= terms.starts_on:
        return False
    return terms.satisfied_by(now.value)


def _is_stale(reviews: Reviews, computed_on: date | None, today: date) -> bool:
    silence = timedelta(days=STALE_AFTER_REVIEWS * reviews.every_days)
    return today > reviews.due_on or (computed_on is not None and today - computed_on > silence)


_BEST_FIRST: tuple[Health, ...] = ("on_track", "behind", "at_risk")


def _pace_grade(standing: Standing) -> int | None:
    if standing.pace is None:
        return 0 if standing.elapsed == 0 else None
    return _grade(standing.pace, ON_TRACK_FROM, BEHIND_FROM)


def _kept_grade(share: Decimal | None) -> int | None:
    return None if share is None else _grade(share, ONE, ON_TRACK_FROM)


def _grade(value: Decimal, good: Decimal, fair: Decimal) -> int:
    return 0 if value >= good else 1 if value >= fair else 2


def _forecast_grade(probability: Decimal | None) -> Health:
    if probability is None:
        return "unknown"
    return _BEST_FIRST[_grade(probability, LIFTED_FROM, LOWERED_BELOW)]


def _adjusted(grade: int, probability: Decimal | None, *, liftable: bool) -> Health:
    if probability is not None and probability >= LIFTED_FROM and liftable:
        grade -= 1
    elif probability is not None and probability < LOWERED_BELOW:
        grade += 1
    return _BEST_FIRST[min(max(grade, 0), 2)]
