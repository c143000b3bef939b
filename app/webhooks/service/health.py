"""How an endpoint fares: the circuit breaker, and when it counts as failing or is disabled.

Works on the row alone, so that the rules can be read and tested without a database.
"""

from datetime import datetime, timedelta
from typing import Any

from app.webhooks.models import EndpointRow

WINDOW = timedelta(minutes=5)
SLICE = timedelta(seconds=30)
FEWEST_TRIES = 10
FAILING_SHARE = 0.7
PAUSE = timedelta(seconds=30)

FAILING_AFTER = timedelta(minutes=30)
DISABLED_AFTER = timedelta(days=5)
# Longer than the longest wait between two tries: after such a silence nothing is known, and an endpoint that
# gets an event a month is not disabled by the second failure.
FORGOTTEN_AFTER = timedelta(hours=36)


def note_try(endpoint: EndpointRow, *, ok: bool, at: datetime, probe: bool) -> None:
    """Counts one finished try. `probe` says that it was the one sent to see whether a pause may end."""
    _count(endpoint, ok=ok, at=at)
    if ok:
        _note_success(endpoint, at)
    else:
        _note_failure(endpoint, at)
    if probe:
        _end_pause(endpoint) if ok else _pause(endpoint, at)
    elif endpoint.paused_until is None and _mostly_fails(endpoint.recent_tries):
        _pause(endpoint, at)
    _judge(endpoint, at)


def is_open(endpoint: EndpointRow, now: datetime) -> bool:
    """Whether anything may be sent now."""
    if endpoint.status == "disabled" or endpoint.archived_at is not None:
        return False
    return endpoint.paused_until is None or endpoint.paused_until <= now


def begin_probe(endpoint: EndpointRow, now: datetime) -> None:
    """One try is on its way; until it is back, or lost, there is no other."""
    endpoint.paused_until = now + PAUSE


def disable(endpoint: EndpointRow, reason: str, at: datetime) -> None:
    """Sends nothing any more, until somebody enables it again."""
    endpoint.status = "disabled"
    endpoint.disabled_reason = reason
    endpoint.disabled_at = at


def clear_record(endpoint: EndpointRow) -> None:
    """Forgets all failures, as if the endpoint were new; it stays disabled if it is."""
    endpoint.consecutive_failures = 0
    endpoint.failing_since = None
    _end_pause(endpoint)
    if endpoint.status == "failing":
        endpoint.status = "enabled"


def _note_success(endpoint: EndpointRow, at: datetime) -> None:
    endpoint.last_success_at = at
    endpoint.consecutive_failures = 0
    endpoint.failing_since = None


def _note_failure(endpoint: EndpointRow, at: datetime) -> None:
    previous = endpoint.last_failure_at
    forgotten = previous is not None and at - previous > FORGOTTEN_AFTER
    if endpoint.failing_since is None or forgotten:
        endpoint.failing_since = at
    endpoint.last_failure_at = at
    endpoint.consecutive_failures += 1


def _judge(endpoint: EndpointRow, at: datetime) -> None:
    if endpoint.status == "disabled":
        return
    failing_for = at - endpoint.failing_since if endpoint.failing_since else timedelta()
    if failing_for >= DISABLED_AFTER:
        disable(endpoint, "too_many_failures", at)
    elif endpoint.paused_until is not None or failing_for >= FAILING_AFTER:
        endpoint.status = "failing"
    else:
        endpoint.status = "enabled"


def _pause(endpoint: EndpointRow, at: datetime) -> None:
    endpoint.paused_until = at + PAUSE


def _end_pause(endpoint: EndpointRow) -> None:
    endpoint.paused_until = None
    endpoint.recent_tries = []


def _count(endpoint: EndpointRow, *, ok: bool, at: datetime) -> None:
    """Tries and failures of the last five minutes, in slices of 30 seconds."""
    seconds = int(SLICE.total_seconds())
    slot = int(at.timestamp()) // seconds * seconds
    oldest = at.timestamp() - WINDOW.total_seconds()
    kept: list[dict[str, Any]] = [dict(entry) for entry in endpoint.recent_tries if entry["at"] > oldest]
    current = next((entry for entry in kept if entry["at"] == slot), None)
    if current is None:
        current = {"at": slot, "tries": 0, "failures": 0}
        kept.append(current)
    current["tries"] += 1
    current["failures"] += not ok
    endpoint.recent_tries = kept


def _mostly_fails(recent: list[dict[str, Any]]) -> bool:
    tries: int = sum(entry["tries"] for entry in recent)
    failures: int = sum(entry["failures"] for entry in recent)
    return tries >= FEWEST_TRIES and failures >= FAILING_SHARE * tries
