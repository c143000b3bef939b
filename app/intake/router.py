"""HTTP face of the intake room."""

from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Request, Response

from app.intake.repository import PARKED_SORTING, SOURCE_SORTING
from app.intake.schemas import (
    EVENTS_CONTRACT,
    EVENTS_RESPONSES,
    ParkedEventPage,
    ParkedRedrive,
    ParkedRedriven,
    Receipt,
    Source,
    SourceCreate,
    SourcePage,
    SourcePatch,
    SourceWithSecret,
)
from app.intake.service.door import Door
from app.intake.service.envelopes import BATCH, media_type_of, no_cloud_event, read_events
from app.intake.service.parked import ParkedService
from app.intake.service.receiving import Backlog, receive
from app.intake.service.sources import SourceService
from app.kit.calls import JSON, Access, Call, Services
from app.kit.database import Unit
from app.kit.pages import DEFAULT_ROWS, PageRequest
from app.kit.parameters import Cursor, IdempotencyKey, IfMatch, Limit, sort_by
from app.kit.strict_json import read_json
from app.kit.web import PARSED_BODY, JsonRoute

router = APIRouter(prefix="/v1", tags=["intake"], route_class=JsonRoute)

Reader = Annotated[Call, Depends(Access("sources:read"))]
Writer = Annotated[Call, Depends(Access("sources:write"))]


class Intake:
    """What one process remembers of its sources and their backlogs."""

    def __init__(self, services: Services) -> None:
        resources = services.resources
        self.database = resources.database
        self.door = Door(resources.database, resources.cipher, services.limiter)
        self.backlog = Backlog(resources.settings.intake_backlog)


def _intake(request: Request) -> Intake:
    state = request.app.state
    if not hasattr(state, "intake"):
        state.intake = Intake(state.services)
    return cast(Intake, state.intake)


@router.post("/sources", operation_id="sources_create", response_model=SourceWithSecret, status_code=201)
async def create_source(new: SourceCreate, call: Writer, idempotency_key: IdempotencyKey = None) -> Response:
    """Makes a source. The answer shows the secret that its events are signed with this once."""
    return await call.write(
        lambda unit: _sources(unit, call).create(new),
        status=201,
        location=lambda source: f"/v1/sources/{source.id}",
        sealed=True,
    )


@router.get("/sources", operation_id="sources_list", response_model=SourcePage)
async def list_sources(
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(SOURCE_SORTING)] = None,
    include_archived: Annotated[bool, Query(description="Archived sources as well.")] = False,
) -> Response:
    """The sources, newest first unless sorted otherwise."""
    page = PageRequest(SOURCE_SORTING.parse(sort), limit, cursor, {"archived": include_archived})
    return await call.read(lambda unit: _sources(unit, call).list(page, include_archived=include_archived))


@router.get("/sources/{source_id}", operation_id="sources_get", response_model=Source)
async def get_source(source_id: UUID, call: Reader) -> Response:
    """One source, archived or not, and how many of its events wait."""
    return await call.read(lambda unit: _sources(unit, call).get(source_id), conditional=False)


@router.patch("/sources/{source_id}", operation_id="sources_update", response_model=Source)
async def update_source(
    source_id: UUID, patch: SourcePatch, call: Writer, if_match: IfMatch = None
) -> Response:
    """Renames a source. Its key stays."""
    return await call.write(lambda unit: _sources(unit, call).update(source_id, patch, call.if_match()))


@router.delete("/sources/{source_id}", operation_id="sources_archive", status_code=204)
async def archive_source(source_id: UUID, call: Writer, if_match: IfMatch = None) -> Response:
    """Archives a source: its events are refused with a 404. What was accepted before is still applied."""
    answer = await call.write(lambda unit: _sources(unit, call).archive(source_id, call.if_match()))
    _intake(call.request).door.forget(source_id)
    return answer


@router.post("/sources/{source_id}/restore", operation_id="sources_restore", response_model=Source)
async def restore_source(source_id: UUID, call: Writer, idempotency_key: IdempotencyKey = None) -> Response:
    """Brings an archived source back, with the secrets it had."""
    return await call.write(lambda unit: _sources(unit, call).restore(source_id))


@router.post(
    "/sources/{source_id}/rotate-secret",
    operation_id="sources_rotate_secret",
    response_model=SourceWithSecret,
)
async def rotate_secret(source_id: UUID, call: Writer, idempotency_key: IdempotencyKey = None) -> Response:
    """Makes a new secret, shown this once. The one before works too for another 24 hours.

    The new secret works at once in this API process and within two seconds in others.
    """
    answer = await call.write(lambda unit: _sources(unit, call).rotate(source_id), sealed=True)
    _intake(call.request).door.forget(source_id)
    return answer


@router.post(
    "/sources/{source_id}/events",
    operation_id="sources_receive_events",
    response_model=Receipt,
    status_code=202,
    openapi_extra=EVENTS_CONTRACT,
    responses=EVENTS_RESPONSES,
)
async def receive_events(source_id: UUID, request: Request) -> Response:
    """Takes signed CloudEvents of a source: needs no API key, but a signature as Standard Webhooks has it.

    Everything `accepted` is stored before the answer leaves, and applied in the background, in order, each
    event once. Events are told apart by their `source` and `id`, for ninety days: the same again is a
    `duplicate`, which is as good as accepted. One bad event does not fail the others of its batch.

    `rapport.contact` has the body of an upsert as `data`, `rapport.touchpoint` that of `touchpoints_create`,
    where `occurred_at` defaults to the event's `time`, and `source` with `external_id` to the `key` of the
    source with the event's `id`. `rapport.survey_response` has that of `survey_responses_create` and the
    `survey_id`, with the same defaults, of which an anonymous survey takes none but the time; what was
    applied to one is not kept here. Other types are accepted and parked.
    The signature covers the body and not the `ce-` headers of the binary mode.
    """
    intake = _intake(request)
    address = request.client.host if request.client else ""
    content_type = request.headers.get("content-type", "")
    body = await request.body()
    sender = await intake.door.admit(source_id, request.headers, body, address)
    request.state.workspace_id = str(sender.workspace_id)
    request.state.answer_headers = intake.door.spend(sender)
    arrivals = read_events(content_type, request.headers.items(), lambda: _tree(request, body))
    is_batch = media_type_of(content_type) == BATCH
    receipt = await receive(intake.database, intake.backlog, sender, arrivals, is_batch=is_batch)
    return Response(receipt.model_dump_json(), 202, media_type=JSON)


@router.get("/sources/{source_id}/parked", operation_id="sources_list_parked", response_model=ParkedEventPage)
async def list_parked(
    source_id: UUID,
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(PARKED_SORTING)] = None,
) -> Response:
    """The events of a source that could not be applied, the latest first. They are kept for ninety days."""
    page = PageRequest(PARKED_SORTING.parse(sort), limit, cursor, source_id)
    return await call.read(lambda unit: ParkedService(unit, source_id).list(page))


@router.post(
    "/sources/{source_id}/parked/redrive",
    operation_id="sources_redrive_parked",
    response_model=ParkedRedriven,
    status_code=202,
)
async def redrive_parked(
    source_id: UUID,
    call: Writer,
    wanted: Annotated[ParkedRedrive, Body()] = ParkedRedrive(),
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Tries parked events again, all of the source's or the given ones. What fails again is parked again."""
    return await call.write(lambda unit: ParkedService(unit, source_id).redrive(wanted), status=202)


@router.delete(
    "/sources/{source_id}/parked/{event_id}", operation_id="sources_discard_parked", status_code=204
)
async def discard_parked(source_id: UUID, event_id: UUID, call: Writer) -> Response:
    """Gives a parked event up. Sent again, it is still a duplicate."""
    return await call.write(lambda unit: ParkedService(unit, source_id).discard(event_id))


def _sources(unit: Unit, call: Call) -> SourceService:
    return SourceService(unit, call.resources.cipher)


def _tree(request: Request, body: bytes) -> Any:
    """What the body guard has read; it reads what says that it is JSON in UTF-8."""
    if PARSED_BODY in request.scope:
        return request.scope[PARSED_BODY]
    if body:
        raise no_cloud_event()
    return read_json(body)
