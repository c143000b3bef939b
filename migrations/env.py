"""Runs the migrations as the owner role; the app's role is handed in so that it gets its grants."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.api import ROUTERS
from app.kit.database import Base
from app.kit.tenancy import APP_ROLE

# pgqueuer's tables belong to pgqueuer: made by our history, unknown to our models.
assert ROUTERS, "importing the routers brings every table into the metadata"
FOREIGN_TABLES = ("pgqueuer",)
ONE_AT_A_TIME = 7265707


def include_name(name: str | None, kind: str, _: object) -> bool:
    return not (kind == "table" and (name or "").startswith(FOREIGN_TABLES))


def configure(**options: object) -> None:
    context.configure(
        target_metadata=Base.metadata,
        include_name=include_name,
        compare_type=True,
        app_role=context.config.attributes.get("app_role", APP_ROLE),
        **options,
    )


def run_offline() -> None:
    configure(url="postgresql+asyncpg://", literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()


def run_on(connection: Connection) -> None:
    # One at a time, for as long as it takes: whoever waited finds nothing left to do.
    connection.execute(text(f"SELECT pg_advisory_lock({ONE_AT_A_TIME})"))
    # A migration that cannot lock its table gives up instead of queueing every request behind itself.
    connection.execute(text("SET lock_timeout = '5s'"))
    connection.commit()
    configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def run_online() -> None:
    url = context.config.attributes.get("url") or os.environ["RAPPORT_DATABASE_OWNER_URL"]
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run_on)
    await engine.dispose()


if context.is_offline_mode():
    run_offline()
else:
    asyncio.run(run_online())
