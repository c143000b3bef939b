"""What contacts allow, and the addresses that must not be written to."""

import sqlalchemy as sa
from alembic import op

from app.kit.tenancy import protect

revision = "0009"
down_revision = "0008"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    make_consents()
    make_suppressions()


def downgrade() -> None:
    for table in ("suppressions", "consents"):
        op.drop_table(table)


def make_consents() -> None:
    op.create_table(
        "consents",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("contact_id", sa.Uuid, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("channel", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("basis", sa.Text, nullable=False),
        sa.Column("source", sa.Text),
        sa.Column("note", sa.Text),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_consents"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "contact_id"],
            ["contacts.workspace_id", "contacts.id"],
            name="fk_consents_workspace_id_contact_id_contacts",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint("state IN ('granted', 'denied')", name="ck_consents_state"),
        sa.CheckConstraint(
            "basis IN ('consent', 'contract', 'legitimate_interest', 'other')", name="ck_consents_basis"
        ),
    )
    op.create_index("ix_consents_contact_id", "consents", ["workspace_id", "contact_id", "at", "id"])
    op.create_index(
        "ix_consents_purpose", "consents", ["workspace_id", "contact_id", "purpose", "channel", "at", "id"]
    )
    protect("consents", grants="SELECT, INSERT")


def make_suppressions() -> None:
    op.create_table(
        "suppressions",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_suppressions"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_suppressions_workspace_id_workspaces"
        ),
        sa.CheckConstraint("kind IN ('email', 'phone')", name="ck_suppressions_kind"),
        sa.CheckConstraint(
            "reason IN ('unsubscribed', 'bounced', 'complained', 'objected', 'other')",
            name="ck_suppressions_reason",
        ),
    )
    op.create_index(
        "uq_suppressions_kind_value", "suppressions", ["workspace_id", "kind", "value"], unique=True
    )
    op.create_index("ix_suppressions_created_at", "suppressions", ["workspace_id", "created_at", "id"])
    protect("suppressions")
