"""Refusals of the surveys room."""

from app.kit.errors import Conflict, NotFound


class SurveyNotOpen(Conflict):
    """The survey takes no answers and asks nobody: it is a draft, scheduled, closed or archived."""

    slug = "survey-not-open"
    title = "The survey is not open"


class SurveyAnswered(Conflict):
    """The survey has responses, and what was promised to those who gave them stays."""

    slug = "survey-answered"
    title = "The survey has responses already"


class SurveyOver(Conflict):
    """The survey's `closes_at` has passed: it would close the moment it opens."""

    slug = "survey-over"
    title = "The survey's time is over"


class TooManyFrequencyRules(Conflict):
    """A workspace has only so many rules on how often contacts are asked."""

    slug = "too-many-frequency-rules"
    title = "There are too many contact frequency rules"


def unknown_survey() -> NotFound:
    """The refusal of an id that is no survey of this workspace."""
    return NotFound("There is no such survey in this workspace.")
