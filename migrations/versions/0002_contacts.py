"""Contacts, the keys they are known by, and their custom attributes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.kit.tenancy import CURRENT_WORKSPACE, definer_function, protect

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    make_contacts()
    make_identities()
    make_attribute_definitions()


def downgrade() -> None:
    for function in ("contacts_with_tags(text[])", "contacts_with_attribute(jsonb[])"):
        op.execute(f"DROP FUNCTION {function}")
    for table in ("attribute_definitions", "contact_identities", "contacts"):
        op.drop_table(table)


def make_contacts() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "contacts",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("given_name", sa.Text),
        sa.Column("family_name", sa.Text),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("emails", JSONB, nullable=False),
        sa.Column("phones", JSONB, nullable=False),
        sa.Column("external_ids", JSONB, nullable=False),
        sa.Column("company", sa.Text),
        sa.Column("job_title", sa.Text),
        sa.Column("lifecycle_stage", sa.Text, nullable=False),
        sa.Column("owner_id", sa.Uuid),
        sa.Column("tags", ARRAY(sa.Text), nullable=False),
        sa.Column("attributes", JSONB, nullable=False),
        sa.Column("locale", sa.Text),
        sa.Column("timezone", sa.Text),
        sa.Column("acquired_at", instant, nullable=False),
        sa.Column("acquisition_channel", sa.Text),
        sa.Column("acquisition_campaign", sa.Text),
        sa.Column("touchpoint_count", sa.Integer, nullable=False),
        sa.Column("last_touchpoint_at", instant),
        sa.Column("purchase_count", sa.Integer, nullable=False),
        sa.Column("net_revenue", sa.Numeric(20, 4), nullable=False),
        sa.Column("first_purchase_at", instant),
        sa.Column("last_purchase_at", instant),
        sa.Column("created_at", instant, nullable=False),
        sa.Column("updated_at", instant, nullable=False),
        sa.Column("archived_at", instant),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_contacts"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "owner_id"],
            ["members.workspace_id", "members.id"],
            name="fk_contacts_workspace_id_owner_id_members",
        ),
        sa.CheckConstraint(
            "lifecycle_stage IN ('lead', 'prospect', 'customer', 'advocate', 'churned')",
            name="ck_contacts_lifecycle_stage",
        ),
        sa.CheckConstraint("net_revenue <> 'NaN'", name="ck_contacts_net_revenue"),
    )
    for column in ("created_at", "updated_at", "acquired_at", "display_name"):
        op.create_index(f"ix_contacts_{column}", "contacts", ["workspace_id", column, "id"])
    for column in ("lifecycle_stage", "owner_id"):
        op.create_index(f"ix_contacts_{column}", "contacts", ["workspace_id", column, "created_at", "id"])
    op.create_index("ix_contacts_tags", "contacts", ["tags"], postgresql_using="gin")
    op.create_index(
        "ix_contacts_attributes",
        "contacts",
        ["attributes"],
        postgresql_using="gin",
        postgresql_ops={"attributes": "jsonb_path_ops"},
    )
    protect("contacts")
    # Row-level security would keep these operators from their indexes: they are not leakproof.
    definer_function(
        "contacts_with_tags(wanted text[])",
        "SETOF uuid",
        f"SELECT id FROM contacts WHERE workspace_id = {CURRENT_WORKSPACE} AND tags && wanted",
    )
    definer_function(
        "contacts_with_attribute(wanted jsonb[])",
        "SETOF uuid",
        f"SELECT id FROM contacts WHERE workspace_id = {CURRENT_WORKSPACE} AND attributes @> ANY (wanted)",
    )


def make_identities() -> None:
    op.create_table(
        "contact_identities",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("contact_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "kind", "source", "value", name="pk_contact_identities"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "contact_id"],
            ["contacts.workspace_id", "contacts.id"],
            name="fk_contact_identities_workspace_id_contact_id_contacts",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint("kind IN ('email', 'external_id')", name="ck_contact_identities_kind"),
    )
    op.create_index("ix_contact_identities_contact_id", "contact_identities", ["workspace_id", "contact_id"])
    protect("contact_identities")


def make_attribute_definitions() -> None:
    op.create_table(
        "attribute_definitions",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("options", ARRAY(sa.Text), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_attribute_definitions"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_attribute_definitions_workspace_id_workspaces"
        ),
        sa.CheckConstraint(
            "type IN ('text', 'number', 'boolean', 'date', 'select')", name="ck_attribute_definitions_type"
        ),
    )
    op.create_index(
        "uq_attribute_definitions_key", "attribute_definitions", ["workspace_id", "key"], unique=True
    )
    op.create_index(
        "ix_attribute_definitions_created_at", "attribute_definitions", ["workspace_id", "created_at", "id"]
    )
    protect("attribute_definitions")
