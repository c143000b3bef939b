"""All SQL of the intake room."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.intake.models import InboundEventRow, SourceRow
from app.kit.database import Unit
from app.kit.pages import PageRequest, Sorting, SortKey

PAYLOAD_KEPT = timedelta(days=7)
ROW_KEPT = timedelta(days=90)

SOURCE_SORTING = Sorting(
    SourceRow.id,
    {
        "created_at": SortKey(SourceRow.created_at, "instant"),
        "name": SortKey(SourceRow.name, "text"),
    },
    default="-created_at",
)
PARKED_SORTING = Sorting(
    InboundEventRow.id,
    {"received_at": SortKey(InboundEventRow.received_at, "instant")},
    default="-received_at",
)


class NewEvent(NamedTuple):
    """An event about to be stored; `payload` is JSON."""

    id: UUID
    event_source: str
    event_id: str
    type: str
    subject: str | None
    event_time: datetime | None
    payload: str


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event about to be applied."""

    id: UUID
    event_source: str
    event_id: str
    type: str
    event_time: datetime | None
    payload: dict[str, Any]
    received_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Parking:
    """An event to be put aside, and why."""

    id: UUID
    reason: str
    problem: str


class SourceRepository:
    """Reads and writes the sources of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._session = unit.session
        self._workspace_id = unit.workspace_id

    async def add(self, values: Mapping[str, Any]) -> SourceRow | None:
        """None when another source has the key."""
        statement = (
            insert(SourceRow)
            .values(workspace_id=self._workspace_id, **values)
            .on_conflict_do_nothing(index_elements=["workspace_id", "key"])
            .returning(SourceRow)
        )
        return (await self._session.execute(statement)).scalar_one_or_none()

    async def get(self, source_id: UUID, *, lock: bool = False) -> SourceRow | None:
        """The lock lets events of the source be stored meanwhile."""
        statement = select(SourceRow).where(
            SourceRow.workspace_id == self._workspace_id, SourceRow.id == source_id
        )
        if lock:
            statement = statement.with_for_update(key_share=True)
        return (await self._session.execute(statement)).scalar_one_or_none()

    async def save(self) -> None:
        await self._session.flush()

    async def page(self, page: PageRequest, *, include_archived: bool) -> Sequence[SourceRow]:
        statement = select(SourceRow).where(SourceRow.workspace_id == self._workspace_id)
        if not include_archived:
            statement = statement.where(SourceRow.archived_at.is_(None))
        return (await self._session.execute(page.apply(statement))).scalars().all()

    async def counts(self, ids: Iterable[UUID]) -> dict[tuple[UUID, str], int]:
        """How many events are pending and parked, by source and state; nothing for none."""
        rows = await self._unit.connection.fetch(_COUNTS, self._workspace_id, list(ids))
        return {(row["source_id"], row["state"]): row["count"] for row in rows}

    async def note_event(self, source_id: UUID, at: datetime) -> None:
        await self._unit.connection.execute(_NOTE_EVENT, self._workspace_id, source_id, at)


class InboundEventRepository:
    """Reads and writes the received events of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._connection = unit.connection
        self._workspace_id = unit.workspace_id

    async def store(self, source_id: UUID, events: Iterable[NewEvent]) -> set[UUID]:
        """Stores what was not there before; returns the ids of these rows.

        Sorted by key, so that two posts of the same events do not wait for each other in a circle.
        """
        ordered = sorted(events, key=lambda event: (event.event_id, event.event_source))
        columns = [list(column) for column in zip(*ordered, strict=True)]
        rows = await self._connection.fetch(_STORE, self._workspace_id, source_id, self._unit.now, *columns)
        return {row["id"] for row in rows}

    async def backlog(self, most: int) -> int:
        """How many events of the workspace are pending, counted up to `most`."""
        count: int = await self._connection.fetchval(_BACKLOG, self._workspace_id, most)
        return count

    async def has_pending(self, source_id: UUID) -> bool:
        return await self._connection.fetchval(_FIRST_PENDING, self._workspace_id, source_id) is not None

    async def own(self, source_id: UUID) -> bool:
        """Takes the right to apply the source's events until the unit ends; False when another has it."""
        taken: bool = await self._connection.fetchval(_OWN, f"intake/{self._workspace_id}/{source_id}")
        return taken

    async def pending(self, source_id: UUID, most: int) -> list[PendingEvent]:
        """The oldest pending events of the source, in their order."""
        rows = await self._connection.fetch(_PENDING, self._workspace_id, source_id, most)
        return [PendingEvent(**row) for row in rows]

    async def namesakes(self, source_id: UUID, events: Sequence[PendingEvent]) -> set[UUID]:
        """Those whose `id` another event of this source, from another CloudEvents `source`, has too."""
        rows = await self._connection.fetch(
            _NAMESAKES,
            self._workspace_id,
            source_id,
            [event.id for event in events],
            [event.event_id for event in events],
            [event.event_source for event in events],
        )
        return {row["id"] for row in rows}

    async def mark_applied(self, contacts: Mapping[UUID, UUID | None]) -> None:
        """`contacts` is by event the contact it was applied to, if there is one."""
        now = self._unit.now
        await self._connection.execute(
            _MARK_APPLIED,
            self._workspace_id,
            now,
            now + PAYLOAD_KEPT,
            list(contacts),
            list(contacts.values()),
        )

    async def forget(self, ids: Sequence[UUID]) -> None:
        """Keeps of applied events no more than that they came."""
        if ids:
            await self._connection.execute(_FORGET, self._workspace_id, list(ids), ROW_KEPT)

    async def park(self, parkings: Sequence[Parking]) -> None:
        await self._connection.execute(
            _PARK,
            self._workspace_id,
            self._unit.now,
            ROW_KEPT,
            [parking.id for parking in parkings],
            [parking.reason for parking in parkings],
            [parking.problem for parking in parkings],
        )

    async def count_attempt(self, event_id: UUID) -> None:
        await self._connection.execute(_COUNT_ATTEMPT, self._workspace_id, event_id)

    async def parked(self, source_id: UUID, page: PageRequest) -> Sequence[InboundEventRow]:
        statement = select(InboundEventRow).where(
            InboundEventRow.workspace_id == self._workspace_id,
            InboundEventRow.source_id == source_id,
            InboundEventRow.state == sa.literal_column("'parked'", sa.Text()),
        )
        return (await self._unit.session.execute(page.apply(statement))).scalars().all()

    async def redrive(self, source_id: UUID, ids: Sequence[UUID] | None) -> int:
        """Makes parked events pending again, all of the source's when `ids` is None; returns how many."""
        tag = await self._connection.execute(_REDRIVE, self._workspace_id, source_id, ids)
        return int(tag.split()[-1])

    async def discard(self, source_id: UUID, event_id: UUID) -> bool:
        """False when there is no such parked event."""
        tag = await self._connection.execute(
            _DISCARD, self._workspace_id, source_id, event_id, self._unit.now, ROW_KEPT
        )
        return tag != "UPDATE 0"

    async def purge(self, most: int) -> int:
        """Forgets up to `most` payloads and as many rows whose time is over; returns how many of the more."""
        now = self._unit.now
        deleted = await self._connection.execute(_PURGE_ROWS, self._workspace_id, now, most)
        emptied = await self._connection.execute(_PURGE_PAYLOADS, self._workspace_id, now, most, ROW_KEPT)
        return max(int(deleted.split()[-1]), int(emptied.split()[-1]))


_COUNTS = """
    SELECT source_id, state, count(*) FROM inbound_events
    WHERE workspace_id = $1 AND source_id = ANY($2::uuid[]) AND state = 'pending' GROUP BY source_id, state
    UNION ALL
    SELECT source_id, state, count(*) FROM inbound_events
    WHERE workspace_id = $1 AND source_id = ANY($2::uuid[]) AND state = 'parked' GROUP BY source_id, state
"""

_NOTE_EVENT = """
    UPDATE sources SET last_event_at = greatest(last_event_at, $3) WHERE workspace_id = $1 AND id = $2
"""

_STORE = """
    INSERT INTO inbound_events
        (workspace_id, source_id, received_at, id, event_source, event_id, type, subject, event_time, payload)
    SELECT $1, $2, $3, id, event_source, event_id, type, subject, event_time, payload
    FROM unnest($4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::jsonb[])
         AS fresh (id, event_source, event_id, type, subject, event_time, payload)
    ON CONFLICT (workspace_id, source_id, event_id, event_source) DO NOTHING
    RETURNING id
"""

# The order leads the planner to the index of pending events even when its statistics are from a time when
# most events were pending; it would read the whole table otherwise.
_BACKLOG = """
    SELECT count(*) FROM (
        SELECT FROM inbound_events WHERE workspace_id = $1 AND state = 'pending'
        ORDER BY source_id, id LIMIT $2
    ) AS waiting
"""

_FIRST_PENDING = """
    SELECT id FROM inbound_events WHERE workspace_id = $1 AND source_id = $2 AND state = 'pending'
    ORDER BY id LIMIT 1
"""

_OWN = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))"

_PENDING = """
    SELECT id, event_source, event_id, type, event_time, payload, received_at, attempts FROM inbound_events
    WHERE workspace_id = $1 AND source_id = $2 AND state = 'pending' ORDER BY id LIMIT $3 FOR UPDATE
"""

_NAMESAKES = """
    SELECT mine.id FROM unnest($3::uuid[], $4::text[], $5::text[]) AS mine (id, event_id, event_source)
    WHERE EXISTS (
        SELECT FROM inbound_events AS other
        WHERE other.workspace_id = $1 AND other.source_id = $2 AND other.event_id = mine.event_id
        AND other.event_source <> mine.event_source AND (other.id < mine.id OR other.state = 'applied')
    )
"""

_MARK_APPLIED = """
    UPDATE inbound_events AS event
    SET state = 'applied', contact_id = done.contact_id, finished_at = $2, purge_at = $3
    FROM unnest($4::uuid[], $5::uuid[]) AS done (id, contact_id)
    WHERE event.workspace_id = $1 AND event.id = done.id
"""

_FORGET = """
    UPDATE inbound_events
    SET payload = NULL, subject = NULL, event_time = NULL, purge_at = received_at + $3::interval
    WHERE workspace_id = $1 AND id = ANY ($2::uuid[])
"""

_PARK = """
    UPDATE inbound_events AS event
    SET state = 'parked', reason = parked.reason, problem = parked.problem, finished_at = $2,
        purge_at = event.received_at + $3::interval
    FROM unnest($4::uuid[], $5::text[], $6::jsonb[]) AS parked (id, reason, problem)
    WHERE event.workspace_id = $1 AND event.id = parked.id
"""

_COUNT_ATTEMPT = "UPDATE inbound_events SET attempts = attempts + 1 WHERE workspace_id = $1 AND id = $2"

_REDRIVE = """
    UPDATE inbound_events
    SET state = 'pending', reason = NULL, problem = NULL, attempts = 0, finished_at = NULL, purge_at = NULL
    WHERE workspace_id = $1 AND source_id = $2 AND state = 'parked'
    AND ($3::uuid[] IS NULL OR id = ANY($3::uuid[]))
"""

_DISCARD = """
    UPDATE inbound_events
    SET state = 'discarded', payload = NULL, subject = NULL, problem = NULL, finished_at = $4,
        purge_at = received_at + $5::interval
    WHERE workspace_id = $1 AND source_id = $2 AND id = $3 AND state = 'parked'
"""

_PURGE_ROWS = """
    DELETE FROM inbound_events WHERE workspace_id = $1 AND id IN (
        SELECT id FROM inbound_events
        WHERE workspace_id = $1 AND purge_at <= $2 AND (payload IS NULL OR state = 'parked')
        ORDER BY purge_at LIMIT $3
    )
"""

_PURGE_PAYLOADS = """
    UPDATE inbound_events SET payload = NULL, subject = NULL, purge_at = received_at + $4::interval
    WHERE workspace_id = $1 AND id IN (
        SELECT id FROM inbound_events
        WHERE workspace_id = $1 AND purge_at <= $2 AND payload IS NOT NULL AND state = 'applied'
        ORDER BY purge_at LIMIT $3
    )
"""
