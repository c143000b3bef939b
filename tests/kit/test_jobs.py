"""The queue's way to the database."""

import asyncio

from app.kit.jobs import QueueDriver
from app.kit.resources import Resources

LONG_ENOUGH_TO_BE_LOST = 0.2


async def test_what_is_told_before_anybody_listens_is_heard(resources: Resources) -> None:
    """As when a worker starts and the queue tests its listener first: unheard, it would end the run."""
    heard: asyncio.Queue[str | bytes | bytearray] = asyncio.Queue()
    async with await resources.queue_pool() as pool, QueueDriver(pool) as driver:
        telling = asyncio.create_task(driver.notify("test_jobs", "are you there?"))
        await asyncio.wait({telling}, timeout=LONG_ENOUGH_TO_BE_LOST)
        await driver.add_listener("test_jobs", heard.put_nowait)
        assert await asyncio.wait_for(heard.get(), 5) == "are you there?"
        await telling
