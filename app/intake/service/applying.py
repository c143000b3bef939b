"""Applies stored events: each exactly once, in the order of receipt, through the rooms below.

One transaction changes contacts, touchpoints and responses and marks the events, so a crash leaves both or
neither. One process at a time works on a source, which is what keeps the order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast
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
    SURVEY_RESPONSE,
    TOUCHPOINT,
    EventFacts,
    contact_body,
    keyed,
    survey_response_body,
    touchpoint_body,
)
from app.intake.service.verdicts import item_error, reason_of
from app.kit.database import Database, Unit
from app.kit.errors import Problem
from app.kit.jobs import Job, enqueue
from app.surveys.schemas.responses import PartnerResponse
from app.surveys.service.recording import ResponseRecorder
from app.surveys.service.surveys import SurveyService
from app.touchpoints.schemas import TouchpointCreate
from app.touchpoints.service.recording import Recorder
from app.workspaces.service import WorkspaceService

log = structlog.get_logger()

APPLY_JOB = "intake.apply"
CHUNK = 500
MOST_ATTEMPTS = 5

UNKNOWN_TYPE = "unknown_type"
INTERNAL = "internal"

Body = ContactUpsert | TouchpointCreate | PartnerResponse | Problem


class Applied(NamedTuple):
    """An event that has been applied: to which contact, and whether nothing of it may be kept."""

    contact_id: UUID | None
    is_anonymous: bool = False


@dataclass(frozen=True, slots=True)
class _Prepared:
    event: PendingEvent
    body: Body
    facts: EventFacts


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
        applied: dict[UUID, Applied] = {}
        parkings: list[Parking] = []
        for run in _runs(prepared):
            for event, outcome in await self._apply_run(run):
                if isinstance(outcome, Problem):
                    parkings.append(_parking(event, outcome))
                else:
                    applied[event.id] = outcome
        await self.repository.mark_applied({each: done.contact_id for each, done in applied.items()})
        await self.repository.forget([each for each, done in applied.items() if done.is_anonymous])
        await self.repository.park(parkings)

    async def _apply_run(self, run: Sequence[_Prepared]) -> list[tuple[PendingEvent, Applied | Problem]]:
        """What became of each: what it was applied to, or why it could not be."""
        judged: list[tuple[PendingEvent, Applied | Problem]] = []
        for kind, apply in (
            (ContactUpsert, self._contacts),
            (TouchpointCreate, self._touchpoints),
            (PartnerResponse, self._responses),
        ):
            chosen = [each for each in run if isinstance(each.body, kind)]
            if chosen:
                outcomes = await apply(chosen)
                judged += zip([each.event for each in chosen], outcomes, strict=True)
        return judged + [(each.event, each.body) for each in run if isinstance(each.body, Problem)]

    async def _contacts(self, prepared: Sequence[_Prepared]) -> list[Applied | Problem]:
        bodies = [cast(ContactUpsert, each.body) for each in prepared]
        outcomes = await ContactUpserter(self.unit).upsert(bodies)
        return [outcome.problem or Applied(outcome.id) for outcome in outcomes]

    async def _touchpoints(self, prepared: Sequence[_Prepared]) -> list[Applied | Problem]:
        currency = await WorkspaceService(self.unit).currency()
        bodies = [cast(TouchpointCreate, each.body) for each in prepared]
        changes = await Recorder(self.unit, currency).record(bodies)
        return [
            change if isinstance(change, Problem) else Applied(change.after.contact_id) for change in changes
        ]

    async def _responses(self, prepared: Sequence[_Prepared]) -> list[Applied | Problem]:
        bodies = [cast(PartnerResponse, each.body) for each in prepared]
        anonymous = await SurveyService(self.unit).anonymous_among({body.survey_id for body in bodies})
        recorded = await ResponseRecorder(self.unit).record(
            [
                body if body.survey_id in anonymous else keyed(body, each.facts)
                for each, body in zip(prepared, bodies, strict=True)
            ]
        )
        return [
            each
            if isinstance(each, Problem)
            else Applied(each.response.contact_id, each.response.survey_id in anonymous)
            for each in recorded
        ]


def _prepared(event: PendingEvent, source_key: str, *, is_namesake: bool) -> _Prepared:
    body: Body
    # Two of the partner's systems may count alike; the one must not overwrite what the other told.
    external_id = str(event.id) if is_namesake else event.event_id
    facts = EventFacts(source_key, external_id, event.event_time)
    if event.type == CONTACT:
        body = contact_body(event.payload)
    elif event.type == TOUCHPOINT:
        body = touchpoint_body(event.payload, facts)
    elif event.type == SURVEY_RESPONSE:
        body = survey_response_body(event.payload, facts)
    else:
        body = UnknownEventType(f"The types taken are {', '.join(sorted(KNOWN_TYPES))}.")
    return _Prepared(event, body, facts)


def _runs(prepared: Sequence[_Prepared]) -> Iterator[list[_Prepared]]:
    """Stretches in which contacts can go first and the end is as if each event had gone in its turn.

    That is so until a contact comes by a key that a touchpoint or response before it has used.
    """
    run: list[_Prepared] = []
    used: set[IdentityKey] = set()
    for each in prepared:
        if isinstance(each.body, ContactUpsert) and not used.isdisjoint(_keys(each.body)):
            yield run
            run, used = [], set()
        elif isinstance(each.body, TouchpointCreate | PartnerResponse):
            used.update(_reference(each.body))
        run.append(each)
    yield run


def _keys(contact: ContactUpsert) -> Iterator[IdentityKey]:
    for email in contact.emails:
        yield IdentityKey.email(email.address.strip())
    for external in contact.external_ids:
        yield IdentityKey.external(external.source, external.id)


def _reference(body: TouchpointCreate | PartnerResponse) -> Iterator[IdentityKey]:
    contact = body.contact
    if contact is not None and contact.external_id is not None:
        yield IdentityKey.external(contact.external_id.source, contact.external_id.id)
    elif contact is not None and contact.email is not None:
        yield IdentityKey.email(contact.email.strip())


def _parking(event: PendingEvent, problem: Problem, reason: str | None = None) -> Parking:
    if isinstance(problem, UnknownEventType):
        reason = UNKNOWN_TYPE
    return Parking(event.id, reason or reason_of(problem), item_error(problem).model_dump_json())
