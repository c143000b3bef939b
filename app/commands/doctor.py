"""`rapport doctor`: one line per check, with what is wrong and what to do about it. It changes nothing."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer
import uvloop

from app.commands.console import EXPECTED, Failure, connected, explain, is_embedded, place, read_settings
from app.kit import migrations
from app.kit.clock import SystemClock
from app.kit.embedded import EmbeddedError, find_binaries
from app.kit.resources import (
    KEPT_KEY,
    WORKER_NAME,
    ConfigurationError,
    DatabaseAddress,
    database_address,
    open_resources,
)
from app.settings import Settings, unknown_variables

OLDEST_MAJOR = 15
MOST_WAIT_SECONDS = 60
MOST_SKEW_SECONDS = 2
# How long a worker may take to be there: it may just be starting, or be back from a database that was away.
WORKER_SECONDS = 5
WORKER_PAUSE = 0.2
MARKS = {True: ("ok  ", typer.colors.GREEN), False: ("FAIL", typer.colors.RED)}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `advice` says what to do when it is not well."""

    check: str
    is_well: bool
    detail: str
    advice: str = ""

    def show(self) -> None:
        mark, colour = MARKS[self.is_well]
        advice = f": {self.advice}" if self.advice and not self.is_well else ""
        typer.echo(f"{typer.style(mark, fg=colour)}  {self.check:<10}  {self.detail}{advice}")


def examine() -> None:
    """Prints the findings; exit code 1 when one is bad."""
    well = True
    for finding in _findings():
        finding.show()
        well = well and finding.is_well
    if not well:
        raise typer.Exit(1)


def _findings() -> Iterator[Finding]:
    try:
        settings = read_settings()
    except Failure as failure:
        yield Finding("settings", False, str(failure), "see the README's table")
        return
    yield _settings()
    yield _secret_key(settings)
    if is_embedded(settings):
        yield (directory := _data_directory(settings))
        yield (binaries := _binaries(settings))
        if not (directory.is_well and binaries.is_well):
            return
    yield from _database(settings)


def _settings() -> Finding:
    if unknown := unknown_variables():
        return Finding("settings", False, f"{', '.join(unknown)} mean nothing", "see the README's table")
    return Finding("settings", True, "all of them make sense")


def _secret_key(settings: Settings) -> Finding:
    if settings.secret_key is None and is_embedded(settings):
        path = settings.data_dir / KEPT_KEY
        if not path.exists():
            return Finding("secret key", True, f"`rapport serve` will make {path}")
    try:
        open_resources(settings, DatabaseAddress("postgresql+asyncpg://", "postgresql+asyncpg://", None))
    except ConfigurationError as error:
        return Finding("secret key", False, str(error))
    return Finding("secret key", True, "usable")


def _data_directory(settings: Settings) -> Finding:
    directory = settings.data_dir.resolve()
    nearest = next(parent for parent in (directory, *directory.parents) if parent.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        return Finding(
            "data", False, f"{nearest} is not writable", "set RAPPORT_DATA_DIR to a directory that is"
        )
    if not any(directory.glob("pg[0-9]*")):
        return Finding("data", False, f"there is no database in {directory} yet", "start `rapport serve`")
    return Finding("data", True, str(directory))


def _binaries(settings: Settings) -> Finding:
    try:
        return Finding("binaries", True, str(find_binaries(settings.pg_bindir)))
    except EmbeddedError as error:
        return Finding("binaries", False, str(error))


def _database(settings: Settings) -> Iterator[Finding]:
    """What needs a database. The first failure ends it, since the others would follow from it."""
    try:
        with database_address(settings) as address:
            yield from uvloop.run(_examine_database(address))
    except EXPECTED as error:
        yield Finding("database", False, explain(error) or type(error).__name__)


async def _examine_database(address: DatabaseAddress) -> list[Finding]:
    findings = []
    async with connected(address.app_url) as connection:
        findings.append(await _server(connection, address))
        revision = await migrations.current(connection)
        findings.append(_migrated(revision))
        if findings[-1].is_well:
            if address.role is not None and await connection.fetchval(_OWNS_TABLES):
                await connection.execute(f'SET ROLE "{address.role}"')
            findings += [await check(connection) for check in (_role, _worker, _backlog, _clock)]
    return findings


async def _server(connection: Any, address: DatabaseAddress) -> Finding:
    version = (await connection.fetchval("SHOW server_version")).split()[0]
    is_well = int(version.partition(".")[0]) >= OLDEST_MAJOR
    detail = f"PostgreSQL {version} at {place(address.app_url)}"
    return Finding("database", is_well, detail, f"use {OLDEST_MAJOR} or newer")


def _migrated(revision: str | None) -> Finding:
    if migrations.is_behind(revision):
        detail = f"at migration {revision or 'nothing'}, this version needs {migrations.head()}"
        return Finding("migrations", False, detail, "run `rapport migrate`")
    return Finding("migrations", True, f"at {revision}")


_OWNS_TABLES = """
    SELECT EXISTS (SELECT FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
                   AND pg_has_role(current_user, relowner, 'USAGE'))
"""
_WALLS_DOWN = (
    "SELECT rolname, rolsuper OR rolbypassrls AS bypasses FROM pg_roles WHERE rolname = current_user"
)


async def _role(connection: Any) -> Finding:
    role = await connection.fetchrow(_WALLS_DOWN)
    advice = "give RAPPORT_DATABASE_URL a plain login and RAPPORT_DATABASE_OWNER_URL the owner"
    if role["bypasses"]:
        return Finding("role", False, f"{role['rolname']} bypasses row-level security", advice)
    if await connection.fetchval(_OWNS_TABLES):
        return Finding("role", False, f"{role['rolname']} owns tables", advice)
    return Finding("role", True, f"{role['rolname']} owns no table and cannot bypass row-level security")


_AT_WORK = """
    SELECT EXISTS (SELECT FROM pg_stat_activity
                   WHERE datname = current_database() AND application_name = $1)
"""


async def _worker(connection: Any) -> Finding:
    try:
        async with asyncio.timeout(WORKER_SECONDS):
            while not await connection.fetchval(_AT_WORK, WORKER_NAME):  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(WORKER_PAUSE)
    except TimeoutError:
        return Finding("worker", False, "none is at work", "start `rapport worker`, or `rapport serve`")
    return Finding("worker", True, "at work")


async def _backlog(connection: Any) -> Finding:
    row = await connection.fetchrow(
        "SELECT count(*) AS jobs, "
        "coalesce(extract(epoch FROM now() - min(execute_after)), 0)::float AS waited "
        "FROM pgqueuer WHERE status = 'queued' AND execute_after <= now()"
    )
    detail = f"{row['jobs']} jobs wait, the first for {row['waited']:.0f} s"
    return Finding(
        "queue", row["waited"] <= MOST_WAIT_SECONDS, detail, "start more workers, or see their log"
    )


async def _clock(connection: Any) -> Finding:
    clock = SystemClock()
    before = clock.now()
    theirs = await connection.fetchval("SELECT clock_timestamp()")
    ours = before + (clock.now() - before) / 2
    skew = abs((theirs - ours).total_seconds())
    detail = f"{skew:.1f} s apart from the database's"
    return Finding("clock", skew <= MOST_SKEW_SECONDS, detail, "synchronise the clocks of both machines")
