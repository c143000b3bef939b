"""HTTP face of the results of a survey."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from app.contacts.models import Channel
from app.kit.calls import JSON, Access, Call
from app.kit.parameters import DIGITS
from app.kit.schemas import Day, LanguageTag
from app.surveys.schemas.results import SurveyResults, Trend
from app.surveys.schemas.themes import SurveyThemes
from app.surveys.service.breakdowns import MOST_FIELDS
from app.surveys.service.results import ResultsService
from app.surveys.service.results_query import ResultsFilter, ResultsQuery
from app.surveys.service.scoring import Band
from app.surveys.service.text_results import TextReader, ThemesQuery, survey_themes
from app.surveys.service.themes import MOST_THEMES

router = APIRouter(prefix="/v1/surveys/{survey_id}", tags=["survey results"])

Reader = Annotated[Call, Depends(Access("surveys:read"))]
_LARGEST = 2**31 - 1


async def responses_wanted(
    start: Annotated[
        Day | None, Query(alias="from", description="Answered on this local day or later.")
    ] = None,
    end: Annotated[Day | None, Query(alias="to", description="Answered before this local day.")] = None,
    iteration: Annotated[
        int | None, Query(ge=1, le=_LARGEST, description="Only this iteration."), DIGITS
    ] = None,
    questions_version: Annotated[
        int | None,
        Query(ge=1, le=_LARGEST, description="Only responses to this version of the questions."),
        DIGITS,
    ] = None,
    channel: Annotated[Channel | None, Query(description="Only from this channel.")] = None,
    locale: Annotated[LanguageTag | None, Query(description="Only in this language tag.")] = None,
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
            "Responses to an anonymous survey have no contact, and cannot be grouped by scores, ratings or "
            "several choices.",
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

    An anonymous survey withholds numbers about fewer than five answers, and with them those of the same
    answer that would complete them; where the filters select or leave out one to four, all of its numbers are
    null. `n`, score and mean of five or more stay, also where they tell by themselves how a few of these
    answered. Whoever asks several times, for other windows or periods, can subtract one answer from another.
    """
    query = ResultsQuery(wanted, group_by, trend, compare_from, compare_to)
    return await call.read(lambda unit: ResultsService(unit).results(survey_id, query))


@router.get("/themes", operation_id="survey_themes_get", response_model=SurveyThemes)
async def get_themes(
    survey_id: UUID,
    call: Reader,
    wanted: Wanted,
    question: Annotated[
        str | None, Query(max_length=60, description="Only this text question, by its key.")
    ] = None,
    band: Annotated[
        Band | None, Query(description="Only answers that came with a score of this band.")
    ] = None,
    limit: Annotated[
        int, Query(ge=1, le=MOST_THEMES, description="How many themes of each question."), DIGITS
    ] = 20,
) -> Response:
    """What the free answers are about: words that several people use, and how content they sound.

    Words and their stems are counted, nothing leaves the machine, and each sentiment shows the words it was
    told by. The sentiment is for English answers; those in other languages are `unknown`.
    """
    query = ThemesQuery(wanted, question, band, limit)
    caller = call.caller
    database = call.resources.database
    async with database.unit(caller.workspace_id, actor=caller.actor, read_only=True) as unit:
        reading = await TextReader(unit).read(survey_id, query)
    return Response((await survey_themes(reading)).model_dump_json(), media_type=JSON)
