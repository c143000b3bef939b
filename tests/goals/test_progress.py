from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.goals.schemas import Direction, Status
from app.goals.service.progress import (
    Child,
    Current,
    Point,
    Standing,
    Terms,
    current_of,
    elapsed_share,
    is_over,
    milestone_reached,
    next_status,
    pace_of,
    progress_of,
    roll_up,
    standing_of,
)
from app.kit.periods import Grain, next_period, period_of

D = Decimal
START, DUE = date(2026, 1, 1), date(2026, 1, 10)
AFTER = date(2026, 1, 11)
OPPOSITE: dict[Direction, Direction] = {
    "increase": "decrease",
    "decrease": "increase",
    "stay_above": "stay_below",
    "stay_below": "stay_above",
}

REVENUE = Terms("increase", D(0), D(1000), START, DUE, "window_total", "day")
CHURN = Terms("decrease", D("0.10"), D("0.05"), START, DUE, "period_value", "day")
SCORE = Terms("stay_above", None, D(40), START, DUE, "period_value", "day")

decimals = st.decimals(-10_000, 10_000, places=3)
values = st.lists(decimals, min_size=1, max_size=20)
directions = st.sampled_from(sorted(OPPOSITE))
todays = st.dates(date(2025, 12, 20), date(2026, 1, 20))


def series(*numbers: object, first: date = START, grain: Grain = "day", running: bool = False) -> list[Point]:
    """Points of consecutive periods; None has no value, and with `running` the last one is not complete."""
    points, period = [], period_of(first, grain)
    for number in numbers:
        value = None if number is None else D(str(number))
        points.append(Point(period, value, True, period.end))
        period = next_period(period, grain)
    return [*points[:-1], replace(points[-1], complete=False)] if running else points


# The current value


def test_a_total_sums_the_window_with_the_running_day() -> None:
    """100 + 200 + 50 = 350."""
    points = series(100, 200, 50, running=True)
    assert current_of(REVENUE, points, date(2026, 1, 3)) == Current(D(350), date(2026, 1, 4), None)


def test_a_total_starts_with_starts_on_and_ends_with_due_on() -> None:
    """12 days of 1 from Dec 31 on: Jan 1 to Jan 10 are ten of them."""
    points = series(*[1] * 12, first=date(2025, 12, 31))
    assert current_of(REVENUE, points, AFTER).value == 10


def test_a_week_that_straddles_the_start_is_not_in_the_total() -> None:
    """Jan 1 2026 is a Thursday: the week of Dec 29 counts for nothing, that of Jan 5 needs the 11th."""
    weekly = replace(REVENUE, grain="week", due_on=date(2026, 1, 11))
    points = series(500, 70, 9, first=date(2025, 12, 29), grain="week")
    assert current_of(weekly, points, date(2026, 1, 20)).value == 70


def test_days_without_a_value_add_nothing_to_a_total() -> None:
    assert current_of(REVENUE, series(100, None, 1), AFTER).value == 101


def test_a_total_before_its_start_is_none_with_that_reason() -> None:
    points = series(5, first=date(2025, 12, 1))
    assert current_of(REVENUE, points, date(2025, 12, 31)) == Current(None, None, "not_started")


@pytest.mark.parametrize("terms", [REVENUE, CHURN])
def test_no_points_at_all_is_none_with_a_reason(terms: Terms) -> None:
    assert current_of(terms, [], date(2026, 1, 2)) == Current(None, None, "no_data")


def test_a_level_is_that_of_the_latest_complete_period() -> None:
    points = series("0.09", "0.08", "0.01", running=True)
    assert current_of(CHURN, points[::-1], date(2026, 1, 3)) == Current(D("0.08"), date(2026, 1, 3), None)


def test_a_level_passes_over_a_period_without_a_value() -> None:
    assert current_of(CHURN, series("0.09", None), AFTER) == Current(D("0.09"), date(2026, 1, 2), None)


def test_a_level_with_only_a_running_period_is_none_with_a_reason() -> None:
    assert current_of(CHURN, series("0.09", running=True), START) == Current(None, None, "no_complete_period")


def test_a_level_after_the_window_does_not_count() -> None:
    points = series("0.07", "0.01", first=DUE)
    assert current_of(CHURN, points, date(2026, 2, 1)).value == D("0.07")


# Progress, elapsed share, pace


def test_progress_of_an_increase() -> None:
    """(350 - 100) / (600 - 100) = 250 / 500 = 0.5."""
    terms = replace(REVENUE, baseline=D(100), target=D(600))
    assert progress_of(terms, [], D(350)) == (D("0.5"), None)


def test_progress_of_a_decrease() -> None:
    """(0.09 - 0.10) / (0.05 - 0.10) = -0.01 / -0.05 = 0.2."""
    assert progress_of(CHURN, [], D("0.09")) == (D("0.2"), None)


def test_progress_is_not_clamped() -> None:
    assert progress_of(REVENUE, [], D(1500)) == (D("1.5"), None)
    assert progress_of(CHURN, [], D("0.12")) == (D("-0.4"), None)


def test_progress_without_a_way_to_go_is_none_with_a_reason() -> None:
    assert progress_of(replace(REVENUE, target=D(0)), [], D(5)) == (None, "target_equals_baseline")
    assert progress_of(replace(REVENUE, baseline=None), [], D(5)) == (None, "no_baseline")


def test_staying_is_measured_by_the_share_of_periods_in_bounds() -> None:
    """41, 40, 39, 45 against at least 40: 3 of 4; the running 10 and the day without answers do not count."""
    points = series(41, 40, 39, 45, None, 10, running=True)
    assert progress_of(SCORE, points, D(45)) == (D("0.75"), None)


def test_staying_counts_only_periods_in_the_window() -> None:
    points = series(10, 10, 50, first=date(2025, 12, 30))
    assert progress_of(SCORE, points, D(50)) == (D(1), None)
    assert progress_of(SCORE, points[:2], D(10)) == (None, "no_complete_period")


@pytest.mark.parametrize(
    ("today", "share"),
    [
        (date(2025, 12, 31), "0"),
        (START, "0"),
        (date(2026, 1, 2), "0.1"),
        (DUE, "0.9"),
        (AFTER, "1"),
        (date(2027, 1, 1), "1"),
    ],
)
def test_ten_days_elapse_from_the_morning_of_the_first_to_the_night_of_the_last(
    today: date, share: str
) -> None:
    assert elapsed_share(REVENUE, today) == D(share)


def test_a_window_of_one_day_elapses_with_it() -> None:
    terms = replace(REVENUE, due_on=START)
    assert [elapsed_share(terms, day) for day in (START, date(2026, 1, 2))] == [0, 1]


def test_a_window_that_ends_before_it_starts_divides_by_no_zero() -> None:
    terms = replace(REVENUE, due_on=date(2025, 12, 31))
    assert [elapsed_share(terms, day) for day in (START, date(2026, 1, 2))] == [0, 1]


def test_pace_is_progress_per_elapsed_share() -> None:
    """0.3 of the way in 0.4 of the time: 0.75."""
    assert pace_of(D("0.3"), D("0.4")) == D("0.75")


def test_there_is_no_pace_while_nothing_has_elapsed_or_progressed() -> None:
    assert pace_of(D("0.3"), D(0)) is None
    assert pace_of(None, D("0.4")) is None


def test_a_goal_halfway() -> None:
    """Five days of 60 are 300 of 1000; five of ten days are over: 0.3 / 0.5 = 0.6."""
    standing = standing_of(REVENUE, series(*[60] * 5), date(2026, 1, 6))
    assert standing == Standing(
        D(300), date(2026, 1, 6), D("0.3"), D("0.5"), D("0.6"), reached=False, over=False, reason=None
    )


def test_a_standing_says_why_it_has_no_value() -> None:
    standing = standing_of(REVENUE, [], date(2026, 1, 6))
    assert (standing.current, standing.progress, standing.pace, standing.reason) == (
        None,
        None,
        None,
        "no_data",
    )


@given(decimals, decimals, st.sampled_from([REVENUE, CHURN]))
def test_progress_is_0_at_the_baseline_and_1_at_the_target(
    start: Decimal, goal: Decimal, terms: Terms
) -> None:
    assume(start != goal)
    terms = replace(terms, baseline=start, target=goal)
    assert progress_of(terms, [], start) == (D(0), None)
    assert progress_of(terms, [], goal) == (D(1), None)


@given(values, decimals, decimals, directions, st.sampled_from([REVENUE, CHURN]), todays)
def test_a_decrease_is_an_increase_in_the_mirror(
    numbers: Sequence[Decimal], start: Decimal, goal: Decimal, direction: Direction, kind: Terms, today: date
) -> None:
    terms = replace(kind, direction=direction, baseline=start, target=goal)
    mirror = replace(terms, direction=OPPOSITE[direction], baseline=-start, target=-goal)
    one = standing_of(terms, series(*numbers), today)
    other = standing_of(mirror, series(*[-number for number in numbers]), today)
    assert other == replace(one, current=None if one.current is None else -one.current)


@given(todays, todays)
def test_the_elapsed_share_grows_from_0_to_1(one: date, other: date) -> None:
    earlier, later = sorted([one, other])
    assert 0 <= elapsed_share(REVENUE, earlier) <= elapsed_share(REVENUE, later) <= 1


# Reached, over, status


def status_on(today: date, terms: Terms, points: Sequence[Point], status: Status = "active") -> Status:
    return next_status(status, standing_of(terms, points, today))


def test_a_total_is_achieved_when_it_touches_the_target() -> None:
    assert status_on(date(2026, 1, 2), REVENUE, series(999)) == "active"
    assert status_on(date(2026, 1, 2), REVENUE, series(999, 1, running=True)) == "achieved"


def test_a_decrease_is_achieved_at_or_below_the_target() -> None:
    assert status_on(date(2026, 1, 3), CHURN, series("0.08", "0.051")) == "active"
    assert status_on(date(2026, 1, 3), CHURN, series("0.08", "0.05")) == "achieved"


def test_a_period_from_before_the_window_achieves_nothing() -> None:
    assert status_on(date(2026, 1, 1), CHURN, series("0.01", first=date(2025, 12, 31))) == "active"


def test_due_on_is_the_last_day_on_which_a_goal_is_open() -> None:
    points = series(*[10] * 10)
    assert status_on(DUE, REVENUE, points) == "active"
    assert status_on(AFTER, REVENUE, points) == "missed"


def test_what_was_reached_in_time_is_achieved_even_if_seen_late() -> None:
    assert status_on(date(2026, 3, 1), REVENUE, series(*[100] * 10)) == "achieved"


def test_what_comes_after_the_window_is_too_late() -> None:
    assert status_on(date(2026, 3, 1), REVENUE, series(*[99] * 20)) == "missed"


def test_a_verdict_waits_two_days_for_figures_that_are_not_folded() -> None:
    points = series(*[10] * 10, running=True)
    days = [AFTER, date(2026, 1, 12), date(2026, 1, 13)]
    assert [is_over(REVENUE, points, day) for day in days] == [False, False, True]
    assert [status_on(day, REVENUE, points) for day in days] == ["active", "active", "missed"]


def test_a_goal_without_any_data_is_missed_too() -> None:
    assert status_on(AFTER, REVENUE, []) == "missed"
    assert status_on(AFTER, SCORE, []) == "missed"


def test_staying_is_achieved_only_at_the_end() -> None:
    points = series(*[40] * 10)
    assert status_on(DUE, SCORE, points) == "active"
    assert status_on(AFTER, SCORE, points) == "achieved"


def test_one_period_out_of_bounds_is_a_miss_at_the_end() -> None:
    points = series(39, *[40] * 9)
    assert status_on(date(2026, 1, 5), SCORE, points) == "active"
    assert status_on(AFTER, SCORE, points) == "missed"


def test_a_target_that_equals_the_baseline_can_be_reached_without_progress() -> None:
    standing = standing_of(replace(REVENUE, target=D(0)), series(1), date(2026, 1, 2))
    assert (standing.progress, standing.reason, standing.reached) == (None, "target_equals_baseline", True)


@pytest.mark.parametrize("status", ["draft", "achieved", "missed", "cancelled"])
def test_only_active_goals_move_by_themselves(status: Status) -> None:
    assert status_on(AFTER, REVENUE, series(2000), status) == status
    assert status_on(AFTER, REVENUE, series(1), status) == status


# Milestones and roll-up


def test_a_milestone_is_reached_in_the_direction_of_the_goal() -> None:
    assert milestone_reached(REVENUE, D(500), D(500))
    assert not milestone_reached(REVENUE, D(500), D(499))
    assert milestone_reached(CHURN, D("0.08"), D("0.07"))
    assert not milestone_reached(CHURN, D("0.08"), D("0.09"))
    assert not milestone_reached(REVENUE, D(0), None)


def test_children_roll_up_by_weight() -> None:
    """(5 · 0.2 + 1 · 0.8) / 6 = 1.8 / 6 = 0.3; the one without data is left out."""
    rolled = roll_up([Child(5, D("0.2")), Child(1, D("0.8")), Child(3, None)])
    assert (rolled.progress, rolled.counted, rolled.left_out) == (D("0.3"), 2, 1)


def test_no_child_makes_up_for_another() -> None:
    """1.9 counts as 1 and -0.4 as 0: (1 + 0) / 2."""
    assert roll_up([Child(2, D("1.9")), Child(2, D("-0.4"))]).progress == D("0.5")


def test_nothing_to_roll_up_is_none() -> None:
    assert roll_up([]).progress is None
    assert roll_up([Child(3, None)]).progress is None
    assert roll_up([Child(0, D(1))]).progress is None
