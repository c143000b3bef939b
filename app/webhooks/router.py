"""HTTP face of the webhooks room."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import StreamingResponse

from app.kit.calls import Access, Call
from app.kit.database import Unit
from app.kit.errors import Invalid
from app.kit.pages import DEFAULT_ROWS, PageRequest
from app.kit.parameters import Cursor, IdempotencyKey, IfMatch, Limit, sort_by
from app.webhooks.repository import DELIVERY_SORTING, ENDPOINT_SORTING
from app.webhooks.schemas import (
    DeliveryStatus,
    EventTypePage,
    FeedPage,
    WebhookDelivery,
    WebhookDeliveryDetail,
    WebhookDeliveryPage,
    WebhookEndpoint,
    WebhookEndpointCreate,
    WebhookEndpointPage,
    WebhookEndpointPatch,
    WebhookEndpointWithSecret,
    WebhookReplay,
    WebhookReplayRequest,
)
from app.webhooks.service.deliveries import DeliveryService
from app.webhooks.service.endpoints import EndpointService
from app.webhooks.service.feed import EventStream, FeedService, Start, describe

router = APIRouter(prefix="/v1", tags=["webhooks"])

Reader = Annotated[Call, Depends(Access("webhooks:read"))]
Writer = Annotated[Call, Depends(Access("webhooks:write"))]
FeedReader = Annotated[Call, Depends(Access("events:read"))]

EVENT_STREAM = "text/event-stream"
POSITION = r"^(0|[1-9][0-9]{0,18})$"


@router.post(
    "/webhook-endpoints",
    operation_id="webhook_endpoints_create",
    response_model=WebhookEndpointWithSecret,
    status_code=201,
)
async def create_endpoint(
    new: WebhookEndpointCreate, call: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Subscribes a URL to events that happen from now on. The answer shows the signing secret this once."""
    return await call.write(
        lambda unit: _endpoints(call, unit).create(new),
        status=201,
        location=lambda endpoint: f"/v1/webhook-endpoints/{endpoint.id}",
        sealed=True,
    )


@router.get("/webhook-endpoints", operation_id="webhook_endpoints_list", response_model=WebhookEndpointPage)
async def list_endpoints(
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(ENDPOINT_SORTING)] = None,
    include_archived: Annotated[bool, Query(description="Archived endpoints as well.")] = False,
) -> Response:
    """The endpoints, newest first unless sorted otherwise."""
    page = PageRequest(ENDPOINT_SORTING.parse(sort), limit, cursor, {"archived": include_archived})
    return await call.read(lambda unit: _endpoints(call, unit).list(page, include_archived=include_archived))


@router.get(
    "/webhook-endpoints/{endpoint_id}", operation_id="webhook_endpoints_get", response_model=WebhookEndpoint
)
async def get_endpoint(endpoint_id: UUID, call: Reader) -> Response:
    """One endpoint, archived or not, without its secret."""
    return await call.read(lambda unit: _endpoints(call, unit).get(endpoint_id), conditional=False)


@router.patch(
    "/webhook-endpoints/{endpoint_id}",
    operation_id="webhook_endpoints_update",
    response_model=WebhookEndpoint,
)
async def update_endpoint(
    endpoint_id: UUID, patch: WebhookEndpointPatch, call: Writer, if_match: IfMatch = None
) -> Response:
    """Changes an endpoint. What is still owed goes to the new URL."""
    return await call.write(lambda unit: _endpoints(call, unit).update(endpoint_id, patch, call.if_match()))


@router.delete("/webhook-endpoints/{endpoint_id}", operation_id="webhook_endpoints_archive", status_code=204)
async def archive_endpoint(endpoint_id: UUID, call: Writer, if_match: IfMatch = None) -> Response:
    """Archives an endpoint: nothing is sent to it, and no new events are owed to it."""
    return await call.write(lambda unit: _endpoints(call, unit).archive(endpoint_id, call.if_match()))


@router.post(
    "/webhook-endpoints/{endpoint_id}/restore",
    operation_id="webhook_endpoints_restore",
    response_model=WebhookEndpoint,
)
async def restore_endpoint(
    endpoint_id: UUID, call: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Brings an archived endpoint back. Events of the time between come only with a replay."""
    return await call.write(lambda unit: _endpoints(call, unit).restore(endpoint_id))


@router.post(
    "/webhook-endpoints/{endpoint_id}/enable",
    operation_id="webhook_endpoints_enable",
    response_model=WebhookEndpoint,
)
async def enable_endpoint(
    endpoint_id: UUID, call: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Sends again, with a clean record of failures. What waited goes out; events missed meanwhile do not."""
    return await call.write(lambda unit: _endpoints(call, unit).enable(endpoint_id))


@router.post(
    "/webhook-endpoints/{endpoint_id}/rotate-secret",
    operation_id="webhook_endpoints_rotate_secret",
    response_model=WebhookEndpointWithSecret,
)
async def rotate_secret(endpoint_id: UUID, call: Writer, idempotency_key: IdempotencyKey = None) -> Response:
    """Makes a new signing secret and shows it this once. For 24 hours the old one signs as well."""
    return await call.write(lambda unit: _endpoints(call, unit).rotate_secret(endpoint_id), sealed=True)


@router.post(
    "/webhook-endpoints/{endpoint_id}/ping",
    operation_id="webhook_endpoints_ping",
    response_model=WebhookDelivery,
    status_code=202,
)
async def ping_endpoint(endpoint_id: UUID, call: Writer, idempotency_key: IdempotencyKey = None) -> Response:
    """Sends a signed `webhook.ping`, tried once. Ask for the delivery to see what was answered."""
    return await call.write(
        lambda unit: DeliveryService(unit).ping(endpoint_id), status=202, location=_delivery_path
    )


@router.get(
    "/webhook-endpoints/{endpoint_id}/deliveries",
    operation_id="webhook_endpoints_deliveries",
    response_model=WebhookDeliveryPage,
)
async def list_deliveries(
    endpoint_id: UUID,
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(DELIVERY_SORTING)] = None,
    status: Annotated[DeliveryStatus | None, Query(description="Only deliveries in this state.")] = None,
    event_type: Annotated[str | None, Query(max_length=100, description="Only events of this type.")] = None,
) -> Response:
    """What was owed to the endpoint in the last 30 days, newest first unless sorted otherwise."""
    query = {"endpoint": endpoint_id, "status": status, "event_type": event_type}
    page = PageRequest(DELIVERY_SORTING.parse(sort), limit, cursor, query)
    return await call.read(
        lambda unit: DeliveryService(unit).list(endpoint_id, page, status=status, event_type=event_type)
    )


@router.post(
    "/webhook-endpoints/{endpoint_id}/replay",
    operation_id="webhook_endpoints_replay",
    response_model=WebhookReplay,
    status_code=202,
)
async def replay_events(
    endpoint_id: UUID,
    wanted: WebhookReplayRequest,
    call: Writer,
    dry_run: Annotated[bool, Query(description="Only count what would be sent.")] = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Sends all matching events once more, under the `webhook-id` they always had; at most 10,000 at once."""
    known = _catalogue(call)
    if dry_run:
        return await call.write(
            lambda unit: DeliveryService(unit).count_replay(endpoint_id, wanted, known), status=202
        )
    return await call.write(lambda unit: DeliveryService(unit).replay(endpoint_id, wanted, known), status=202)


@router.get(
    "/webhook-deliveries/{delivery_id}",
    operation_id="webhook_deliveries_get",
    response_model=WebhookDeliveryDetail,
)
async def get_delivery(delivery_id: UUID, call: Reader) -> Response:
    """One delivery with its tries: what was answered, how long it took, why it failed."""
    return await call.read(lambda unit: DeliveryService(unit).get(delivery_id))


@router.post(
    "/webhook-deliveries/{delivery_id}/retry",
    operation_id="webhook_deliveries_retry",
    response_model=WebhookDelivery,
    status_code=202,
)
async def retry_delivery(delivery_id: UUID, call: Writer, idempotency_key: IdempotencyKey = None) -> Response:
    """Tries a delivery now. One that had succeeded or been given up starts its schedule again."""
    return await call.write(
        lambda unit: DeliveryService(unit).retry(delivery_id), status=202, location=_delivery_path
    )


@router.get("/event-types", operation_id="event_types_list", response_model=EventTypePage)
async def list_event_types(call: FeedReader) -> Response:
    """Every type of event there is, with the JSON Schema of the body that is posted for it."""

    async def catalogue(_: Unit) -> EventTypePage:
        return describe(call.request.app.state.event_types)

    return await call.read(catalogue)


@router.get(
    "/events",
    operation_id="events_list",
    response_model=FeedPage,
    responses={200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}}},
)
async def list_events(
    call: FeedReader,
    after: Annotated[
        str | None,
        Query(
            pattern=r"^(latest|0|[1-9][0-9]{0,18})$",
            description="Only events with a higher `sequence`; `latest` for only those still to come.",
        ),
    ] = None,
    cursor: Annotated[
        str | None,
        Query(pattern=POSITION, description="`next_cursor` of the page before; counts before `after`."),
    ] = None,
    types: Annotated[
        list[str] | None, Query(max_length=200, description="Only these types; repeat it for several.")
    ] = None,
    limit: Limit = DEFAULT_ROWS,
    accept: Annotated[str | None, Header(description="`text/event-stream` for server-sent events.")] = None,
    last_event_id: Annotated[
        str | None, Header(pattern=POSITION, description="Where a stream broke off; counts before all else.")
    ] = None,
) -> Response:
    """All events in the order in which they were committed.

    Follow `next_cursor` to the end; later, go on with `after` and the last `position`: none is missed.

    With `Accept: text/event-stream` they come as server-sent events (`id` is the `sequence`) for five
    minutes at a time; connect again with `Last-Event-ID`.
    """
    wanted = _known_types(call, types or [])
    if EVENT_STREAM in (accept or ""):
        return await _stream(call, _start(last_event_id, cursor, after), wanted)
    return await call.read(lambda unit: FeedService(unit).page(_start(None, cursor, after), wanted, limit))


async def _stream(call: Call, start: Start, types: list[str]) -> Response:
    """The first page is read before the answer begins, so that a wrong position is still a 422."""
    state = call.request.app.state
    database = call.resources.database
    stream = EventStream(database, call.caller.workspace_id, types, lambda: not state.ready)
    first = await stream.page(start)
    return StreamingResponse(
        stream.frames(first),
        media_type=EVENT_STREAM,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _start(last_event_id: str | None, cursor: str | None, after: str | None) -> Start:
    if last_event_id is not None:
        return Start(last_event_id, "Last-Event-ID")
    return Start(cursor, "?cursor") if cursor is not None else Start(after or "0")


def _known_types(call: Call, types: list[str]) -> list[str]:
    if set(types) - _catalogue(call):
        raise Invalid.at("?types", "names an unknown type: see GET /v1/event-types", "unknown_event_type")
    return types


def _catalogue(call: Call) -> frozenset[str]:
    return frozenset(event_type.name for event_type in call.request.app.state.event_types)


def _endpoints(call: Call, unit: Unit) -> EndpointService:
    return EndpointService(unit, call.resources, _catalogue(call))


def _delivery_path(delivery: WebhookDelivery) -> str:
    return f"/v1/webhook-deliveries/{delivery.id}"
