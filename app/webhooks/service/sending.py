"""One try: the body, its signature, the POST, and what the outcome means."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from app.kit.clock import Clock
from app.kit.outbound import OutboundAnswer, OutboundClient, OutboundFailure, RefusedAddress
from app.kit.signing import sign
from app.webhooks.repository import Result
from app.webhooks.service.schedule import next_try, parse_retry_after

GONE = 410


@dataclass(frozen=True, slots=True)
class Target:
    """Where an endpoint's messages go, and the secrets that sign them."""

    url: str
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this process may try until its lease ends, and the event it carries.

    `data` is the event's JSON as the database has it, so each try posts the very same bytes. `leased_at` is
    on the event loop's clock.
    """

    delivery_id: UUID
    lease_token: UUID
    tries: int
    workspace_id: UUID
    event_id: UUID
    event_type: str
    version: int
    occurred_at: datetime
    data: str
    probe: bool
    leased_at: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try."""

    claim: Claim
    started_at: datetime
    finished_at: datetime
    duration_ms: float | None = None
    status_code: int | None = None
    error_kind: str | None = None
    error_detail: str | None = None
    answer: bytes = b""
    truncated: bool = False
    retry_after: timedelta | None = None

    @property
    def ok(self) -> bool:
        return self.error_kind is None

    @property
    def says_something(self) -> bool:
        """Whether it tells how the endpoint fares; a try that we cut off ourselves does not."""
        return self.error_kind != "interrupted"

    def result(self) -> Result:
        """What is to be written down."""
        interrupted = self.error_kind == "interrupted"
        return Result(
            delivery_id=self.claim.delivery_id,
            lease_token=self.claim.lease_token,
            # Stopping a process is not the receiver's fault and costs none of its tries.
            tries=self.claim.tries - interrupted,
            due_at=self.finished_at if interrupted else self._next_try(),
            started_at=self.started_at,
            duration_ms=self.duration_ms,
            status_code=self.status_code,
            error_kind=self.error_kind,
            error_detail=self.error_detail,
            answer=self.answer,
            answer_truncated=self.truncated,
        )

    def _next_try(self) -> datetime | None:
        final = self.ok or self.status_code == GONE or self.error_kind == "refused_address"
        return None if final else next_try(self.claim.tries, self.finished_at, self.retry_after)


async def send(claim: Claim, target: Target, outbound: OutboundClient, clock: Clock) -> Outcome:
    """Posts the event once. Never raises for what the receiver does."""
    started = clock.now()
    body = body_of(claim)
    headers = sign(target.secrets, str(claim.event_id), started, body)
    headers["Content-Type"] = "application/json"
    try:
        answer = await outbound.post(target.url, body, headers)
    except RefusedAddress as refusal:
        return Outcome(claim, started, clock.now(), error_kind="refused_address", error_detail=str(refusal))
    except OutboundFailure as failure:
        return Outcome(claim, started, clock.now(), error_kind=failure.kind, error_detail=str(failure))
    return _answered(claim, answer, started, clock.now())


def interrupted(claim: Claim, started: datetime, at: datetime) -> Outcome:
    """A try that this process cut off because it stops."""
    detail = "the try was cut off on our side"
    return Outcome(claim, started, at, error_kind="interrupted", error_detail=detail)


def body_of(claim: Claim) -> bytes:
    """The envelope of an event, as it is posted."""
    envelope: dict[str, Any] = {
        "id": str(claim.event_id),
        "type": claim.event_type,
        "version": claim.version,
        "occurred_at": claim.occurred_at,
        "workspace_id": str(claim.workspace_id),
        "data": orjson.Fragment(claim.data),
    }
    return orjson.dumps(envelope, option=orjson.OPT_UTC_Z)


def _answered(claim: Claim, answer: OutboundAnswer, started: datetime, finished: datetime) -> Outcome:
    kind, detail = _fault(answer.status)
    return Outcome(
        claim,
        started,
        finished,
        duration_ms=answer.duration_ms,
        status_code=answer.status,
        error_kind=kind,
        error_detail=detail,
        answer=answer.body,
        truncated=answer.truncated,
        retry_after=parse_retry_after(answer.headers.get("retry-after"), finished) if kind else None,
    )


def _fault(status: int) -> tuple[str | None, str | None]:
    if 200 <= status < 300:
        return None, None
    if 300 <= status < 400:
        return "redirect", "the answer was a redirect, which is not followed"
    return "status", f"the answer was {status}, only 2xx counts as received"
