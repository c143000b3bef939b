"""What the goals room publishes, each once per transition."""

from datetime import date

from pydantic import Field

from app.goals.schemas import Goal, Health, Milestone
from app.kit.outbox import EventType
from app.kit.schemas import OptionalNumber, Output


class GoalChanged(Output):
    """`data` of an event about a goal."""

    goal: Goal = Field(description="The goal as it is now.")


class GoalProgressed(GoalChanged):
    """`data` of `goal.progressed`."""

    previous_current: OptionalNumber = Field(description="The current value before.")
    previous_progress: OptionalNumber = Field(description="The progress before.")


class GoalHealthChanged(GoalChanged):
    """`data` of `goal.health_changed`."""

    previous_health: Health = Field(description="The health before.")


class GoalMilestoneReached(GoalChanged):
    """`data` of `goal.milestone_reached`."""

    milestone: Milestone = Field(description="The milestone that was reached.")


class GoalReviewDue(GoalChanged):
    """`data` of `goal.review_due`."""

    review_due_on: date = Field(description="The day by which a check-in was expected.")


CREATED = EventType("goal.created", GoalChanged, "A goal or an objective was made.")
PROGRESSED = EventType("goal.progressed", GoalProgressed, "A goal's current value or its progress changed.")
HEALTH_CHANGED = EventType(
    "goal.health_changed", GoalHealthChanged, "A goal does better or worse than before."
)
MILESTONE_REACHED = EventType(
    "goal.milestone_reached", GoalMilestoneReached, "A goal has come as far as one of its milestones."
)
ACHIEVED = EventType("goal.achieved", GoalChanged, "A goal reached its target, or kept its bound to the end.")
MISSED = EventType("goal.missed", GoalChanged, "A goal's time is over and its target was not reached.")
REVIEW_DUE = EventType("goal.review_due", GoalReviewDue, "A goal's check-in is overdue.")

ALL = (CREATED, PROGRESSED, HEALTH_CHANGED, MILESTONE_REACHED, ACHIEVED, MISSED, REVIEW_DUE)
