"""What surveys do when something happens below."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.kit.database import Unit
from app.kit.outbox import Consumer, Event
from app.surveys.service.planning import TouchpointSeen, TriggerService
from app.touchpoints.events import DELETED, RECORDED


async def follow_touchpoints(unit: Unit, events: Sequence[Event]) -> None:
    """Plans the asks that recorded touchpoints trigger, and cancels those of deleted ones."""
    service = TriggerService(unit)
    recorded = [_seen(event) for event in events if event.type == RECORDED.name]
    if recorded:
        await service.plan(recorded)
    deleted = [UUID(event.data["touchpoint"]["id"]) for event in events if event.type == DELETED.name]
    if deleted:
        await service.cancel(deleted)


def _seen(event: Event) -> TouchpointSeen:
    touchpoint = event.data["touchpoint"]
    return TouchpointSeen(
        id=UUID(touchpoint["id"]),
        contact_id=UUID(touchpoint["contact_id"]),
        kind=touchpoint["kind"],
        channel=touchpoint["channel"],
        occurred_at=datetime.fromisoformat(touchpoint["occurred_at"]),
    )


TRIGGERS = Consumer("surveys.triggers", follow_touchpoints, frozenset({RECORDED.name, DELETED.name}))
