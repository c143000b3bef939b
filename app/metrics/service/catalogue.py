"""The built-in metrics: what each one means, and how far around a period it looks.

Days are local days of the workspace. A purchase is a touchpoint of kind `purchase`; a customer is a contact
with one. Deleted touchpoints never count. Archived contacts do, and so do their touchpoints: archiving tidies
lists, and must not rewrite last year's revenue. Responses of archived surveys count for the same reason.

Alive at the start of day t means: bought on one of the `churn_after_days` days before t. A running period is
judged by its end, with the purchases known so far: who would be lapsed by then counts as lost until they buy.

The net promoter score is that of Reichheld, "The One Number You Need to Grow", Harvard Business Review
81(12), 2003; customer effort is CEB's Customer Effort Score 2.0 of 2013, after Dixon, Freeman & Toman, "Stop
Trying to Delight Your Customers", Harvard Business Review 88(7/8), 2010. Scores are on the scales on which
people quote them, -100 to 100 and 0 to 100; rates are fractions. Intervals are those of `app.kit.intervals`.
The time to contact has none: such times are few and skewed, and their sum and number make no honest one.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from app.kit.periods import Grain
from app.metrics.schemas import Kind, MetricUnit, Reason
from app.surveys.service.suppression import MINIMUM

GRAINS: tuple[Grain, ...] = ("day", "week", "month", "quarter")

DEFINITIONS = 3
"""Goes up with any change to the facts or to what is made of them; those of another number are rebuilt, as
soon as a migration like 0014 calls them due."""

Reach = Literal["period", "churn_window", "history"]


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric.

    A `flow` adds up over periods, a `level` does not. `reach` is which days a period's figures depend on: its
    own, also the `churn_after_days` before, or all up to its end. `empty` is why a quotient has no value.
    `version` goes up when what the metric counts changes.
    """

    key: str
    title: str
    description: str
    kind: Kind
    unit: MetricUnit
    reach: Reach = "period"
    empty: Reason | None = None
    version: int = 1

    @property
    def has_interval(self) -> bool:
        """Whether it is a share of its n, or a mean of marks."""
        return self.unit in ("fraction", "score")

    @property
    def scale(self) -> Decimal:
        """How much a quotient of 1 is."""
        return Decimal(100 if self.unit == "score" else 1)


_SCORED = (
    "Completed responses that are no test, by the day they were answered; those to an anonymous survey where "
    f"at least {MINIMUM} of a day have a score, each day by itself, once they are settled."
)
_WILSON = "The 95 % interval is Wilson's (1927)."

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
            "customer_effort",
            "Customer effort score",
            "100 x (answers 5 to 7) / (all answers) to the score questions of surveys of type `ces`, on the "
            "scale 1 to 7 of Customer Effort Score 2.0 (CEB 2013, after Dixon, Freeman & Toman 2010): 0 to "
            f"100, more is easier. {_SCORED} {_WILSON}",
            "level",
            "score",
            empty="no_responses",
            version=2,
        ),
        Definition(
            "customer_satisfaction",
            "Customer satisfaction score",
            "100 x (answers 4 and 5) / (all answers) to the score questions of surveys of type `csat`, on "
            f"the scale 1 to 5: the share of the satisfied, 0 to 100. {_SCORED} {_WILSON}",
            "level",
            "score",
            empty="no_responses",
            version=2,
        ),
        Definition(
            "loop_closed_rate",
            "Closed loops",
            "Of the follow-ups opened in the period by a survey response, the share that is done by now. "
            f"Cancelled ones are in neither. {_WILSON}",
            "level",
            "fraction",
            empty="no_followups",
        ),
        Definition(
            "net_promoter_score",
            "Net promoter score",
            "100 x (promoters - detractors) / (all answers) to the score questions of surveys of type `nps`: "
            "promoters answer 9 or 10, detractors 0 to 6 (Reichheld 2003). -100 to 100. The numerator is "
            f"promoters - detractors. {_SCORED} The 95 % interval is adjusted Wald: 3/4 added to promoters "
            "and to detractors, 3 to all (Bonett & Price 2012, Rocks 2016), within -100 to 100.",
            "level",
            "score",
            empty="no_responses",
            version=2,
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
            "survey_response_rate",
            "Survey response rate",
            "Of the invitations made to contacts in the period, the share answered to the end by now. Tests, "
            "and invitations that bounced or were revoked, are in neither. Who answered an anonymous survey "
            f"counts once there are five of them. {_WILSON}",
            "level",
            "fraction",
            empty="no_invitations",
        ),
        Definition(
            "time_to_contact_minutes",
            "Time to contact",
            "Mean minutes from `opened_at` to `contacted_at` of the follow-ups opened by a survey response "
            "of which `contacted_at` lies in the period. The numerator is the sum of minutes.",
            "level",
            "minutes",
            empty="no_followups",
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
