"""Identifiers: UUIDv7, made by the app so that any PostgreSQL from 15 on will do."""

from uuid import UUID, uuid4

import uuid_utils


def new_id() -> UUID:
    """A fresh UUIDv7: unique everywhere, ascending in time."""
    return UUID(int=uuid_utils.uuid7().int)


def random_id() -> UUID:
    """A fresh UUIDv4, for what must not tell when it was made."""
    return uuid4()
