"""HTTP face of the follow-ups room."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from app.followups.repository import SORTING, FollowupListing
from app.followups.schemas import Followup, FollowupCreate, FollowupPage, FollowupPatch, OriginKind, State
from app.followups.service import FollowupService
from app.kit.calls import Access, Call
from app.kit.pages import DEFAULT_ROWS, PageRequest
from app.kit.parameters import Cursor, IdempotencyKey, IfMatch, IfNoneMatch, Limit, sort_by
from app.kit.schemas import Instant, Key
from app.kit.web import JsonRoute

router = APIRouter(prefix="/v1/followups", tags=["followups"], route_class=JsonRoute)

Reader = Annotated[Call, Depends(Access("followups:read"))]
Writer = Annotated[Call, Depends(Access("followups:write"))]


@router.post("", operation_id="followups_create", response_model=Followup, status_code=201)
async def create_followup(
    new: FollowupCreate, call: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Opens a follow-up on a contact."""
    return await call.write(
        lambda unit: FollowupService(unit).create(new),
        status=201,
        location=lambda followup: f"/v1/followups/{followup.id}",
    )


@router.get("", operation_id="followups_list", response_model=FollowupPage)
async def list_followups(
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(SORTING)] = None,
    contact_id: Annotated[UUID | None, Query(description="Only on this contact.")] = None,
    owner_id: Annotated[UUID | None, Query(description="Only of this member.")] = None,
    state: Annotated[State | None, Query(description="Only in this state.")] = None,
    root_cause: Annotated[Key | None, Query(description="Only with this root cause.")] = None,
    origin_kind: Annotated[
        OriginKind | None, Query(description="Only those that such a thing opened.")
    ] = None,
    survey_id: Annotated[
        UUID | None, Query(description="Only those that a response to this survey opened.")
    ] = None,
    overdue: Annotated[
        bool | None, Query(description="Only those that are overdue, or only those that are not.")
    ] = None,
    due_from: Annotated[Instant | None, Query(description="Only those due at or after it.")] = None,
    due_to: Annotated[Instant | None, Query(description="Only those due before it.")] = None,
) -> Response:
    """The follow-ups, newest first unless sorted otherwise."""
    wanted = (contact_id, owner_id, state, root_cause, origin_kind, survey_id, overdue, due_from, due_to)
    page = PageRequest(SORTING.parse(sort), limit, cursor, wanted)
    listing = FollowupListing(*wanted)
    return await call.read(lambda unit: FollowupService(unit).list(page, listing))


@router.get("/{followup_id}", operation_id="followups_get", response_model=Followup)
async def get_followup(followup_id: UUID, call: Reader, if_none_match: IfNoneMatch = None) -> Response:
    """One follow-up, open or closed."""
    return await call.read(lambda unit: FollowupService(unit).get(followup_id))


@router.patch("/{followup_id}", operation_id="followups_update", response_model=Followup)
async def update_followup(
    followup_id: UUID, patch: FollowupPatch, call: Writer, if_match: IfMatch = None
) -> Response:
    """Changes a follow-up, closes it or takes it up again. There is no DELETE: cancel it instead."""
    return await call.write(lambda unit: FollowupService(unit).update(followup_id, patch, call.if_match()))
