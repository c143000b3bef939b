"""The SQL of asks that wait for their time or their turn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from asyncpg import Record
from sqlalchemy import ColumnElement, select

from app.kit.database import Unit
from app.kit.ids import new_id
from app.kit.pages import PageRequest, Sorting, SortKey
from app.surveys.models.invitations import Origin, PlannedInvitationRow, PlanState

PLANNED_SORTING = Sorting(
    PlannedInvitationRow.id,
    {
        "created_at": SortKey(PlannedInvitationRow.created_at, "instant"),
        "due_at": SortKey(PlannedInvitationRow.due_at, "instant"),
    },
    default="-created_at",
)


@dataclass(frozen=True, slots=True)
class PlannedListing:
    """The filters of the list of planned invitations; None where one is not used."""

    state: str | None = None
    reason: str | None = None
    contact_id: UUID | None = None

    def conditions(self) -> Iterable[ColumnElement[bool]]:
        same = (
            (PlannedInvitationRow.state, self.state),
            (PlannedInvitationRow.reason, self.reason),
            (PlannedInvitationRow.contact_id, self.contact_id),
        )
        return (column == value for column, value in same if value is not None)


class Plan(NamedTuple):
    """What is the same for many planned invitations."""

    survey_id: UUID
    origin: Origin
    channel: str | None = None
    locale: str | None = None
    is_test: bool = False


class TriggeredAsk(NamedTuple):
    """An ask that a touchpoint has triggered."""

    survey_id: UUID
    contact_id: UUID
    touchpoint_id: UUID
    channel: str | None
    due_at: datetime


class Fate(NamedTuple):
    """What became of a planned invitation."""

    id: UUID
    state: PlanState
    reason: str | None = None
    invitation_id: UUID | None = None


class PlannedRepository:
    """The planned invitations of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._workspace_id = unit.workspace_id

    async def add_all(self, plan: Plan, contact_ids: Sequence[UUID]) -> None:
        """Plans to ask these contacts now."""
        ids = [new_id() for _ in contact_ids]
        await self._unit.connection.execute(
            _ADD_ALL, self._workspace_id, self._unit.now, *plan, ids, list(contact_ids)
        )

    async def add_triggered(self, asks: Sequence[TriggeredAsk]) -> None:
        """Plans those whose touchpoint has not planned the survey before, of contacts who are still there."""
        columns = [list(column) for column in zip(*asks, strict=True)]
        ids = [new_id() for _ in asks]
        await self._unit.connection.execute(_ADD_TRIGGERED, self._workspace_id, self._unit.now, ids, *columns)

    async def move_triggered(
        self,
        touchpoint_ids: Sequence[UUID],
        asks: Sequence[TriggeredAsk],
        survey_id: UUID | None = None,
    ) -> None:
        """Lets what these touchpoints have triggered be as in `asks`, as far as it is not decided yet, and
        cancels what is not among them; of one survey, or of all.

        What was cancelled before its time is planned again, and so is what another contact was skipped for.
        """
        place = (self._workspace_id, self._unit.now)
        if asks:
            columns = [list(column) for column in zip(*asks, strict=True)]
            await self._unit.connection.execute(_MOVE, *place, *columns)
        kept = ([ask.survey_id for ask in asks], [ask.touchpoint_id for ask in asks])
        await self._unit.connection.execute(_CANCEL, *place, *kept, list(touchpoint_ids), survey_id)

    async def cancel_recurring(self, survey_id: UUID) -> None:
        """Cancels what an iteration has left undecided, but for what is being decided."""
        await self._unit.connection.execute(_CANCEL_RECURRING, self._workspace_id, self._unit.now, survey_id)

    async def waiting_touchpoints(self, survey_id: UUID) -> Sequence[Record]:
        """The touchpoints that have triggered what waits for its time, which is locked with that. What is
        being decided is left out."""
        return await self._unit.connection.fetch(_WAITING, self._workspace_id, survey_id)

    async def due(self, limit: int) -> Sequence[PlannedInvitationRow]:
        """What is to be decided now, the longest due first, locked; what somebody else holds is left out."""
        statement = (
            select(PlannedInvitationRow)
            .where(
                PlannedInvitationRow.workspace_id == self._workspace_id,
                PlannedInvitationRow.state == "planned",
                PlannedInvitationRow.due_at <= self._unit.now,
            )
            .order_by(PlannedInvitationRow.due_at, PlannedInvitationRow.id)
            .limit(limit)
            .with_for_update(key_share=True, skip_locked=True)
        )
        return (await self._unit.session.execute(statement)).scalars().all()

    async def settle(self, fates: Sequence[Fate]) -> None:
        columns = [list(column) for column in zip(*fates, strict=True)]
        await self._unit.connection.execute(_SETTLE, self._workspace_id, self._unit.now, *columns)

    async def page(
        self, survey_id: UUID, page: PageRequest, listing: PlannedListing
    ) -> Sequence[PlannedInvitationRow]:
        statement = select(PlannedInvitationRow).where(
            PlannedInvitationRow.workspace_id == self._workspace_id,
            PlannedInvitationRow.survey_id == survey_id,
            *listing.conditions(),
        )
        return (await self._unit.session.execute(page.apply(statement))).scalars().all()


_COLUMNS = """
    workspace_id, created_at, updated_at, state, id, survey_id, contact_id, touchpoint_id, origin, channel,
    locale, is_test, due_at
"""

_ADD_ALL = f"""
    INSERT INTO planned_invitations ({_COLUMNS})
    SELECT $1, $2, $2, 'planned', new.id, $3, new.contact_id, NULL, $4, $5, $6, $7, $2
    FROM unnest($8::uuid[], $9::uuid[]) AS new (id, contact_id)
"""

_ADD_TRIGGERED = f"""
    INSERT INTO planned_invitations ({_COLUMNS})
    SELECT $1, $2, $2, 'planned', new.id, new.survey_id, new.contact_id, new.touchpoint_id, 'trigger',
        new.channel, NULL, false, new.due_at
    FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::timestamptz[])
         AS new (id, survey_id, contact_id, touchpoint_id, channel, due_at)
    WHERE EXISTS (SELECT FROM contacts WHERE workspace_id = $1 AND id = new.contact_id)
    ON CONFLICT DO NOTHING
"""

_MOVE = """
    UPDATE planned_invitations AS planned
    SET state = 'planned', reason = NULL, updated_at = $2, contact_id = moved.contact_id,
        channel = moved.channel, due_at = moved.due_at
    FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::timestamptz[])
         AS moved (survey_id, contact_id, touchpoint_id, channel, due_at)
    WHERE planned.workspace_id = $1 AND planned.touchpoint_id = moved.touchpoint_id
        AND planned.survey_id = moved.survey_id
        AND CASE planned.state
            WHEN 'planned' THEN (planned.contact_id, planned.due_at) <> (moved.contact_id, moved.due_at)
                OR planned.channel IS DISTINCT FROM moved.channel
            WHEN 'cancelled' THEN planned.updated_at < planned.due_at
            WHEN 'skipped' THEN planned.contact_id <> moved.contact_id
            ELSE false
        END
"""

_CANCEL = """
    UPDATE planned_invitations AS planned SET state = 'cancelled', updated_at = $2
    WHERE workspace_id = $1 AND touchpoint_id = ANY ($5) AND state = 'planned'
        AND ($6::uuid IS NULL OR survey_id = $6)
        AND NOT EXISTS (
            SELECT FROM unnest($3::uuid[], $4::uuid[]) AS kept (survey_id, touchpoint_id)
            WHERE kept.survey_id = planned.survey_id AND kept.touchpoint_id = planned.touchpoint_id
        )
"""

_CANCEL_RECURRING = """
    UPDATE planned_invitations AS planned SET state = 'cancelled', updated_at = $2
    FROM (
        SELECT id FROM planned_invitations
        WHERE workspace_id = $1 AND survey_id = $3 AND state = 'planned' AND origin = 'recurrence'
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS waiting
    WHERE planned.workspace_id = $1 AND planned.id = waiting.id
"""

_WAITING = """
    SELECT t.id, t.contact_id, t.kind, t.channel, t.occurred_at, t.deleted_at IS NOT NULL AS is_deleted
    FROM (
        SELECT workspace_id, touchpoint_id FROM planned_invitations
        WHERE workspace_id = $1 AND survey_id = $2 AND state = 'planned' AND touchpoint_id IS NOT NULL
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS waiting
    JOIN touchpoints t ON t.workspace_id = waiting.workspace_id AND t.id = waiting.touchpoint_id
"""

_SETTLE = """
    UPDATE planned_invitations AS planned
    SET state = fate.state, reason = fate.reason, invitation_id = fate.invitation_id, updated_at = $2
    FROM unnest($3::uuid[], $4::text[], $5::text[], $6::uuid[]) AS fate (id, state, reason, invitation_id)
    WHERE planned.workspace_id = $1 AND planned.id = fate.id
"""
