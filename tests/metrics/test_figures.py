"""The arithmetic of snapshots, without a database."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from app.metrics.service.catalogue import BUILT_IN
from app.metrics.service.figures import Standing, value_of

TODAY = date(2025, 11, 20)


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
