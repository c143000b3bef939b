"""What follow-ups do when the business turns to a contact."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.followups.service import FollowupService, Outreach
from app.kit.database import Unit
from app.kit.outbox import Consumer, Event
from app.touchpoints.events import RECORDED

PERSONAL = frozenset({"message", "call", "meeting", "visit"})


async def note_outreach(unit: Unit, events: Sequence[Event]) -> None:
    """Takes recorded touchpoints in which somebody turned to a contact as the answer to its follow-ups."""
    outreach = [
        Outreach(UUID(touchpoint["contact_id"]), datetime.fromisoformat(touchpoint["occurred_at"]))
        for touchpoint in (event.data["touchpoint"] for event in events)
        if _turns_to_contact(touchpoint)
    ]
    if outreach:
        await FollowupService(unit).note_outreach(outreach)


def _turns_to_contact(touchpoint: dict[str, Any]) -> bool:
    return touchpoint["direction"] == "outbound" and touchpoint["kind"] in PERSONAL


OUTREACH = Consumer("followups.outreach", note_outreach, frozenset({RECORDED.name}))
