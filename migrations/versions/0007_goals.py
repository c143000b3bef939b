"""Goals, their progress, revisions and check-ins."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.kit.tenancy import definer_function, protect

revision = "0007"
down_revision = "0006"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    make_boards()
    make_goals()
    make_progress()
    make_revisions()
    make_check_ins()
    definer_function(
        "due_goals()",
        "TABLE (workspace_id uuid, subject uuid)",
        "SELECT b.workspace_id, NULL::uuid FROM goal_boards b WHERE b.next_pass_at <= now() AND EXISTS ("
        "SELECT FROM goals g WHERE g.workspace_id = b.workspace_id AND g.status = 'active' "
        "AND g.archived_at IS NULL)",
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION due_goals()")
    for table in ("goal_check_ins", "goal_revisions", "goal_progress", "goals", "goal_boards"):
        op.drop_table(table)


def make_boards() -> None:
    op.create_table(
        "goal_boards",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("next_pass_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", name="pk_goal_boards"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_goal_boards_workspace_id_workspaces"
        ),
    )
    protect("goal_boards")


def make_goals() -> None:
    op.create_table(
        "goals",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("metric_key", sa.Text),
        sa.Column("direction", sa.Text),
        sa.Column("baseline", sa.Numeric),
        sa.Column("baseline_source", sa.Text),
        sa.Column("target", sa.Numeric),
        sa.Column("starts_on", sa.Date, nullable=False),
        sa.Column("due_on", sa.Date, nullable=False),
        sa.Column("measure", sa.Text),
        sa.Column("grain", sa.Text),
        sa.Column("owner_id", sa.Uuid),
        sa.Column("stakeholder_ids", ARRAY(sa.Uuid), nullable=False),
        sa.Column("parent_id", sa.Uuid),
        sa.Column("impact", sa.Integer),
        sa.Column("feasibility", sa.Integer),
        sa.Column("priority", sa.Integer),
        sa.Column("review_cadence", sa.Text, nullable=False),
        sa.Column("milestones", JSONB, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("health", sa.Text, nullable=False),
        sa.Column("current", sa.Numeric),
        sa.Column("current_as_of", sa.Date),
        sa.Column("progress", sa.Numeric),
        sa.Column("pace", sa.Numeric),
        sa.Column("reason", sa.Text),
        sa.Column("forecast", JSONB),
        sa.Column("smart", JSONB, nullable=False),
        sa.Column("followed_since", sa.Date, nullable=False),
        sa.Column("last_check_in_on", sa.Date),
        sa.Column("review_due_on", sa.Date, nullable=False),
        sa.Column("review_flagged_on", sa.Date),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("archived_at", INSTANT),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_goals"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_goals_workspace_id_workspaces"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "owner_id"],
            ["members.workspace_id", "members.id"],
            name="fk_goals_workspace_id_owner_id_members",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "parent_id"],
            ["goals.workspace_id", "goals.id"],
            name="fk_goals_workspace_id_parent_id_goals",
        ),
        sa.CheckConstraint(
            "status IN ('draft', 'active', 'achieved', 'missed', 'cancelled')", name="ck_goals_status"
        ),
        sa.CheckConstraint(
            "health IN ('on_track', 'behind', 'at_risk', 'stale', 'unknown')", name="ck_goals_health"
        ),
        sa.CheckConstraint(
            "(metric_key IS NULL) = (direction IS NULL) AND (metric_key IS NULL) = (target IS NULL)",
            name="ck_goals_metric",
        ),
        sa.CheckConstraint("starts_on <= due_on", name="ck_goals_window"),
        sa.CheckConstraint("impact BETWEEN 1 AND 5 AND feasibility BETWEEN 1 AND 5", name="ck_goals_ratings"),
        sa.CheckConstraint("parent_id <> id", name="ck_goals_parent"),
    )
    for column in ("created_at", "due_on"):
        op.create_index(f"ix_goals_{column}", "goals", ["workspace_id", column, "id"])
    for column in ("status", "owner_id"):
        op.create_index(f"ix_goals_{column}", "goals", ["workspace_id", column, "created_at", "id"])
    op.create_index("ix_goals_metric_key", "goals", ["workspace_id", "metric_key", "status"])
    op.create_index("ix_goals_parent_id", "goals", ["workspace_id", "parent_id"])
    protect("goals")


def make_progress() -> None:
    op.create_table(
        "goal_progress",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("goal_id", sa.Uuid, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("current", sa.Numeric),
        sa.Column("progress", sa.Numeric),
        sa.Column("pace", sa.Numeric),
        sa.Column("health", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "goal_id", "day", name="pk_goal_progress"),
        goal_key("goal_progress"),
    )
    protect("goal_progress")


def make_revisions() -> None:
    op.create_table(
        "goal_revisions",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("goal_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("before", JSONB, nullable=False),
        sa.Column("after", JSONB, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_goal_revisions"),
        goal_key("goal_revisions"),
    )
    op.create_index(
        "ix_goal_revisions_goal_id", "goal_revisions", ["workspace_id", "goal_id", "changed_at", "id"]
    )
    protect("goal_revisions", grants="SELECT, INSERT")


def make_check_ins() -> None:
    op.create_table(
        "goal_check_ins",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("goal_id", sa.Uuid, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("confidence", sa.Numeric),
        sa.Column("current", sa.Numeric),
        sa.Column("progress", sa.Numeric),
        sa.Column("health", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_goal_check_ins"),
        goal_key("goal_check_ins"),
    )
    op.create_index(
        "ix_goal_check_ins_goal_id", "goal_check_ins", ["workspace_id", "goal_id", "created_at", "id"]
    )
    protect("goal_check_ins", grants="SELECT, INSERT")


def goal_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id", "goal_id"],
        ["goals.workspace_id", "goals.id"],
        name=f"fk_{table}_workspace_id_goal_id_goals",
    )
