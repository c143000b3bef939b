from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.goals.schemas import Direction
from app.goals.service.forecast import forecast_for, standard_error, walk_of_level, walk_of_total
from app.goals.service.progress import Point, Terms
from app.kit.periods import Grain, next_period, period_of

D = Decimal
START, DUE = date(2026, 1, 8), date(2026, 1, 10)
BEFORE = date(2026, 1, 1)
LEVEL = Terms("increase", D(0), D(12), START, DUE, "period_value", "day")
TOTAL = replace(LEVEL, measure="window_total")
OPPOSITE: dict[Direction, Direction] = {
    "increase": "decrease",
    "decrease": "increase",
    "stay_above": "stay_below",
    "stay_below": "stay_above",
}

decimals = st.decimals(-10_000, 10_000, places=2)
histories = st.lists(decimals, min_size=6, max_size=8)
kinds = st.sampled_from([LEVEL, TOTAL])
directions = st.sampled_from(sorted(OPPOSITE))


def series(*numbers: object, first: date = BEFORE, grain: Grain = "day") -> list[Point]:
    points, period = [], period_of(first, grain)
    for number in numbers:
        value = None if number is None else D(str(number))
        points.append(Point(period, value, True, period.end))
        period = next_period(period, grain)
    return points


def close(one: Decimal | None, other: str | float) -> bool:
    return one is not None and abs(one - D(str(other))) < D("0.000001")


def test_a_level_by_hand() -> None:
    """1 3 2 4 6 5 7 on Jan 1 to 7, due on Jan 10: T = 7, h = 3.

    d = (7 - 1)/6 = 1. Steps 2 -1 2 2 -1 2, less d: 1 -2 1 1 -2 1, squares 12, σ² = 12/5 = 2.4.
    Forecast 7 + 3·1 = 10, variance 2.4·3·(1 + 3/6) = 10.8. Target 12: z = (10 - 12)/√10.8.
    """
    forecast = forecast_for(LEVEL, series(1, 3, 2, 4, 6, 5, 7))
    assert forecast.value == 10
    assert close(forecast.low_80, 10 - 1.2815515655446004 * 10.8**0.5)
    assert close(forecast.high_95, 10 + 1.959963984540054 * 10.8**0.5)
    assert close(forecast.probability, NormalDist().cdf(-2 / 10.8**0.5))
    assert (forecast.method, forecast.points_used, forecast.periods_ahead) == ("random_walk_with_drift", 7, 3)


def test_a_total_by_hand() -> None:
    """Totals 4 6 5 3 5 7 5 on Jan 3 to 9; the window is Jan 8 to 10, so far 7 + 5 = 12, one day to come.

    Mean 35/7 = 5, squares 1 + 1 + 0 + 4 + 0 + 4 + 0 = 10, σ² = 10/6. Forecast 12 + 5 = 17,
    variance 10/6·1·(1 + 1/7) = 40/21. Target 18: z = (17 - 18)/√(40/21).
    """
    forecast = forecast_for(replace(TOTAL, target=D(18)), series(4, 6, 5, 3, 5, 7, 5, first=date(2026, 1, 3)))
    assert forecast.value == 17
    assert close(forecast.high_80, 17 + 1.2815515655446004 * (40 / 21) ** 0.5)
    assert close(forecast.probability, NormalDist().cdf(-1 / (40 / 21) ** 0.5))
    assert (forecast.points_used, forecast.periods_ahead) == (7, 1)


def test_a_total_whose_window_lies_ahead() -> None:
    """Six days of 5 on Jan 1 to 6: the 7th is before the window, three days of 5 are in it."""
    forecast = forecast_for(TOTAL, series(*[5] * 6))
    assert (forecast.value, forecast.periods_ahead) == (D(15), 3)


def test_the_error_of_a_total_is_that_of_a_drift_on_its_cumulative_sum() -> None:
    totals = [Fraction(x) for x in (4, 6, 5, 3, 5, 7, 5)]
    sums = [(n, sum(totals[:n], Fraction(0))) for n in range(len(totals) + 1)]
    assert walk_of_total(sum(totals, Fraction(0)), totals) == walk_of_level(sums)


def test_a_period_without_a_value_is_bridged() -> None:
    """0 2 – 4 5 7 8 on Jan 1 to 7: d = 8/6. Steps (gap 1) 2, (gap 2) 2, then 1 2 1.

    Less gap·d, squared, per gap: (2/3)² + (-2/3)²/2 + (-1/3)² + (2/3)² + (-1/3)²
    = 4/9 + 2/9 + 1/9 + 4/9 + 1/9 = 12/9; five steps, so σ² = (12/9)/4 = 1/3.
    """
    walk = walk_of_level([(1, Fraction(0)), (2, Fraction(2)), (4, Fraction(4)), (5, Fraction(5)),
                          (6, Fraction(7)), (7, Fraction(8))])  # fmt: skip
    assert (walk.drift, walk.variance, walk.span) == (Fraction(8, 6), Fraction(1, 3), 6)
    assert forecast_for(LEVEL, series(0, 2, None, 4, 5, 7, 8)).value == 12


def test_a_level_by_month() -> None:
    """10 to 60 from January to June, due on Sep 15: the last month that ends in time is August, h = 2."""
    terms = replace(LEVEL, grain="month", starts_on=date(2026, 6, 1), due_on=date(2026, 9, 15), target=D(80))
    forecast = forecast_for(terms, series(10, 20, 30, 40, 50, 60, grain="month"))
    assert (forecast.value, forecast.periods_ahead, forecast.probability) == (D(80), 2, D(1))


def test_the_period_that_ends_with_due_on_counts() -> None:
    terms = replace(LEVEL, grain="month", starts_on=date(2026, 6, 1), due_on=date(2026, 8, 31))
    assert forecast_for(terms, series(10, 20, 30, 40, 50, 60, grain="month")).periods_ahead == 2


@pytest.mark.parametrize("terms", [LEVEL, TOTAL])
def test_five_points_are_too_few(terms: Terms) -> None:
    forecast = forecast_for(terms, series(1, 2, 3, None, 4, 5))
    assert (forecast.value, forecast.high_95, forecast.probability, forecast.method) == (
        None,
        None,
        None,
        None,
    )
    assert (forecast.points_used, forecast.reason) == (5, "too_few_points")


@pytest.mark.parametrize("terms", [LEVEL, TOTAL])
def test_no_points_are_too_few(terms: Terms) -> None:
    forecast = forecast_for(terms, [])
    assert (forecast.points_used, forecast.periods_ahead, forecast.reason) == (0, 3, "too_few_points")


def test_a_running_period_is_not_used() -> None:
    points = series(1, 2, 3, 4, 5, 6, 700)
    points[-1] = replace(points[-1], complete=False)
    forecast = forecast_for(LEVEL, points)
    assert (forecast.value, forecast.points_used, forecast.periods_ahead) == (D(10), 6, 4)


@pytest.mark.parametrize(("target", "probability"), [("7", 1), ("6.999", 1), ("7.001", 0)])
def test_a_constant_history_leaves_no_doubt(target: str, probability: int) -> None:
    forecast = forecast_for(replace(LEVEL, target=D(target)), series(*[7] * 7))
    assert forecast.low_95 == forecast.value == forecast.high_95 == 7
    assert forecast.probability == probability


def test_a_straight_line_leaves_no_doubt_although_its_drift_has_no_last_digit() -> None:
    """0 1 2 3 4 5, one every third day: a drift of 0.333… would leave a trace of variance."""
    history = [(day, Fraction(day, 3)) for day in (0, 3, 6, 9, 12, 15)]
    walk = walk_of_level(history)
    assert (walk.drift, standard_error(walk, 3)) == (Fraction(1, 3), D(0))


def test_a_window_that_is_over_is_a_fact() -> None:
    late = series(*[6] * 12)
    level = forecast_for(LEVEL, late)
    assert (level.value, level.probability, level.method, level.periods_ahead) == (D(6), D(0), "settled", 0)
    total = forecast_for(TOTAL, late)
    assert (total.value, total.probability, total.low_95) == (D(18), D(1), D(18))


def test_a_fact_needs_no_history() -> None:
    forecast = forecast_for(replace(TOTAL, target=D(5)), series(1, 2, 3, first=START))
    assert (forecast.value, forecast.probability, forecast.points_used) == (D(6), D(1), 3)


@pytest.mark.parametrize("terms", [LEVEL, TOTAL, replace(LEVEL, direction="stay_above")])
def test_a_window_that_no_period_ends_in_has_no_forecast(terms: Terms) -> None:
    terms = replace(terms, grain="month", due_on=date(2026, 1, 20))
    forecast = forecast_for(terms, series(*range(8), first=date(2025, 5, 1), grain="month"))
    assert (forecast.value, forecast.reason, forecast.points_used) == (None, "no_period_in_window", 8)


def test_a_due_date_before_the_start_has_no_forecast() -> None:
    forecast = forecast_for(replace(LEVEL, due_on=date(2026, 1, 3)), series(*range(8)))
    assert forecast.reason == "no_period_in_window"


@given(histories, decimals, decimals, kinds, directions)
def test_a_farther_target_is_never_more_likely(
    numbers: Sequence[Decimal], one: Decimal, other: Decimal, kind: Terms, direction: Direction
) -> None:
    terms, points = replace(kind, direction=direction), series(*numbers)
    low, high = (forecast_for(replace(terms, target=t), points).probability for t in sorted([one, other]))
    assert low is not None
    assert high is not None
    assert 0 <= low <= 1
    assert low >= high if direction in ("increase", "stay_above") else low <= high


@given(histories, decimals, kinds, directions)
def test_a_decrease_is_an_increase_in_the_mirror(
    numbers: Sequence[Decimal], target: Decimal, kind: Terms, direction: Direction
) -> None:
    terms = replace(kind, direction=direction, target=target)
    mirror = replace(kind, direction=OPPOSITE[direction], target=-target)
    one = forecast_for(terms, series(*numbers))
    other = forecast_for(mirror, series(*[-number for number in numbers]))
    assert one.probability == other.probability
    assert one.value is not None
    assert other.value == -one.value


@given(histories, kinds)
def test_the_intervals_nest_around_the_value(numbers: Sequence[Decimal], terms: Terms) -> None:
    f = forecast_for(terms, series(*numbers))
    assert f.low_95 is not None
    assert f.low_80 is not None
    assert f.value is not None
    assert f.high_80 is not None
    assert f.high_95 is not None
    assert f.low_95 <= f.low_80 <= f.value <= f.high_80 <= f.high_95


@given(st.lists(decimals.map(Fraction), min_size=6, max_size=12), st.integers(1, 30))
def test_doubt_grows_with_the_horizon(numbers: Sequence[Fraction], ahead: int) -> None:
    walk = walk_of_level(list(enumerate(numbers)))
    assert standard_error(walk, ahead) <= standard_error(walk, ahead + 1)


@given(histories, kinds)
def test_a_target_at_the_forecast_is_an_even_chance(numbers: Sequence[Decimal], kind: Terms) -> None:
    forecast = forecast_for(kind, series(*numbers))
    assert forecast.value is not None
    at_it = forecast_for(replace(kind, target=forecast.value), series(*numbers))
    assert at_it.probability in (D("0.5"), 1)
