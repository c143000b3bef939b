"""Turns what lower rooms publish into marks."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.kit.database import Unit
from app.kit.outbox import Consumer, Event
from app.metrics.service.marking import MarkService

CONTACT_EVENTS = frozenset({"contact.created", "contact.updated"})
TOUCHPOINT_EVENTS = frozenset({"touchpoint.recorded", "touchpoint.updated", "touchpoint.deleted"})
SETTINGS_CHANGED = "workspace.settings_changed"


async def mark(unit: Unit, events: Sequence[Event]) -> None:
    """Marks the days that these events touch, both the old and the new one of whatever moved."""
    service = MarkService(unit)
    instants = set(_touchpoint_instants(events))
    acquired = _acquisitions(events)
    if acquired:
        instants |= await service.moved_acquisitions(acquired)
    if instants:
        await service.mark(instants)
    elif any(event.type == SETTINGS_CHANGED for event in events):
        await service.ask_for_fold()


def _touchpoint_instants(events: Sequence[Event]) -> Iterator[datetime]:
    for event in events:
        if event.type in TOUCHPOINT_EVENTS:
            yield _instant(event.data["touchpoint"]["occurred_at"])
            previous: dict[str, Any] | None = event.data.get("previous")
            if previous is not None:
                yield _instant(previous["occurred_at"])


def _acquisitions(events: Sequence[Event]) -> dict[UUID, list[datetime]]:
    acquired: dict[UUID, list[datetime]] = {}
    for event in events:
        if event.type in CONTACT_EVENTS:
            contact = event.data["contact"]
            acquired.setdefault(UUID(contact["id"]), []).append(_instant(contact["acquired_at"]))
    return acquired


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


MARKS = Consumer("metrics.marks", mark, CONTACT_EVENTS | TOUCHPOINT_EVENTS | {SETTINGS_CHANGED})
