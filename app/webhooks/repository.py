"""All SQL of the webhooks room."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import func, select

from app.kit.database import Unit
from app.kit.ids import new_id
from app.kit.outbox import EventRow, StreamRow
from app.kit.pages import PageRequest, Sorting, SortKey
from app.webhooks.models import AttemptRow, DeliveryRow, EndpointRow

MOST_ATTEMPTS_SHOWN = 50

ENDPOINT_SORTING = Sorting(
    EndpointRow.id,
    {"created_at": SortKey(EndpointRow.created_at, "instant"), "url": SortKey(EndpointRow.url, "text")},
    default="-created_at",
)
DELIVERY_SORTING = Sorting(
    DeliveryRow.id, {"created_at": SortKey(DeliveryRow.created_at, "instant")}, default="-created_at"
)


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """An event that is owed to an endpoint from now on."""

    endpoint_id: UUID
    event_id: UUID
    event_type: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a try changes. `due_at` None ends the delivery, as succeeded when there is no `error_kind`."""

    delivery_id: UUID
    lease_token: UUID
    tries: int
    due_at: datetime | None
    started_at: datetime
    duration_ms: float | None
    status_code: int | None
    error_kind: str | None
    error_detail: str | None
    answer: bytes
    answer_truncated: bool

    @property
    def status(self) -> str:
        if self.error_kind is None:
            return "succeeded"
        return "failed" if self.due_at is None else "pending"


class EndpointRepository:
    """Reads and writes the endpoints of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._session = unit.session
        self._workspace_id = unit.workspace_id

    async def add(self, row: EndpointRow) -> None:
        self._session.add(row)
        await self._session.flush()

    async def get(self, endpoint_id: UUID, *, lock: bool = False) -> EndpointRow | None:
        statement = select(EndpointRow).where(
            EndpointRow.workspace_id == self._workspace_id, EndpointRow.id == endpoint_id
        )
        if lock:
            statement = statement.with_for_update(key_share=True)
        return (await self._session.execute(statement)).scalar_one_or_none()

    async def list(self, page: PageRequest, *, include_archived: bool) -> Sequence[EndpointRow]:
        statement = select(EndpointRow).where(EndpointRow.workspace_id == self._workspace_id)
        if not include_archived:
            statement = statement.where(EndpointRow.archived_at.is_(None))
        return (await self._session.execute(page.apply(statement))).scalars().all()

    async def subscriptions(self) -> Sequence[tuple[UUID, frozenset[str]]]:
        """The endpoints that get events now, and which types; none means all."""
        statement = (
            select(EndpointRow.id, EndpointRow.event_types)
            .where(
                EndpointRow.workspace_id == self._workspace_id,
                EndpointRow.status != "disabled",
                EndpointRow.archived_at.is_(None),
            )
            .order_by(EndpointRow.id)
        )
        return [(row.id, frozenset(row.event_types)) for row in await self._session.execute(statement)]


class DeliveryRepository:
    """Reads and writes deliveries and their tries."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._session = unit.session
        self._connection = unit.connection
        self._workspace_id = unit.workspace_id

    async def add_ping(self, row: DeliveryRow) -> None:
        self._session.add(row)
        await self._session.flush()

    async def add_many(self, new: Sequence[NewDelivery], *, origin: str) -> None:
        """All due at once, in the order given."""
        await self._connection.execute(
            _ADD,
            self._workspace_id,
            origin,
            self._unit.now,
            [new_id() for _ in new],
            [delivery.endpoint_id for delivery in new],
            [delivery.event_id for delivery in new],
            [delivery.event_type for delivery in new],
        )

    async def get(self, delivery_id: UUID, *, lock: bool = False) -> DeliveryRow | None:
        statement = select(DeliveryRow).where(
            DeliveryRow.workspace_id == self._workspace_id, DeliveryRow.id == delivery_id
        )
        if lock:
            statement = statement.with_for_update()
        return (await self._session.execute(statement)).scalar_one_or_none()

    async def list(
        self, endpoint_id: UUID, page: PageRequest, *, status: str | None, event_type: str | None
    ) -> Sequence[DeliveryRow]:
        statement = select(DeliveryRow).where(
            DeliveryRow.workspace_id == self._workspace_id, DeliveryRow.endpoint_id == endpoint_id
        )
        if status is not None:
            statement = statement.where(DeliveryRow.status == status)
        if event_type is not None:
            statement = statement.where(DeliveryRow.event_type == event_type)
        return (await self._session.execute(page.apply(statement))).scalars().all()

    async def attempts(self, delivery_id: UUID) -> Sequence[AttemptRow]:
        """The latest tries, oldest first."""
        statement = (
            select(AttemptRow)
            .where(AttemptRow.workspace_id == self._workspace_id, AttemptRow.delivery_id == delivery_id)
            .order_by(AttemptRow.number.desc())
            .limit(MOST_ATTEMPTS_SHOWN)
        )
        return list(reversed((await self._session.execute(statement)).scalars().all()))

    async def claim(
        self, endpoint_id: UUID, *, token: UUID, until: datetime, limit: int, most_tries: int
    ) -> "Sequence[asyncpg.Record]":
        """Takes due deliveries under a lease and counts the try; what has no try left is given up."""
        rows = await self._connection.fetch(
            _CLAIM, self._workspace_id, endpoint_id, self._unit.now, limit, most_tries, token, until
        )
        return [row for row in rows if row["status"] == "pending"]

    async def apply(self, results: Sequence[Result]) -> set[UUID]:
        """Writes results down; says for which deliveries the lease still held. The others are dropped."""
        rows = await self._connection.fetch(
            _APPLY,
            self._workspace_id,
            self._unit.now,
            [result.delivery_id for result in results],
            [result.lease_token for result in results],
            [result.status for result in results],
            [result.tries for result in results],
            [result.due_at for result in results],
            [result.started_at for result in results],
            [result.duration_ms for result in results],
            [result.status_code for result in results],
            [result.error_kind for result in results],
            [result.error_detail for result in results],
            [result.answer for result in results],
            [result.answer_truncated for result in results],
        )
        return {row["delivery_id"] for row in rows}

    async def release(self, claims: Sequence[tuple[UUID, UUID]]) -> None:
        """Gives back claims (delivery, token) that were never sent: due at once, and no try counted."""
        await self._connection.execute(
            _RELEASE,
            self._workspace_id,
            self._unit.now,
            [delivery_id for delivery_id, _ in claims],
            [token for _, token in claims],
        )

    async def purge(self, endpoint_id: UUID, before: datetime, limit: int) -> int:
        """Removes the oldest deliveries and their tries; returns how many."""
        gone: int = await self._connection.fetchval(_PURGE, self._workspace_id, endpoint_id, before, limit)
        return gone


class FeedRepository:
    """Reads the numbered events of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._session = unit.session
        self._workspace_id = unit.workspace_id

    async def last_sequence(self) -> int:
        """Every event up to this number is visible: numbers are given in commit order."""
        statement = select(StreamRow.last_sequence).where(StreamRow.workspace_id == self._workspace_id)
        return (await self._session.execute(statement)).scalar_one_or_none() or 0

    async def between(self, after: int, last: int, types: Sequence[str], limit: int) -> Sequence[EventRow]:
        """Events numbered after the one and up to the other, of these types or of all."""
        statement = select(EventRow).where(
            EventRow.workspace_id == self._workspace_id, EventRow.sequence > after, EventRow.sequence <= last
        )
        if types:
            statement = statement.where(EventRow.type.in_(types))
        statement = statement.order_by(EventRow.sequence).limit(limit)
        return (await self._session.execute(statement)).scalars().all()

    async def count(self, since: datetime, until: datetime, types: Sequence[str]) -> int:
        statement = select(func.count()).select_from(EventRow).where(*self._happened(since, until, types))
        return (await self._session.execute(statement)).scalar_one()

    async def happened(
        self, since: datetime, until: datetime, types: Sequence[str]
    ) -> Sequence[tuple[UUID, str]]:
        """Id and type of events that happened within a time, in commit order."""
        statement = (
            select(EventRow.id, EventRow.type)
            .where(*self._happened(since, until, types))
            .order_by(EventRow.sequence)
        )
        return [(row.id, row.type) for row in await self._session.execute(statement)]

    def _happened(self, since: datetime, until: datetime, types: Sequence[str]) -> list[Any]:
        conditions = [
            EventRow.workspace_id == self._workspace_id,
            EventRow.occurred_at >= since,
            EventRow.occurred_at < until,
            EventRow.sequence.is_not(None),
        ]
        return [*conditions, EventRow.type.in_(types)] if types else conditions


_ADD = """
    INSERT INTO webhook_deliveries
        (workspace_id, origin, status, tries, attempt_count, due_at, created_at,
         id, endpoint_id, event_id, event_type)
    SELECT $1, $2, 'pending', 0, 0, $3, $3, id, endpoint_id, event_id, event_type
    FROM unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::text[])
         AS new (id, endpoint_id, event_id, event_type)
"""

# A due row that still has a lease token was being tried by a process that died: that try goes into the log
# here, and was counted when it began.
_CLAIM = """
    WITH due AS (
        SELECT id, tries, attempt_count, lease_token, claimed_at FROM webhook_deliveries
        WHERE workspace_id = $1 AND endpoint_id = $2 AND status = 'pending' AND due_at <= $3
        ORDER BY due_at, id LIMIT $4 FOR UPDATE SKIP LOCKED
    ), lost AS (
        INSERT INTO webhook_attempts
            (workspace_id, delivery_id, number, started_at, error_kind, error_detail,
             answer, answer_truncated)
        SELECT $1, id, attempt_count, claimed_at, 'interrupted', 'the try was cut off on our side',
               ''::bytea, false
        FROM due WHERE lease_token IS NOT NULL
    ), claimed AS (
        UPDATE webhook_deliveries AS d SET
            status = CASE WHEN due.tries < $5 THEN 'pending' ELSE 'failed' END,
            tries = CASE WHEN due.tries < $5 THEN due.tries + 1 ELSE due.tries END,
            attempt_count = CASE WHEN due.tries < $5 THEN due.attempt_count + 1 ELSE due.attempt_count END,
            lease_token = CASE WHEN due.tries < $5 THEN $6::uuid END,
            claimed_at = CASE WHEN due.tries < $5 THEN $3::timestamptz END,
            due_at = CASE WHEN due.tries < $5 THEN $7::timestamptz END,
            finished_at = CASE WHEN due.tries < $5 THEN NULL ELSE $3::timestamptz END,
            last_error_kind = CASE WHEN due.lease_token IS NULL THEN d.last_error_kind ELSE 'interrupted' END
        FROM due WHERE d.workspace_id = $1 AND d.id = due.id
        RETURNING d.id, d.event_id, d.event_type, d.status, d.tries, d.created_at, d.data
    )
    SELECT c.id, c.event_id, c.event_type, c.status, c.tries,
           coalesce(e.version, 1) AS version,
           coalesce(e.occurred_at, c.created_at) AS occurred_at,
           coalesce(c.data, e.data, '{}')::text AS data
    FROM claimed AS c LEFT JOIN events AS e ON e.workspace_id = $1 AND e.id = c.event_id
    ORDER BY c.id
"""

_APPLY = """
    WITH result AS (
        SELECT * FROM unnest(
            $3::uuid[], $4::uuid[], $5::text[], $6::int[], $7::timestamptz[], $8::timestamptz[], $9::float8[],
            $10::int[], $11::text[], $12::text[], $13::bytea[], $14::bool[]
        ) AS r (id, token, status, tries, due_at, started_at, duration_ms,
                status_code, error_kind, error_detail, answer, truncated)
    ), applied AS (
        UPDATE webhook_deliveries AS d SET
            status = r.status, tries = r.tries, due_at = r.due_at, lease_token = NULL, claimed_at = NULL,
            last_status_code = r.status_code, last_error_kind = r.error_kind,
            finished_at = CASE WHEN r.status = 'pending' THEN NULL ELSE $2::timestamptz END
        FROM result AS r
        WHERE d.workspace_id = $1 AND d.id = r.id AND d.lease_token = r.token
        RETURNING d.id, d.attempt_count, r.started_at, r.duration_ms, r.status_code, r.error_kind,
                  r.error_detail, r.answer, r.truncated
    )
    INSERT INTO webhook_attempts
        (workspace_id, delivery_id, number, started_at, duration_ms, status_code, error_kind,
         error_detail, answer, answer_truncated)
    SELECT $1, id, attempt_count, started_at, duration_ms, status_code, error_kind,
           error_detail, answer, truncated
    FROM applied RETURNING delivery_id
"""

_RELEASE = """
    UPDATE webhook_deliveries AS d SET
        due_at = $2, lease_token = NULL, claimed_at = NULL,
        tries = d.tries - 1, attempt_count = d.attempt_count - 1
    FROM unnest($3::uuid[], $4::uuid[]) AS r (id, token)
    WHERE d.workspace_id = $1 AND d.id = r.id AND d.lease_token = r.token
"""

_PURGE = """
    WITH old AS (
        SELECT id FROM webhook_deliveries
        WHERE workspace_id = $1 AND endpoint_id = $2 AND created_at < $3 ORDER BY created_at LIMIT $4
    ), tries AS (
        DELETE FROM webhook_attempts WHERE workspace_id = $1 AND delivery_id IN (SELECT id FROM old)
    ), gone AS (
        DELETE FROM webhook_deliveries WHERE workspace_id = $1 AND id IN (SELECT id FROM old) RETURNING 1
    )
    SELECT count(*) FROM gone
"""
