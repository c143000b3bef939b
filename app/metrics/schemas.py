"""Shapes of metrics and their snapshots."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from app.kit.periods import Grain
from app.kit.schemas import Number, OptionalNumber, Output, Page

Kind = Literal["flow", "level"]
MetricUnit = Literal["count", "money", "fraction", "score", "minutes"]
Reason = Literal[
    "no_purchases", "no_customers", "no_customers_at_start", "no_responses", "no_invitations", "no_followups"
]


class Metric(Output):
    """A metric of the catalogue."""

    key: str = Field(description="Its stable name.", examples=["net_revenue"])
    title: str = Field(description="What people call it.")
    description: str = Field(description="What exactly it counts.")
    kind: Kind = Field(
        description="A `flow` adds up over periods (revenue, counts of happenings); a `level` does not."
    )
    unit: MetricUnit = Field(
        description="A count, an amount in the workspace's currency, a fraction 0 to 1, a score in points of "
        "100 (0 to 100; the net promoter score -100 to 100), or minutes."
    )
    grains: list[Grain] = Field(description="The periods it is kept for.")
    definition_version: int = Field(description="Goes up when what it counts changes.")


class MetricPage(Page[Metric]):
    """One page of the catalogue."""


_INTERVAL = (
    "of a rate (Wilson) or a score (Wilson; of the net promoter score adjusted Wald); null for all others "
    "and without a value."
)


class Snapshot(Output):
    """The value of a metric for one period, with what it was made of."""

    metric_key: str = Field(description="Which metric.", examples=["churn_rate"])
    grain: Grain = Field(description="The length of the period.")
    period_start: date = Field(description="The period's first day, in the workspace's time zone.")
    period_end: date = Field(description="The day after its last.")
    segment_id: UUID | None = Field(description="The segment it is about; null for all contacts.")
    value: OptionalNumber = Field(description="Null when there is nothing to compute it from; see `reason`.")
    numerator: Number = Field(
        description="What was counted or added up; for a quotient, its upper part (a score is 100 times it)."
    )
    denominator: OptionalNumber = Field(description="The lower part of a quotient; null for other metrics.")
    n: int = Field(
        description="How many it was made of: contacts, purchases, answers, or what else it counts."
    )
    ci_low: OptionalNumber = Field(description=f"Lower end of the 95 % interval {_INTERVAL}")
    ci_high: OptionalNumber = Field(description=f"Upper end of the 95 % interval {_INTERVAL}")
    complete: bool = Field(
        description="False while the period runs or a change that may move the value is not folded yet."
    )
    reason: Reason | None = Field(description="Why the value is null; null when it is not.")
    definition_version: int = Field(description="The version of the definition it was computed by.")
    computed_at: datetime = Field(description="When it was computed.")


class SnapshotPage(Page[Snapshot]):
    """One page of snapshots."""


class MetricSnapshotsRefreshed(Output):
    """`data` of `metric.snapshot_refreshed`: the snapshots of one metric that are new or have moved."""

    metric_key: str = Field(description="Which metric.")
    segment_id: UUID | None = Field(description="The segment it is about; null for all contacts.")
    snapshots: list[Snapshot] = Field(description="Those of all grains, newest first, at most 100.")
    changed: int = Field(description="How many have changed, those that are not listed included.")
