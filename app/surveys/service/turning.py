"""What the passing of time does to a survey: it opens, closes, and begins an iteration."""

from datetime import datetime, timedelta

from app.kit.periods import day_start
from app.surveys.models.surveys import SurveyRow
from app.surveys.service.timing import Calendar


def next_turn(survey: SurveyRow, calendar: Calendar) -> datetime | None:
    """When time changes the survey next; None for never."""
    if survey.archived_at is not None:
        return None
    if survey.state == "scheduled":
        return survey.opens_at
    if survey.state != "open":
        return None
    turns = [at for at in (survey.closes_at, _next_iteration(survey, calendar)) if at is not None]
    return min(turns, default=None)


def _next_iteration(survey: SurveyRow, calendar: Calendar) -> datetime | None:
    """When everybody is to be invited to the next iteration; at once where the present one is owed that."""
    if not survey.recurrence_invites or survey.recurrence_days is None or survey.opened_at is None:
        return None
    present = calendar.iteration(survey, calendar.now)
    if survey.invited_iteration < present:
        return calendar.now
    if survey.recurrence_iterations is not None and present >= survey.recurrence_iterations:
        return None
    first_day = calendar.day(survey.opened_at)
    return day_start(first_day + timedelta(days=present * survey.recurrence_days), calendar.zone)
