"""`rapport migrate`: brings the database up to date, or says that it is not."""

import uvloop

from app.commands.console import Failure, migrate_if_behind, read_settings, revision_of, say
from app.kit import migrations
from app.kit.resources import database_address


def migrate() -> None:
    """Brings the database up to date."""
    with database_address(read_settings()) as address:
        before = migrate_if_behind(address)
    if not migrations.is_behind(before):
        say(f"The database is at migration {before} already")
    else:
        say(f"Migrated the database from {before} to {migrations.head()}")


def check() -> None:
    """Raises `Failure` when the database lacks migrations."""
    with database_address(read_settings()) as address:
        revision = uvloop.run(revision_of(address))
    if migrations.is_behind(revision):
        raise Failure(
            f"The database is at migration {revision or 'nothing'}, this version needs {migrations.head()}: "
            "run `rapport migrate`."
        )
    say(f"The database is at migration {revision}")
