"""SQL of marking: which days may have changed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from app.kit.database import Unit
from app.kit.ids import new_id
from app.metrics.models import MetricContactRow
from app.surveys.models.invitations import SurveyInvitationRow
from app.workspaces.models import WorkspaceRow

_ENSURE_STATE = "INSERT INTO metric_states (workspace_id) VALUES ($1) ON CONFLICT (workspace_id) DO NOTHING"

_MARK = "INSERT INTO metric_marks (workspace_id, id, day) SELECT $1, * FROM unnest($2::uuid[], $3::date[])"

_REMEMBER = """
    INSERT INTO metric_contacts (workspace_id, contact_id, acquired_at)
    SELECT $1, * FROM unnest($2::uuid[], $3::timestamptz[])
    ON CONFLICT (workspace_id, contact_id) DO UPDATE SET acquired_at = excluded.acquired_at
"""


class MarkRepository:
    """Marks days of the unit's workspace. Nothing here waits for a running fold."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._workspace_id = unit.workspace_id

    async def zone(self) -> ZoneInfo:
        """The workspace's time zone."""
        statement = select(WorkspaceRow.timezone).where(WorkspaceRow.id == self._workspace_id)
        return ZoneInfo((await self._unit.session.execute(statement)).scalar_one())

    async def ensure_state(self) -> None:
        """From now on the workspace has something to fold."""
        await self._unit.connection.execute(_ENSURE_STATE, self._workspace_id)

    async def mark(self, days: Collection[date]) -> None:
        await self._unit.connection.execute(_MARK, self._workspace_id, [new_id() for _ in days], sorted(days))

    async def known_acquisitions(self, contact_ids: Sequence[UUID]) -> dict[UUID, datetime]:
        """When these contacts were acquired, as far as they were ever marked."""
        statement = select(MetricContactRow.contact_id, MetricContactRow.acquired_at).where(
            MetricContactRow.workspace_id == self._workspace_id, MetricContactRow.contact_id.in_(contact_ids)
        )
        return {row.contact_id: row.acquired_at for row in await self._unit.session.execute(statement)}

    async def invited(self, invitation_ids: Collection[UUID]) -> set[datetime]:
        """The `created_at` of these invitations."""
        statement = select(SurveyInvitationRow.created_at).where(
            SurveyInvitationRow.workspace_id == self._workspace_id, SurveyInvitationRow.id.in_(invitation_ids)
        )
        return set((await self._unit.session.execute(statement)).scalars())

    async def remember_acquisitions(self, acquired: Mapping[UUID, datetime]) -> None:
        await self._unit.connection.execute(
            _REMEMBER, self._workspace_id, list(acquired), list(acquired.values())
        )
