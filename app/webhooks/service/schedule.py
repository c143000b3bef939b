"""When a delivery is tried again."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
MOST_TRIES = len(DELAYS) + 1
MOST_JITTER = 0.2
LONGEST_RETRY_AFTER = timedelta(hours=24)


def next_try(tries: int, failed_at: datetime, retry_after: timedelta | None = None) -> datetime | None:
    """The instant of the next try after `tries` failed ones, or None when that was the last.

    Up to 20 % are added by chance, so that what failed together does not come back together. What the
    receiver asked for counts when it is later.
    """
    if tries >= MOST_TRIES:
        return None
    jittered = DELAYS[tries - 1] * (1 + random.uniform(0, MOST_JITTER))  # noqa: S311 - no secret
    return failed_at + max(jittered, retry_after or timedelta())


def parse_retry_after(header: str | None, now: datetime) -> timedelta | None:
    """What a `Retry-After` asks for, at most a day; None when it is absent or makes no sense."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST_RETRY_AFTER)
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return max(timedelta(), min(instant - now, LONGEST_RETRY_AFTER))
