"""Results over time: by calendar period, or by iteration."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from app.kit.errors import Invalid
from app.kit.periods import Grain, period_number, period_of, periods_between
from app.surveys.models.surveys import SurveyRow
from app.surveys.repository.results import ScoreCount
from app.surveys.schemas.results import Trend, TrendPoint
from app.surveys.service.figures import added, figures, no_figures, tally_of
from app.surveys.service.timing import Calendar
from app.surveys.service.withholding import Withholding

MOST_POINTS = 2_000


def trend_points(
    survey: SurveyRow,
    scores: Sequence[ScoreCount],
    trend: Trend,
    calendar: Calendar,
    withholding: Withholding,
) -> list[TrendPoint]:
    """First response to last, gaps included. Raises `Invalid` for more points than anyone reads."""
    if not scores or withholding.everything:
        return []
    by_period: dict[Any, list[tuple[int | None, int]]] = {}
    for row in scores:
        by_period.setdefault(row.period, []).append((row.score, row.responses))
    tallied = {
        period: tally_of(survey.type, added(by_period.get(period, ())))
        for period in _periods(min(by_period), max(by_period), trend)
    }
    hidden = withholding.hidden({(period,): n for period, (_, n) in tallied.items()})
    points = []
    for period, (tally, n) in tallied.items():
        shown = no_figures() if (period,) in hidden else figures(tally, n)
        points.append(TrendPoint(**shown, **_when(survey, period, trend, calendar)))
    return points


def _periods(first: Any, last: Any, trend: Trend) -> Iterator[Any]:
    if trend == "iteration":
        _check_points(last - first + 1)
        yield from range(first, last + 1)
    else:
        _check_points(period_number(last, trend) - period_number(first, trend) + 1)
        yield from (period.start for period in periods_between(first, last + timedelta(days=1), trend))


def _check_points(count: int) -> None:
    if count > MOST_POINTS:
        detail = f"makes {count} points, and {MOST_POINTS} are the most: take longer periods or a window"
        raise Invalid.at("?trend", detail, "too_many_points")


def _when(survey: SurveyRow, period: Any, trend: Trend, calendar: Calendar) -> dict[str, Any]:
    if trend != "iteration":
        return {**_days(period, trend), "iteration": None}
    start, end = _iteration_days(survey, period, calendar)
    return {"period_start": start, "period_end": end, "iteration": period}


def _days(start: date, grain: Grain) -> dict[str, date]:
    return {"period_start": start, "period_end": period_of(start, grain).end}


def _iteration_days(survey: SurveyRow, iteration: int, calendar: Calendar) -> tuple[date | None, date | None]:
    """The last of a limited number of iterations goes on for as long as the survey is open."""
    if survey.recurrence_days is None or survey.opened_at is None:
        return None, None
    length = timedelta(days=survey.recurrence_days)
    start = calendar.day(survey.opened_at) + (iteration - 1) * length
    return start, None if iteration == survey.recurrence_iterations else start + length
