"""Metrics: marks, facts, snapshots; and the states of long jobs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from app.kit.tenancy import definer_function, protect

revision = "0006"
down_revision = "0005"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    make_jobs()
    make_states_and_marks()
    make_facts()
    make_snapshots()
    definer_function(
        "due_metric_days()",
        "TABLE (workspace_id uuid, subject uuid)",
        "SELECT DISTINCT workspace_id, NULL::uuid FROM metric_marks "
        "UNION SELECT workspace_id, NULL::uuid FROM metric_states WHERE next_day_at <= now() "
        "UNION SELECT s.workspace_id, NULL::uuid FROM metric_states s "
        "JOIN workspaces w ON w.id = s.workspace_id "
        "WHERE s.timezone <> w.timezone OR s.churn_after_days <> w.churn_after_days "
        "UNION SELECT workspace_id, NULL::uuid FROM jobs "
        "WHERE kind = 'metrics.refresh' AND state IN ('queued', 'running')",
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION due_metric_days()")
    for table in (
        "metric_snapshots", "metric_customer_periods", "metric_customer_days", "metric_days",
        "metric_contacts", "metric_marks", "metric_states", "jobs",
    ):  # fmt: skip
        op.drop_table(table)


def make_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("progress", sa.Numeric(5, 4), nullable=False),
        sa.Column("result", JSONB),
        sa.Column("error", sa.Text),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_jobs"),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed')", name="ck_jobs_state"),
    )
    op.create_index(
        "ix_jobs_unfinished",
        "jobs",
        ["workspace_id", "kind", "id"],
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    protect("jobs")


def make_states_and_marks() -> None:
    op.create_table(
        "metric_states",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("timezone", sa.Text),
        sa.Column("churn_after_days", sa.Integer),
        sa.Column("definitions", sa.Integer),
        sa.Column("first_day", sa.Date),
        sa.Column("folded_to", sa.Date),
        sa.Column("next_day_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace_id", name="pk_metric_states"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_metric_states_workspace_id_workspaces"
        ),
    )
    protect("metric_states")
    op.create_table(
        "metric_marks",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_metric_marks"),
    )
    protect("metric_marks")
    op.create_table(
        "metric_contacts",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("contact_id", sa.Uuid, nullable=False),
        sa.Column("acquired_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "contact_id", name="pk_metric_contacts"),
    )
    protect("metric_contacts")


def make_facts() -> None:
    op.create_table(
        "metric_days",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("touchpoints", sa.BigInteger, nullable=False),
        sa.Column("purchases", sa.BigInteger, nullable=False),
        sa.Column("purchase_value", sa.Numeric, nullable=False),
        sa.Column("refunds", sa.BigInteger, nullable=False),
        sa.Column("refund_value", sa.Numeric, nullable=False),
        sa.Column("new_contacts", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "day", name="pk_metric_days"),
    )
    protect("metric_days")
    op.create_table(
        "metric_customer_days",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("contact_id", sa.Uuid, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "contact_id", "day", name="pk_metric_customer_days"),
    )
    op.create_index("ix_metric_customer_days_day", "metric_customer_days", ["workspace_id", "day"])
    protect("metric_customer_days")
    op.create_table(
        "metric_customer_periods",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("grain", sa.Text, nullable=False),
        sa.Column("period_start", sa.Date, nullable=False),
        sa.Column("active", sa.BigInteger, nullable=False),
        sa.Column("first_purchases", sa.BigInteger, nullable=False),
        sa.Column("second_purchases", sa.BigInteger, nullable=False),
        sa.Column("alive_change", sa.BigInteger, nullable=False),
        sa.Column("kept_change", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "grain", "period_start", name="pk_metric_customer_periods"),
    )
    protect("metric_customer_periods")


def make_snapshots() -> None:
    op.create_table(
        "metric_snapshots",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("metric_key", sa.Text, nullable=False),
        sa.Column("grain", sa.Text, nullable=False),
        sa.Column("period_start", sa.Date, nullable=False),
        sa.Column("period_end", sa.Date, nullable=False),
        sa.Column("numerator", sa.Numeric, nullable=False),
        sa.Column("denominator", sa.Numeric),
        sa.Column("n", sa.BigInteger, nullable=False),
        sa.Column("definition_version", sa.Integer, nullable=False),
        sa.Column("computed_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace_id", "metric_key", "grain", "period_start", name="pk_metric_snapshots"
        ),
    )
    protect("metric_snapshots")
