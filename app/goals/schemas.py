"""Shapes of goals."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import MISSING, AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from app.kit.periods import Grain
from app.kit.schemas import (
    NOT_BLANK,
    Day,
    Input,
    Key,
    LongText,
    Name,
    Number,
    OptionalNumber,
    Output,
    Page,
    Patch,
    Whole,
)

Direction = Literal["increase", "decrease", "stay_above", "stay_below"]
Measure = Literal["window_total", "period_value"]
Status = Literal["draft", "active", "achieved", "missed", "cancelled"]
Health = Literal["on_track", "behind", "at_risk", "stale", "unknown"]
StandingReason = Literal[
    "not_started", "no_data", "no_complete_period", "no_baseline", "target_equals_baseline"
]
ForecastMethod = Literal["random_walk_with_drift", "settled"]
ForecastReason = Literal["too_few_points", "no_period_in_window"]
SmartVerdict = Literal["smart", "needs_work", "weak"]
SmartCode = Literal[
    "title", "owner", "one_metric", "direction", "scope",
    "metric_known", "baseline_from_snapshot", "target_side", "refresh_fits_reviews",
    "attainable", "stretch", "unrealistic", "not_ambitious", "unknown",
    "aligned", "no_contradiction", "rated",
    "start_before_due", "length", "reviews_fit", "milestones_inside", "milestones_ordered",
]  # fmt: skip
ReviewCadence = Literal["weekly", "biweekly", "monthly", "quarterly"]
BaselineSource = Literal["given", "snapshot", "start_of_total"]

LARGEST = 10**15


def _number_only(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise PydanticCustomError("not_a_number", "must be a number")
    return value


def _six_decimals(value: Decimal) -> Decimal:
    """As many as answers show; a caller's 0.1 + 0.2 means 0.3."""
    return round(value, 6).normalize() + 0


Figure = Annotated[
    Decimal,
    BeforeValidator(_number_only),
    Field(gt=-LARGEST, lt=LARGEST),
    AfterValidator(_six_decimals),
    WithJsonSchema({"type": "number", "exclusiveMinimum": -LARGEST, "exclusiveMaximum": LARGEST}),
]
"""A value of a metric in a request: a JSON number, kept to 6 decimals."""

Share = Annotated[
    Decimal,
    BeforeValidator(_number_only),
    Field(ge=0, le=1),
    AfterValidator(_six_decimals),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1}),
]
Rating = Annotated[Whole, Field(ge=1, le=5)]
ChangeReason = Annotated[
    str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True), NOT_BLANK
]


class MilestoneInput(Input):
    """A step towards a goal."""

    title: Name = Field(description="What is reached with it.", examples=["Half way"])
    due_on: Day = Field(description="The day by which it should be reached.")
    threshold: Figure = Field(
        description="The value of `current` with which it is reached; for an objective a share from 0 to 1."
    )
    weight: Annotated[Whole, Field(ge=1, le=100)] = Field(
        default=1, description="How much it matters among the goal's milestones."
    )


Milestones = Annotated[list[MilestoneInput], Field(max_length=50)]
Stakeholders = Annotated[list[UUID], Field(max_length=100)]


class GoalCreate(Input):
    """A new goal. Without a metric it is an objective, whose progress is that of the goals below it."""

    title: Name = Field(description="What is to be reached.", examples=["Grow revenue in spring"])
    description: LongText | None = Field(default=None, description="Whom and what it is about.")
    metric_key: Key | None = Field(
        default=None,
        description="The metric it is judged by; null for an objective.",
        examples=["net_revenue"],
    )
    direction: Direction | None = Field(
        default=None, description="Where the metric should go; needed with a metric, and only then."
    )
    baseline: Figure | None = Field(
        default=None,
        description="Where it starts from. If absent: the metric's latest complete period before "
        "`starts_on`, and 0 for a `window_total`.",
    )
    target: Figure | None = Field(
        default=None, description="The value to reach or to keep; needed with a metric, and only then."
    )
    starts_on: Day = Field(description="The first day that counts.")
    due_on: Day = Field(description="The last day that counts.")
    measure: Measure | None = Field(
        default=None,
        description="`window_total` sums a flow metric from `starts_on` on; `period_value` takes the latest "
        "complete period of `grain`. If absent: a total for a flow metric that should increase.",
    )
    grain: Grain | None = Field(
        default=None,
        description="The periods a `period_value` is judged by (totals are always summed from days). "
        "If absent: the longest of month, week and day of which three fit.",
    )
    owner_id: UUID | None = Field(default=None, description="The member who answers for it.")
    stakeholder_ids: Stakeholders = Field(default=[], description="Members who want to know.")
    parent_id: UUID | None = Field(
        default=None, description="The goal or objective it serves; at most 5 levels, no circles."
    )
    impact: Rating | None = Field(
        default=None, description="1 to 5; also its weight in its parent, where null is 3."
    )
    feasibility: Rating | None = Field(default=None, description="1 to 5.")
    review_cadence: ReviewCadence | None = Field(
        default=None,
        description="How often somebody checks in. If absent: the longest of monthly, biweekly and weekly "
        "of which three reviews fit.",
    )
    milestones: Milestones = Field(default=[], description="Steps on the way.")
    status: Literal["draft", "active"] = Field(default="active", description="A draft is not followed yet.")


class GoalPatch(Patch):
    """Changes to a goal: absent stays, null clears (a null `baseline` is taken from a snapshot again)."""

    title: Name | MISSING = Field(default=MISSING, description="What is to be reached.")
    description: LongText | None | MISSING = Field(default=MISSING, description="Whom and what it is about.")
    metric_key: Key | MISSING = Field(default=MISSING, description="The metric it is judged by.")
    direction: Direction | MISSING = Field(default=MISSING, description="Where the metric should go.")
    baseline: Figure | None | MISSING = Field(default=MISSING, description="Where it starts from.")
    target: Figure | MISSING = Field(default=MISSING, description="The value to reach or to keep.")
    starts_on: Day | MISSING = Field(default=MISSING, description="The first day that counts.")
    due_on: Day | MISSING = Field(default=MISSING, description="The last day that counts.")
    measure: Measure | MISSING = Field(default=MISSING, description="What its current value is.")
    grain: Grain | MISSING = Field(default=MISSING, description="The periods a `period_value` is judged by.")
    owner_id: UUID | None | MISSING = Field(default=MISSING, description="The member who answers for it.")
    stakeholder_ids: Stakeholders | MISSING = Field(default=MISSING, description="Members who want to know.")
    parent_id: UUID | None | MISSING = Field(default=MISSING, description="The goal or objective it serves.")
    impact: Rating | None | MISSING = Field(default=MISSING, description="1 to 5.")
    feasibility: Rating | None | MISSING = Field(default=MISSING, description="1 to 5.")
    review_cadence: ReviewCadence | MISSING = Field(
        default=MISSING, description="How often somebody checks in."
    )
    milestones: Milestones | MISSING = Field(
        default=MISSING, description="Steps on the way; one that stays as it was keeps its `reached_at`."
    )
    status: Status | MISSING = Field(
        default=MISSING,
        description="`active` starts a draft or takes a cancelled goal up again, `cancelled` gives one up. "
        "`achieved` and `missed` are found, not set.",
    )
    reason: ChangeReason | None | MISSING = Field(
        default=MISSING, description="Why it is changed; kept in the revision, not in the goal."
    )


class Milestone(Output):
    """A step towards a goal."""

    title: str = Field(description="What is reached with it.")
    due_on: date = Field(description="The day by which it should be reached.")
    threshold: Number = Field(description="The value of `current` with which it is reached.")
    weight: int = Field(description="How much it matters among the goal's milestones.")
    reached_at: datetime | None = Field(description="When it was found to be reached; it stays so.")


class GoalForecast(Output):
    """The metric at the end of a goal's window, by a random walk with drift over its history."""

    value: OptionalNumber = Field(description="The middle of the forecast; null when there is none.")
    low_80: OptionalNumber = Field(description="Lower end of the 80 % interval.")
    high_80: OptionalNumber = Field(description="Upper end of the 80 % interval.")
    low_95: OptionalNumber = Field(description="Lower end of the 95 % interval.")
    high_95: OptionalNumber = Field(description="Upper end of the 95 % interval.")
    probability: OptionalNumber = Field(description="The chance 0..1 that the target is reached.")
    method: ForecastMethod | None = Field(
        description="How it was made; `settled` when nothing is left to come."
    )
    points_used: int = Field(description="Complete periods it rests on.")
    periods_ahead: int = Field(description="Periods still to come.")
    reason: ForecastReason | None = Field(description="Why there is none.")


class SmartReason(Output):
    """One check of a SMART letter."""

    code: SmartCode = Field(description="What was looked at.")
    met: bool = Field(description="Whether it is met.")
    detail: str = Field(description="What was found.")


class SmartLetter(Output):
    """One letter of SMART."""

    score: OptionalNumber = Field(description="0..1; null when it cannot be judged.")
    reasons: list[SmartReason] = Field(description="The checks behind it.")


class GoalSmart(Output):
    """How specific, measurable, attainable, relevant and time-bound a goal is."""

    specific: SmartLetter = Field(description="Owner, one metric, direction, scope.")
    measurable: SmartLetter = Field(description="Known metric, baseline from it, target on the right side.")
    attainable: SmartLetter = Field(description="The probability of reaching it.")
    relevant: SmartLetter = Field(description="Serves an objective, contradicts no other goal.")
    time_bound: SmartLetter = Field(description="Length, reviews, milestones.")
    score: Number = Field(description="The mean of the letters that can be judged, 0..1.")
    verdict: SmartVerdict = Field(description="What it comes to.")


class Goal(Output):
    """A SMART goal on a metric, or an objective when `metric_key` is null."""

    id: UUID = Field(description="UUIDv7.")
    title: str = Field(description="What is to be reached.")
    description: str | None = Field(description="Whom and what it is about.")
    metric_key: str | None = Field(description="The metric it is judged by; null for an objective.")
    segment_id: UUID | None = Field(
        default=None, description="The segment it is about; null for all contacts."
    )
    direction: Direction | None = Field(description="Where the metric should go.")
    baseline: OptionalNumber = Field(description="Where it starts from; null while nothing is known.")
    baseline_source: BaselineSource | None = Field(
        description="Typed in, taken from a snapshot, or the 0 that every total starts with."
    )
    target: OptionalNumber = Field(description="The value to reach or to keep.")
    starts_on: date = Field(description="The first day that counts.")
    due_on: date = Field(description="The last day that counts.")
    measure: Measure | None = Field(description="What `current` is.")
    grain: Grain | None = Field(description="The periods a `period_value` is judged by.")
    owner_id: UUID | None = Field(description="The member who answers for it.")
    stakeholder_ids: list[UUID] = Field(description="Members who want to know.")
    parent_id: UUID | None = Field(description="The goal or objective it serves.")
    impact: int | None = Field(description="1 to 5.")
    feasibility: int | None = Field(description="1 to 5.")
    priority: int | None = Field(description="Impact times feasibility, 1 to 25; null unless both are given.")
    review_cadence: ReviewCadence = Field(description="How often somebody checks in.")
    review_due_on: date = Field(description="The day by which the next check-in is expected.")
    milestones: list[Milestone] = Field(description="Steps on the way.")
    status: Status = Field(description="`achieved` and `missed` are final.")
    health: Health = Field(description="How it does; `stale` when nobody looked or nothing was computed.")
    current: OptionalNumber = Field(description="The value it is judged by; for an objective its progress.")
    current_as_of: date | None = Field(description="The first day that is no longer in `current`.")
    progress: OptionalNumber = Field(
        description="0 at the baseline, 1 at the target; for `stay_*` the share of periods in bounds; "
        "for an objective the weighted mean of the goals below it."
    )
    pace: OptionalNumber = Field(description="Progress per elapsed share of time: 1 arrives just in time.")
    reason: StandingReason | None = Field(description="Why `current` or `progress` is null.")
    forecast: GoalForecast | None = Field(description="Where it is heading; null for objectives and drafts.")
    smart: GoalSmart = Field(description="The SMART assessment, made anew with each change and each day.")
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When anything about it last changed.")
    archived_at: datetime | None = Field(description="When it was archived; null while it is not.")
    version: int = Field(description="Goes up with each change, computed ones included; also the `ETag`.")


class GoalPage(Page[Goal]):
    """One page of goals."""


class GoalAssessment(Output):
    """What a goal would look like, without making it."""

    smart: GoalSmart = Field(description="The SMART assessment.")
    forecast: GoalForecast | None = Field(description="Where it would be heading; null for an objective.")
    baseline: OptionalNumber = Field(description="The baseline it would get.")
    baseline_source: BaselineSource | None = Field(description="Where that would come from.")
    measure: Measure | None = Field(description="What its current value would be.")
    grain: Grain | None = Field(description="The periods it would be judged by.")
    review_cadence: ReviewCadence = Field(description="How often somebody would check in.")


class GoalRollUp(Output):
    """The progress of the goals right below one, weighted by impact, each clamped to 0..1."""

    progress: OptionalNumber = Field(description="Their weighted mean; null when none has a progress.")
    counted: int = Field(description="Goals in it.")
    left_out: int = Field(description="Goals without a progress yet.")


class GoalNode(Output):
    """A goal in the tree."""

    id: UUID = Field(description="UUIDv7.")
    title: str = Field(description="What is to be reached.")
    metric_key: str | None = Field(description="The metric it is judged by; null for an objective.")
    owner_id: UUID | None = Field(description="The member who answers for it.")
    starts_on: date = Field(description="The first day that counts.")
    due_on: date = Field(description="The last day that counts.")
    impact: int | None = Field(description="Its weight in its parent; null weighs 3.")
    status: Status = Field(description="Where it stands in its life.")
    health: Health = Field(description="How it does.")
    progress: OptionalNumber = Field(description="Its own progress.")
    roll_up: GoalRollUp = Field(description="The progress of the goals right below it.")
    children: list["GoalNode"] = Field(description="The goals right below it, the earliest due first.")


class GoalTree(Page[GoalNode]):
    """One page of goals at the top, each with all that is below it."""


class CheckInCreate(Input):
    """A review of a goal."""

    note: Annotated[
        str, StringConstraints(min_length=1, max_length=10_000, strip_whitespace=True), NOT_BLANK
    ] = Field(description="What was found and what comes next.")
    confidence: Share | None = Field(default=None, description="How sure you are of reaching it, 0 to 1.")


class CheckIn(Output):
    """A review of a goal, with the figures of that moment."""

    id: UUID = Field(description="UUIDv7.")
    goal_id: UUID = Field(description="The goal.")
    note: str = Field(description="What was found and what comes next.")
    confidence: OptionalNumber = Field(description="How sure they were of reaching it, 0 to 1.")
    current: OptionalNumber = Field(description="The goal's current value then.")
    progress: OptionalNumber = Field(description="The goal's progress then.")
    health: Health = Field(description="The goal's health then, before the check-in.")
    actor: str = Field(description="Who checked in.")
    created_at: datetime = Field(description="When.")


class CheckInPage(Page[CheckIn]):
    """One page of check-ins."""


class GoalProgress(Output):
    """Where a goal stood at the end of a day."""

    day: date = Field(description="The day, in the workspace's time zone.")
    current: OptionalNumber = Field(description="The value it was judged by.")
    progress: OptionalNumber = Field(description="How much of the way was done.")
    pace: OptionalNumber = Field(description="Progress per elapsed share of time.")
    health: Health = Field(description="How it did.")
    status: Status = Field(description="Where it stood in its life.")
    recorded_at: datetime = Field(description="When this was last computed.")


class GoalProgressPage(Page[GoalProgress]):
    """One page of a goal's history."""


class GoalRevision(Output):
    """One change of a goal by hand."""

    id: UUID = Field(description="UUIDv7.")
    version: int = Field(description="The goal's version after it.")
    actor: str = Field(description="Who changed it.")
    reason: str | None = Field(description="Why, if they said so.")
    before: dict[str, Any] = Field(description="The fields that changed, as they were.")
    after: dict[str, Any] = Field(description="The same fields, as they are since.")
    changed_at: datetime = Field(description="When.")


class GoalRevisionPage(Page[GoalRevision]):
    """One page of a goal's revisions."""
