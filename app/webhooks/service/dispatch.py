"""The bookkeeping between tries: what came back is written down and more is claimed, in one transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg

from app.kit.crypto import Cipher
from app.kit.database import Unit
from app.kit.ids import new_id
from app.kit.jobs import enqueue
from app.kit.outbox import emit
from app.webhooks.events import DISABLED, FAILING
from app.webhooks.models import EndpointRow
from app.webhooks.repository import DeliveryRepository, EndpointRepository
from app.webhooks.schemas import EndpointDisabled, EndpointFailing, WebhookEndpoint
from app.webhooks.service.deliveries import DELIVER_JOB
from app.webhooks.service.health import begin_probe, disable, is_open, note_try
from app.webhooks.service.schedule import MOST_TRIES
from app.webhooks.service.secrets import signing_secrets
from app.webhooks.service.sending import GONE, Claim, Outcome, Target

LEASE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Batch:
    """What may be sent next. `target` is None when nothing may: disabled, archived, or paused."""

    target: Target | None
    claims: Sequence[Claim] = ()


class DispatchService:
    """One step of draining an endpoint."""

    def __init__(self, unit: Unit, cipher: Cipher) -> None:
        self.unit = unit
        self.cipher = cipher
        self.repository = DeliveryRepository(unit)

    async def settle(
        self, endpoint_id: UUID, outcomes: Sequence[Outcome], unsent: Sequence[Claim], room: int
    ) -> Batch:
        """Writes outcomes down, gives unsent claims back, and claims up to `room` new ones."""
        endpoint = await EndpointRepository(self.unit).get(endpoint_id, lock=True)
        if endpoint is None:
            return Batch(None)
        if unsent:
            await self.repository.release([(claim.delivery_id, claim.lease_token) for claim in unsent])
        if outcomes:
            applied = await self.repository.apply([outcome.result() for outcome in outcomes])
            self._note(endpoint, [o for o in outcomes if o.claim.delivery_id in applied and o.says_something])
        return await self._claim(endpoint, room)

    def hand_over(self, endpoint_id: UUID) -> None:
        """Asks for another job to go on where this one leaves off."""
        enqueue(self.unit, DELIVER_JOB, endpoint_id)

    def _note(self, endpoint: EndpointRow, outcomes: Sequence[Outcome]) -> None:
        before = endpoint.status
        for outcome in outcomes:
            note_try(endpoint, ok=outcome.ok, at=outcome.finished_at, probe=outcome.claim.probe)
            if outcome.status_code == GONE and endpoint.status != "disabled":
                disable(endpoint, "gone", outcome.finished_at)
        if endpoint.status != before:
            self._announce(endpoint)

    def _announce(self, endpoint: EndpointRow) -> None:
        endpoint.version += 1
        endpoint.updated_at = self.unit.now
        shown = WebhookEndpoint.model_validate(endpoint)
        if endpoint.status == "failing":
            emit(self.unit, FAILING, EndpointFailing(endpoint=shown))
        if shown.disabled_reason is not None:
            emit(self.unit, DISABLED, EndpointDisabled(endpoint=shown, reason=shown.disabled_reason))

    async def _claim(self, endpoint: EndpointRow, room: int) -> Batch:
        if not is_open(endpoint, self.unit.now):
            return Batch(None)
        target = Target(endpoint.url, signing_secrets(endpoint.secrets, self.cipher, self.unit.now))
        if room <= 0:
            return Batch(target)
        probe = endpoint.paused_until is not None
        token = new_id()
        rows = await self.repository.claim(
            endpoint.id,
            token=token,
            until=self.unit.now + LEASE,
            limit=1 if probe else room,
            most_tries=MOST_TRIES,
        )
        if probe and rows:
            begin_probe(endpoint, self.unit.now)
        leased_at = asyncio.get_running_loop().time()
        return Batch(target, [_claim(row, self.unit.workspace_id, token, probe, leased_at) for row in rows])


def _claim(row: "asyncpg.Record", workspace_id: UUID, token: UUID, probe: bool, leased_at: float) -> Claim:
    return Claim(
        delivery_id=row["id"],
        lease_token=token,
        tries=row["tries"],
        workspace_id=workspace_id,
        event_id=row["event_id"],
        event_type=row["event_type"],
        version=row["version"],
        occurred_at=row["occurred_at"],
        data=row["data"],
        probe=probe,
        leased_at=leased_at,
    )
