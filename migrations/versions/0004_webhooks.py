"""Webhook endpoints, their deliveries and every try."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB

from app.kit.tenancy import definer_function, protect

revision = "0004"
down_revision = "0003"

INSTANT = sa.DateTime(timezone=True)
DUE = "TABLE (workspace_id uuid, subject uuid)"


def upgrade() -> None:
    make_endpoints()
    make_deliveries()
    make_attempts()
    make_due_functions()
    # A replay asks for events by when they happened.
    op.create_index("ix_events_occurred_at", "events", ["workspace_id", "occurred_at"])


def downgrade() -> None:
    op.drop_index("ix_events_occurred_at", "events")
    for function in ("due_deliveries()", "due_webhook_purges()"):
        op.execute(f"DROP FUNCTION {function}")
    for table in ("webhook_attempts", "webhook_deliveries", "webhook_endpoints"):
        op.drop_table(table)


def make_endpoints() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("event_types", ARRAY(sa.Text), nullable=False),
        sa.Column("secrets", JSONB, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("disabled_reason", sa.Text),
        sa.Column("disabled_at", INSTANT),
        sa.Column("consecutive_failures", sa.Integer, nullable=False),
        sa.Column("failing_since", INSTANT),
        sa.Column("last_success_at", INSTANT),
        sa.Column("last_failure_at", INSTANT),
        sa.Column("paused_until", INSTANT),
        sa.Column("recent_tries", JSONB, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("archived_at", INSTANT),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_webhook_endpoints"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_webhook_endpoints_workspace_id_workspaces"
        ),
        sa.CheckConstraint(
            "status IN ('enabled', 'failing', 'disabled')", name="ck_webhook_endpoints_status"
        ),
        sa.CheckConstraint(
            "(status = 'disabled') = (disabled_at IS NOT NULL)", name="ck_webhook_endpoints_disabled"
        ),
    )
    op.create_index(
        "ix_webhook_endpoints_created_at", "webhook_endpoints", ["workspace_id", "created_at", "id"]
    )
    protect("webhook_endpoints")


def make_deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("endpoint_id", sa.Uuid, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("data", JSONB),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("attempt_count", sa.Integer, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("lease_token", sa.Uuid),
        sa.Column("claimed_at", INSTANT),
        sa.Column("last_status_code", sa.Integer),
        sa.Column("last_error_kind", sa.Text),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_webhook_deliveries"),
        sa.CheckConstraint(
            "status IN ('pending', 'succeeded', 'failed')", name="ck_webhook_deliveries_status"
        ),
        sa.CheckConstraint("(status = 'pending') = (due_at IS NOT NULL)", name="ck_webhook_deliveries_due"),
        sa.CheckConstraint(
            "(lease_token IS NULL) = (claimed_at IS NULL)", name="ck_webhook_deliveries_lease"
        ),
    )
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        ["workspace_id", "endpoint_id", "due_at", "id"],
        postgresql_where=sa.text("status = 'pending'"),
    )
    newest = ["workspace_id", "endpoint_id", "created_at", "id"]
    op.create_index("ix_webhook_deliveries_created_at", "webhook_deliveries", newest)
    op.create_index(
        "ix_webhook_deliveries_failed",
        "webhook_deliveries",
        newest,
        postgresql_where=sa.text("status = 'failed'"),
    )
    protect("webhook_deliveries")


def make_attempts() -> None:
    op.create_table(
        "webhook_attempts",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("delivery_id", sa.Uuid, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("duration_ms", DOUBLE_PRECISION),
        sa.Column("status_code", sa.Integer),
        sa.Column("error_kind", sa.Text),
        sa.Column("error_detail", sa.Text),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("answer_truncated", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "delivery_id", "number", name="pk_webhook_attempts"),
    )
    protect("webhook_attempts")


def make_due_functions() -> None:
    """Both go endpoint by endpoint, one index probe each, so a long backlog costs the sweeper nothing."""
    definer_function(
        "due_deliveries()",
        DUE,
        "SELECT e.workspace_id, e.id FROM webhook_endpoints e "
        "WHERE e.status <> 'disabled' AND e.archived_at IS NULL "
        "AND (e.paused_until IS NULL OR e.paused_until <= now()) "
        "AND EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.workspace_id = e.workspace_id "
        "AND d.endpoint_id = e.id AND d.status = 'pending' AND d.due_at <= now())",
    )
    definer_function(
        "due_webhook_purges()",
        DUE,
        "SELECT e.workspace_id, e.id FROM webhook_endpoints e "
        "WHERE EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.workspace_id = e.workspace_id "
        "AND d.endpoint_id = e.id AND d.created_at < now() - interval '30 days')",
    )
