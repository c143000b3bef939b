"""Idempotency-Key: the answer is stored in the same transaction as the effect.

So a key is either not there, and then nothing happened, or there with the answer. A 5xx and a refusal roll
back and store nothing: the retry is executed. Keys belong to a workspace and an operation (method and
path), and live for 24 hours.

Of a *sealed* answer nothing can be read without the key of the process: neither headers and body, nor the
fingerprint, by which the request could be guessed; and its only time is a day, whose end its 24 hours count
from.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Index, LargeBinary, PrimaryKeyConstraint, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.crypto import Cipher
from app.kit.database import Base, Unit
from app.kit.errors import Conflict, Invalid
from app.kit.personal_data import NOT_PERSONAL

KEPT = timedelta(hours=24)
LONGEST = 255


PURGE_JOB = "idempotency.purge"


class IdempotencyRow(Base):
    """The stored answer to one keyed request."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "operation", "key"),
        Index("ix_idempotency_keys_created_at", "workspace_id", "created_at"),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    operation: Mapped[str]
    key: Mapped[str]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    sealed: Mapped[bool]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with."""

    status: int
    headers: dict[str, str]
    body: bytes


class RequestInProgress(Conflict):
    """Another request with the same key has not finished yet."""

    slug = "idempotency-in-progress"
    title = "A request with this Idempotency-Key is still running"


class KeyReused(Invalid):
    """The key was used before with another body."""

    slug = "idempotency-key-reused"
    title = "The Idempotency-Key belongs to another request"


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A keyed request: where it goes, its key and a fingerprint of its body."""

    operation: str
    key: str
    fingerprint: bytes
    cipher: Cipher

    @classmethod
    def of(
        cls, key: str, cipher: Cipher, *, method: str, path: str, query: str, body: bytes
    ) -> "IdempotentRequest":
        """Raises `Invalid` for a key that is empty, longer than 255 characters or not printable ASCII."""
        bare = key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key
        if not 0 < len(bare) <= LONGEST or not (bare.isascii() and bare.isprintable()):
            raise Invalid.at(
                "Idempotency-Key", f"must be 1 to {LONGEST} printable ASCII characters", "bad_key"
            )
        digest = hashlib.sha256(query.encode() + b"\x00" + _canonical(body)).digest()
        return cls(f"{method} {path}", bare, digest, cipher)

    async def stored_answer(self, unit: Unit) -> Answer | None:
        """The answer given before, or None; then this request holds the key until its unit ends."""
        free = await unit.connection.fetchval(_LOCK, f"{unit.workspace_id}/{self.operation}/{self.key}")
        if not free:
            raise self._in_progress()
        row = await unit.connection.fetchrow(
            _FIND, unit.workspace_id, self.operation, self.key, unit.now - KEPT
        )
        if row is None:
            return None
        fingerprint, answer = self._opened(row) if row["sealed"] else _readable(row)
        if fingerprint != self.fingerprint:
            raise KeyReused("This key was sent before with another body. Use a new key for a new request.")
        answer.headers["Idempotent-Replayed"] = "true"
        return answer

    async def store(self, unit: Unit, answer: Answer, *, sealed: bool) -> None:
        """Keeps the answer; `sealed` if it shows a secret, or nobody may learn what was said and when."""
        kept = self._sealed(answer) if sealed else answer
        await unit.connection.execute(
            _STORE,
            unit.workspace_id,
            self.operation,
            self.key,
            b"" if sealed else self.fingerprint,
            _end_of_day(unit.now) if sealed else unit.now,
            kept.status,
            orjson.dumps(kept.headers).decode(),
            kept.body,
            sealed,
        )

    def _sealed(self, answer: Answer) -> Answer:
        kept = {
            "fingerprint": self.fingerprint.hex(),
            "headers": answer.headers,
            "body": answer.body.decode(),
        }
        return Answer(answer.status, {}, self.cipher.seal(orjson.dumps(kept).decode()).encode())

    def _opened(self, row: Any) -> tuple[bytes, Answer]:
        opened = self.cipher.open(row["body"].decode())
        if row["fingerprint"]:
            # From the day before an upgrade, when the body alone was sealed.
            return row["fingerprint"], Answer(row["status"], row["headers"], opened.encode())
        kept = orjson.loads(opened)
        answer = Answer(row["status"], kept["headers"], kept["body"].encode())
        return bytes.fromhex(kept["fingerprint"]), answer

    def _in_progress(self) -> RequestInProgress:
        return RequestInProgress("Wait for it to finish, then send this again.", headers={"Retry-After": "1"})


async def purge(unit: Unit) -> None:
    """Forgets answers older than 24 hours."""
    await unit.connection.execute(_PURGE, unit.workspace_id, unit.now - KEPT)


def _end_of_day(instant: datetime) -> datetime:
    return datetime.combine(instant.astimezone(UTC).date() + timedelta(days=1), time(), UTC)


def _readable(row: Any) -> tuple[bytes, Answer]:
    return row["fingerprint"], Answer(row["status"], row["headers"], row["body"])


def _canonical(body: bytes) -> bytes:
    """JSON with its keys in order, so that a client may serialise its retry anew."""
    try:
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    except orjson.JSONDecodeError:
        return body


# A second request with the key must not wait for the first on the unique index, holding a connection.
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))"

_FIND = """
    SELECT fingerprint, status, headers, body, sealed FROM idempotency_keys
    WHERE workspace_id = $1 AND operation = $2 AND key = $3 AND created_at > $4
"""

_PURGE = "DELETE FROM idempotency_keys WHERE workspace_id = $1 AND created_at <= $2"

_STORE = """
    INSERT INTO idempotency_keys
        (workspace_id, operation, key, fingerprint, created_at, status, headers, body, sealed)
    VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9)
    ON CONFLICT (workspace_id, operation, key) DO UPDATE SET
        fingerprint = excluded.fingerprint, created_at = excluded.created_at,
        status = excluded.status, headers = excluded.headers, body = excluded.body, sealed = excluded.sealed
"""
