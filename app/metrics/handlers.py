"""Turns what lower rooms publish into marks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from app.kit.database import Unit
from app.kit.outbox import Consumer, Event
from app.metrics.service.marking import MarkService

CONTACT_EVENTS = frozenset({"contact.created", "contact.updated"})
RESPONSE_RECEIVED = "survey.response_received"
SETTINGS_CHANGED = "workspace.settings_changed"

Moment = datetime | date
"""An instant, or the local day of something anonymous."""


async def mark(unit: Unit, events: Sequence[Event]) -> None:
    """Marks the days that these events touch, both the old and the new one of whatever moved."""
    service = MarkService(unit)
    moments = set(_moments(events))
    acquired = _acquisitions(events)
    if acquired:
        moments |= await service.moved_acquisitions(acquired)
    spent = _spent_invitations(events)
    if spent:
        moments |= await service.invited(spent)
    if moments:
        instants = {moment for moment in moments if isinstance(moment, datetime)}
        await service.mark(instants, moments - instants)
    elif any(event.type == SETTINGS_CHANGED for event in events):
        await service.ask_for_fold()


def _moments(events: Sequence[Event]) -> Iterator[Moment]:
    for event in events:
        if event.type in _READERS:
            yield from _READERS[event.type](event.data)


def _of_touchpoint(data: Mapping[str, Any]) -> Iterator[Moment]:
    yield _instant(data["touchpoint"]["occurred_at"])
    if data.get("previous") is not None:
        yield _instant(data["previous"]["occurred_at"])


def _of_response(data: Mapping[str, Any]) -> Iterator[Moment]:
    response = data["response"]
    if response["answered_at"] is None:
        yield date.fromisoformat(response["answered_on"])
    else:
        yield _instant(response["answered_at"])


def _of_settlement(data: Mapping[str, Any]) -> Iterator[Moment]:
    return (date.fromisoformat(day) for day in data["invited_on"])


def _of_new_invitation(data: Mapping[str, Any]) -> Iterator[Moment]:
    yield _instant(data["created_at"])


def _of_invitation(data: Mapping[str, Any]) -> Iterator[Moment]:
    yield _instant(data["invitation"]["created_at"])


def _of_followup(data: Mapping[str, Any]) -> Iterator[Moment]:
    """Of one that a survey response opened: when it was opened, when its contact was or had been reached."""
    if data["followup"]["origin"] is None:
        return
    yield _instant(data["followup"]["opened_at"])
    for state in (data["followup"], data["previous"] or {}):
        if state.get("contacted_at") is not None:
            yield _instant(state["contacted_at"])


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Moment]]] = {
    "touchpoint.recorded": _of_touchpoint,
    "touchpoint.updated": _of_touchpoint,
    "touchpoint.deleted": _of_touchpoint,
    RESPONSE_RECEIVED: _of_response,
    "survey.response_changed": _of_response,
    "survey.invitation_created": _of_new_invitation,
    "survey.invitation_changed": _of_invitation,
    "survey.participation_settled": _of_settlement,
    "followup.opened": _of_followup,
    "followup.updated": _of_followup,
    "followup.closed": _of_followup,
    "followup.reopened": _of_followup,
}


def _spent_invitations(events: Sequence[Event]) -> set[UUID]:
    """The invitations that responses answer; those to anonymous surveys are settled later."""
    received = [event.data for event in events if event.type == RESPONSE_RECEIVED]
    # Events from before there was a `spent_invitation_id` have the one that the response names.
    spent = (data.get("spent_invitation_id") or data["response"]["invitation_id"] for data in received)
    return {UUID(invitation_id) for invitation_id in spent if invitation_id is not None}


def _acquisitions(events: Sequence[Event]) -> dict[UUID, list[datetime]]:
    acquired: dict[UUID, list[datetime]] = {}
    for event in events:
        if event.type in CONTACT_EVENTS:
            contact = event.data["contact"]
            acquired.setdefault(UUID(contact["id"]), []).append(_instant(contact["acquired_at"]))
    return acquired


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


MARKS = Consumer("metrics.marks", mark, CONTACT_EVENTS | {SETTINGS_CHANGED} | _READERS.keys())
