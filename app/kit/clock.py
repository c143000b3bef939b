"""Time is handed in, never read: whoever needs "now" takes a clock."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

MOST_AHEAD = timedelta(days=1)
"""How far a caller's clock may be ahead of ours."""


class Clock(Protocol):
    """Tells the present instant, timezone-aware and in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)
