"""SQL of settling: what anonymous responses and their invitations still have in common, and how it ends."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from app.kit.database import Unit


class SettledInvitation(NamedTuple):
    """An answered invitation that is not shown as such yet."""

    id: UUID
    created_at: datetime
    is_test: bool


class SettlingRepository:
    """The unsettled rows of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._connection = unit.connection
        self._workspace_id = unit.workspace_id
        self._now = unit.now

    async def note(self, survey_id: UUID, settle_at: datetime, enough: int) -> bool:
        """Something is to be settled by then, if nothing was before; says whether there is enough for a lot.

        Takes the survey's row, so that no settling overlooks what this unit has written; and counts in
        another statement, which sees what those have written who had the row before. A lot is due at once.
        """
        await self._connection.execute(_NOTE, self._workspace_id, survey_id, settle_at)
        is_enough = await self._connection.fetchval(_IS_ENOUGH, self._workspace_id, survey_id, enough)
        if is_enough:
            await self._connection.execute(_WAITS_UNTIL, self._workspace_id, survey_id, self._now)
        return bool(is_enough)

    async def due(self) -> Sequence[UUID]:
        """The surveys that have a lot, or whose day is over."""
        rows = await self._connection.fetch(_DUE, self._workspace_id, self._now)
        return [row["id"] for row in rows]

    async def hold(self, survey_id: UUID) -> bool:
        """Holds the survey; whether anything waits."""
        return bool(await self._connection.fetchval(_HOLD, self._workspace_id, survey_id))

    async def invitations(self, survey_id: UUID) -> Sequence[SettledInvitation]:
        rows = await self._connection.fetch(_INVITATIONS, self._workspace_id, survey_id)
        return [SettledInvitation._make(row) for row in rows]

    async def settle(
        self,
        survey_id: UUID,
        responses: Sequence[UUID],
        invitations: Sequence[UUID],
        rest_at: datetime | None,
    ) -> None:
        """Writes these rows anew, in this order; the rest of the responses is due at `rest_at`, if any."""
        # Row by row: in one statement the rows would lie in the order in which they were answered.
        for statement, ids in ((_SETTLE_RESPONSE, responses), (_SETTLE_INVITATION, invitations)):
            await self._connection.executemany(statement, [(self._workspace_id, each) for each in ids])
        await self._connection.execute(_WAITS_UNTIL, self._workspace_id, survey_id, rest_at)


_NOTE: Final = """
    UPDATE surveys SET settle_at = coalesce(settle_at, $3) WHERE workspace_id = $1 AND id = $2
"""
_WAITING: Final = """
    (SELECT count(*) FROM (
        SELECT FROM {} WHERE workspace_id = $1 AND survey_id = $2 AND NOT settled AND NOT is_test LIMIT $3
    ) AS waiting)
"""
_IS_ENOUGH: Final = f"""
    SELECT greatest({_WAITING.format("survey_responses")}, {_WAITING.format("survey_invitations")}) >= $3
"""
_DUE: Final = "SELECT id FROM surveys WHERE workspace_id = $1 AND settle_at <= $2 ORDER BY id"
_HOLD: Final = """
    SELECT settle_at IS NOT NULL FROM surveys WHERE workspace_id = $1 AND id = $2 FOR NO KEY UPDATE
"""
_INVITATIONS: Final = """
    SELECT id, created_at, is_test FROM survey_invitations
    WHERE workspace_id = $1 AND survey_id = $2 AND NOT settled ORDER BY id
"""
_SETTLE_RESPONSE: Final = "UPDATE survey_responses SET settled = true WHERE workspace_id = $1 AND id = $2"
_SETTLE_INVITATION: Final = """
    UPDATE survey_invitations SET settled = true, opened = true, started = true, next_reminder_at = NULL,
        version = version + 1
    WHERE workspace_id = $1 AND id = $2
"""
_WAITS_UNTIL: Final = "UPDATE surveys SET settle_at = $3 WHERE workspace_id = $1 AND id = $2"
