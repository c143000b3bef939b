"""Will the goal be reached? A random walk with drift over the metric's history, and nothing cleverer.

The method is the drift method of Hyndman and Athanasopoulos, Forecasting: Principles and Practice (3rd
edition, 5.2 and 5.5). From values y_1 … y_T of periods that follow each other:

    drift          d   = (y_T - y_1) / (T - 1)
    residual       σ²  = Σ (y_t - y_{t-1} - d)² / (T - 2)      T - 1 residuals, one parameter estimated
    in h periods   y_T + h·d    with standard error    σ·√(h·(1 + h/(T - 1)))

**A level** (rate, score, average) is walked as it stands. A period without a value is bridged: a step over k
periods has mean k·d and variance k·σ², so it enters the residual sum as (Δ - k·d)²/k, and T - 1 is the number
of periods spanned; with nothing missing this is the formula above.

**A total** is walked as the *cumulative sum*, which is what the goal is about. Its steps are the per-period
totals x_1 … x_m, so the drift is their mean and σ their sample deviation. The sum still to come, over h
periods, differs from h·d by Σ(future deviations) - h·(error of the mean); the two are independent, with
variances h·σ² and h²·σ²/m: σ²·h·(1 + h/m) altogether, the same formula, since the cumulative sum of m steps
has T = m + 1 values. (Walking the per-period totals instead would give σ²·h(h+1)(2h+1)/6 + …, which grows
with h³: after a month of daily revenue the interval would say nothing, and the forecast would hang on the
last day alone.)

Only complete periods enter; one that still runs is still to come. The probability is that of standing on the
good side of the target in the last period of the window. For a stay_* goal it says so of that last period
only. Sums are exact fractions, so a history without noise has a σ of exactly 0 and a probability of exactly 0
or 1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from statistics import NormalDist

from app.goals.schemas import ForecastMethod, ForecastReason
from app.goals.service.progress import Point, Terms
from app.kit.periods import period_number, period_of

FEWEST_POINTS = 6

_STANDARD = NormalDist()
_REACH_80 = Decimal(str(_STANDARD.inv_cdf(0.9)))
_REACH_95 = Decimal(str(_STANDARD.inv_cdf(0.975)))


@dataclass(frozen=True, slots=True)
class Forecast:
    """The metric at the end of a goal's window: `value` between `low` and `high` with 80 and with 95 %.

    `probability` (0..1) is that of reaching the target, `points_used` the complete periods it rests on,
    `periods_ahead` those still to come. Where there is no forecast all figures are None and `reason` says
    why: under six points, or a window too short for the grain. `settled`: no period is left, the value is a
    fact.
    """

    value: Decimal | None
    low_80: Decimal | None
    high_80: Decimal | None
    low_95: Decimal | None
    high_95: Decimal | None
    probability: Decimal | None
    method: ForecastMethod | None
    points_used: int
    periods_ahead: int
    reason: ForecastReason | None


@dataclass(frozen=True, slots=True)
class Walk:
    """A random walk: its last value, its drift and variance per period, and over how many periods."""

    last: Fraction
    drift: Fraction
    variance: Fraction
    span: int


def forecast_for(terms: Terms, points: Sequence[Point]) -> Forecast:
    """The forecast at due_on. The points are of the terms' grain, in any order; earlier ones are history."""
    history = _history(terms, points)
    ahead = _periods_ahead(terms, history)
    if not _can_be_judged(terms):
        return _none(history, 0, "no_period_in_window")
    if ahead == 0 and history:
        return _outcome(terms, _settled(terms, history), 0, len(history))
    if len(history) < FEWEST_POINTS:
        return _none(history, ahead, "too_few_points")
    walk = _walk_of_total(terms, history) if terms.sums else walk_of_level(history)
    return _outcome(terms, walk, ahead, len(history))


def walk_of_level(history: Sequence[tuple[int, Fraction]]) -> Walk:
    """The walk through at least three (period number, value), oldest first; numbers may be skipped."""
    (first_at, first), (last_at, last) = history[0], history[-1]
    span = last_at - first_at
    drift = (last - first) / span
    steps = [(after_at - at, after - value) for (at, value), (after_at, after) in pairwise(history)]
    squares = sum(((delta - gap * drift) ** 2 / gap for gap, delta in steps), Fraction(0))
    return Walk(last, drift, squares / (len(steps) - 1), span)


def walk_of_total(so_far: Fraction, totals: Sequence[Fraction]) -> Walk:
    """The walk of a cumulative sum that stands at `so_far` and grows by such totals (at least two)."""
    mean = sum(totals, Fraction(0)) / len(totals)
    squares = sum(((total - mean) ** 2 for total in totals), Fraction(0))
    return Walk(so_far, mean, squares / (len(totals) - 1), len(totals))


def standard_error(walk: Walk, ahead: int) -> Decimal:
    """σ·√(h·(1 + h/span)) for h periods ahead."""
    return _decimal(walk.variance * ahead * (1 + Fraction(ahead, walk.span))).sqrt()


def probability_of(terms: Terms, value: Decimal, error: Decimal) -> Decimal:
    """The chance 0..1 that a normal variable around `value` ends on the good side of the target."""
    if error == 0:
        return Decimal(int(terms.satisfied_by(value)))
    distance = (value - terms.target) / error
    good_side_is_up = terms.direction in ("increase", "stay_above")
    return Decimal(str(_STANDARD.cdf(float(distance if good_side_is_up else -distance))))


def _history(terms: Terms, points: Iterable[Point]) -> list[tuple[int, Fraction]]:
    return sorted(
        (period_number(point.period.start, terms.grain), Fraction(point.value))
        for point in points
        if point.complete and point.value is not None and point.period.end <= terms.ends
    )


def _periods_ahead(terms: Terms, history: Sequence[tuple[int, Fraction]]) -> int:
    """Whole periods of the window after the last known one; for a level also those before the window."""
    known_to = [history[-1][0]] if history else []
    if terms.sums or not history:
        known_to.append(_first_in_window(terms) - 1)
    return max(_final(terms) - max(known_to), 0)


def _can_be_judged(terms: Terms) -> bool:
    """Whether a period ends in the window; for a sum or a bound, whether one lies in it as a whole."""
    whole = terms.sums or terms.stays
    first = _first_in_window(terms) if whole else period_number(terms.starts_on, terms.grain)
    return _final(terms) >= first


def _final(terms: Terms) -> int:
    return period_number(terms.ends, terms.grain) - 1


def _first_in_window(terms: Terms) -> int:
    number = period_number(terms.starts_on, terms.grain)
    return number if period_of(terms.starts_on, terms.grain).start == terms.starts_on else number + 1


def _walk_of_total(terms: Terms, history: Sequence[tuple[int, Fraction]]) -> Walk:
    return walk_of_total(_sum_in_window(terms, history), [value for _, value in history])


def _settled(terms: Terms, history: Sequence[tuple[int, Fraction]]) -> Walk:
    value = _sum_in_window(terms, history) if terms.sums else history[-1][1]
    return Walk(value, Fraction(0), Fraction(0), 1)


def _sum_in_window(terms: Terms, history: Sequence[tuple[int, Fraction]]) -> Fraction:
    first = _first_in_window(terms)
    return sum((value for number, value in history if number >= first), Fraction(0))


def _none(history: Sequence[tuple[int, Fraction]], ahead: int, reason: ForecastReason) -> Forecast:
    return Forecast(None, None, None, None, None, None, None, len(history), ahead, reason)


def _outcome(terms: Terms, walk: Walk, ahead: int, used: int) -> Forecast:
    value = _decimal(walk.last + ahead * walk.drift)
    error = standard_error(walk, ahead)
    return Forecast(
        value=value,
        low_80=value - _REACH_80 * error,
        high_80=value + _REACH_80 * error,
        low_95=value - _REACH_95 * error,
        high_95=value + _REACH_95 * error,
        probability=probability_of(terms, value, error),
        method="random_walk_with_drift" if ahead else "settled",
        points_used=used,
        periods_ahead=ahead,
        reason=None,
    )


def _decimal(fraction: Fraction) -> Decimal:
    return Decimal(fraction.numerator) / fraction.denominator
