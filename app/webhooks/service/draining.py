"""Sends what an endpoint is owed: claim, send with no transaction open, write down, until nothing is due.

While a transaction runs the next messages are on their way, so each one writes down whatever has come back
in the meantime: the faster the receiver, the more tries share a transaction.
"""

import asyncio
from collections import deque
from datetime import datetime
from uuid import UUID

import structlog

from app.kit.resources import Resources
from app.webhooks.service.dispatch import Batch, DispatchService
from app.webhooks.service.sending import Claim, Outcome, Target, interrupted, send

log = structlog.get_logger()

IN_FLIGHT_PER_ENDPOINT = 8
IN_FLIGHT_PER_PROCESS = 256
MOST_CLAIMED = 100
# A message is sent only while its lease is younger than this, so that the answer is back before it ends.
FRESH_SECONDS = 30.0
# A drain goes on for so long and then hands over to a new job: a process that stops waits for its jobs.
DRAIN_SECONDS = 5.0


class Drains:
    """The endpoints that this process is sending to. One per process."""

    def __init__(self) -> None:
        self._running: dict[UUID, Drain] = {}
        self._sockets = asyncio.Semaphore(IN_FLIGHT_PER_PROCESS)

    async def drain(self, resources: Resources, workspace_id: UUID, endpoint_id: UUID) -> None:
        """Sends until nothing is due. While another call does so already, it only makes that look again."""
        running = self._running.get(endpoint_id)
        if running is not None:
            running.look_again()
            return
        drain = Drain(resources, workspace_id, endpoint_id, self._sockets)
        self._running[endpoint_id] = drain
        try:
            await drain.run()
        finally:
            del self._running[endpoint_id]


class Drain:
    """One endpoint's messages on their way."""

    def __init__(
        self, resources: Resources, workspace_id: UUID, endpoint_id: UUID, sockets: asyncio.Semaphore
    ) -> None:
        self._resources = resources
        self._clock = resources.database.clock
        self._workspace_id = workspace_id
        self._endpoint_id = endpoint_id
        self._sockets = sockets
        self._target: Target | None = None
        self._waiting: deque[Claim] = deque()
        self._in_flight: dict[asyncio.Task[Outcome | None], Claim] = {}
        self._started: dict[UUID, datetime] = {}
        self._finished: list[Outcome] = []
        self._failed = False
        self._unsent: list[Claim] = []
        self._progress = asyncio.Event()
        self._again = False
        self._ends_at = asyncio.get_running_loop().time() + DRAIN_SECONDS

    def look_again(self) -> None:
        """Something may have become due since the last look."""
        self._again = True
        self._progress.set()

    async def run(self) -> None:
        """Returns when nothing is due, or after a while; then a new job goes on."""
        try:
            while await self._turn():
                pass
        except BaseException:
            await self._stop()
            raise
        if self._is_late():
            await self._settle(hand_over=True)

    async def _turn(self) -> bool:
        """Writes down and claims, keeps messages on their way; says whether there may be more to do."""
        self._progress.clear()
        self._again = False
        await self._settle()
        self._start_sending()
        if self._finished or self._unsent:
            return True
        if not self._in_flight:
            return self._again and not self._is_late()
        await self._progress.wait()
        return True

    async def _settle(self, *, hand_over: bool = False) -> None:
        if self._is_late():
            self._put_back()
        finished, unsent = len(self._finished), len(self._unsent)
        room = 0 if self._is_late() else MOST_CLAIMED - len(self._waiting)
        async with self._resources.database.unit(self._workspace_id) as unit:
            service = DispatchService(unit, self._resources.cipher)
            batch = await service.settle(
                self._endpoint_id, self._finished[:finished], self._unsent[:unsent], room
            )
            if hand_over:
                service.hand_over(self._endpoint_id)
        # Only what was there when the transaction began; more may have come since.
        del self._finished[:finished], self._unsent[:unsent]
        self._failed = not all(outcome.ok for outcome in self._finished)
        self._take(batch)

    def _take(self, batch: Batch) -> None:
        self._target = batch.target
        self._waiting.extend(batch.claims)
        if batch.target is None:
            self._put_back()

    def _put_back(self) -> None:
        """What has not been sent yet is not going to be; the next settling says so."""
        self._unsent.extend(self._waiting)
        self._waiting.clear()

    def _start_sending(self) -> None:
        """A failure is written down before more is sent, so that the circuit breaker can have its say."""
        if self._is_late() or self._failed:
            return
        while self._waiting and len(self._in_flight) < IN_FLIGHT_PER_ENDPOINT:
            assert self._target is not None
            claim = self._waiting.popleft()
            task = asyncio.create_task(self._send(claim, self._target))
            self._in_flight[task] = claim
            task.add_done_callback(self._sent)

    async def _send(self, claim: Claim, target: Target) -> Outcome | None:
        """None when the lease had become too old before it was this message's turn."""
        async with self._sockets:
            if asyncio.get_running_loop().time() - claim.leased_at > FRESH_SECONDS:
                return None
            self._started[claim.delivery_id] = self._clock.now()
            return await send(claim, target, self._resources.outbound, self._clock)

    def _sent(self, task: "asyncio.Task[Outcome | None]") -> None:
        claim = self._in_flight.pop(task)
        started = self._started.pop(claim.delivery_id, None)
        if started is None:
            self._unsent.append(claim)
        elif task.cancelled():
            self._note(interrupted(claim, started, self._clock.now()))
        elif (fault := task.exception()) is not None:
            # A bug of ours: the lease runs out and the try counts, so that it cannot go on for ever.
            log.error("webhooks.send_failed", delivery_id=str(claim.delivery_id), exc_info=fault)
        elif (outcome := task.result()) is not None:
            self._note(outcome)
        self._start_sending()
        self._progress.set()

    def _note(self, outcome: Outcome) -> None:
        self._finished.append(outcome)
        self._failed = self._failed or not outcome.ok

    async def _stop(self) -> None:
        """The process stops, or the database is away: what was claimed becomes due again at once."""
        self._ends_at = 0
        self._put_back()
        for task in self._in_flight:
            task.cancel()
        await asyncio.gather(*self._in_flight, return_exceptions=True)
        try:
            await self._settle(hand_over=True)
        except Exception as error:
            log.warning("webhooks.leases_kept", error=type(error).__name__)

    def _is_late(self) -> bool:
        return asyncio.get_running_loop().time() >= self._ends_at
