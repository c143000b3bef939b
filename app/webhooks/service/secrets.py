"""The secrets an endpoint's messages are signed with: newest first, old ones until they expire."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from app.kit.crypto import Cipher


def valid_entries(entries: Sequence[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """Those of an endpoint's stored secrets that still sign."""
    return [
        entry
        for entry in entries
        if entry["expires_at"] is None or datetime.fromisoformat(entry["expires_at"]) > now
    ]


def signing_secrets(entries: Sequence[dict[str, Any]], cipher: Cipher, now: datetime) -> tuple[str, ...]:
    """The secrets to sign with now."""
    return tuple(_opened(cipher, entry["sealed"]) for entry in valid_entries(entries, now))


@lru_cache(maxsize=2000)
def _opened(cipher: Cipher, sealed: str) -> str:
    """Sealing the same secret again gives another text, so what is remembered is never out of date."""
    return cipher.open(sealed)
