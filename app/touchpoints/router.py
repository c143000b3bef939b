"""HTTP face of the touchpoints room."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from app.contacts.models import Channel
from app.contacts.schemas import ForeignId, SourceName
from app.kit.calls import Access, Call
from app.kit.pages import DEFAULT_ROWS, PageRequest
from app.kit.parameters import Atomic, Cursor, DryRun, IdempotencyKey, IfMatch, IfNoneMatch, Limit, sort_by
from app.kit.schemas import Instant, Name
from app.kit.web import JsonRoute
from app.touchpoints.repository import SORTING
from app.touchpoints.schemas import (
    Kind,
    RecordedTouchpoint,
    Stage,
    Touchpoint,
    TouchpointBatch,
    TouchpointBatchResult,
    TouchpointCreate,
    TouchpointPage,
    TouchpointPatch,
    TouchpointSearch,
)
from app.touchpoints.service.touchpoints import TouchpointListing, TouchpointService

router = APIRouter(prefix="/v1", tags=["touchpoints"], route_class=JsonRoute)

Reader = Annotated[Call, Depends(Access("touchpoints:read"))]
Writer = Annotated[Call, Depends(Access("touchpoints:write"))]


@router.post(
    "/touchpoints",
    operation_id="touchpoints_create",
    response_model=RecordedTouchpoint,
    status_code=201,
    responses={200: {"model": RecordedTouchpoint, "description": "It was known: `updated` or `unchanged`."}},
)
async def create_touchpoint(
    new: TouchpointCreate, call: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Records a touchpoint, and its contact if nobody knew them.

    One with the same `source` and `external_id` is brought up to date instead, with a 200.
    """
    return await call.write(
        lambda unit: TouchpointService(unit).create(new),
        status=lambda touchpoint: 201 if touchpoint.status == "created" else 200,
        location=lambda touchpoint: f"/v1/touchpoints/{touchpoint.id}",
    )


@router.get("/touchpoints", operation_id="touchpoints_list", response_model=TouchpointPage)
async def list_touchpoints(
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(SORTING)] = None,
    contact_id: Annotated[UUID | None, Query(description="Only this contact's.")] = None,
    kind: Annotated[Kind | None, Query(description="Only of this kind.")] = None,
    channel: Annotated[Channel | None, Query(description="Only on this channel.")] = None,
    stage: Annotated[Stage | None, Query(description="Only at this stage.")] = None,
    campaign: Annotated[Name | None, Query(description="Only of this campaign.")] = None,
    source: Annotated[SourceName | None, Query(description="Only from this system.")] = None,
    external_id: Annotated[
        ForeignId | None, Query(description="Only those with this id in their system.")
    ] = None,
    since: Annotated[
        Instant | None, Query(alias="from", description="Only those that occurred at or after it.")
    ] = None,
    until: Annotated[
        Instant | None, Query(alias="to", description="Only those that occurred before it.")
    ] = None,
    include_archived: Annotated[bool, Query(description="Deleted touchpoints as well.")] = False,
) -> Response:
    """The touchpoints, latest first unless sorted otherwise. `touchpoints_search` takes any filter."""
    wanted = (contact_id, kind, channel, stage, campaign, source, external_id, since, until, include_archived)
    page = PageRequest(SORTING.parse(sort), limit, cursor, list(wanted))
    listing = TouchpointListing(*wanted)
    return await call.read(lambda unit: TouchpointService(unit).list(page, listing))


@router.post("/touchpoints/search", operation_id="touchpoints_search", response_model=TouchpointPage)
async def search_touchpoints(search: TouchpointSearch, call: Reader) -> Response:
    """Touchpoints by the filter grammar, over their own fields and attributes.

    Attributes, summaries and values are looked up row by row: name a contact or a range of `occurred_at`
    with them where there are many touchpoints.
    """
    return await call.read(lambda unit: TouchpointService(unit).search(search))


@router.post("/touchpoints/batch", operation_id="touchpoints_batch", response_model=TouchpointBatchResult)
async def batch_touchpoints(
    batch: TouchpointBatch,
    call: Writer,
    atomic: Atomic = False,
    dry_run: DryRun = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Records up to 1,000 touchpoints. They are taken in order: a second item with a key meets the first."""
    return await call.write(
        lambda unit: TouchpointService(unit).batch(batch.items, atomic=atomic, dry_run=dry_run)
    )


@router.get("/touchpoints/{touchpoint_id}", operation_id="touchpoints_get", response_model=Touchpoint)
async def get_touchpoint(touchpoint_id: UUID, call: Reader, if_none_match: IfNoneMatch = None) -> Response:
    """One touchpoint, deleted or not."""
    return await call.read(lambda unit: TouchpointService(unit).get(touchpoint_id))


@router.patch("/touchpoints/{touchpoint_id}", operation_id="touchpoints_update", response_model=Touchpoint)
async def update_touchpoint(
    touchpoint_id: UUID, patch: TouchpointPatch, call: Writer, if_match: IfMatch = None
) -> Response:
    """Changes a touchpoint: absent stays, null clears, attributes go key by key."""
    return await call.write(
        lambda unit: TouchpointService(unit).update(touchpoint_id, patch, call.if_match())
    )


@router.delete("/touchpoints/{touchpoint_id}", operation_id="touchpoints_delete", status_code=204)
async def delete_touchpoint(touchpoint_id: UUID, call: Writer, if_match: IfMatch = None) -> Response:
    """Takes a touchpoint out of lists, statistics and metrics. It can be restored."""
    return await call.write(lambda unit: TouchpointService(unit).delete(touchpoint_id, call.if_match()))


@router.post(
    "/touchpoints/{touchpoint_id}/restore", operation_id="touchpoints_restore", response_model=Touchpoint
)
async def restore_touchpoint(
    touchpoint_id: UUID, call: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Brings a deleted touchpoint back."""
    return await call.write(lambda unit: TouchpointService(unit).restore(touchpoint_id))
