"""Refusals of the surveys room."""

from app.kit.errors import Conflict, Invalid, NotFound


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


class UnknownSurveyLink(NotFound):
    """No survey can be answered by this link: unknown, expired, revoked, or its survey is not open."""

    slug = "unknown-survey-link"
    title = "The link leads to no survey"


class AlreadyAnswered(Conflict):
    """A completed response has spent the link, or its contact, who is asked until they answer, has answered
    otherwise."""

    slug = "already-answered"
    title = "The survey was answered already"


class ResponseExists(Conflict):
    """A response with this source and external id was recorded with other content."""

    slug = "response-exists"
    title = "Another response has this external id"


class UnknownSurvey(Invalid):
    """An item names a survey that this workspace does not have."""


def unknown_survey_link() -> UnknownSurveyLink:
    """One and the same refusal, whatever the reason: a guess learns nothing."""
    return UnknownSurveyLink("There is no survey to answer here: the link is wrong, or its time is over.")


def already_answered() -> AlreadyAnswered:
    """The refusal of a second completed response."""
    return AlreadyAnswered("A completed response has been given already. Thank you!")


def unknown_response() -> NotFound:
    """The refusal of an id that is no response to this survey."""
    return NotFound("There is no such response to this survey.")


def unknown_survey() -> NotFound:
    """The refusal of an id that is no survey of this workspace."""
    return NotFound("There is no such survey in this workspace.")


def unknown_version() -> Invalid:
    """The refusal of answers to questions that the survey does not have."""
    return Invalid.at("/questions_version", "is not a version of this survey", "unknown_version")
