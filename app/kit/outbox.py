"""Events: facts that are rows in the same transaction as the change they tell of.

A relay job numbers the events that have become visible and hands them, in that order, to every consumer.
The numbers are given under a lock after the commit, so whoever reads "all after number n" never misses an
event of a transaction that was slow to commit; a serial filled at insert time would not give that. Each
consumer keeps its own position and moves it in the same transaction as its effects: a crash repeats or
skips nothing, and a consumer that fails holds up nobody else.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from pydantic import BaseModel
from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.database import Base, Database, Unit
from app.kit.ids import new_id, random_id
from app.kit.jobs import Job, enqueue
from app.kit.personal_data import NOT_PERSONAL, personal

log = structlog.get_logger()

RELAY_JOB = "events.relay"
BATCH = 500
NUMBERED_AT_ONCE = 5_000


class EventRow(Base):
    """An event. `sequence` is null until the relay has numbered it."""

    __tablename__ = "events"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        Index("ix_events_unnumbered", "workspace_id", postgresql_where=text("sequence IS NULL")),
        Index("uq_events_sequence", "workspace_id", "sequence", unique=True),
        Index("ix_events_subject", "workspace_id", "subject_id"),
        Index("ix_events_occurred_at", "workspace_id", "occurred_at"),
        {"info": personal("subject_id", on_merge="keep", on_export="skip", on_erase="redact")},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    type: Mapped[str]
    version: Mapped[int]
    occurred_at: Mapped[datetime]
    subject_id: Mapped[UUID | None]
    actor: Mapped[str]
    data: Mapped[dict[str, Any]]
    xid: Mapped[int] = mapped_column(BigInteger, server_default=text("(pg_current_xact_id()::text)::bigint"))
    sequence: Mapped[int | None] = mapped_column(BigInteger)


class StreamRow(Base):
    """How far a workspace's events are numbered."""

    __tablename__ = "event_streams"
    __table_args__ = (PrimaryKeyConstraint("workspace_id"), {"info": NOT_PERSONAL})

    workspace_id: Mapped[UUID]
    last_sequence: Mapped[int] = mapped_column(BigInteger)


class CursorRow(Base):
    """How far a consumer has come in a workspace's events."""

    __tablename__ = "event_cursors"
    __table_args__ = (PrimaryKeyConstraint("workspace_id", "consumer"), {"info": NOT_PERSONAL})

    workspace_id: Mapped[UUID]
    consumer: Mapped[str]
    position: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class EventType:
    """An entry of the event catalogue: a past-tense name, and the shape of its `data`."""

    name: str
    data: type[BaseModel]
    description: str
    version: int = 1

    def envelope_schema(self) -> dict[str, Any]:
        """The JSON Schema of a webhook's body; its `data` is a reference into the components."""
        return {
            "type": "object",
            "required": ["id", "type", "version", "occurred_at", "workspace_id", "data"],
            "properties": {
                "id": {"type": "string", "format": "uuid", "description": "The event's id."},
                "type": {"const": self.name, "description": "What happened."},
                "version": {"const": self.version, "description": "The version of `data`'s shape."},
                "occurred_at": {"type": "string", "format": "date-time", "description": "When it happened."},
                "workspace_id": {"type": "string", "format": "uuid", "description": "Whose event it is."},
                "data": {"$ref": f"#/components/schemas/{self.data.__name__}"},
            },
        }


@dataclass(frozen=True, slots=True)
class Event:
    """A numbered event, as consumers get it."""

    id: UUID
    type: str
    version: int
    occurred_at: datetime
    subject_id: UUID | None
    data: dict[str, Any]
    sequence: int


class _Pending(NamedTuple):
    id: UUID
    type: EventType
    subject_id: UUID | None
    data: bytes
    blurred_to: datetime | None


def emit(
    unit: Unit,
    event_type: EventType,
    data: BaseModel,
    *,
    subject_id: UUID | None = None,
    blurred_to: datetime | None = None,
) -> UUID:
    """Records that something happened, if and only if the unit commits. Returns the event's id.

    `subject_id` is the contact the event is about, where it is about one: erasing finds it by that.
    `blurred_to` is for what must not be traced to its transaction: the event says that it occurred at that
    instant, its id is random, and it is numbered before others that wait.
    """
    return emit_raw(
        unit, event_type, data.model_dump_json().encode(), subject_id=subject_id, blurred_to=blurred_to
    )


def emit_raw(
    unit: Unit,
    event_type: EventType,
    data: bytes,
    *,
    subject_id: UUID | None = None,
    blurred_to: datetime | None = None,
) -> UUID:
    """As `emit`, for data that is JSON already: in a batch of a thousand, models take most of the time."""
    event_id = new_id() if blurred_to is None else random_id()
    unit.pending_events.append(_Pending(event_id, event_type, subject_id, data, blurred_to))
    return event_id


async def flush_events(unit: Unit) -> None:
    """Writes the unit's events and asks for one relay, inside its transaction. Runs before the commit."""
    pending: list[_Pending] = unit.pending_events
    if not pending:
        return
    await unit.connection.execute(
        _INSERT,
        unit.workspace_id,
        unit.now,
        unit.actor,
        [event.id for event in pending],
        [event.type.name for event in pending],
        [event.type.version for event in pending],
        [event.subject_id for event in pending],
        [event.data.decode() for event in pending],
        [event.blurred_to for event in pending],
    )
    pending.clear()
    enqueue(unit, RELAY_JOB)


# The number of its transaction would lead from a blurred event to everything else that one wrote.
_INSERT = """
    INSERT INTO events (workspace_id, occurred_at, actor, id, type, version, subject_id, data, xid)
    SELECT $1, coalesce(blurred_to, $2), $3, id, type, version, subject_id, data,
        CASE WHEN blurred_to IS NULL THEN (pg_current_xact_id()::text)::bigint ELSE 0 END
    FROM unnest($4::uuid[], $5::text[], $6::int[], $7::uuid[], $8::jsonb[], $9::timestamptz[])
         AS pending (id, type, version, subject_id, data, blurred_to)
"""

_LOCK_STREAM = """
    INSERT INTO event_streams (workspace_id, last_sequence) VALUES ($1, 0)
    ON CONFLICT (workspace_id) DO UPDATE SET last_sequence = event_streams.last_sequence
    RETURNING last_sequence
"""

# A transaction gets its id when it first writes, so one that began after another had committed has the
# higher id: (xid, id) is an order in which no effect stands before its cause.
_NUMBER = """
    WITH fresh AS (
        SELECT id, row_number() OVER (ORDER BY xid, id) AS place
        FROM events WHERE workspace_id = $1 AND sequence IS NULL
        ORDER BY xid, id LIMIT $3
    ), numbered AS (
        UPDATE events SET sequence = $2 + fresh.place
        FROM fresh WHERE events.workspace_id = $1 AND events.id = fresh.id
        RETURNING events.sequence
    )
    UPDATE event_streams
    SET last_sequence = coalesce((SELECT max(sequence) FROM numbered), last_sequence)
    WHERE workspace_id = $1 RETURNING last_sequence
"""

# Every consumer has its cursor from the first event on: one that fails at once must be seen to be behind.
_ENSURE_CURSORS = """
    INSERT INTO event_cursors (workspace_id, consumer, position)
    SELECT $1, consumer, 0 FROM unnest($2::text[]) AS consumer
    ON CONFLICT DO NOTHING
"""

_LOCK_CURSOR = "SELECT position FROM event_cursors WHERE workspace_id = $1 AND consumer = $2 FOR UPDATE"

_NEXT = """
    SELECT id, type, version, occurred_at, subject_id, data, sequence
    FROM events WHERE workspace_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
"""

_MOVE_CURSOR = "UPDATE event_cursors SET position = $3 WHERE workspace_id = $1 AND consumer = $2"


@dataclass(frozen=True, slots=True)
class Consumer:
    """Somebody who reacts to events. `types` None means all; `handle` gets them in order, at once.

    A consumer's name is stored with its position: it is never changed.
    """

    name: str
    handle: Callable[[Unit, Sequence[Event]], Awaitable[None]]
    types: frozenset[str] | None = None


class Relay:
    """Numbers a workspace's new events and hands them to the consumers."""

    def __init__(self, database: Database, consumers: Sequence[Consumer]) -> None:
        self.database = database
        self.consumers = tuple(consumers)

    async def run(self, job: Job) -> None:
        """Brings every consumer up to date. One that fails is logged and tried again by the sweeper."""
        while await self._number(job.workspace_id):
            pass
        for consumer in self.consumers:
            try:
                while await self._advance(job.workspace_id, consumer):
                    pass
            except Exception:
                log.exception("events.consumer_failed", consumer=consumer.name)

    async def _number(self, workspace_id: UUID) -> bool:
        """Numbers a portion of the new events; says whether more may follow."""
        async with self.database.unit(workspace_id) as unit:
            last = await unit.connection.fetchval(_LOCK_STREAM, workspace_id)
            end = await unit.connection.fetchval(_NUMBER, workspace_id, last, NUMBERED_AT_ONCE)
            names = [consumer.name for consumer in self.consumers]
            await unit.connection.execute(_ENSURE_CURSORS, workspace_id, names)
        return bool(end - last == NUMBERED_AT_ONCE)

    async def _advance(self, workspace_id: UUID, consumer: Consumer) -> bool:
        """Hands over one batch; says whether more may follow."""
        async with self.database.unit(workspace_id) as unit:
            position = await unit.connection.fetchval(_LOCK_CURSOR, workspace_id, consumer.name)
            rows = await unit.connection.fetch(_NEXT, workspace_id, position, BATCH)
            if not rows:
                return False
            events = [_event(row) for row in rows if consumer.types is None or row["type"] in consumer.types]
            if events:
                await consumer.handle(unit, events)
            await unit.connection.execute(_MOVE_CURSOR, workspace_id, consumer.name, rows[-1]["sequence"])
        return len(rows) == BATCH


def _event(row: Any) -> Event:
    return Event(
        id=row["id"],
        type=row["type"],
        version=row["version"],
        occurred_at=row["occurred_at"],
        subject_id=row["subject_id"],
        data=row["data"],
        sequence=row["sequence"],
    )
