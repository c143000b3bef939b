"""The results of a survey: what its completed responses are counted to, and what is shown of it."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from app.kit.database import Unit
from app.kit.periods import day_start
from app.surveys.models.surveys import SurveyRow, SurveyVersionRow
from app.surveys.repository.results import ResultsRepository, ScoreCount
from app.surveys.repository.surveys import SurveyRepository
from app.surveys.schemas.results import (
    ComparedWindow,
    GroupFigures,
    ScoreComparison,
    SurveyResults,
    TrendPoint,
    VersionFigures,
)
from app.surveys.service.breakdowns import GroupFields, Grouping, breakdown, check_size
from app.surveys.service.figures import added, band_figures, figures, no_figures, rate_figures, tally_of
from app.surveys.service.question_figures import question_figures
from app.surveys.service.question_results import AskedQuestion, QuestionCounter, asked_questions
from app.surveys.service.results_query import ResultsFilter, ResultsQuery
from app.surveys.service.scoring import Tally, compare
from app.surveys.service.surveys import SurveyService
from app.surveys.service.timing import Calendar
from app.surveys.service.trends import trend_points
from app.surveys.service.withholding import Withholding


class ResultsService:
    """Results of the surveys of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = ResultsRepository(unit)

    async def results(self, survey_id: UUID, query: ResultsQuery) -> SurveyResults:
        """Raises `NotFound`, and `Invalid` for parameters that make no sense together."""
        query.check()
        survey = await SurveyService(self.unit).found(survey_id)
        return await _Report(self.unit, self.repository, survey, query).written()


class _Report:
    """One answer in the making."""

    def __init__(
        self, unit: Unit, repository: ResultsRepository, survey: SurveyRow, query: ResultsQuery
    ) -> None:
        self.unit = unit
        self.repository = repository
        self.survey = survey
        self.query = query
        self.selection = query.filter.selection(survey)
        self.everybody = 0

    async def written(self) -> SurveyResults:
        await self.repository.prepare(self.survey.id)
        questions = asked_questions(await self._versions())
        groupings = await self._groupings(questions)
        counter = QuestionCounter(questions, self.survey.type, self.unit.now)
        scores, totals = await self.repository.scores(self.selection, self.query.trend, counter.totals())
        counts = added((row.score, row.responses) for row in scores)
        tally, n = tally_of(self.survey.type, counts)
        responses = sum(counts.values())
        withholding = await self._withholding(responses, n)
        answers = await counter.count(self.repository, self.selection, scores, totals)
        groups, group_count = await self._breakdown(groupings, withholding)
        shows_responses = not withholding.withholds(responses - n)
        locale = self.survey.default_locale
        return SurveyResults(
            survey_id=self.survey.id,
            type=self.survey.type,
            versions=_version_figures(scores, withholding, shows_n=shows_responses),
            responses=responses if shows_responses else None,
            **(no_figures() if withholding.everything else figures(tally, n)),
            distribution=withholding.distribution(tally.distribution) if tally else None,
            bands=band_figures(tally, withholding) if tally else [],
            **await self._participation(withholding),
            questions=[
                question_figures(each, responses, locale, withholding, adds_up=shows_responses)
                for each in answers
            ],
            breakdown=groups,
            breakdown_groups=group_count,
            trend=await self._trend(scores, withholding),
            comparison=await self._comparison(tally, responses, withholding),
            suppressed_below=withholding.minimum,
        )

    async def _versions(self) -> Sequence[SurveyVersionRow]:
        wanted = self.query.filter.questions_version
        newest = self.survey.questions_version
        rows = await SurveyRepository(self.unit).versions_before(self.survey.id, newest + 1, newest)
        return [row for row in rows if wanted is None or row.number == wanted]

    async def _withholding(self, responses: int, n: int) -> Withholding:
        """Few answers may be found out by what the filters leave out, as well as by what they select."""
        if not self.survey.anonymous:
            return Withholding(anonymous=False)
        self.everybody = await self.repository.total(ResultsFilter().selection(self.survey))
        return Withholding.of(responses, n, self.everybody - responses)

    async def _groupings(self, questions: Sequence[AskedQuestion]) -> list[Grouping]:
        if not self.query.group_by:
            return []
        attributes = await self.repository.attributes()
        return GroupFields(self.survey, questions, attributes).find(self.query.group_by)

    async def _breakdown(
        self, groupings: Sequence[Grouping], withholding: Withholding
    ) -> tuple[list[GroupFigures], int]:
        if not groupings or withholding.everything:
            return [], 0
        groups, count = await self.repository.groups(
            self.selection, [grouping.field for grouping in groupings]
        )
        check_size(count, withholding)
        # What to hide of a thousand groups takes a fifth of a second to find out.
        shown = await asyncio.to_thread(breakdown, groups, groupings, self.survey.type, withholding)
        return shown, count

    async def _trend(self, scores: Sequence[ScoreCount], withholding: Withholding) -> list[TrendPoint]:
        if self.query.trend is None:
            return []
        calendar = await Calendar.of(self.unit)
        # Two thousand points take a tenth of a second.
        return await asyncio.to_thread(
            trend_points, self.survey, scores, self.query.trend, calendar, withholding
        )

    async def _comparison(
        self, after: Tally | None, responses: int, withholding: Withholding
    ) -> ScoreComparison | None:
        """The window before is withheld for the few in it, outside of it, and outside of both."""
        compared = self.query.compared
        if compared is None:
            return None
        scores, _ = await self.repository.scores(compared.selection(self.survey))
        counts = added((row.score, row.responses) for row in scores)
        before, n_before = tally_of(self.survey.type, counts)
        outside = self.everybody - sum(counts.values())
        hides = any(map(withholding.withholds, (n_before, outside, outside - responses)))
        window = ComparedWindow(
            **(no_figures() if hides else figures(before, n_before)),
            period_start=compared.start,
            period_end=compared.end,
        )
        moved = compare(before, after) if before and after and not hides else None
        fields = ("difference", "ci_low", "ci_high", "p_value", "significant")
        return ScoreComparison(before=window, **{name: getattr(moved, name, None) for name in fields})

    async def _participation(self, withholding: Withholding) -> dict[str, Any]:
        filter = self.query.filter
        if filter.questions_version is not None or filter.locale is not None:
            return dict.fromkeys(_PARTICIPATION)
        reached = await self.repository.participation(self.selection, await self._instants())
        opened, started, completed = (
            None if withholding.withholds(count) else count
            for count in (reached.opened, reached.started, reached.completed)
        )
        return {
            "invited": reached.invited,
            "opened": opened,
            "started": started,
            "completed": completed,
            "response_rate": rate_figures(completed, reached.invited),
            "start_rate": rate_figures(started, opened),
            "completion_rate": rate_figures(completed, started),
        }

    async def _instants(self) -> tuple[Any, Any]:
        """The window as instants, for what happened at one."""
        start, end = self.query.filter.start, self.query.filter.end
        if start is None and end is None:
            return None, None
        zone = (await Calendar.of(self.unit)).zone
        return start and day_start(start, zone), end and day_start(end, zone)


_PARTICIPATION = (
    "invited", "opened", "started", "completed", "response_rate", "start_rate", "completion_rate",
)  # fmt: skip


def _version_figures(
    scores: Sequence[ScoreCount], withholding: Withholding, *, shows_n: bool
) -> list[VersionFigures]:
    if withholding.everything:
        return []
    counts: dict[int, int] = {}
    for row in scores:
        counts[row.version] = counts.get(row.version, 0) + row.responses
    hidden = withholding.hidden({(version,): count for version, count in counts.items()})
    return [
        VersionFigures(
            questions_version=version, n=counts[version] if shows_n and (version,) not in hidden else None
        )
        for version in sorted(counts)
    ]
