"""Which migration the database is at, which one the code needs, and the way from one to the other."""

import functools
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


@functools.cache
def head() -> str:
    """The newest migration this code knows."""
    revision = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    assert revision is not None
    return revision


def is_behind(revision: str | None) -> bool:
    """Whether a database at `revision` lacks migrations that this code needs.

    One that is ahead does not: the release before a migration runs on what it makes, so that processes can
    be replaced one by one.
    """
    return revision is None or (revision != head() and revision in _known())


async def current(connection: "asyncpg.Connection[asyncpg.Record]") -> str | None:
    """The migration the database is at; None when it was never migrated."""
    try:
        revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    return revision


def upgrade(owner_url: str, app_role: str, revision: str = "head") -> None:
    """Migrates the database. Blocking; several at once wait for each other."""
    command.upgrade(_config(owner_url, app_role), revision)


def downgrade(owner_url: str, app_role: str, revision: str) -> None:
    """Takes migrations back, with the data they hold. For tests and emergencies."""
    command.downgrade(_config(owner_url, app_role), revision)


def _config(owner_url: str, app_role: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = owner_url
    config.attributes["app_role"] = app_role
    return config


@functools.cache
def _known() -> frozenset[str]:
    return frozenset(script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions())
