"""Making, changing and putting away goals."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.goals.errors import GoalFinished
from app.goals.models import GoalRevisionRow, GoalRow
from app.goals.repository import GoalRepository
from app.goals.schemas import (
    Goal,
    GoalAssessment,
    GoalCreate,
    GoalPage,
    GoalPatch,
    MilestoneInput,
)
from app.goals.service.assessing import Assessor, foresee
from app.goals.service.figures import Calendar, MetricReader
from app.goals.service.refreshing import GoalRefresh
from app.goals.service.smart import DEEPEST
from app.goals.service.terms import Kind, check_terms, fill_in, priority_of
from app.kit.database import Unit
from app.kit.errors import Invalid, NotFound
from app.kit.ids import new_id
from app.kit.pages import MOST_ROWS, PageRequest
from app.kit.preconditions import Precondition
from app.metrics.service.catalogue import Definition
from app.metrics.service.reading import MetricService
from app.workspaces.service import WorkspaceService

TERMS = ("metric_key", "direction", "baseline", "target", "starts_on", "due_on", "measure", "grain")
BASELINE_DEPENDS_ON = ("metric_key", "direction", "starts_on", "measure", "grain")
DERIVED = ("baseline", "baseline_source", "measure", "grain", "priority")
STATUS_CHANGES = {
    ("draft", "active"),
    ("cancelled", "active"),
    ("draft", "cancelled"),
    ("active", "cancelled"),
}


class GoalService:
    """The goals of a workspace."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.metrics = MetricService(unit)
        self.repository = GoalRepository(unit)

    async def create(self, new: GoalCreate) -> Goal:
        calendar = await self._take_turn()
        row = self._row(new, calendar)
        definition = await self._definition(row)
        await self._check_people(row, ("owner_id", "stakeholder_ids"))
        await self._check_parent(row, height=1)
        self._settle(row, definition)
        refresh = GoalRefresh(self.unit, calendar)
        refresh.born(row)
        await self.repository.add(row)
        await refresh.run([row], assess=True)
        return Goal.model_validate(row)

    async def assess(self, wish: GoalCreate) -> GoalAssessment:
        """What the goal would look like. An unknown metric is not refused here but counts against it."""
        calendar = await Calendar.of(self.unit)
        row = self._row(wish, calendar)
        definition = await self.metrics.definition(row.metric_key) if row.metric_key else None
        await self._check_people(row, ("owner_id", "stakeholder_ids"))
        await self._check_parent(row, height=1)
        self._settle(row, definition)
        points = await MetricReader(self.metrics, calendar).points([row] if definition else [])
        if row.metric_key is not None:
            foresee(row, points.get(row.id, []))
        await Assessor(self.repository, self.metrics).assess([row], points)
        return GoalAssessment.model_validate(row)

    async def get(self, goal_id: UUID) -> Goal:
        return Goal.model_validate(await self.row(goal_id))

    async def goals(
        self, page: PageRequest, filters: Mapping[str, Any], *, include_archived: bool
    ) -> GoalPage:
        rows = await self.repository.goals(page, filters, include_archived=include_archived)
        kept, cursor = page.cut(rows)
        return GoalPage(items=[Goal.model_validate(row) for row in kept], next_cursor=cursor)

    async def update(self, goal_id: UUID, patch: GoalPatch, precondition: Precondition) -> Goal:
        calendar = await self._take_turn()
        row = await self.row(goal_id)
        precondition.check(row.version)
        changes = _Changes.of(row, patch)
        if not changes.after:
            return Goal.model_validate(row)
        changes.refuse_forbidden(row)
        refresh = GoalRefresh(self.unit, calendar)
        refresh.watch(row)
        shown = Goal.model_validate(row)
        former_parent = [] if row.parent_id is None else [row.parent_id]
        await self._apply(row, changes.after, calendar)
        refresh.touch(row)
        await refresh.run([row], assess=True, above=former_parent)
        goal = Goal.model_validate(row)
        await self.repository.add(self._revision(shown, goal, changes))
        return goal

    async def archive(self, goal_id: UUID, precondition: Precondition) -> None:
        """Archiving an archived goal changes nothing. The goals below it stay."""
        calendar = await self._take_turn()
        row = await self.row(goal_id)
        precondition.check(row.version)
        if row.archived_at is not None:
            return
        refresh = GoalRefresh(self.unit, calendar)
        refresh.watch(row)
        row.archived_at = self.unit.now
        refresh.touch(row)
        await refresh.run([], assess=False, above=[row.id])

    async def restore(self, goal_id: UUID) -> Goal:
        calendar = await self._take_turn()
        row = await self.row(goal_id)
        if row.archived_at is None:
            return Goal.model_validate(row)
        refresh = GoalRefresh(self.unit, calendar)
        refresh.watch(row)
        row.archived_at = None
        refresh.touch(row)
        await refresh.run([row], assess=True)
        return Goal.model_validate(row)

    async def row(self, goal_id: UUID) -> GoalRow:
        """Raises `NotFound` for a goal that this workspace does not have."""
        row = await self.repository.goal(goal_id)
        if row is None:
            raise NotFound("There is no such goal in this workspace.")
        return row

    async def _take_turn(self) -> Calendar:
        """Waits until no one else changes goals of this workspace; what is read after that stays true."""
        calendar = await Calendar.of(self.unit)
        await self.repository.lock_board(calendar.next_pass_at)
        return calendar

    def _row(self, wish: GoalCreate, calendar: Calendar) -> GoalRow:
        return GoalRow(
            **wish.model_dump(exclude={"milestones", "stakeholder_ids"}),
            workspace_id=self.unit.workspace_id,
            id=new_id(),
            baseline_source=None if wish.baseline is None else "given",
            stakeholder_ids=list(dict.fromkeys(wish.stakeholder_ids)),
            milestones=_stored(wish.milestones, []),
            health="unknown",
            smart={},
            followed_since=calendar.today,
            review_due_on=calendar.today,
            created_at=self.unit.now,
            updated_at=self.unit.now,
            version=1,
        )

    async def _apply(self, row: GoalRow, changes: Mapping[str, Any], calendar: Calendar) -> None:
        for name, value in changes.items():
            setattr(row, name, value)
        if "baseline" in changes:
            row.baseline_source = None if row.baseline is None else "given"
        elif row.baseline_source != "given" and changes.keys() & set(BASELINE_DEPENDS_ON):
            row.baseline = row.baseline_source = None
        if changes.keys() & {"metric_key", "direction"} and "measure" not in changes:
            row.measure = None
        if changes.get("status") == "active":
            row.followed_since = calendar.today
        definition = await self._definition(row)
        await self._check_people(row, changes.keys() & {"owner_id", "stakeholder_ids"})
        if "parent_id" in changes:
            await self._check_parent(row, height=await self.repository.height(row.id))
        self._settle(row, definition)

    def _settle(self, row: GoalRow, definition: Definition | None) -> None:
        kind: Kind | None = definition.kind if definition else None
        check_terms(row, kind)
        fill_in(row, kind)
        row.priority = priority_of(row)

    async def _definition(self, row: GoalRow) -> Definition | None:
        if row.metric_key is None:
            return None
        definition = await self.metrics.definition(row.metric_key)
        if definition is None:
            known = ", ".join(metric.key for metric in (await self.metrics.metrics(MOST_ROWS, None)).items)
            raise Invalid.at(
                "/metric_key", f"is not a metric of this workspace; there are: {known}", "unknown_metric"
            )
        return definition

    async def _check_people(self, row: GoalRow, names: Collection[str]) -> None:
        members = WorkspaceService(self.unit)
        if "owner_id" in names and row.owner_id is not None:
            await members.require_members([row.owner_id], "/owner_id")
        if "stakeholder_ids" in names:
            await members.require_members(row.stakeholder_ids, "/stakeholder_ids")

    async def _check_parent(self, row: GoalRow, *, height: int) -> None:
        """`height` is how many levels the goal and what is below it make."""
        if row.parent_id is None:
            return
        parent = await self.repository.goal(row.parent_id)
        if parent is None or parent.archived_at is not None:
            raise Invalid.at(
                "/parent_id", "is not a goal of this workspace, or it is archived", "unknown_goal"
            )
        path = await self.repository.path_up(parent.id)
        if row.id in path:
            raise Invalid.at("/parent_id", "is the goal itself or one below it", "circle")
        if len(path) + height > DEEPEST:
            raise Invalid.at("/parent_id", f"goals stand at most {DEEPEST} levels deep", "too_deep")

    def _revision(self, before: Goal, after: Goal, changes: "_Changes") -> GoalRevisionRow:
        derived = {name for name in DERIVED if getattr(before, name) != getattr(after, name)}
        names = derived | changes.after.keys()
        return GoalRevisionRow(
            workspace_id=self.unit.workspace_id,
            id=new_id(),
            goal_id=after.id,
            version=after.version,
            actor=self.unit.actor,
            reason=changes.reason,
            before=before.model_dump(mode="json", include=names),
            after=after.model_dump(mode="json", include=names),
            changed_at=self.unit.now,
        )


@dataclass(frozen=True, slots=True)
class _Changes:
    """What a patch would change: the new values as the row holds them, and why."""

    after: dict[str, Any]
    reason: str | None

    @classmethod
    def of(cls, row: GoalRow, patch: GoalPatch) -> "_Changes":
        wanted = patch.changes()
        reason = wanted.pop("reason", None)
        if "milestones" in wanted:
            wanted["milestones"] = _stored(wanted["milestones"], row.milestones)
        if "stakeholder_ids" in wanted:
            wanted["stakeholder_ids"] = list(dict.fromkeys(wanted["stakeholder_ids"]))
        return cls({name: value for name, value in wanted.items() if getattr(row, name) != value}, reason)

    def refuse_forbidden(self, row: GoalRow) -> None:
        """Raises `Invalid` for a status that callers do not set, `GoalFinished` for terms of the past."""
        status = self.after.get("status")
        if status is not None and (row.status, status) not in STATUS_CHANGES:
            raise Invalid.at("/status", f"cannot be changed from {row.status} to {status}", "status_change")
        if row.status in ("achieved", "missed") and self.after.keys() & set(TERMS):
            raise GoalFinished(
                f"This goal was {row.status}; its terms stay as they were. Make a new goal instead."
            )


def _stored(milestones: list[MilestoneInput], known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Milestones as the row holds them, thresholds exact; those known keep their `reached_at`."""
    reached = {(step["title"], step["threshold"]): step["reached_at"] for step in known}
    return [
        {
            "title": step.title,
            "due_on": step.due_on.isoformat(),
            "threshold": f"{step.threshold:f}",
            "weight": step.weight,
            "reached_at": reached.get((step.title, f"{step.threshold:f}")),
        }
        for step in milestones
    ]
