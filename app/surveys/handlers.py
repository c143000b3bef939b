"""What surveys do when something happens below."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.kit.database import Unit
from app.kit.outbox import Consumer, Event
from app.surveys.service.planning import TouchpointSeen, TriggerService
from app.touchpoints.events import DELETED, RECORDED, UPDATED


async def follow_touchpoints(unit: Unit, events: Sequence[Event]) -> None:
    """Plans the asks that touchpoints trigger, and lets them follow what becomes of the touchpoints."""
    service, stories = TriggerService(unit), defaultdict(list)
    for event in events:
        stories[event.data["touchpoint"]["id"]].append(event)
    seen = [(_seen(story), story) for story in stories.values()]
    changed = [each for each, story in seen if story[-1].type != RECORDED.name]
    if changed:
        await service.follow(changed)
    await service.plan([each for each, _ in seen])


def _seen(story: Sequence[Event]) -> TouchpointSeen:
    """A touchpoint as the last of its events says that it is."""
    touchpoint = story[-1].data["touchpoint"]
    return TouchpointSeen(
        id=UUID(touchpoint["id"]),
        contact_id=UUID(touchpoint["contact_id"]),
        kind=touchpoint["kind"],
        channel=touchpoint["channel"],
        occurred_at=datetime.fromisoformat(touchpoint["occurred_at"]),
        is_deleted=touchpoint["deleted_at"] is not None,
        is_news=any(_is_news(event) for event in story),
    )


def _is_news(event: Event) -> bool:
    touchpoint, previous = event.data["touchpoint"], event.data["previous"]
    if previous is None:
        return True
    # An older event does not tell the channel before, and so says nothing of a change of it.
    return any(touchpoint[name] != previous.get(name, touchpoint[name]) for name in _WHAT_IT_IS)


_WHAT_IT_IS = ("contact_id", "kind", "channel", "occurred_at")


TRIGGERS = Consumer(
    "surveys.triggers", follow_touchpoints, frozenset({RECORDED.name, UPDATED.name, DELETED.name})
)
