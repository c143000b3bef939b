"""All SQL of the goals room."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Numeric, cast, exists, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased
from sqlalchemy.orm.attributes import flag_modified

from app.goals.models import GoalBoardRow, GoalCheckInRow, GoalProgressRow, GoalRevisionRow, GoalRow
from app.kit.database import Unit
from app.kit.pages import PageRequest, Sorting, SortKey

COUNTED = ("active", "achieved", "missed")
"""The statuses of the goals that count in their parent."""

GOAL_SORTING = Sorting(
    GoalRow.id,
    {
        "created_at": SortKey(GoalRow.created_at, "instant"),
        "due_on": SortKey(GoalRow.due_on, "day"),
        "title": SortKey(GoalRow.title, "text"),
        "progress": SortKey(GoalRow.progress, "number", nullable=True),
        "priority": SortKey(cast(GoalRow.priority, Numeric), "number", nullable=True),
    },
    default="-created_at",
)
PROGRESS_SORTING = Sorting(
    GoalProgressRow.goal_id, {"day": SortKey(GoalProgressRow.day, "day")}, default="-day"
)
REVISION_SORTING = Sorting(
    GoalRevisionRow.id, {"changed_at": SortKey(GoalRevisionRow.changed_at, "instant")}, default="-changed_at"
)
CHECK_IN_SORTING = Sorting(
    GoalCheckInRow.id, {"created_at": SortKey(GoalCheckInRow.created_at, "instant")}, default="-created_at"
)


class GoalRepository:
    """Reads and writes the goals of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._session = unit.session
        self._workspace_id = unit.workspace_id

    async def lock_board(self, next_pass_at: datetime) -> GoalBoardRow:
        """Waits for other changes of goals to end. The instant is for a workspace that has no board yet."""
        new = insert(GoalBoardRow).values(workspace_id=self._workspace_id, next_pass_at=next_pass_at)
        statement = new.on_conflict_do_update(
            index_elements=[GoalBoardRow.workspace_id], set_={"next_pass_at": GoalBoardRow.next_pass_at}
        ).returning(GoalBoardRow)
        options = {"populate_existing": True}
        return (await self._session.execute(statement, execution_options=options)).scalar_one()

    async def add(self, row: GoalRow | GoalRevisionRow | GoalCheckInRow) -> None:
        self._session.add(row)
        await self._session.flush()

    async def goal(self, goal_id: UUID) -> GoalRow | None:
        statement = select(GoalRow).where(self._mine(), GoalRow.id == goal_id)
        return (await self._session.execute(statement)).scalar_one_or_none()

    async def goals(
        self, page: PageRequest, filters: Mapping[str, Any], *, include_archived: bool
    ) -> Sequence[GoalRow]:
        statement = select(GoalRow).where(self._mine())
        statement = statement.where(*(getattr(GoalRow, name) == value for name, value in filters.items()))
        if not include_archived:
            statement = statement.where(GoalRow.archived_at.is_(None))
        return (await self._session.execute(page.apply(statement))).scalars().all()

    async def is_followed(self, metric_keys: Iterable[str]) -> bool:
        """Whether an active goal depends on any of these metrics."""
        condition = exists().where(*self._active(), GoalRow.metric_key.in_(list(metric_keys)))
        return bool((await self._session.execute(select(condition))).scalar_one())

    async def active(self, metric_keys: Iterable[str] | None = None) -> Sequence[GoalRow]:
        """The active goals, or those on these metrics."""
        statement = select(GoalRow).where(*self._active()).order_by(GoalRow.id)
        if metric_keys is not None:
            statement = statement.where(GoalRow.metric_key.in_(list(metric_keys)))
        return (await self._session.execute(statement)).scalars().all()

    async def with_ancestors(self, ids: Iterable[UUID]) -> Sequence[GoalRow]:
        """These goals and everything above them, archived ones left out."""
        await self._session.flush()
        above = self._upward(list(ids))
        statement = select(GoalRow).where(
            self._mine(), GoalRow.id.in_(select(above.c.id)), GoalRow.archived_at.is_(None)
        )
        return (await self._session.execute(statement)).scalars().all()

    async def path_up(self, goal_id: UUID) -> list[UUID]:
        """The goal and everything above it, archived or not, from the bottom up; empty if there is none."""
        lineage = self._lineage([goal_id])
        statement = select(lineage.c.id).order_by(lineage.c.depth)
        return list((await self._session.execute(statement)).scalars())

    async def lineages(self, ids: Iterable[UUID]) -> dict[UUID, list[bool]]:
        """For each of these goals: whether it, and each one above it, is an objective, from the bottom up."""
        lineage = self._lineage(list(ids))
        statement = select(lineage.c.start, lineage.c.is_objective).order_by(lineage.c.start, lineage.c.depth)
        found: dict[UUID, list[bool]] = defaultdict(list)
        for start, is_objective in await self._session.execute(statement):
            found[start].append(is_objective)
        return found

    async def height(self, goal_id: UUID) -> int:
        """How many levels the goal and everything below it make."""
        start = select(GoalRow.id, literal(1).label("level")).where(self._mine(), GoalRow.id == goal_id)
        below = start.cte("below", recursive=True)
        child = aliased(GoalRow)
        step = select(child.id, below.c.level + 1).where(
            child.workspace_id == self._workspace_id, child.parent_id == below.c.id
        )
        below = below.union_all(step)
        return (await self._session.execute(select(func.max(below.c.level)))).scalar_one() or 1

    async def children(self, ids: Iterable[UUID]) -> dict[UUID, list[GoalRow]]:
        """The goals right below each of these that count in it."""
        statement = select(GoalRow).where(
            self._mine(),
            GoalRow.parent_id.in_(list(ids)),
            GoalRow.status.in_(COUNTED),
            GoalRow.archived_at.is_(None),
        )
        found: dict[UUID, list[GoalRow]] = defaultdict(list)
        for row in (await self._session.execute(statement)).scalars():
            if row.parent_id is not None:
                found[row.parent_id].append(row)
        return found

    async def tops(self, page: PageRequest) -> Sequence[GoalRow]:
        """The goals without a parent, or whose parent is archived."""
        parent = aliased(GoalRow)
        has_parent = exists().where(
            parent.workspace_id == self._workspace_id,
            parent.id == GoalRow.parent_id,
            parent.archived_at.is_(None),
        )
        statement = select(GoalRow).where(self._mine(), GoalRow.archived_at.is_(None), ~has_parent)
        return (await self._session.execute(page.apply(statement))).scalars().all()

    async def below(self, ids: Iterable[UUID]) -> Sequence[GoalRow]:
        """Everything below these goals, the earliest due first, except under an archived one."""
        start = select(GoalRow.id).where(
            self._mine(), GoalRow.parent_id.in_(list(ids)), GoalRow.archived_at.is_(None)
        )
        below = start.cte("below", recursive=True)
        child = aliased(GoalRow)
        step = select(child.id).where(
            child.workspace_id == self._workspace_id,
            child.parent_id == below.c.id,
            child.archived_at.is_(None),
        )
        below = below.union(step)
        statement = (
            select(GoalRow)
            .where(self._mine(), GoalRow.id.in_(select(below.c.id)))
            .order_by(GoalRow.due_on, GoalRow.id)
        )
        return (await self._session.execute(statement)).scalars().all()

    def write_whole(self, row: GoalRow, names: Iterable[str]) -> None:
        """Has these columns written, changed or not: rows that set the same ones share a statement."""
        for name in names:
            flag_modified(row, name)

    async def record_progress(self, rows: Sequence[GoalRow], day: date, recorded_at: datetime) -> None:
        """Keeps where these goals stand as the figures of the day."""
        names = ("current", "progress", "pace", "health", "status")
        points = [
            {name: getattr(row, name) for name in names}
            | {"workspace_id": self._workspace_id, "goal_id": row.id, "day": day, "recorded_at": recorded_at}
            for row in rows
        ]
        new = insert(GoalProgressRow)
        renewed = {name: new.excluded[name] for name in (*names, "recorded_at")}
        keys = ["workspace_id", "goal_id", "day"]
        await self._session.execute(new.on_conflict_do_update(index_elements=keys, set_=renewed), points)

    async def progress(self, goal_id: UUID, page: PageRequest) -> Sequence[GoalProgressRow]:
        statement = select(GoalProgressRow).where(
            GoalProgressRow.workspace_id == self._workspace_id, GoalProgressRow.goal_id == goal_id
        )
        return (await self._session.execute(page.apply(statement))).scalars().all()

    async def revisions(self, goal_id: UUID, page: PageRequest) -> Sequence[GoalRevisionRow]:
        statement = select(GoalRevisionRow).where(
            GoalRevisionRow.workspace_id == self._workspace_id, GoalRevisionRow.goal_id == goal_id
        )
        return (await self._session.execute(page.apply(statement))).scalars().all()

    async def check_ins(self, goal_id: UUID, page: PageRequest) -> Sequence[GoalCheckInRow]:
        statement = select(GoalCheckInRow).where(
            GoalCheckInRow.workspace_id == self._workspace_id, GoalCheckInRow.goal_id == goal_id
        )
        return (await self._session.execute(page.apply(statement))).scalars().all()

    def _mine(self) -> ColumnElement[bool]:
        return GoalRow.workspace_id == self._workspace_id

    def _active(self) -> tuple[ColumnElement[bool], ...]:
        return self._mine(), GoalRow.status == "active", GoalRow.archived_at.is_(None)

    def _upward(self, ids: Sequence[UUID]) -> CTE:
        start = select(GoalRow.id, GoalRow.parent_id).where(self._mine(), GoalRow.id.in_(ids))
        above = start.cte("above", recursive=True)
        parent = aliased(GoalRow)
        step = select(parent.id, parent.parent_id).where(
            parent.workspace_id == self._workspace_id, parent.id == above.c.parent_id
        )
        return above.union(step)

    def _lineage(self, ids: Sequence[UUID]) -> CTE:
        """Like `_upward`, for each start apart, with the distance from it."""
        start = select(
            GoalRow.id.label("start"),
            GoalRow.id,
            GoalRow.parent_id,
            GoalRow.metric_key.is_(None).label("is_objective"),
            literal(0).label("depth"),
        ).where(self._mine(), GoalRow.id.in_(ids))
        lineage = start.cte("lineage", recursive=True)
        parent = aliased(GoalRow)
        step = select(
            lineage.c.start, parent.id, parent.parent_id, parent.metric_key.is_(None), lineage.c.depth + 1
        ).where(parent.workspace_id == self._workspace_id, parent.id == lineage.c.parent_id)
        return lineage.union_all(step)
