"""Goals, how they went, and who looked at them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, Numeric, PrimaryKeyConstraint, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.database import Base
from app.kit.personal_data import NOT_PERSONAL

EXACT = Numeric()
"""As many digits as the arithmetic gives: what is stored compares equal to what is computed again."""


class GoalBoardRow(Base):
    """The goals of a workspace as one thing: whoever changes any of them locks this row first.

    Goals hang together (cycles, depth, roll-ups), so changes to them take turns. `next_pass_at` is when all
    of them are to be computed again, since a day has gone by.
    """

    __tablename__ = "goal_boards"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    next_pass_at: Mapped[datetime]


class GoalRow(Base):
    """A goal, or an objective when it has no metric.

    What is computed (from `health` to `smart`) stands in the row, so that lists can sort and filter by it.
    Check-ins are expected from `followed_since` on; `review_flagged_on` is the last due day that was told of.
    """

    __tablename__ = "goals"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        ForeignKeyConstraint(["workspace_id", "owner_id"], ["members.workspace_id", "members.id"]),
        ForeignKeyConstraint(["workspace_id", "parent_id"], ["goals.workspace_id", "goals.id"]),
        Index("ix_goals_created_at", "workspace_id", "created_at", "id"),
        Index("ix_goals_due_on", "workspace_id", "due_on", "id"),
        Index("ix_goals_metric_key", "workspace_id", "metric_key", "status"),
        Index("ix_goals_status", "workspace_id", "status", "created_at", "id"),
        Index("ix_goals_parent_id", "workspace_id", "parent_id"),
        Index("ix_goals_owner_id", "workspace_id", "owner_id", "created_at", "id"),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    title: Mapped[str]
    description: Mapped[str | None]
    metric_key: Mapped[str | None]
    direction: Mapped[str | None]
    baseline: Mapped[Decimal | None] = mapped_column(EXACT)
    baseline_source: Mapped[str | None]
    target: Mapped[Decimal | None] = mapped_column(EXACT)
    starts_on: Mapped[date]
    due_on: Mapped[date]
    measure: Mapped[str | None]
    grain: Mapped[str | None]
    owner_id: Mapped[UUID | None]
    stakeholder_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    parent_id: Mapped[UUID | None]
    impact: Mapped[int | None]
    feasibility: Mapped[int | None]
    priority: Mapped[int | None]
    review_cadence: Mapped[str]
    milestones: Mapped[list[dict[str, Any]]]
    status: Mapped[str]
    health: Mapped[str]
    current: Mapped[Decimal | None] = mapped_column(EXACT)
    current_as_of: Mapped[date | None]
    progress: Mapped[Decimal | None] = mapped_column(EXACT)
    pace: Mapped[Decimal | None] = mapped_column(EXACT)
    reason: Mapped[str | None]
    forecast: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    smart: Mapped[dict[str, Any]]
    followed_since: Mapped[date]
    last_check_in_on: Mapped[date | None]
    review_due_on: Mapped[date]
    review_flagged_on: Mapped[date | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]
    version: Mapped[int]


class GoalProgressRow(Base):
    """Where a goal stood at the end of a day: the last figures computed on it."""

    __tablename__ = "goal_progress"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "goal_id", "day"),
        ForeignKeyConstraint(["workspace_id", "goal_id"], ["goals.workspace_id", "goals.id"]),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    goal_id: Mapped[UUID]
    day: Mapped[date]
    current: Mapped[Decimal | None] = mapped_column(EXACT)
    progress: Mapped[Decimal | None] = mapped_column(EXACT)
    pace: Mapped[Decimal | None] = mapped_column(EXACT)
    health: Mapped[str]
    status: Mapped[str]
    recorded_at: Mapped[datetime]


class GoalRevisionRow(Base):
    """What one change by hand did: who, why, and the fields before and after."""

    __tablename__ = "goal_revisions"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id", "goal_id"], ["goals.workspace_id", "goals.id"]),
        Index("ix_goal_revisions_goal_id", "workspace_id", "goal_id", "changed_at", "id"),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    goal_id: Mapped[UUID]
    version: Mapped[int]
    actor: Mapped[str]
    reason: Mapped[str | None]
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]
    changed_at: Mapped[datetime]


class GoalCheckInRow(Base):
    """A review of a goal by a person, with the figures they had before them."""

    __tablename__ = "goal_check_ins"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id", "goal_id"], ["goals.workspace_id", "goals.id"]),
        Index("ix_goal_check_ins_goal_id", "workspace_id", "goal_id", "created_at", "id"),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    goal_id: Mapped[UUID]
    note: Mapped[str]
    confidence: Mapped[Decimal | None] = mapped_column(EXACT)
    current: Mapped[Decimal | None] = mapped_column(EXACT)
    progress: Mapped[Decimal | None] = mapped_column(EXACT)
    health: Mapped[str]
    actor: Mapped[str]
    created_at: Mapped[datetime]
