"""Follow-ups."""

import sqlalchemy as sa
from alembic import op

from app.kit.tenancy import definer_function, protect

revision = "0008"
down_revision = "0007"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    make_followups()
    index_lists()
    index_work()
    definer_function(
        "due_followups()",
        "TABLE (workspace_id uuid, subject uuid)",
        # One index probe a workspace: what is overdue and told of costs the sweeper nothing.
        "SELECT w.id, NULL::uuid FROM workspaces w CROSS JOIN LATERAL (SELECT FROM followups f "
        "WHERE f.workspace_id = w.id AND f.state = 'open' AND f.overdue_since IS NULL "
        "AND f.due_at < now() ORDER BY f.due_at LIMIT 1) AS late",
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION due_followups()")
    op.drop_table("followups")


def make_followups() -> None:
    op.create_table(
        "followups",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("contact_id", sa.Uuid, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("owner_id", sa.Uuid),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("root_cause", sa.Text),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("contacted_at", INSTANT),
        sa.Column("closed_at", INSTANT),
        sa.Column("overdue_since", INSTANT),
        sa.Column("origin_kind", sa.Text),
        sa.Column("origin_id", sa.Uuid),
        sa.Column("origin_survey_id", sa.Uuid),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_followups"),
        key_of("contact_id", "contacts"),
        key_of("owner_id", "members"),
        sa.CheckConstraint("state IN ('open', 'done', 'cancelled')", name="ck_followups_state"),
        sa.CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="ck_followups_closed_at"),
        sa.CheckConstraint("contacted_at >= opened_at", name="ck_followups_contacted_at"),
        sa.CheckConstraint("overdue_since = due_at", name="ck_followups_overdue_since"),
        sa.CheckConstraint("origin_kind = 'survey_response'", name="ck_followups_origin_kind"),
        sa.CheckConstraint(
            "num_nulls(origin_kind, origin_id, origin_survey_id) IN (0, 3)", name="ck_followups_origin"
        ),
    )
    protect("followups")


def key_of(column: str, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id", column],
        [f"{table}.workspace_id", f"{table}.id"],
        name=f"fk_followups_workspace_id_{column}_{table}",
    )


def index_lists() -> None:
    for column in ("created_at", "updated_at", "due_at"):
        index(column, ["workspace_id", column, "id"])
    for column in ("contact_id", "owner_id"):
        index(column, ["workspace_id", column, "created_at", "id"])
    index("state", ["workspace_id", "state", "due_at", "id"])
    index("open", ["workspace_id", "owner_id", "due_at", "id"], where="state = 'open'")
    for column in ("root_cause", "origin_survey_id"):
        index(column, ["workspace_id", column, "created_at", "id"], where=f"{column} IS NOT NULL")


def index_work() -> None:
    """For the metrics, for what follows touchpoints, for the sweeper, and against doubles."""
    index("opened_at", ["workspace_id", "opened_at"])
    index("contacted_at", ["workspace_id", "contacted_at"], where="contacted_at IS NOT NULL")
    index("uncontacted", ["workspace_id", "contact_id"], where="state = 'open' AND contacted_at IS NULL")
    index("unflagged", ["workspace_id", "due_at", "id"], where="state = 'open' AND overdue_since IS NULL")
    op.create_index(
        "uq_followups_origin",
        "followups",
        ["workspace_id", "origin_kind", "origin_id"],
        unique=True,
        postgresql_where=sa.text("origin_id IS NOT NULL"),
    )


def index(name: str, columns: list[str], where: str | None = None) -> None:
    condition = None if where is None else sa.text(where)
    op.create_index(f"ix_followups_{name}", "followups", columns, postgresql_where=condition)
