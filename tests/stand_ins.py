"""Stand-ins: small real things in the place of big ones."""

from datetime import UTC, datetime, timedelta


class MovableClock:
    """Tells the real time plus whatever a test added."""

    def __init__(self) -> None:
        self._offset = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def advance(self, **by: float) -> None:
        """`advance(days=2, hours=1)`."""
        self._offset += timedelta(**by)

    def set(self, instant: datetime) -> None:
        self._offset = instant - datetime.now(UTC)

    def reset(self) -> None:
        self._offset = timedelta()
