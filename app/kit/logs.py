"""Structured log lines on standard error, for people or for machines, without secrets or personal data.

The messages of database and validation errors quote the values they refuse, so an exception is logged as its
types, its places in the code and, for those, its SQLSTATE; the message stands there only for other kinds.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from typing import Any, Literal

import asyncpg
import orjson
import structlog
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
Record = MutableMapping[str, Any]

HIDDEN = "…"
QUOTING_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError, ValidationError)
LONGEST_CHAIN = 5

_SECRETS = re.compile(r"\b(rpt_|whsec_|Bearer )[A-Za-z0-9+/=_-]{4,}|(?<=://)[^/@\s]+:[^@\s]+(?=@)")
_MARKERS = ("rpt_", "whsec_", "Bearer ", "://")
# These say at "info" what our own lines say, or what only their authors want to know.
_TALKATIVE = ("uvicorn", "pgqueuer", "alembic", "asyncio")


def configure_logs(log_format: LogFormat, level: LogLevel) -> None:
    """Sets up the process's log, that of libraries included. Called once, before the first line."""
    threshold = getattr(logging, level.upper())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            describe_exception,
            hide_secrets,
            _renderer(log_format),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_FromLibraries()], level=threshold, force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))


def describe_exception(_logger: Any, _method: str, record: Record) -> Record:
    """Replaces `exc_info` by a description that quotes no value."""
    given = record.pop("exc_info", None)
    error = _exception_of(given)
    if error is not None:
        record["exception"] = "\n".join(_describe(error))
    return record


def hide_secrets(_logger: Any, _method: str, record: Record) -> Record:
    """Keys, webhook secrets and passwords in URLs become an ellipsis, wherever they stand."""
    for name, value in record.items():
        # Looking for the markers takes a third of the expression's time, and hardly a line has one.
        if isinstance(value, str) and any(marker in value for marker in _MARKERS):
            record[name] = _SECRETS.sub(lambda found: (found[1] or "") + HIDDEN, value)
    return record


class _FromLibraries(logging.Handler):
    """Hands what libraries log to our own log."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            structlog.get_logger().log(
                record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info
            )
        except Exception:
            self.handleError(record)


def _renderer(log_format: LogFormat) -> Any:
    if log_format == "console":
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.processors.JSONRenderer(serializer=_json)


def _json(record: Record, **_options: Any) -> str:
    return orjson.dumps(record, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _exception_of(given: Any) -> BaseException | None:
    if isinstance(given, tuple):
        given = given[1]
    if given is True:
        given = sys.exc_info()[1]
    return given if isinstance(given, BaseException) else None


def _describe(error: BaseException) -> Iterator[str]:
    """The innermost cause first, as Python prints them."""
    chain = [error]
    while len(chain) < LONGEST_CHAIN and (cause := _cause(chain[-1])) is not None:
        chain.append(cause)
    for link in reversed(chain):
        for frame in traceback.extract_tb(link.__traceback__):
            yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
        yield _headline(link)


def _cause(error: BaseException) -> BaseException | None:
    if error.__cause__ is not None or error.__suppress_context__:
        return error.__cause__
    return error.__context__


def _headline(error: BaseException) -> str:
    if isinstance(error, QUOTING_ERRORS):
        sqlstate = getattr(getattr(error, "orig", None) or error, "sqlstate", None)
        return type(error).__name__ + (f" (SQLSTATE {sqlstate})" if sqlstate else "")
    return f"{type(error).__name__}: {error}"
