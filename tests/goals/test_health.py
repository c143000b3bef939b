from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from app.goals.schemas import Health
from app.goals.service.progress import (
    Point,
    Reviews,
    Standing,
    Terms,
    check_in_due_on,
    health_of,
    last_computed_on,
    standing_of,
)
from app.kit.periods import period_of

D = Decimal
START, DUE = date(2026, 1, 1), date(2026, 1, 10)

REVENUE = Terms("increase", D(0), D(1000), START, DUE, "window_total", "day")
SCORE = Terms("stay_above", None, D(40), START, DUE, "period_value", "day")
ACTIVE = Standing(D(50), START, D("0.5"), D("0.5"), D(1), reached=False, over=False, reason=None)
FIRST_DAY = Point(period_of(START, "day"), D(1), False, START)


def health(terms: Terms, standing: Standing, probability: str | None = None, today: date = START) -> Health:
    reviews = Reviews(every_days=7, due_on=START + timedelta(days=7))
    chance = None if probability is None else D(probability)
    return health_of(terms, standing, reviews=reviews, computed_on=today, probability=chance, today=today)


@pytest.mark.parametrize(
    ("pace", "expected"),
    [
        ("1.3", "on_track"),
        ("0.9", "on_track"),
        ("0.89", "behind"),
        ("0.6", "behind"),
        ("0.59", "at_risk"),
        ("-1", "at_risk"),
    ],
)
def test_health_by_pace(pace: str, expected: Health) -> None:
    assert health(REVENUE, replace(ACTIVE, pace=D(pace))) == expected


@pytest.mark.parametrize(
    ("pace", "probability", "expected"),
    [
        ("0.5", "0.7", "behind"),
        ("0.7", "0.7", "on_track"),
        ("1", "0.9", "on_track"),
        ("1", "0.29", "behind"),
        ("0.7", "0.29", "at_risk"),
        ("0.5", "0.1", "at_risk"),
        ("0.7", "0.5", "behind"),
    ],
)
def test_a_forecast_lifts_or_lowers_health_by_one_step(pace: str, probability: str, expected: Health) -> None:
    assert health(REVENUE, replace(ACTIVE, pace=D(pace)), probability) == expected


def test_without_data_health_is_unknown() -> None:
    assert health(REVENUE, standing_of(REVENUE, [], date(2026, 1, 5))) == "unknown"


def test_on_the_first_day_nothing_is_owed() -> None:
    assert health(REVENUE, standing_of(REVENUE, [FIRST_DAY], START)) == "on_track"


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(None, "unknown"), ("0.8", "on_track"), ("0.5", "behind"), ("0.1", "at_risk")],
)
def test_without_a_pace_the_forecast_decides(probability: str | None, expected: Health) -> None:
    assert health(REVENUE, replace(ACTIVE, progress=None, pace=None), probability) == expected


def test_a_goal_that_is_reached_is_on_track() -> None:
    assert health(REVENUE, replace(ACTIVE, reached=True, pace=None, progress=None), "0.1") == "on_track"


def test_health_is_stale_from_the_day_after_the_check_in_was_due() -> None:
    due = START + timedelta(days=7)
    assert health(REVENUE, ACTIVE, today=due) == "on_track"
    assert health(REVENUE, ACTIVE, today=due + timedelta(days=1)) == "stale"


def test_health_is_stale_when_the_metric_is_silent_for_more_than_two_reviews() -> None:
    """Weekly reviews: silent for 14 days is fine, for 15 it is stale."""

    def after(days: int) -> Health:
        today = START + timedelta(days=days)
        reviews = Reviews(every_days=7, due_on=today)
        return health_of(REVENUE, ACTIVE, reviews=reviews, computed_on=START, probability=None, today=today)

    assert [after(14), after(15)] == ["on_track", "stale"]


@pytest.mark.parametrize(
    ("share", "probability", "expected"),
    [
        ("1", None, "on_track"),
        ("0.95", None, "behind"),
        ("0.95", "0.99", "behind"),
        ("0.89", None, "at_risk"),
        ("1", "0.2", "behind"),
    ],
)
def test_health_of_a_goal_to_stay(share: str, probability: str | None, expected: Health) -> None:
    assert health(SCORE, replace(ACTIVE, progress=D(share), pace=None), probability) == expected


def test_a_check_in_is_due_one_cadence_after_the_last() -> None:
    assert check_in_due_on(START, None, 7) == date(2026, 1, 8)
    assert check_in_due_on(START, date(2026, 1, 5), 7) == date(2026, 1, 12)


def test_the_newest_computation_counts() -> None:
    later = replace(FIRST_DAY, computed_on=date(2026, 1, 3))
    assert last_computed_on([later, FIRST_DAY]) == date(2026, 1, 3)
    assert last_computed_on([]) is None
