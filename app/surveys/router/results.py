"""HTTP face of the results of a survey."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from app.kit.calls import Access, Call
from app.kit.schemas import Day
from app.surveys.schemas.results import SurveyResults, Trend
from app.surveys.service.breakdowns import MOST_FIELDS
from app.surveys.service.results import ResultsService
from app.surveys.service.results_query import ResultsFilter, ResultsQuery

router = APIRouter(prefix="/v1/surveys/{survey_id}", tags=["surveys"])

Reader = Annotated[Call, Depends(Access("surveys:read"))]
_LARGEST = 2**31 - 1


async def responses_wanted(
    start: Annotated[
        Day | None, Query(alias="from", description="Answered on this local day or later.")
    ] = None,
    end: Annotated[Day | None, Query(alias="to", description="Answered before this local day.")] = None,
    iteration: Annotated[int | None, Query(ge=1, le=_LARGEST, description="Only this iteration.")] = None,
    questions_version: Annotated[
        int | None, Query(ge=1, le=_LARGEST, description="Only responses to this version of the questions.")
    ] = None,
    channel: Annotated[str | None, Query(max_length=100, description="Only from this channel.")] = None,
    locale: Annotated[str | None, Query(max_length=35, description="Only in this language tag.")] = None,
) -> ResultsFilter:
    """The query parameters that say which responses."""
    return ResultsFilter(start, end, iteration, questions_version, channel, locale)


Wanted = Annotated[ResultsFilter, Depends(responses_wanted)]


@router.get("/results", operation_id="survey_results_get", response_model=SurveyResults)
async def get_results(
    survey_id: UUID,
    call: Reader,
    wanted: Wanted,
    group_by: Annotated[
        list[Annotated[str, Query(max_length=200)]],
        Query(
            max_length=MOST_FIELDS,
            description="Break down by a field, or by two. Of the contact: `owner_id`, `lifecycle_stage`, "
            "`company`, `job_title`, `locale`, `timezone`, `acquisition_channel`, `acquisition_campaign`, "
            "`tags` (a response counts in the group of each tag) and `attributes.<key>`. Of the response: "
            "`channel`, `iteration`, `questions_version`, `response_locale`, and `answers.<key>` of score, "
            "rating, choice and boolean questions (with several choices, it counts in the group of each). "
            "Responses to an anonymous survey have no contact, and none of theirs counts twice.",
        ),
    ] = [],  # noqa: B006
    trend: Annotated[Trend | None, Query(description="Scores over time as well.")] = None,
    compare_from: Annotated[
        Day | None, Query(description="First local day of an earlier window to compare with. Takes `from`.")
    ] = None,
    compare_to: Annotated[
        Day | None, Query(description="The day after its last one, at the latest `from`.")
    ] = None,
) -> Response:
    """Score with interval, distribution, rates, the answers to each question, and how all that splits up.

    An anonymous survey publishes no number about fewer than five answers, and none from which such a number
    could be worked out; where the filters select or leave out one to four, all of its numbers are null.
    """
    query = ResultsQuery(wanted, group_by, trend, compare_from, compare_to)
    return await call.read(lambda unit: ResultsService(unit).results(survey_id, query))
