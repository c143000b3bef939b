"""Applies stored events: each exactly once, in the order of receipt, through the rooms below.

One transaction changes contacts and touchpoints and marks the events, so a crash leaves both or neither.
One process at a time works on a source, which is what keeps the order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import structlog

from app.contacts.models import IdentityKey
from app.contacts.schemas import ContactUpsert
from app.contacts.service.upserting import ContactUpserter
from app.intake.errors import EventNotApplied, UnknownEventType
from app.intake.repository import InboundEventRepository, Parking, PendingEvent, SourceRepository
from app.intake.service.bodies import (
    CONTACT,
    KNOWN_TYPES,
    TOUCHPOINT,
    EventFacts,
    contact_body,
    touchpoint_body,
)
from app.intake.service.verdicts import item_error, reason_of
from app.kit.database import Database, Unit
from app.kit.errors import Problem
from app.kit.jobs import Job, enqueue
from app.touchpoints.schemas import TouchpointCreate
from app.touchpoints.service.recording import Recorder
from app.workspaces.service import WorkspaceService

log = structlog.get_logger()

APPLY_JOB = "intake.apply"
CHUNK = 500
MOST_ATTEMPTS = 5

UNKNOWN_TYPE = "unknown_type"
INTERNAL = "internal"

Body = ContactUpsert | TouchpointCreate | Problem


@dataclass(frozen=True, slots=True)
class _Prepared:
    event: PendingEvent
    body: Body


async def apply_events(database: Database, job: Job) -> None:
    """Applies a chunk of what is pending of the source `job.subject`, and asks for another job for the rest.

    It looks for the rest with the source let go: whoever found it taken meanwhile relies on that look.
    """
    assert job.subject is not None
    actor = f"source:{job.subject}"
    async with database.unit(job.workspace_id, actor=actor) as unit:
        if not await InboundEventRepository(unit).own(job.subject):
            return
        await EventApplier(unit, job.subject).apply_chunk()
    async with database.unit(job.workspace_id, actor=actor) as unit:
        if await InboundEventRepository(unit).has_pending(job.subject):
            enqueue(unit, APPLY_JOB, job.subject)


class EventApplier:
    """Applies one chunk of a source's events within a unit."""

    def __init__(self, unit: Unit, source_id: UUID) -> None:
        self.unit = unit
        self.source_id = source_id
        self.repository = InboundEventRepository(unit)
        self.sources = SourceRepository(unit)

    async def apply_chunk(self) -> None:
        """Applies the oldest pending events. When that fails, one by one up to the one that is to blame."""
        events = await self.repository.pending(self.source_id, CHUNK)
        if not events:
            return
        try:
            async with self.unit.savepoint():
                await self._apply(events)
        except Exception:
            log.exception("intake.chunk_failed", source_id=str(self.source_id), events=len(events))
            await self._apply_singly(events)
        await self.sources.note_event(self.source_id, max(event.received_at for event in events))

    async def _apply_singly(self, events: Sequence[PendingEvent]) -> None:
        """Stops at an event that fails: it comes first in the next try, so that nothing overtakes it."""
        for event in events:
            try:
                async with self.unit.savepoint():
                    await self._apply([event])
            except Exception:
                log.exception("intake.event_failed", event_id=str(event.id), attempts=event.attempts + 1)
                await self._failed(event)
                return

    async def _failed(self, event: PendingEvent) -> None:
        await self.repository.count_attempt(event.id)
        if event.attempts + 1 >= MOST_ATTEMPTS:
            problem = EventNotApplied("Applying this event failed on our side; the log says why.")
            await self.repository.park([_parking(event, problem, INTERNAL)])

    async def _apply(self, events: Sequence[PendingEvent]) -> None:
        source = await self.sources.get(self.source_id)
        assert source is not None
        namesakes = await self.repository.namesakes(self.source_id, events)
        prepared = [_prepared(event, source.key, is_namesake=event.id in namesakes) for event in events]
        contacts: dict[UUID, UUID] = {}
        parkings: list[Parking] = []
        for run in _runs(prepared):
            for event, outcome in await self._apply_run(run):
                if isinstance(outcome, Problem):
                    parkings.append(_parking(event, outcome))
                else:
                    contacts[event.id] = outcome
        await self.repository.mark_applied(contacts)
        await self.repository.park(parkings)

    async def _apply_run(self, run: Sequence[_Prepared]) -> list[tuple[PendingEvent, UUID | Problem]]:
        """What became of each: the contact it was applied to, or why it could not be."""
        judged: list[tuple[PendingEvent, UUID | Problem]] = []
        for kind, apply in ((ContactUpsert, self._contacts), (TouchpointCreate, self._touchpoints)):
            chosen = [each for each in run if isinstance(each.body, kind)]
            if chosen:
                outcomes = await apply([each.body for each in chosen])
                judged += zip([each.event for each in chosen], outcomes, strict=True)
        return judged + [(each.event, each.body) for each in run if isinstance(each.body, Problem)]

    async def _contacts(self, bodies: Sequence[Any]) -> list[UUID | Problem]:
        outcomes = await ContactUpserter(self.unit).upsert(bodies)
        return [outcome.problem or cast(UUID, outcome.id) for outcome in outcomes]

    async def _touchpoints(self, bodies: Sequence[Any]) -> list[UUID | Problem]:
        currency = await WorkspaceService(self.unit).currency()
        changes = await Recorder(self.unit, currency).record(bodies)
        return [change if isinstance(change, Problem) else change.after.contact_id for change in changes]


def _prepared(event: PendingEvent, source_key: str, *, is_namesake: bool) -> _Prepared:
    body: Body
    if event.type == CONTACT:
        body = contact_body(event.payload)
    elif event.type == TOUCHPOINT:
        # Two of the partner's systems may count alike; the one must not overwrite what the other told.
        external_id = str(event.id) if is_namesake else event.event_id
        body = touchpoint_body(event.payload, EventFacts(source_key, external_id, event.event_time))
    else:
        body = UnknownEventType(f"The types taken are {', '.join(sorted(KNOWN_TYPES))}.")
    return _Prepared(event, body)


def _runs(prepared: Sequence[_Prepared]) -> Iterator[list[_Prepared]]:
    """Stretches in which contacts can go first and the end is as if each event had gone in its turn.

    That is so until a contact comes by a key that a touchpoint before it has used.
    """
    run: list[_Prepared] = []
    used: set[IdentityKey] = set()
    for each in prepared:
        if isinstance(each.body, ContactUpsert) and not used.isdisjoint(_keys(each.body)):
            yield run
            run, used = [], set()
        elif isinstance(each.body, TouchpointCreate):
            used.update(_reference(each.body))
        run.append(each)
    yield run


def _keys(contact: ContactUpsert) -> Iterator[IdentityKey]:
    for email in contact.emails:
        yield IdentityKey.email(email.address.strip())
    for external in contact.external_ids:
        yield IdentityKey.external(external.source, external.id)


def _reference(touchpoint: TouchpointCreate) -> Iterator[IdentityKey]:
    contact = touchpoint.contact
    if contact is not None and contact.external_id is not None:
        yield IdentityKey.external(contact.external_id.source, contact.external_id.id)
    elif contact is not None and contact.email is not None:
        yield IdentityKey.email(contact.email.strip())


def _parking(event: PendingEvent, problem: Problem, reason: str | None = None) -> Parking:
    if isinstance(problem, UnknownEventType):
        reason = UNKNOWN_TYPE
    return Parking(event.id, reason or reason_of(problem), item_error(problem).model_dump_json())
