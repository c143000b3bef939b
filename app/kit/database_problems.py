"""What a database error means to the caller: one table from SQLSTATE to problem.

Works on SQLAlchemy's wrappers and on the driver's own errors alike, since hot paths use the driver bare.
"""

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.kit.errors import Conflict, InternalError, Invalid, Problem, Unavailable

AWAY = Unavailable, "The database cannot be reached just now; nothing was changed. Try again."
BUSY = Unavailable, "The database is busy just now; nothing was changed. Try again."
READ_ONLY = "25006"
TOOK_TOO_LONG = "57014"

# The longest matching prefix of the SQLSTATE wins.
MEANINGS: dict[str, tuple[type[Problem], str]] = {
    "08": AWAY,
    "22": (Invalid, "A value is outside of what can be stored."),
    "23": (Conflict, "The change contradicts what is stored."),
    "23502": (Invalid, "A value that must not be null is null."),
    "23503": (Conflict, "Something that this refers to does not exist, or is still referred to."),
    "23505": (Conflict, "A value that must be unique is taken."),
    "23514": (Invalid, "A value is outside of what can be stored."),
    READ_ONLY: (Unavailable, "The database takes no writes just now; nothing was changed. Try again."),
    "25P03": BUSY,
    "25P04": BUSY,
    "28": AWAY,
    "3D": AWAY,
    "40001": BUSY,
    "40P01": BUSY,
    "53": BUSY,
    "54": (Invalid, "A value is too large or too complex to be stored."),
    "55P03": BUSY,
    TOOK_TOO_LONG: (Unavailable, "The database took too long over this and stopped; nothing was changed."),
    "57P": AWAY,
    "58": AWAY,
}

DATABASE_ERRORS = (
    DBAPIError,
    PoolTimeout,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)


def problem_of(error: Exception) -> Problem:
    """The refusal for any of `DATABASE_ERRORS`; `InternalError` for one that is a fault of ours.

    A bare `OSError` counts as the database being away: connecting over a socket or the network raises all
    kinds of them, the missing socket file of a stopped server and time-outs included.
    """
    if isinstance(error, DBAPIError):
        away = error.connection_invalidated
        error = error.driver_exception if error.orig is not None else error
        if away and sqlstate_of(error) is None:
            return _problem(AWAY)
    if isinstance(error, PoolTimeout):
        return _problem(BUSY)
    if isinstance(error, asyncpg.DataError):
        return _problem(MEANINGS["22"])
    if isinstance(error, OSError) or _is_closed_connection(error):
        return _problem(AWAY)
    return _problem(_meaning(sqlstate_of(error)))


def sqlstate_of(error: BaseException) -> str | None:
    """The five-character code of a server's error, through SQLAlchemy's wrapper if need be."""
    source = getattr(error, "orig", None) or error
    return getattr(source, "sqlstate", None)


def _is_closed_connection(error: Exception) -> bool:
    """The driver says so in words only ("connection is closed", "pool is closing").

    Its internal error means an answer in mid-protocol: nobody shares a connection here, so the server died.
    """
    if isinstance(error, asyncpg.InternalClientError):
        return True
    return isinstance(error, asyncpg.InterfaceError) and "clos" in str(error)


def _meaning(sqlstate: str | None) -> tuple[type[Problem], str]:
    code = sqlstate or ""
    for length in (5, 3, 2):
        if code[:length] in MEANINGS:
            return MEANINGS[code[:length]]
    return InternalError, "Something broke on our side; nothing was changed."


def _problem(meaning: tuple[type[Problem], str]) -> Problem:
    kind, detail = meaning
    return kind(detail)
