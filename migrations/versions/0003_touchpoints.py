"""Touchpoints."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from app.kit.tenancy import protect

revision = "0003"
down_revision = "0002"

CHOICES = {
    "channel": "email phone sms chat web app social in_person store post other",
    "kind": "message call meeting visit purchase refund support_case support_resolved campaign_response "
    "referral note custom",
    "direction": "inbound outbound",
    "stage": "awareness consideration purchase onboarding support loyalty advocacy",
}


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "touchpoints",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("contact_id", sa.Uuid, nullable=False),
        *(sa.Column(column, sa.Text, nullable=False) for column in CHOICES),
        sa.Column("occurred_at", instant, nullable=False),
        sa.Column("summary", sa.Text),
        sa.Column("amount", sa.Numeric(20, 4)),
        sa.Column("campaign", sa.Text),
        sa.Column("source", sa.Text),
        sa.Column("external_id", sa.Text),
        sa.Column("attributes", JSONB, nullable=False),
        sa.Column("recorded_at", instant, nullable=False),
        sa.Column("updated_at", instant, nullable=False),
        sa.Column("deleted_at", instant),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_touchpoints"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "contact_id"],
            ["contacts.workspace_id", "contacts.id"],
            name="fk_touchpoints_workspace_id_contact_id_contacts",
        ),
        *(one_of(column, choices.split()) for column, choices in CHOICES.items()),
        sa.CheckConstraint(
            "CASE WHEN kind IN ('purchase', 'refund') THEN amount IS NOT NULL AND amount > 0 "
            "AND amount <> 'NaN' ELSE amount IS NULL OR amount <> 'NaN' END",
            name="ck_touchpoints_amount",
        ),
        sa.CheckConstraint("external_id IS NULL OR source IS NOT NULL", name="ck_touchpoints_source"),
    )
    for column in ("occurred_at", "recorded_at"):
        op.create_index(f"ix_touchpoints_{column}", "touchpoints", ["workspace_id", column, "id"])
    for column in ("contact_id", "kind"):
        op.create_index(
            f"ix_touchpoints_{column}", "touchpoints", ["workspace_id", column, "occurred_at", "id"]
        )
    op.create_index(
        "uq_touchpoints_external_id",
        "touchpoints",
        ["workspace_id", "source", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    protect("touchpoints")


def downgrade() -> None:
    op.drop_table("touchpoints")


def one_of(column: str, choices: list[str]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{choice}'" for choice in choices)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"ck_touchpoints_{column}")
