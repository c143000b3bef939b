"""The arithmetic of snapshots, without a database."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.metrics.service.catalogue import BUILT_IN
from app.metrics.service.figures import Standing, value_of, wilson

TODAY = date(2025, 11, 20)


def test_wilson_of_a_textbook_example() -> None:
    low, high = wilson(Decimal(8), Decimal(10))
    assert (round(low, 4), round(high, 4)) == (Decimal("0.4902"), Decimal("0.9433"))


@given(trials=st.integers(1, 10**9), data=st.data())
def test_wilson_holds_the_share_and_stays_between_0_and_1(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = wilson(Decimal(successes), Decimal(trials))
    slack = Decimal("1e-12")
    assert 0 <= low <= Decimal(successes) / trials + slack
    assert Decimal(successes) / trials - slack <= high <= 1


@pytest.mark.parametrize("key", ["average_order_value", "churn_rate"])
def test_a_quotient_of_nothing_has_no_value(key: str) -> None:
    assert value_of(BUILT_IN[key], Decimal(0), Decimal(0)) is None


@pytest.mark.parametrize(
    ("key", "days_before", "complete"),
    [
        ("net_revenue", 0, False),
        ("net_revenue", 1, True),
        ("churn_rate", 7, False),
        ("churn_rate", 8, True),
        ("new_customers", 3000, False),
        ("repeat_purchase_rate", 3000, False),
        ("repeat_purchase_rate", -1, True),
    ],
)
def test_a_metric_waits_for_the_marks_it_depends_on(key: str, days_before: int, complete: bool) -> None:
    start = TODAY - timedelta(days=30)
    standing = Standing(TODAY, TODAY, 7, {start - timedelta(days=days_before)})
    assert standing.is_complete(BUILT_IN[key], start, start + timedelta(days=1)) is complete


def test_nothing_is_complete_before_the_first_fold() -> None:
    standing = Standing(TODAY, None, 7)
    assert not standing.is_complete(BUILT_IN["net_revenue"], date(2020, 1, 1), date(2020, 1, 2))
