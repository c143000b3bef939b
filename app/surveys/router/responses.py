"""HTTP face of responses, for partners and for those who read them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from app.contacts.models import Channel
from app.kit.calls import Access, Call
from app.kit.pages import DEFAULT_ROWS, PageRequest
from app.kit.parameters import DIGITS, Cursor, IdempotencyKey, IfMatch, IfNoneMatch, Limit, sort_by
from app.kit.schemas import Day, LanguageTag
from app.kit.web import JsonRoute
from app.surveys.models.responses import ResponseState
from app.surveys.repository.responses import SORTING, ResponseListing
from app.surveys.schemas.responses import (
    RecordedSurveyResponse,
    SurveyResponse,
    SurveyResponseCreate,
    SurveyResponsePage,
    SurveyResponsePatch,
)
from app.surveys.service.responses import ResponseService

router = APIRouter(
    prefix="/v1/surveys/{survey_id}/responses", tags=["survey responses"], route_class=JsonRoute
)

Reader = Annotated[Call, Depends(Access("surveys:read"))]
Writer = Annotated[Call, Depends(Access("surveys:write"))]


@router.post(
    "",
    operation_id="survey_responses_create",
    response_model=RecordedSurveyResponse,
    status_code=201,
    responses={200: {"model": RecordedSurveyResponse, "description": "It was recorded before."}},
)
async def create_response(
    survey_id: UUID, new: SurveyResponseCreate, call: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Records a completed response that another system has collected.

    An open invitation of the contact to this survey is spent by it. The same `source` and `external_id` with
    the same content again answer with what is there.
    """
    return await call.write(
        lambda unit: ResponseService(unit).create(survey_id, new),
        status=lambda response: 201 if response.status == "created" else 200,
        location=lambda response: f"/v1/surveys/{survey_id}/responses/{response.id}",
        # What an Idempotency-Key keeps has an instant beside it, which an anonymous answer must not have.
        sealed=True,
    )


@router.get("", operation_id="survey_responses_list", response_model=SurveyResponsePage)
async def list_responses(
    survey_id: UUID,
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(SORTING)] = None,
    state: Annotated[ResponseState | None, Query(description="Only those in this state.")] = None,
    contact_id: Annotated[UUID | None, Query(description="Only this contact's.")] = None,
    test: Annotated[bool | None, Query(description="Only tests, or only those that count.")] = None,
    score_from: Annotated[
        int | None, Query(ge=0, le=10, description="Only those with this score or a higher one."), DIGITS
    ] = None,
    score_to: Annotated[
        int | None, Query(ge=0, le=10, description="Only those with this score or a lower one."), DIGITS
    ] = None,
    since: Annotated[Day | None, Query(alias="from", description="Only those of this day or later.")] = None,
    until: Annotated[Day | None, Query(alias="to", description="Only those of days before this one.")] = None,
    iteration: Annotated[
        int | None, Query(ge=1, le=1_000_000, description="Only those of this iteration."), DIGITS
    ] = None,
    questions_version: Annotated[
        int | None,
        Query(ge=1, le=1_000_000, description="Only those to this version of the questions."),
        DIGITS,
    ] = None,
    channel: Annotated[Channel | None, Query(description="Only those that came by this channel.")] = None,
    locale: Annotated[LanguageTag | None, Query(description="Only those in this language tag.")] = None,
) -> Response:
    """The responses to a survey, latest days first unless sorted otherwise; partial ones and tests too."""
    scores, days = (score_from, score_to), (since, until)
    wanted = (state, contact_id, test, *scores, *days, iteration, questions_version, channel, locale)
    page = PageRequest(SORTING.parse(sort), limit, cursor, [survey_id, *wanted])
    listing = ResponseListing(*wanted)
    return await call.read(lambda unit: ResponseService(unit).list(survey_id, page, listing))


@router.get("/{response_id}", operation_id="survey_responses_get", response_model=SurveyResponse)
async def get_response(
    survey_id: UUID, response_id: UUID, call: Reader, if_none_match: IfNoneMatch = None
) -> Response:
    """One response."""
    return await call.read(lambda unit: ResponseService(unit).get(survey_id, response_id))


@router.patch("/{response_id}", operation_id="survey_responses_update", response_model=SurveyResponse)
async def update_response(
    survey_id: UUID, response_id: UUID, patch: SurveyResponsePatch, call: Writer, if_match: IfMatch = None
) -> Response:
    """Takes a test out of scores and metrics, or lets it count. Follow-ups stay as they are."""
    return await call.write(
        lambda unit: ResponseService(unit).update(survey_id, response_id, patch, call.if_match())
    )
