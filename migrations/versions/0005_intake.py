"""Intake: sources and the events they sent."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from app.kit.tenancy import definer_function, protect

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    make_sources()
    make_inbound_events()
    make_functions()


def downgrade() -> None:
    for function in ("due_inbound_purges()", "due_inbound_events()", "find_source(uuid)"):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("inbound_events")
    op.drop_table("sources")


def make_sources() -> None:
    op.create_table(
        "sources",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("secrets", JSONB, nullable=False),
        sa.Column("last_event_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True)),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_sources"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_sources_workspace_id_workspaces"
        ),
    )
    op.create_index("uq_sources_key", "sources", ["workspace_id", "key"], unique=True)
    # For `find_source`, which does not know the workspace yet.
    op.create_index("ix_sources_id", "sources", ["id"])
    op.create_index("ix_sources_created_at", "sources", ["workspace_id", "created_at", "id"])
    protect("sources")


def make_inbound_events() -> None:
    op.create_table(
        "inbound_events",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("source_id", sa.Uuid, nullable=False),
        sa.Column("event_source", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("subject", sa.Text),
        sa.Column("event_time", sa.DateTime(timezone=True)),
        sa.Column("payload", JSONB),
        sa.Column("state", sa.Text, nullable=False, server_default="pending"),
        sa.Column("reason", sa.Text),
        sa.Column("problem", JSONB),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("contact_id", sa.Uuid),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("purge_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_inbound_events"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "source_id"],
            ["sources.workspace_id", "sources.id"],
            name="fk_inbound_events_workspace_id_source_id_sources",
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'applied', 'parked', 'discarded')", name="ck_inbound_events_state"
        ),
    )
    make_inbound_event_indexes()
    protect("inbound_events")


def make_inbound_event_indexes() -> None:
    op.create_index(
        "uq_inbound_events_event",
        "inbound_events",
        ["workspace_id", "source_id", "event_id", "event_source"],
        unique=True,
    )
    partial = (
        ("pending", ["workspace_id", "source_id", "id"], "state = 'pending'"),
        ("parked", ["workspace_id", "source_id", "received_at", "id"], "state = 'parked'"),
        ("purge_at", ["workspace_id", "purge_at"], "purge_at IS NOT NULL"),
        ("contact_id", ["workspace_id", "contact_id"], "contact_id IS NOT NULL"),
    )
    for name, columns, condition in partial:
        op.create_index(
            f"ix_inbound_events_{name}", "inbound_events", columns, postgresql_where=sa.text(condition)
        )


def make_functions() -> None:
    """The two that look for work look into an index once for each source or workspace."""
    definer_function("find_source(source uuid)", "SETOF sources", "SELECT * FROM sources WHERE id = source")
    definer_function(
        "due_inbound_events()",
        "TABLE (workspace_id uuid, subject uuid)",
        "SELECT s.workspace_id, s.id FROM sources s CROSS JOIN LATERAL (SELECT FROM inbound_events e "
        "WHERE e.workspace_id = s.workspace_id AND e.source_id = s.id AND e.state = 'pending' "
        "ORDER BY e.id LIMIT 1) AS waiting",
    )
    definer_function(
        "due_inbound_purges()",
        "TABLE (workspace_id uuid, subject uuid)",
        "SELECT w.id, NULL::uuid FROM workspaces w CROSS JOIN LATERAL (SELECT FROM inbound_events e "
        "WHERE e.workspace_id = w.id AND e.purge_at <= now() ORDER BY e.purge_at LIMIT 1) AS over",
    )
