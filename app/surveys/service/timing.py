"""Days and iterations of surveys, in the workspace's time zone."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from app.kit.database import Unit
from app.kit.periods import day_bounds, local_day
from app.surveys.models.records import SurveyFacts
from app.surveys.models.surveys import SurveyRow
from app.workspaces.service import WorkspaceService


def is_open(survey: SurveyRow | SurveyFacts, at: datetime) -> bool:
    """Whether the survey asks and is answered at an instant: it is over at its `closes_at`, though nobody may
    have closed it yet."""
    is_over = survey.closes_at is not None and survey.closes_at <= at
    return survey.state == "open" and survey.archived_at is None and not is_over


class Calendar:
    """The local days of a unit's workspace."""

    def __init__(self, zone: ZoneInfo, now: datetime) -> None:
        self.zone = zone
        self.now = now

    @classmethod
    async def of(cls, unit: Unit) -> "Calendar":
        workspace = await WorkspaceService(unit).get()
        return cls(ZoneInfo(workspace.timezone), unit.now)

    @property
    def today(self) -> date:
        return self.day(self.now)

    @property
    def end_of_today(self) -> datetime:
        _, end = day_bounds(self.today, self.zone)
        return end

    def day(self, instant: datetime) -> date:
        """The local day on which an instant lies."""
        return local_day(instant, self.zone)

    def iteration(self, survey: SurveyRow | SurveyFacts, instant: datetime) -> int:
        """Which iteration of the survey an instant lies in, from 1; 1 for a survey that does not recur.

        Iterations are counted in local days, so that a change to summer time moves none.
        """
        if survey.recurrence_days is None or survey.opened_at is None:
            return 1
        days = (self.day(instant) - self.day(survey.opened_at)).days
        number = 1 + max(0, days) // survey.recurrence_days
        return min(number, survey.recurrence_iterations or number)
