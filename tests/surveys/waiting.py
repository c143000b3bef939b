"""Knowing when somebody waits for somebody else's lock."""

import asyncio

from tests.surveys.world import AskingWorld


async def someone_waits(asking: AskingWorld) -> None:
    """Returns once a transaction of any connection waits for a lock."""
    async with asyncio.timeout(10), asking.resources.database.raw() as connection:
        while not await connection.fetchval(WAITING):  # noqa: ASYNC110 - PostgreSQL sets no event of ours
            await asyncio.sleep(0.01)


WAITING = """
    SELECT EXISTS (
        SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
    )
"""
