"""The built-in metrics: what each one means, and how far around a period it looks.

Days are local days of the workspace. A purchase is a touchpoint of kind `purchase`; a customer is a contact
with one. Deleted touchpoints never count. Archived contacts do, and so do their touchpoints: archiving tidies
lists, and must not rewrite last year's revenue.

Alive at the start of day t means: bought on one of the `churn_after_days` days before t. A running period is
judged by its end, with the purchases known so far: who would be lapsed by then counts as lost until they buy.
"""

from dataclasses import dataclass
from typing import Literal

from app.kit.periods import Grain

GRAINS: tuple[Grain, ...] = ("day", "week", "month", "quarter")

DEFINITIONS = 1
"""Goes up with any change to what a metric counts; facts made for another number are rebuilt."""

Kind = Literal["flow", "level"]
MetricUnit = Literal["count", "money", "fraction"]
Reach = Literal["period", "churn_window", "history"]
Reason = Literal["no_purchases", "no_customers", "no_customers_at_start"]


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric.

    A `flow` adds up over periods, a `level` does not. `reach` is which days a period's figures depend on: its
    own, also the `churn_after_days` before, or all up to its end. `empty` is why a quotient has no value.
    """

    key: str
    title: str
    description: str
    kind: Kind
    unit: MetricUnit
    reach: Reach = "period"
    empty: Reason | None = None
    version: int = DEFINITIONS

    @property
    def is_rate(self) -> bool:
        return self.unit == "fraction"


BUILT_IN = {
    definition.key: definition
    for definition in (
        Definition(
            "active_customers",
            "Active customers",
            "Contacts who bought in the period.",
            "level",
            "count",
        ),
        Definition(
            "average_order_value",
            "Average order value",
            "Value of the period's purchases divided by their number; refunds stay out of it.",
            "level",
            "money",
            empty="no_purchases",
        ),
        Definition(
            "churn_rate",
            "Churn rate",
            "Of the customers alive at the period's start, the share not alive at its end. Alive at an "
            "instant: bought in the `churn_after_days` days before it. Who comes in between is in neither.",
            "level",
            "fraction",
            "churn_window",
            "no_customers_at_start",
        ),
        Definition(
            "net_revenue",
            "Net revenue",
            "Value of the period's purchases less its refunds, in the workspace's currency. A refund counts "
            "in the period in which it happens.",
            "flow",
            "money",
        ),
        Definition(
            "new_contacts",
            "New contacts",
            "Contacts whose `acquired_at` lies in the period, archived ones included.",
            "flow",
            "count",
        ),
        Definition(
            "new_customers",
            "New customers",
            "Contacts whose first purchase lies in the period.",
            "flow",
            "count",
            "history",
        ),
        Definition(
            "repeat_purchase_rate",
            "Repeat purchase rate",
            "Of all customers to the period's end, the share that bought on at least two days.",
            "level",
            "fraction",
            "history",
            "no_customers",
        ),
        Definition(
            "retention_rate",
            "Retention rate",
            "Of the customers alive at the period's start, the share alive at its end; 1 - `churn_rate`.",
            "level",
            "fraction",
            "churn_window",
            "no_customers_at_start",
        ),
        Definition(
            "touchpoint_count",
            "Touchpoints",
            "Touchpoints that happened in the period, on all channels.",
            "flow",
            "count",
        ),
    )
}
"""By key, in the order of the catalogue."""
