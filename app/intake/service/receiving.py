"""Stores what a source sends, before anything else is done with it."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from app.intake.errors import BacklogFull
from app.intake.repository import InboundEventRepository, NewEvent
from app.intake.schemas import CloudEvent, Receipt, ReceivedEvent
from app.intake.service.applying import APPLY_JOB
from app.intake.service.bodies import EventFacts, data_errors
from app.intake.service.door import Sender
from app.intake.service.envelopes import Arrival
from app.intake.service.verdicts import item_error
from app.kit.database import Database, Unit
from app.kit.errors import FieldError, Invalid
from app.kit.ids import new_id
from app.kit.jobs import enqueue

RETRY_AFTER_SECONDS = 5
COUNTED_EVERY_SECONDS = 2.0
MOST_WORKSPACES = 10_000


class Backlog:
    """About how many events of each workspace wait: counted now and then, and what came since added."""

    def __init__(self, most: int, *, tick: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._tick = tick
        self._waiting: dict[UUID, tuple[int, float]] = {}

    async def check(self, unit: Unit) -> None:
        """Raises `BacklogFull` when no more events should be stored for the unit's workspace."""
        waiting, counted_until = self._waiting.get(unit.workspace_id, (0, 0.0))
        if counted_until <= self._tick():
            waiting = await InboundEventRepository(unit).backlog(self._most)
            if len(self._waiting) >= MOST_WORKSPACES:
                self._waiting.clear()
            self._waiting[unit.workspace_id] = (waiting, self._tick() + COUNTED_EVERY_SECONDS)
        if waiting >= self._most:
            raise BacklogFull(
                "Too many events of this workspace wait to be applied. Send these again later.",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )

    def add(self, workspace_id: UUID, count: int) -> None:
        waiting, counted_until = self._waiting.get(workspace_id, (0, 0.0))
        self._waiting[workspace_id] = (waiting + count, counted_until)


async def receive(
    database: Database, backlog: Backlog, sender: Sender, arrivals: Sequence[Arrival], *, is_batch: bool
) -> Receipt:
    """Stores the good ones of these events; when this returns, they are committed.

    Raises `Invalid` when all are bad, and `BacklogFull`.
    """
    now = database.clock.now()
    judged = [_judged(arrival, sender, now) for arrival in arrivals]
    fresh = {index: _row(each.event) for index, each in enumerate(judged) if each.event is not None}
    if judged and not fresh:
        raise _all_refused(judged, is_batch=is_batch)
    stored = await _store(database, backlog, sender, fresh.values()) if fresh else set()
    results = [_result(index, each, fresh.get(index), stored) for index, each in enumerate(judged)]
    statuses = [result.status for result in results]
    return Receipt(
        accepted=statuses.count("accepted"),
        duplicates=statuses.count("duplicate"),
        rejected=statuses.count("rejected"),
        results=results,
    )


def _judged(arrival: Arrival, sender: Sender, now: datetime) -> Arrival:
    """The arrival, with the problem of its data if that has one."""
    if arrival.event is None:
        return arrival
    facts = EventFacts(sender.key, arrival.event.id, arrival.event.time)
    errors = data_errors(arrival.event, facts, now)
    return arrival.refused(errors) if errors else arrival


def _row(event: CloudEvent) -> NewEvent:
    # Python's encoder, since a number may be larger than the faster one can write.
    payload = json.dumps(event.data)
    return NewEvent(new_id(), event.source, event.id, event.type, event.subject, event.time, payload)


async def _store(
    database: Database, backlog: Backlog, sender: Sender, events: Iterable[NewEvent]
) -> set[UUID]:
    async with database.unit(sender.workspace_id, actor=f"source:{sender.source_id}") as unit:
        await backlog.check(unit)
        stored = await InboundEventRepository(unit).store(sender.source_id, events)
        if stored:
            enqueue(unit, APPLY_JOB, sender.source_id)
    backlog.add(sender.workspace_id, len(stored))
    return stored


def _result(index: int, arrival: Arrival, row: NewEvent | None, stored: set[UUID]) -> ReceivedEvent:
    if row is None:
        problem = item_error(arrival.problem) if arrival.problem else None
        return ReceivedEvent(index=index, id=arrival.id, status="rejected", problem=problem)
    status = "accepted" if row.id in stored else "duplicate"
    return ReceivedEvent(index=index, id=row.event_id, status=status, problem=None)


def _all_refused(judged: Sequence[Arrival], *, is_batch: bool) -> Invalid:
    errors = [
        FieldError(f"/{index}{error.pointer}" if is_batch else error.pointer, error.detail, error.code)
        for index, arrival in enumerate(judged)
        if arrival.problem is not None
        for error in arrival.problem.errors
    ]
    if len(judged) == 1:
        return Invalid("The event is not valid; it was not stored.", errors=errors)
    return Invalid(f"None of the {len(judged)} events is valid; nothing was stored.", errors=errors)
