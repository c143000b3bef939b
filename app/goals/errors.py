"""Refusals of the goals room."""

from app.kit.errors import Conflict


class GoalFinished(Conflict):
    """The goal was achieved or missed: what it promised is a record now."""

    slug = "goal-finished"
    title = "The goal is finished"
