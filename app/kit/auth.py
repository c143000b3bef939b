"""API keys: who calls, for which workspace, with which scopes."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import structlog

from app.kit.database import Database
from app.kit.errors import Unauthenticated

log = structlog.get_logger()

KEY_PREFIX = "rpt_"
VISIBLE = 12

# Asking the database for each request would cost a round trip; a revoked key of another process may go on
# for this long, one revoked through this process ends at once.
REMEMBERED_SECONDS = 2.0
MOST_REMEMBERED = 10_000
NOTE_USE_EVERY = timedelta(minutes=1)

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever holds a valid key."""

    workspace_id: UUID
    key_id: UUID
    scopes: frozenset[str]

    @property
    def actor(self) -> str:
        return f"key:{self.key_id}"

    def may(self, scope: str) -> bool:
        """`admin` includes every scope, and `x:write` includes `x:read`."""
        noun, _, verb = scope.partition(":")
        return (
            scope in self.scopes
            or ADMIN in self.scopes
            or (verb == "read" and f"{noun}:write" in self.scopes)
        )


def new_key() -> str:
    """A fresh key: 256 random bits behind a prefix that no scanner takes for another vendor's."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def key_hash(key: str) -> bytes:
    """What is stored of a key. Slow hashing gains nothing on 256 random bits."""
    return hashlib.sha256(key.encode()).digest()


def visible_part(key: str) -> str:
    """What is shown of a key later on."""
    return key[:VISIBLE]


class KeyRing:
    """Tells callers by their key, and remembers them for a moment."""

    def __init__(self, database: Database, *, tick: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._tick = tick
        self._remembered: dict[bytes, tuple[Caller, float]] = {}

    async def caller(self, authorization: str | None) -> Caller:
        """The caller behind an `Authorization` header. Raises `Unauthenticated`."""
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise _refusal("Send the API key as `Authorization: Bearer rpt_…`.")
        digest = key_hash(key.strip())
        remembered = self._remembered.get(digest)
        if remembered is not None and remembered[1] > self._tick():
            return remembered[0]
        caller = await self._look_up(digest)
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[digest] = (caller, self._tick() + REMEMBERED_SECONDS)
        return caller

    def forget(self) -> None:
        """Forgets everybody, so that a key revoked just now is refused by the next request."""
        self._remembered.clear()

    async def _look_up(self, digest: bytes) -> Caller:
        now = self._database.clock.now()
        async with self._database.raw() as connection:
            row = await connection.fetchrow("SELECT * FROM find_api_key($1)", digest)
        # Unknown, revoked and expired keys get one answer, after the same work.
        known = row is not None and hmac.compare_digest(row["key_hash"], digest)
        if row is None or not known or row["revoked_at"] or (row["expires_at"] and row["expires_at"] <= now):
            raise _refusal("The API key is unknown, expired or revoked.")
        caller = Caller(row["workspace_id"], row["id"], frozenset(row["scopes"]))
        if row["last_used_at"] is None or now - row["last_used_at"] > NOTE_USE_EVERY:
            await self._note_use(caller, now)
        return caller

    async def _note_use(self, caller: Caller, now: datetime) -> None:
        """A database that takes no writes still answers reads, so this must not stand in their way."""
        try:
            async with self._database.unit(caller.workspace_id) as unit:
                await unit.connection.execute(_NOTE_USE, caller.workspace_id, caller.key_id, now)
        except asyncpg.ReadOnlySQLTransactionError:
            log.warning("key.use_not_noted", key_id=str(caller.key_id))


_NOTE_USE = "UPDATE api_keys SET last_used_at = $3 WHERE workspace_id = $1 AND id = $2"


def _refusal(detail: str) -> Unauthenticated:
    return Unauthenticated(detail, headers={"WWW-Authenticate": 'Bearer realm="rapport"'})
