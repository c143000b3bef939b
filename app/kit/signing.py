"""Standard Webhooks signatures: HMAC-SHA256 over `id.timestamp.body`, several secrets while rotating.

What arrives in `verify` is hostile until it has passed, so whatever the headers or the body hold, it
ends in the message id or in a `SignatureError`.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets as random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"

SECRET_PREFIX = "whsec_"  # noqa: S105 - a public prefix
NEW_SECRET_BYTES = 32
SECRET_BYTES = range(24, 64 + 1)
# Rotation needs two, the largest senders use a dozen; more is someone making us work.
MOST_SIGNATURES = 32

Reason = Literal["missing_header", "bad_timestamp", "too_old", "too_new", "no_match"]

_EXPLANATIONS: dict[Reason, str] = {
    "missing_header": f"{ID_HEADER}, {TIMESTAMP_HEADER} and {SIGNATURE_HEADER} are all needed, "
    "the id in at most 256 visible ASCII characters without a dot",
    "bad_timestamp": f"{TIMESTAMP_HEADER} is not a whole number of seconds since 1970",
    "too_old": f"{TIMESTAMP_HEADER} lies too far in the past",
    "too_new": f"{TIMESTAMP_HEADER} lies too far in the future",
    "no_match": "no signature matches",
}

# The dot separates id, timestamp and body in what is signed: with one in the id, two different
# messages could share a signature.
_MESSAGE_ID = re.compile(r"[!-\-/-~]{1,256}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class SignatureError(Exception):
    """A message that is not to be trusted. Its text is safe to show: no secret and none of the input."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(_EXPLANATIONS[reason])
        self.reason: Reason = reason


def new_secret() -> str:
    """A fresh signing secret: `whsec_` and the base64 of 32 random bytes."""
    return SECRET_PREFIX + base64.b64encode(random.token_bytes(NEW_SECRET_BYTES)).decode()


def parse_secret(secret: str) -> bytes:
    """The key inside a secret. ValueError unless it is `whsec_` and the base64 of 24 to 64 bytes."""
    try:
        key = base64.b64decode(_without_prefix(secret), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in SECRET_BYTES:
        raise ValueError("a signing secret is whsec_ followed by the base64 of 24 to 64 bytes")
    return key


def sign(secrets: Sequence[str], message_id: str, timestamp: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a message, one signature for each secret.

    ValueError for no secrets or bad ones, an id with a dot or outside visible ASCII, a timestamp
    without a zone.
    """
    if not secrets:
        raise ValueError("at least one secret is needed to sign")
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError("a message id is 1 to 256 visible ASCII characters without a dot")
    if timestamp.tzinfo is None:
        raise ValueError("the timestamp needs a time zone")
    seconds = str(int(timestamp.timestamp()))
    return {
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: seconds,
        SIGNATURE_HEADER: " ".join(_signature(secret, message_id, seconds, body) for secret in secrets),
    }


def verify(
    secrets: Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    tolerance: timedelta = timedelta(minutes=5),
) -> str:
    """The message id, once any of the secrets matches any of the signatures.

    Header names count in any case. SignatureError for whatever is wrong with headers or body;
    ValueError only for a secret of ours that is not one.
    """
    message_id, timestamp, signatures = _required_headers(headers)
    _check_age(timestamp, now, tolerance)
    expected = [_signature(secret, message_id, timestamp, body).encode() for secret in secrets]
    given = [
        token.encode(errors="replace") for token in signatures.split(" ", MOST_SIGNATURES)[:MOST_SIGNATURES]
    ]
    if not any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in given):
        raise SignatureError("no_match")
    return message_id


def _without_prefix(secret: str) -> str:
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError("no prefix")
    return secret.removeprefix(SECRET_PREFIX)


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.digest(parse_secret(secret), signed, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def _required_headers(headers: Mapping[str, str]) -> tuple[str, str, str]:
    lowered = {name.lower(): value for name, value in headers.items()}
    message_id = lowered.get(ID_HEADER, "")
    timestamp = lowered.get(TIMESTAMP_HEADER, "")
    signatures = lowered.get(SIGNATURE_HEADER, "")
    if not (_MESSAGE_ID.fullmatch(message_id) and timestamp and signatures):
        raise SignatureError("missing_header")
    return message_id, timestamp, signatures


def _check_age(timestamp: str, now: datetime, tolerance: timedelta) -> None:
    if not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureError("bad_timestamp")
    age = now.timestamp() - int(timestamp)
    if age > tolerance.total_seconds():
        raise SignatureError("too_old")
    if age < -tolerance.total_seconds():
        raise SignatureError("too_new")
