"""What goals do when a metric moves."""

from collections.abc import Sequence

from app.goals.repository import GoalRepository
from app.goals.service.figures import Calendar
from app.goals.service.refreshing import GoalRefresh
from app.kit.database import Unit
from app.kit.outbox import Consumer, Event
from app.metrics.events import SNAPSHOT_REFRESHED


async def follow(unit: Unit, events: Sequence[Event]) -> None:
    """Brings the active goals on the metrics that moved up to date."""
    keys = {event.data["metric_key"] for event in events}
    repository = GoalRepository(unit)
    if not await repository.is_followed(keys):
        return
    calendar = await Calendar.of(unit)
    await repository.lock_board(calendar.next_pass_at)
    rows = await repository.active(keys)
    await GoalRefresh(unit, calendar).run(rows, assess=False)


PROGRESS = Consumer("goals.progress", follow, frozenset({SNAPSHOT_REFRESHED.name}))
