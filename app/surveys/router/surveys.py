"""HTTP face of surveys themselves."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from app.kit.calls import Access, Call
from app.kit.pages import DEFAULT_ROWS, PageRequest
from app.kit.parameters import Cursor, IdempotencyKey, IfMatch, IfNoneMatch, Limit, sort_by
from app.kit.web import JsonRoute
from app.surveys.models.surveys import SurveyState
from app.surveys.repository.surveys import SORTING
from app.surveys.schemas.questions import SurveyType
from app.surveys.schemas.surveys import Survey, SurveyCreate, SurveyPage, SurveyPatch, SurveyVersionPage
from app.surveys.service.surveys import SurveyListing, SurveyService

router = APIRouter(prefix="/v1/surveys", tags=["surveys"], route_class=JsonRoute)

Reader = Annotated[Call, Depends(Access("surveys:read"))]
Writer = Annotated[Call, Depends(Access("surveys:write"))]


@router.post("", operation_id="surveys_create", response_model=Survey, status_code=201)
async def create_survey(new: SurveyCreate, call: Writer, idempotency_key: IdempotencyKey = None) -> Response:
    """Makes a survey, as a draft. Every question must be reachable, and no condition may run in a circle."""
    return await call.write(
        lambda unit: SurveyService(unit).create(new),
        status=201,
        location=lambda survey: f"/v1/surveys/{survey.id}",
    )


@router.get("", operation_id="surveys_list", response_model=SurveyPage)
async def list_surveys(
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(SORTING)] = None,
    state: Annotated[SurveyState | None, Query(description="Only surveys in this state.")] = None,
    type: Annotated[SurveyType | None, Query(description="Only surveys of this type.")] = None,
    include_archived: Annotated[bool, Query(description="Archived surveys as well.")] = False,
) -> Response:
    """The surveys, newest first unless sorted otherwise."""
    listing = SurveyListing(state, type, include_archived)
    page = PageRequest(SORTING.parse(sort), limit, cursor, [state, type, include_archived])
    return await call.read(lambda unit: SurveyService(unit).list(page, listing))


@router.get("/{survey_id}", operation_id="surveys_get", response_model=Survey)
async def get_survey(survey_id: UUID, call: Reader, if_none_match: IfNoneMatch = None) -> Response:
    """One survey, archived or not."""
    return await call.read(lambda unit: SurveyService(unit).get(survey_id))


@router.patch("/{survey_id}", operation_id="surveys_update", response_model=Survey)
async def update_survey(
    survey_id: UUID, patch: SurveyPatch, call: Writer, if_match: IfMatch = None
) -> Response:
    """Changes a survey: absent stays, null clears. Lists are replaced whole.

    Other questions make a new version once the present one has a response; who is answering already goes on
    with the version they began.
    """
    return await call.write(lambda unit: SurveyService(unit).update(survey_id, patch, call.if_match()))


@router.delete("/{survey_id}", operation_id="surveys_archive", status_code=204)
async def archive_survey(survey_id: UUID, call: Writer, if_match: IfMatch = None) -> Response:
    """Archives a survey and closes it; a scheduled one becomes a draft. Its responses stay in results and
    metrics."""
    return await call.write(lambda unit: SurveyService(unit).archive(survey_id, call.if_match()))


@router.post("/{survey_id}/restore", operation_id="surveys_restore", response_model=Survey)
async def restore_survey(survey_id: UUID, call: Writer, idempotency_key: IdempotencyKey = None) -> Response:
    """Brings an archived survey back: closed, or as the draft that it was."""
    return await call.write(lambda unit: SurveyService(unit).restore(survey_id))


@router.post("/{survey_id}/open", operation_id="surveys_open", response_model=Survey)
async def open_survey(survey_id: UUID, call: Writer, idempotency_key: IdempotencyKey = None) -> Response:
    """Opens a survey; a draft whose `opens_at` lies ahead is scheduled instead. A closed one opens again."""
    return await call.write(lambda unit: SurveyService(unit).open(survey_id))


@router.post("/{survey_id}/close", operation_id="surveys_close", response_model=Survey)
async def close_survey(survey_id: UUID, call: Writer, idempotency_key: IdempotencyKey = None) -> Response:
    """Closes a survey: links stop working and nobody is asked. A scheduled one becomes a draft again."""
    return await call.write(lambda unit: SurveyService(unit).close(survey_id))


@router.get("/{survey_id}/versions", operation_id="survey_versions_list", response_model=SurveyVersionPage)
async def list_versions(
    survey_id: UUID, call: Reader, limit: Limit = DEFAULT_ROWS, cursor: Cursor = None
) -> Response:
    """The versions of a survey's questions, newest first."""
    return await call.read(lambda unit: SurveyService(unit).versions(survey_id, limit, cursor))
