"""Waits until a workspace's background work is done, and helps with it."""

import asyncio
from uuid import UUID

from app.kit.resources import Resources
from app.subscriptions import SWEEPS
from app.worker import Worker

LOOK_EVERY = 0.25

# The payload of a job begins with its workspace.
_QUEUED = "SELECT FROM pgqueuer WHERE position(convert_to($1::text, 'UTF8') IN payload) = 1"
_DUE = " UNION ALL ".join(
    f"SELECT FROM {sweep.due_function}() WHERE workspace_id = $1::uuid" for sweep in SWEEPS
)
_UNSETTLED = f"SELECT EXISTS ({_QUEUED}) OR EXISTS ({_DUE})"


async def settle(resources: Resources, workspace_id: UUID) -> None:
    """Works beside whatever workers there are until nothing is queued or due in the workspace."""
    worker = Worker.beside(resources)
    working = asyncio.create_task(worker.run())
    try:
        while await _is_unsettled(resources, workspace_id):  # noqa: ASYNC110  (others may do the work)
            await asyncio.sleep(LOOK_EVERY)
    finally:
        worker.stop()
        await working


async def _is_unsettled(resources: Resources, workspace_id: UUID) -> bool:
    async with resources.database.raw() as connection:
        unsettled: bool = await connection.fetchval(_UNSETTLED, str(workspace_id))
    return unsettled
