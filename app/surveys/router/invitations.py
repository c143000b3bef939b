"""HTTP face of asking: invitations, what is planned, who may be asked, and open links."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from app.kit.calls import Access, Call
from app.kit.pages import DEFAULT_ROWS, PageRequest
from app.kit.parameters import DIGITS, Cursor, IdempotencyKey, IfMatch, IfNoneMatch, Limit, sort_by
from app.kit.web import JsonRoute
from app.surveys.models.invitations import Delivery, PlanState
from app.surveys.repository.invitations import INVITATION_SORTING, LINK_SORTING, InvitationListing
from app.surveys.repository.planned import PLANNED_SORTING, PlannedListing
from app.surveys.schemas.invitations import (
    PlannedInvitationPage,
    SkipReason,
    SurveyEligibilities,
    SurveyEligibilityCheck,
    SurveyInvitation,
    SurveyInvitationPage,
    SurveyInvitationPatch,
    SurveyInvitationResults,
    SurveyInvitationsCreate,
    SurveyLink,
    SurveyLinkCreate,
    SurveyLinkPage,
    SurveyLinkWithToken,
)
from app.surveys.service.invitations import InvitationService
from app.surveys.service.links import Links
from app.surveys.service.open_links import OpenLinkService

router = APIRouter(prefix="/v1/surveys/{survey_id}", tags=["survey invitations"], route_class=JsonRoute)

Reader = Annotated[Call, Depends(Access("surveys:read"))]
Writer = Annotated[Call, Depends(Access("surveys:write"))]

MOST_ITERATIONS = 1_000_000


@router.post(
    "/invitations",
    operation_id="survey_invitations_create",
    response_model=SurveyInvitationResults,
    status_code=201,
)
async def create_invitations(
    survey_id: UUID, wanted: SurveyInvitationsCreate, call: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Asks contacts. Each gets an invitation with a link, shown this once, or is skipped for a reason.

    Rapport writes to nobody: send the links yourself, or let a mailer subscribe to
    `survey.invitation_created`. A filter that more than 1,000 contacts match is worked off in the background.
    """
    links = Links.of(call.resources)
    return await call.write(
        lambda unit: InvitationService(unit, survey_id).create(wanted, links), status=201, sealed=True
    )


@router.get("/invitations", operation_id="survey_invitations_list", response_model=SurveyInvitationPage)
async def list_invitations(
    survey_id: UUID,
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(INVITATION_SORTING)] = None,
    contact_id: Annotated[UUID | None, Query(description="Only of this contact.")] = None,
    answered: Annotated[bool | None, Query(description="Only answered ones, or only those not.")] = None,
    delivery: Annotated[Delivery | None, Query(description="Only those that were delivered so.")] = None,
    iteration: Annotated[
        int | None, Query(ge=1, le=MOST_ITERATIONS, description="Only of this iteration."), DIGITS
    ] = None,
    test: Annotated[bool | None, Query(description="Only tests, or only those that count.")] = None,
) -> Response:
    """The invitations to a survey, newest first unless sorted otherwise."""
    wanted = (contact_id, answered, delivery, iteration, test)
    listing = InvitationListing(*wanted)
    page = PageRequest(INVITATION_SORTING.parse(sort), limit, cursor, [survey_id, *wanted])
    return await call.read(lambda unit: InvitationService(unit, survey_id).list(page, listing))


@router.get(
    "/invitations/{invitation_id}", operation_id="survey_invitations_get", response_model=SurveyInvitation
)
async def get_invitation(
    survey_id: UUID, invitation_id: UUID, call: Reader, if_none_match: IfNoneMatch = None
) -> Response:
    """One invitation, without its token."""
    return await call.read(lambda unit: InvitationService(unit, survey_id).get(invitation_id))


@router.patch(
    "/invitations/{invitation_id}", operation_id="survey_invitations_update", response_model=SurveyInvitation
)
async def update_invitation(
    survey_id: UUID,
    invitation_id: UUID,
    patch: SurveyInvitationPatch,
    call: Writer,
    if_match: IfMatch = None,
) -> Response:
    """Says that an invitation bounced or arrived, or revokes it."""
    return await call.write(
        lambda unit: InvitationService(unit, survey_id).update(invitation_id, patch, call.if_match())
    )


@router.get(
    "/planned-invitations",
    operation_id="survey_planned_invitations_list",
    response_model=PlannedInvitationPage,
)
async def list_planned(
    survey_id: UUID,
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(PLANNED_SORTING)] = None,
    state: Annotated[PlanState | None, Query(description="Only those in this state.")] = None,
    reason: Annotated[SkipReason | None, Query(description="Only those skipped for this reason.")] = None,
    contact_id: Annotated[UUID | None, Query(description="Only of this contact.")] = None,
) -> Response:
    """What triggers, filters and iterations planned, and what became of it; newest first unless sorted."""
    listing = PlannedListing(state, reason, contact_id)
    query = [survey_id, state, reason, contact_id]
    page = PageRequest(PLANNED_SORTING.parse(sort), limit, cursor, query)
    return await call.read(lambda unit: InvitationService(unit, survey_id).planned(page, listing))


@router.post("/eligibility", operation_id="surveys_check_eligibility", response_model=SurveyEligibilities)
async def check_eligibility(survey_id: UUID, wanted: SurveyEligibilityCheck, call: Reader) -> Response:
    """Who would be asked now, and why the others would not. Has no effect, and judges a draft as well."""
    return await call.read(lambda unit: InvitationService(unit, survey_id).judge(wanted))


@router.post(
    "/links", operation_id="survey_links_create", response_model=SurveyLinkWithToken, status_code=201
)
async def create_link(
    survey_id: UUID, new: SurveyLinkCreate, call: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Makes a link that anybody may answer by while the survey is open. It is shown this once."""
    links = Links.of(call.resources)
    return await call.write(
        lambda unit: OpenLinkService(unit, survey_id).create(new, links),
        status=201,
        location=lambda link: f"/v1/surveys/{survey_id}/links/{link.id}",
        sealed=True,
    )


@router.get("/links", operation_id="survey_links_list", response_model=SurveyLinkPage)
async def list_links(
    survey_id: UUID,
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(LINK_SORTING)] = None,
) -> Response:
    """The open links of a survey, revoked ones included, newest first unless sorted otherwise."""
    page = PageRequest(LINK_SORTING.parse(sort), limit, cursor, survey_id)
    return await call.read(lambda unit: OpenLinkService(unit, survey_id).list(page))


@router.get("/links/{link_id}", operation_id="survey_links_get", response_model=SurveyLink)
async def get_link(
    survey_id: UUID, link_id: UUID, call: Reader, if_none_match: IfNoneMatch = None
) -> Response:
    """One open link, without its token."""
    return await call.read(lambda unit: OpenLinkService(unit, survey_id).get(link_id))


@router.delete("/links/{link_id}", operation_id="survey_links_revoke", status_code=204)
async def revoke_link(survey_id: UUID, link_id: UUID, call: Writer, if_match: IfMatch = None) -> Response:
    """Revokes an open link: it works no more. What it brought stays."""
    return await call.write(lambda unit: OpenLinkService(unit, survey_id).revoke(link_id, call.if_match()))
