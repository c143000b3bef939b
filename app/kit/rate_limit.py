"""Token buckets: how many requests a key or an address may make.

The buckets live in this process, so a budget is per API process: behind N processes a caller gets up to N
times as much. That is enough to keep one caller from starving the rest, and costs no round trip.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple

from app.kit.errors import RateLimited

MOST_SUBJECTS = 100_000


class Allowance(NamedTuple):
    """What a subject has left. A `limit` of 0 means that nothing is limited."""

    limit: int
    remaining: int
    reset_seconds: int
    retry_after: int | None
    window_seconds: int

    def headers(self, policy: str = "default") -> dict[str, str]:
        """The `RateLimit` fields, with `Retry-After` on a refusal; none at all when nothing is limited."""
        if not self.limit:
            return {}
        fields = {
            "RateLimit-Policy": f'"{policy}";q={self.limit};w={self.window_seconds}',
            "RateLimit": f'"{policy}";r={self.remaining};t={self.reset_seconds}',
        }
        if self.retry_after is not None:
            fields["Retry-After"] = str(self.retry_after)
        return fields

    def enforce(self, detail: str) -> None:
        """Raises `RateLimited` with its headers when the budget is used up."""
        if self.retry_after is not None:
            raise RateLimited(detail, headers=self.headers())


UNLIMITED = Allowance(0, 0, 0, None, 0)


class RateLimiter:
    """One bucket per subject: `burst` tokens at most, `per_second` of them come back; 0 turns it off.

    A bucket that has had time to fill up again says no more than none, and is forgotten; beyond
    `most_subjects` the one unused longest goes too, so that memory stays bounded under a flood of addresses.
    """

    def __init__(
        self,
        per_second: float,
        burst: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        most_subjects: int = MOST_SUBJECTS,
    ) -> None:
        self._per_second = per_second
        self._burst = max(burst, 1.0)
        self._clock = clock
        self._most_subjects = most_subjects
        self._seconds_to_fill = self._burst / per_second if per_second > 0 else 0.0
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def check(self, subject: Hashable) -> Allowance:
        """Takes a token, if there is one. A refusal (`retry_after` is set) takes none."""
        return self._take(subject, 1.0)

    def peek(self, subject: Hashable) -> Allowance:
        """The same answer without taking a token: whether `check` would refuse now."""
        return self._take(subject, 0.0)

    def _take(self, subject: Hashable, cost: float) -> Allowance:
        if self._per_second <= 0:
            return UNLIMITED
        now = self._clock()
        tokens, at = self._buckets.get(subject, (self._burst, now))
        tokens = min(self._burst, tokens + max(0.0, now - at) * self._per_second)
        refused = tokens < 1.0
        if not refused:
            tokens -= cost
        if cost:
            self._buckets[subject] = (tokens, now)
            self._buckets.move_to_end(subject)
            self._forget_idle(now)
        return self._allowance(tokens, refused)

    def _allowance(self, tokens: float, refused: bool) -> Allowance:
        missing = self._burst - tokens
        return Allowance(
            limit=int(self._burst),
            remaining=int(tokens),
            reset_seconds=math.ceil(missing / self._per_second),
            retry_after=max(1, math.ceil((1.0 - tokens) / self._per_second)) if refused else None,
            window_seconds=max(1, math.ceil(self._seconds_to_fill)),
        )

    def _forget_idle(self, now: float) -> None:
        """At most two a call: buckets come one at a time, so they go faster than they come."""
        for _ in range(2):
            subject, (_, at) = next(iter(self._buckets.items()))
            if now - at < self._seconds_to_fill and len(self._buckets) <= self._most_subjects:
                return
            del self._buckets[subject]
