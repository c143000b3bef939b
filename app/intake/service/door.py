"""Lets a partner's request in: a known source, a body signed with one of its secrets, within its budget."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.intake.errors import BadSignature
from app.intake.service.sources import unknown_source, working_secrets
from app.kit.crypto import Cipher
from app.kit.database import Database
from app.kit.errors import Problem, RateLimited, Unavailable
from app.kit.rate_limit import RateLimiter
from app.kit.signing import SignatureError, verify

# Looking a source up and decrypting its secrets for each request would cost more than the rest; a secret
# that another process rotated or a source it archived goes on for this long.
REMEMBERED_SECONDS = 2.0
MOST_REMEMBERED = 10_000

_FIND = "SELECT workspace_id, id, key, secrets, archived_at FROM find_source($1)"


@dataclass(frozen=True, slots=True)
class Sender:
    """A source that has proved itself."""

    workspace_id: UUID
    source_id: UUID
    key: str


@dataclass(frozen=True, slots=True)
class _Known:
    sender: Sender
    secrets: list[dict[str, Any]]


class Door:
    """Tells senders by their signature, and remembers their secrets for a moment."""

    def __init__(
        self,
        database: Database,
        cipher: Cipher,
        limiter: RateLimiter,
        *,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._limiter = limiter
        self._tick = tick
        self._remembered: dict[UUID, tuple[_Known, float]] = {}

    async def admit(self, source_id: UUID, headers: Mapping[str, str], body: bytes, address: str) -> Sender:
        """The sender of a request from a network `address`.

        Raises `NotFound` for an unknown or archived source, `BadSignature`, and `RateLimited` for an address
        that was refused too often. A source's own budget is touched by signed requests alone, so that
        nobody else can use it up.
        """
        refusals = ("refused", address)
        allowance = self._limiter.peek(refusals)
        if allowance.retry_after is not None:
            raise _too_often(allowance.headers())
        try:
            known = await self._known(source_id)
            self._verify(known, headers, body)
        except Unavailable:
            raise
        except Problem:
            self._limiter.check(refusals)
            raise
        return known.sender

    def spend(self, sender: Sender) -> dict[str, str]:
        """Takes one request off the source's budget; returns the headers that tell of it."""
        allowance = self._limiter.check(f"source:{sender.source_id}")
        if allowance.retry_after is not None:
            raise _too_often(allowance.headers())
        return allowance.headers()

    def forget(self, source_id: UUID) -> None:
        """The source has changed: the next request sees it as it is now."""
        self._remembered.pop(source_id, None)

    def _verify(self, known: _Known, headers: Mapping[str, str], body: bytes) -> None:
        now = self._database.clock.now()
        secrets = [each["secret"] for each in working_secrets(known.secrets, now)]
        try:
            verify(secrets, headers, body, now=now)
        except SignatureError as error:
            raise BadSignature(
                f"The request is not signed as Standard Webhooks has it: {error}.",
                headers={"WWW-Authenticate": "StandardWebhooks"},
            ) from None

    async def _known(self, source_id: UUID) -> _Known:
        remembered = self._remembered.get(source_id)
        if remembered is not None and remembered[1] > self._tick():
            return remembered[0]
        known = await self._look_up(source_id)
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[source_id] = (known, self._tick() + REMEMBERED_SECONDS)
        return known

    async def _look_up(self, source_id: UUID) -> _Known:
        async with self._database.raw() as connection:
            row = await connection.fetchrow(_FIND, source_id)
        if row is None or row["archived_at"] is not None:
            self.forget(source_id)
            raise unknown_source()
        secrets = [
            {"secret": self._cipher.open(each["sealed"]), "until": each["until"]} for each in row["secrets"]
        ]
        return _Known(Sender(row["workspace_id"], row["id"], row["key"]), secrets)


def _too_often(headers: dict[str, str]) -> RateLimited:
    return RateLimited("There were too many requests. Try again later.", headers=headers)
