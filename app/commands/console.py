"""What the commands share: settings, a database that is ready, and failures told in one line."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import asyncpg
import orjson
import typer
import uvloop
from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from app.kit import migrations
from app.kit.batches import field_errors
from app.kit.database_problems import DATABASE_ERRORS, problem_of, sqlstate_of
from app.kit.embedded import EmbeddedError
from app.kit.errors import FieldError, InternalError, Problem
from app.kit.logs import configure_logs
from app.kit.resources import (
    ConfigurationError,
    DatabaseAddress,
    Resources,
    database_address,
    open_resources,
)
from app.settings import Settings

CONNECT_SECONDS = 5
INSUFFICIENT_PRIVILEGE = "42501"

Result = TypeVar("Result")
Model = TypeVar("Model", bound=BaseModel)


class Failure(Exception):
    """The command cannot do what was asked; the message says why and what to do."""


EXPECTED = (Failure, ConfigurationError, EmbeddedError, Problem, *DATABASE_ERRORS)
"""What is told in a line. Anything else is a fault of ours and keeps its traceback."""


def explain(error: Exception) -> str | None:
    """One of `EXPECTED` in words, without the values that database errors quote; None for a fault of ours."""
    if not isinstance(error, EXPECTED):
        return None
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, DATABASE_ERRORS):
        error = problem_of(error)
    if isinstance(error, InternalError):
        return None
    if isinstance(error, Problem):
        return " ".join([error.detail, *_places(error.errors)])
    return str(error)


def say(text: str = "") -> None:
    """A line for people, on standard output, at once."""
    typer.echo(text)


def say_json(data: Any) -> None:
    """One line of JSON for programs, on standard output."""
    typer.echo(orjson.dumps(data))


def read_settings() -> Settings:
    """The settings. Raises `Failure` that names each wrong one and never its value."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = [f"RAPPORT_{_name(each.pointer)}: {each.detail}" for each in field_errors(error)]
        raise Failure("; ".join(wrong).replace("Value error, ", "")) from None
    except SettingsError as error:
        raise Failure(f"{error}: lists are written in JSON, for example '[\"https://a.example\"]'.") from None


def parsed(model: type[Model], values: dict[str, Any]) -> Model:
    """`values` as a model. Raises `Failure` that names each wrong one."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise Failure("; ".join(_places(field_errors(error)))) from None


@contextmanager
def ready_database(settings: Settings) -> Iterator[DatabaseAddress]:
    """A database that can be worked in: reachable and migrated.

    The embedded one is migrated here. Another one is not: on a database that many processes share, the moment
    of a migration is for a person or a deployment to choose.
    """
    with database_address(settings) as address:
        if is_embedded(settings):
            migrate_if_behind(address)
            yield address
        else:
            yield uvloop.run(_checked(address))


def is_embedded(settings: Settings) -> bool:
    """Whether the database is our own child."""
    return settings.database_url is None


def migrate_if_behind(address: DatabaseAddress) -> str:
    """Brings the database up to date; returns what it was at before, `nothing` for an empty one."""
    revision = uvloop.run(revision_of(address))
    if migrations.is_behind(revision):
        try:
            migrations.upgrade(address.owner_url, address.app_role)
        except DBAPIError as error:
            if sqlstate_of(error) != INSUFFICIENT_PRIVILEGE:
                raise
            raise Failure(
                f"{place(address.owner_url)}: the migration needs a right that the login lacks "
                f"({error.orig}). It must own the database and have CREATEROLE."
            ) from None
    return revision or "nothing"


async def revision_of(address: DatabaseAddress) -> str | None:
    """The migration the database is at, asked as the owner. Raises `Failure` when it is out of reach."""
    async with connected(address.owner_url) as connection:
        return await migrations.current(connection)


def run(work: Callable[[Resources], Awaitable[Result]], *, settings: Settings | None = None) -> Result:
    """Runs `work` on a ready database."""
    settings = settings or read_settings()
    configure_logs(settings.log_format, "warning")
    with ready_database(settings) as address:
        return uvloop.run(_run(work, settings, address))


async def _run(
    work: Callable[[Resources], Awaitable[Result]], settings: Settings, address: DatabaseAddress
) -> Result:
    resources = open_resources(settings, address)
    try:
        return await work(resources)
    finally:
        await resources.close()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """One connection of its own. Raises `Failure` that says where there is no database."""
    plain = make_url(url).set(drivername="postgresql")
    try:
        connection = await asyncpg.connect(
            plain.render_as_string(hide_password=False), timeout=CONNECT_SECONDS
        )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Failure(
            f"The database {place(url)} cannot be reached: {str(error) or type(error).__name__}"
        ) from None
    try:
        yield connection
    finally:
        await connection.close()


def place(url: str) -> str:
    """`host:port/name`, with neither user nor password."""
    parts = make_url(url)
    host = parts.host or parts.query.get("host") or "localhost"
    return f"{host}:{parts.port or 5432}/{parts.database or ''}"


_WHERE_WE_ARE = """
    SELECT pg_has_role(current_user, relowner, 'USAGE') FROM pg_class
    WHERE oid = to_regclass('alembic_version')
"""


async def _checked(address: DatabaseAddress) -> DatabaseAddress:
    """Without an owner's URL the login may be the owner, who has to step down, or the app's role already."""
    async with connected(address.app_url) as connection:
        is_owner = await connection.fetchval(_WHERE_WE_ARE)
        revision = await migrations.current(connection) if is_owner is not None else None
    if migrations.is_behind(revision):
        raise Failure(
            f"The database {place(address.app_url)} is at migration {revision or 'nothing'}, "
            f"this version needs {migrations.head()}: run `rapport migrate`."
        )
    return address if is_owner else replace(address, role=None)


def _places(errors: Sequence[FieldError]) -> list[str]:
    return [f"{error.pointer.lstrip('/')}: {error.detail}" for error in errors]


def _name(pointer: str) -> str:
    return pointer.lstrip("/").split("/")[0].upper()
