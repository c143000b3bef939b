"""Following goals: check-ins, what was recorded of them, and the tree they make."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app.goals.models import GoalCheckInRow, GoalRow
from app.goals.repository import COUNTED, GoalRepository
from app.goals.schemas import (
    CheckIn,
    CheckInCreate,
    CheckInPage,
    GoalNode,
    GoalProgress,
    GoalProgressPage,
    GoalRevision,
    GoalRevisionPage,
    GoalRollUp,
    GoalTree,
)
from app.goals.service.figures import Calendar
from app.goals.service.refreshing import GoalRefresh, roll_up_of
from app.kit.database import Unit
from app.kit.errors import NotFound
from app.kit.ids import new_id
from app.kit.pages import PageRequest

Family = Mapping[UUID | None, Sequence[GoalRow]]


class GoalFollowing:
    """What people and the system have noted about goals."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = GoalRepository(unit)

    async def check_in(self, goal_id: UUID, new: CheckInCreate) -> CheckIn:
        """Notes a review; the next one is expected one review period later."""
        calendar = await Calendar.of(self.unit)
        await self.repository.lock_board(calendar.next_pass_at)
        goal = await self._goal(goal_id)
        row = self._check_in_row(goal, new)
        await self.repository.add(row)
        refresh = GoalRefresh(self.unit, calendar)
        refresh.watch(goal)
        goal.last_check_in_on = calendar.today
        await refresh.run([goal], assess=False)
        return CheckIn.model_validate(row)

    async def check_ins(self, goal_id: UUID, page: PageRequest) -> CheckInPage:
        await self._goal(goal_id)
        rows = await self.repository.check_ins(goal_id, page)
        kept, cursor = page.cut(rows)
        return CheckInPage(items=[CheckIn.model_validate(row) for row in kept], next_cursor=cursor)

    async def progress(self, goal_id: UUID, page: PageRequest) -> GoalProgressPage:
        await self._goal(goal_id)
        rows = await self.repository.progress(goal_id, page)
        kept, cursor = page.cut(rows, lambda row: (row.day, row.goal_id))
        return GoalProgressPage(items=[GoalProgress.model_validate(row) for row in kept], next_cursor=cursor)

    async def revisions(self, goal_id: UUID, page: PageRequest) -> GoalRevisionPage:
        await self._goal(goal_id)
        rows = await self.repository.revisions(goal_id, page)
        kept, cursor = page.cut(rows)
        return GoalRevisionPage(items=[GoalRevision.model_validate(row) for row in kept], next_cursor=cursor)

    async def tree(self, page: PageRequest) -> GoalTree:
        rows = await self.repository.tops(page)
        tops, cursor = page.cut(rows)
        below: dict[UUID | None, list[GoalRow]] = defaultdict(list)
        for row in await self.repository.below([top.id for top in tops]):
            below[row.parent_id].append(row)
        return GoalTree(items=[_node(top, below) for top in tops], next_cursor=cursor)

    async def _goal(self, goal_id: UUID) -> GoalRow:
        row = await self.repository.goal(goal_id)
        if row is None:
            raise NotFound("There is no such goal in this workspace.")
        return row

    def _check_in_row(self, goal: GoalRow, new: CheckInCreate) -> GoalCheckInRow:
        return GoalCheckInRow(
            workspace_id=self.unit.workspace_id,
            id=new_id(),
            goal_id=goal.id,
            note=new.note,
            confidence=new.confidence,
            current=goal.current,
            progress=goal.progress,
            health=goal.health,
            actor=self.unit.actor,
            created_at=self.unit.now,
        )


def _node(row: GoalRow, below: Family) -> GoalNode:
    children = below.get(row.id, ())
    own: dict[str, Any] = {
        name: getattr(row, name) for name in GoalNode.model_fields if name not in ("roll_up", "children")
    }
    return GoalNode(
        **own,
        roll_up=GoalRollUp.model_validate(roll_up_of(child for child in children if child.status in COUNTED)),
        children=[_node(child, below) for child in children],
    )
