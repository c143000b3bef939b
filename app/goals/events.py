"""What the goals room publishes, each once per transition."""

from app.goals.schemas import (
    GoalChanged,
    GoalHealthChanged,
    GoalMilestoneReached,
    GoalProgressed,
    GoalReviewDue,
)
from app.kit.outbox import EventType

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
