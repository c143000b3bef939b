"""SQL of reading: snapshots, and what decides whether they are complete."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import Select, select

from app.kit.database import Unit
from app.kit.pages import PageRequest, Sorting, SortKey
from app.kit.periods import Grain
from app.metrics.models import MetricMarkRow, MetricSnapshotRow, MetricStateRow
from app.workspaces.models import WorkspaceRow

# Of one metric and grain no two snapshots start on the same day, so any UUID will do for the tie-break.
SNAPSHOT_SORTING = Sorting(
    MetricSnapshotRow.workspace_id,
    {"period_start": SortKey(MetricSnapshotRow.period_start, "day")},
    default="period_start",
)


class SnapshotRepository:
    """Reads the snapshots of the unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._session = unit.session
        self._workspace_id = unit.workspace_id

    async def workspace(self) -> WorkspaceRow:
        statement = select(WorkspaceRow).where(WorkspaceRow.id == self._workspace_id)
        return (await self._session.execute(statement)).scalar_one()

    async def state(self) -> MetricStateRow | None:
        statement = select(MetricStateRow).where(MetricStateRow.workspace_id == self._workspace_id)
        return (await self._session.execute(statement)).scalar_one_or_none()

    async def marked_days(self) -> frozenset[date]:
        """The days that wait for a fold."""
        statement = (
            select(MetricMarkRow.day).where(MetricMarkRow.workspace_id == self._workspace_id).distinct()
        )
        return frozenset((await self._session.execute(statement)).scalars())

    async def page(
        self, page: PageRequest, key: str, grain: Grain, start: date, end: date
    ) -> Sequence[MetricSnapshotRow]:
        statement = page.apply(self._between(key, grain, start, end))
        return (await self._session.execute(statement)).scalars().all()

    async def between(self, key: str, grain: Grain, start: date, end: date) -> Sequence[MetricSnapshotRow]:
        """The snapshots of the periods that start in [start, end), oldest first."""
        statement = self._between(key, grain, start, end).order_by(MetricSnapshotRow.period_start)
        return (await self._session.execute(statement)).scalars().all()

    def position(self, row: MetricSnapshotRow) -> tuple[date, UUID]:
        """Where a row stands in a page's order."""
        return row.period_start, row.workspace_id

    def _between(self, key: str, grain: Grain, start: date, end: date) -> Select[MetricSnapshotRow]:
        return select(MetricSnapshotRow).where(
            MetricSnapshotRow.workspace_id == self._workspace_id,
            MetricSnapshotRow.metric_key == key,
            MetricSnapshotRow.grain == grain,
            MetricSnapshotRow.period_start >= start,
            MetricSnapshotRow.period_start < end,
        )
