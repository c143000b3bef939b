"""Use cases around deliveries: pings, the log, retries, replays, and what events owe to whom."""

from collections.abc import Collection, Sequence
from uuid import UUID

from app.kit.database import Unit
from app.kit.errors import Invalid, NotFound
from app.kit.ids import new_id
from app.kit.jobs import enqueue
from app.kit.outbox import Event
from app.kit.pages import PageRequest
from app.webhooks.errors import EndpointNotActive
from app.webhooks.models import AttemptRow, DeliveryRow, EndpointRow
from app.webhooks.repository import DeliveryRepository, EndpointRepository, FeedRepository, NewDelivery
from app.webhooks.schemas import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookDeliveryDetail,
    WebhookDeliveryPage,
    WebhookPing,
    WebhookReplay,
    WebhookReplayRequest,
)
from app.webhooks.service.endpoints import check_event_types, no_such_endpoint
from app.webhooks.service.schedule import MOST_TRIES

DELIVER_JOB = "webhooks.deliver"
PING = "webhook.ping"
MOST_REPLAYED = 10_000


class DeliveryService:
    """What is owed to endpoints. Nothing is sent here: a job does that after the commit."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.endpoints = EndpointRepository(unit)
        self.repository = DeliveryRepository(unit)

    async def fan_out(self, events: Sequence[Event]) -> None:
        """Makes one delivery for each event and endpoint that wants it, and one job for each endpoint."""
        new = [
            NewDelivery(endpoint_id, event.id, event.type)
            for endpoint_id, types in await self.endpoints.subscriptions()
            for event in events
            if not types or event.type in types
        ]
        if new:
            await self._owe(new, origin="event")

    async def ping(self, endpoint_id: UUID) -> WebhookDelivery:
        """Tried once: whoever pings is there to see the outcome and can ping again."""
        endpoint = await self._active_endpoint(endpoint_id)
        row = DeliveryRow(
            workspace_id=self.unit.workspace_id,
            id=new_id(),
            endpoint_id=endpoint.id,
            event_id=new_id(),
            event_type=PING,
            origin="ping",
            data=WebhookPing(endpoint_id=endpoint.id).model_dump(mode="json"),
            status="pending",
            tries=MOST_TRIES - 1,
            attempt_count=0,
            due_at=self.unit.now,
            created_at=self.unit.now,
        )
        await self.repository.add_ping(row)
        enqueue(self.unit, DELIVER_JOB, endpoint.id)
        return WebhookDelivery.model_validate(row)

    async def get(self, delivery_id: UUID) -> WebhookDeliveryDetail:
        row = await self._row(delivery_id)
        attempts = [_attempt(attempt) for attempt in await self.repository.attempts(delivery_id)]
        return WebhookDeliveryDetail(
            **WebhookDelivery.model_validate(row).model_dump(exclude={"next_attempt_at"}),
            due_at=row.due_at,
            attempts=attempts,
        )

    async def list(
        self, endpoint_id: UUID, page: PageRequest, *, status: str | None, event_type: str | None
    ) -> WebhookDeliveryPage:
        await self._endpoint(endpoint_id)
        rows = await self.repository.list(endpoint_id, page, status=status, event_type=event_type)
        kept, cursor = page.cut(rows)
        return WebhookDeliveryPage(
            items=[WebhookDelivery.model_validate(row) for row in kept], next_cursor=cursor
        )

    async def retry(self, delivery_id: UUID) -> WebhookDelivery:
        """Makes it due at once, and begins the schedule anew if it had ended. A running try is left alone."""
        row = await self._row(delivery_id, lock=True)
        await self._active_endpoint(row.endpoint_id)
        if row.lease_token is None or (row.due_at is not None and row.due_at <= self.unit.now):
            if row.status != "pending":
                row.tries = MOST_TRIES - 1 if row.origin == "ping" else 0
            row.status, row.due_at, row.finished_at = "pending", self.unit.now, None
        enqueue(self.unit, DELIVER_JOB, row.endpoint_id)
        return WebhookDelivery.model_validate(row)

    async def count_replay(
        self, endpoint_id: UUID, wanted: WebhookReplayRequest, known: Collection[str]
    ) -> WebhookReplay:
        """Says what a replay would send."""
        endpoint = await self._endpoint(endpoint_id)
        return WebhookReplay(dry_run=True, matched=await self._matching(endpoint, wanted, known), created=0)

    async def replay(
        self, endpoint_id: UUID, wanted: WebhookReplayRequest, known: Collection[str]
    ) -> WebhookReplay:
        """Owes every matching event to the endpoint once more, whatever became of it before."""
        endpoint = await self._active_endpoint(endpoint_id)
        matched = await self._matching(endpoint, wanted, known)
        if matched > MOST_REPLAYED:
            detail = f"{matched} events match and one replay takes {MOST_REPLAYED}: narrow the time"
            raise Invalid.at("/since", detail, "too_many_events")
        found = await self._events(endpoint, wanted) if matched else []
        if found:
            await self._owe([NewDelivery(endpoint.id, *event) for event in found], origin="replay")
        return WebhookReplay(dry_run=False, matched=len(found), created=len(found))

    async def _matching(
        self, endpoint: EndpointRow, wanted: WebhookReplayRequest, known: Collection[str]
    ) -> int:
        check_event_types(wanted.types, known, at="/types")
        until = wanted.until or self.unit.now
        if until <= wanted.since:
            pointer = "/since" if wanted.until is None else "/until"
            raise Invalid.at(pointer, "must begin in the past and end after it begins", "empty_time")
        types = _types(endpoint, wanted)
        if not types and endpoint.event_types:
            return 0
        return await FeedRepository(self.unit).count(wanted.since, until, types)

    async def _events(
        self, endpoint: EndpointRow, wanted: WebhookReplayRequest
    ) -> Sequence[tuple[UUID, str]]:
        until = wanted.until or self.unit.now
        return await FeedRepository(self.unit).happened(wanted.since, until, _types(endpoint, wanted))

    async def _owe(self, new: Sequence[NewDelivery], *, origin: str) -> None:
        await self.repository.add_many(new, origin=origin)
        for endpoint_id in dict.fromkeys(delivery.endpoint_id for delivery in new):
            enqueue(self.unit, DELIVER_JOB, endpoint_id)

    async def _row(self, delivery_id: UUID, *, lock: bool = False) -> DeliveryRow:
        row = await self.repository.get(delivery_id, lock=lock)
        if row is None:
            raise NotFound("There is no such webhook delivery in this workspace; they are kept for 30 days.")
        return row

    async def _endpoint(self, endpoint_id: UUID) -> EndpointRow:
        endpoint = await self.endpoints.get(endpoint_id)
        if endpoint is None:
            raise no_such_endpoint()
        return endpoint

    async def _active_endpoint(self, endpoint_id: UUID) -> EndpointRow:
        endpoint = await self._endpoint(endpoint_id)
        if endpoint.archived_at is not None:
            raise EndpointNotActive("The endpoint is archived. Restore it first.")
        if endpoint.status == "disabled":
            raise EndpointNotActive("The endpoint is disabled. Enable it first.")
        return endpoint


def _types(endpoint: EndpointRow, wanted: WebhookReplayRequest) -> list[str]:
    """What is asked for of what the endpoint subscribes to; empty means all only if both are."""
    if not endpoint.event_types or not wanted.types:
        return sorted(wanted.types or endpoint.event_types)
    return sorted(set(wanted.types) & set(endpoint.event_types))


def _attempt(row: AttemptRow) -> WebhookAttempt:
    return WebhookAttempt.model_validate(
        {name: getattr(row, name) for name in WebhookAttempt.model_fields if name != "answer"}
        | {"answer": row.answer.decode(errors="replace")}
    )
