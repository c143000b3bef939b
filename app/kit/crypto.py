"""Secrets that must be read again (webhook and source secrets) are encrypted at rest."""

import base64
import os
from collections.abc import Sequence
from pathlib import Path

import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from app.kit.errors import Unavailable

log = structlog.get_logger()


class Cipher:
    """Encrypts with the first key and reads with any of them, so that keys can be rotated."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Each key is base64 of 32 bytes. Raises `ValueError` for one that is not, or for none."""
        if not keys:
            raise ValueError("at least one secret key is needed")
        self._fernet = MultiFernet([Fernet(_urlsafe(key)) for key in keys])

    def seal(self, secret: str) -> str:
        """Tells nobody when, either: the format has a place for the time, which everybody can read."""
        return self._fernet.encrypt_at_time(secret.encode(), 0).decode()

    def open(self, sealed: str) -> str:
        """Raises `Unavailable` when none of the keys opens it, and logs that: only a setting can mend it."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            log.error(
                "secret_key.does_not_fit", advice="add the key it was sealed with to RAPPORT_SECRET_KEY"
            )
            raise Unavailable("A stored secret cannot be read just now; nothing was changed.") from None


def kept_key(path: Path) -> str:
    """The key kept in a file only its owner may read; made there on first use."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = base64.urlsafe_b64encode(os.urandom(32))
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        staged.touch(mode=0o600)
        staged.write_bytes(fresh)
        os.link(staged, path)
    except FileExistsError:
        pass
    finally:
        staged.unlink(missing_ok=True)
    return path.read_text().strip()


def _urlsafe(key: str) -> bytes:
    return key.strip().replace("+", "-").replace("/", "_").encode()
