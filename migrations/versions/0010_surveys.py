"""Surveys: their versions, invitations, links, planned asks and responses."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from app.kit.tenancy import definer_function, protect

revision = "0010"
down_revision = "0009"

INSTANT = sa.DateTime(timezone=True)
DUE = "TABLE (workspace_id uuid, subject uuid)"


def upgrade() -> None:
    make_surveys()
    make_versions()
    make_frequency_rules()
    make_links()
    make_invitations()
    make_planned_invitations()
    make_responses()
    make_contact_scores()
    make_functions()


def downgrade() -> None:
    for function in (
        "due_survey_settlements()", "due_survey_reminders()", "due_planned_invitations()", "due_surveys()",
        "find_survey_token(bytea)",
    ):  # fmt: skip
        op.execute(f"DROP FUNCTION {function}")
    for table in (
        "survey_contact_scores", "survey_responses", "planned_invitations", "survey_invitations",
        "survey_links", "contact_frequency_rules", "survey_versions", "surveys",
    ):  # fmt: skip
        op.drop_table(table)


def make_surveys() -> None:
    op.create_table(
        "surveys",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("title", JSONB, nullable=False),
        sa.Column("introduction", JSONB),
        sa.Column("thanks", JSONB),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("anonymous", sa.Boolean, nullable=False),
        sa.Column("answered", sa.Boolean, nullable=False),
        sa.Column("default_locale", sa.Text, nullable=False),
        sa.Column("questions_version", sa.Integer, nullable=False),
        sa.Column("channel", sa.Text),
        sa.Column("link_url", sa.Text),
        sa.Column("audience", JSONB),
        sa.Column("consent_required", sa.Boolean, nullable=False),
        sa.Column("recontact_rule", sa.Text, nullable=False),
        sa.Column("recontact_days", sa.Integer),
        sa.Column("invitation_days", sa.Integer, nullable=False),
        sa.Column("grace_hours", sa.Integer, nullable=False),
        sa.Column("reminders_max", sa.Integer, nullable=False),
        sa.Column("reminder_gap_hours", sa.Integer, nullable=False),
        sa.Column("recurrence_days", sa.Integer),
        sa.Column("recurrence_iterations", sa.Integer),
        sa.Column("recurrence_invites", sa.Boolean, nullable=False),
        sa.Column("invited_iteration", sa.Integer, nullable=False),
        sa.Column("triggers", JSONB, nullable=False),
        sa.Column("followup_rules", JSONB, nullable=False),
        *(sa.Column(name, INSTANT) for name in ("opens_at", "closes_at", "opened_at", "closed_at")),
        *(sa.Column(name, INSTANT) for name in ("turn_at", "settle_at")),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("archived_at", INSTANT),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_surveys"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_surveys_workspace_id_workspaces"
        ),
        one_of("surveys", "type", "nps csat ces custom"),
        one_of("surveys", "state", "draft scheduled open closed"),
        one_of("surveys", "recontact_rule", "once until_response recurring always"),
    )
    for column in ("created_at", "updated_at"):
        op.create_index(f"ix_surveys_{column}", "surveys", ["workspace_id", column, "id"])
    op.create_index("ix_surveys_state", "surveys", ["workspace_id", "state", "created_at", "id"])
    for column in ("turn_at", "settle_at"):
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_surveys_{column}", "surveys", ["workspace_id", column], postgresql_where=where)
    protect("surveys")


def make_versions() -> None:
    op.create_table(
        "survey_versions",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("survey_id", sa.Uuid, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("questions", JSONB, nullable=False),
        sa.Column("score_key", sa.Text),
        sa.Column("answered", sa.Boolean, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "survey_id", "number", name="pk_survey_versions"),
        belongs_to("survey_versions", "survey_id", "surveys"),
    )
    protect("survey_versions")


def make_frequency_rules() -> None:
    op.create_table(
        "contact_frequency_rules",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("max_invitations", sa.Integer),
        sa.Column("window_hours", sa.Integer),
        sa.Column("min_gap_hours", sa.Integer),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_contact_frequency_rules"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_contact_frequency_rules_workspace_id_workspaces"
        ),
        sa.CheckConstraint(
            "(max_invitations IS NULL) = (window_hours IS NULL) "
            "AND (max_invitations IS NOT NULL OR min_gap_hours IS NOT NULL)",
            name="ck_contact_frequency_rules_limit",
        ),
    )
    op.create_index(
        "ix_contact_frequency_rules_created_at",
        "contact_frequency_rules",
        ["workspace_id", "created_at", "id"],
    )
    protect("contact_frequency_rules")


def make_links() -> None:
    op.create_table(
        "survey_links",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("survey_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("channel", sa.Text),
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        sa.Column("is_test", sa.Boolean, nullable=False),
        sa.Column("expires_at", INSTANT),
        sa.Column("revoked_at", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_survey_links"),
        belongs_to("survey_links", "survey_id", "surveys"),
    )
    op.create_index("ix_survey_links_token_hash", "survey_links", ["token_hash"])
    op.create_index(
        "ix_survey_links_survey_id", "survey_links", ["workspace_id", "survey_id", "created_at", "id"]
    )
    protect("survey_links")


def make_invitations() -> None:
    op.create_table(
        "survey_invitations",
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("survey_id", sa.Uuid, nullable=False),
        sa.Column("iteration", sa.Integer, nullable=False),
        sa.Column("contact_id", sa.Uuid),
        sa.Column("link_id", sa.Uuid),
        sa.Column("channel", sa.Text),
        sa.Column("locale", sa.Text),
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        sa.Column("token_sealed", sa.Text),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("is_test", sa.Boolean, nullable=False),
        sa.Column("delivery", sa.Text, nullable=False),
        *(sa.Column(name, sa.Boolean, nullable=False) for name in ("opened", "started")),
        *(sa.Column(name, sa.Boolean, nullable=False) for name in ("answered", "settled")),
        sa.Column("answered_at", INSTANT),
        sa.Column("reminders_sent", sa.Integer, nullable=False),
        sa.Column("last_reminded_at", INSTANT),
        sa.Column("next_reminder_at", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_survey_invitations"),
        belongs_to("survey_invitations", "survey_id", "surveys"),
        belongs_to("survey_invitations", "contact_id", "contacts"),
        belongs_to("survey_invitations", "link_id", "survey_links"),
        one_of("survey_invitations", "origin", "request trigger recurrence link"),
        one_of("survey_invitations", "delivery", "sent bounced revoked"),
    )
    table = "survey_invitations"
    op.create_index(f"ix_{table}_token_hash", table, ["token_hash"])
    for column in ("survey_id", "contact_id"):
        op.create_index(f"ix_{table}_{column}", table, ["workspace_id", column, "created_at", "id"])
    op.create_index(f"ix_{table}_created_at", table, ["workspace_id", "created_at", "id"])
    op.create_index(
        f"ix_{table}_next_reminder_at",
        table,
        ["workspace_id", "next_reminder_at"],
        postgresql_where=sa.text("next_reminder_at IS NOT NULL"),
    )
    op.create_index(
        f"ix_{table}_unsettled",
        table,
        ["workspace_id", "survey_id"],
        postgresql_where=sa.text("NOT settled"),
    )
    protect(table)


def make_planned_invitations() -> None:
    table = "planned_invitations"
    op.create_table(
        table,
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("survey_id", sa.Uuid, nullable=False),
        sa.Column("contact_id", sa.Uuid, nullable=False),
        sa.Column("touchpoint_id", sa.Uuid),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("channel", sa.Text),
        sa.Column("locale", sa.Text),
        sa.Column("is_test", sa.Boolean, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("invitation_id", sa.Uuid),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=f"pk_{table}"),
        belongs_to(table, "survey_id", "surveys"),
        belongs_to(table, "contact_id", "contacts"),
        one_of(table, "origin", "request trigger recurrence link"),
        one_of(table, "state", "planned invited skipped cancelled"),
    )
    op.create_index(
        f"uq_{table}_touchpoint_id",
        table,
        ["workspace_id", "touchpoint_id", "survey_id"],
        unique=True,
        postgresql_where=sa.text("touchpoint_id IS NOT NULL"),
    )
    op.create_index(f"ix_{table}_survey_id", table, ["workspace_id", "survey_id", "created_at", "id"])
    op.create_index(f"ix_{table}_contact_id", table, ["workspace_id", "contact_id"])
    op.create_index(
        f"ix_{table}_due_at",
        table,
        ["workspace_id", "due_at", "id"],
        postgresql_where=sa.text("state = 'planned'"),
    )
    protect(table)


def make_responses() -> None:
    table = "survey_responses"
    op.create_table(
        table,
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("survey_id", sa.Uuid, nullable=False),
        sa.Column("questions_version", sa.Integer, nullable=False),
        sa.Column("iteration", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Uuid) for name in ("contact_id", "invitation_id", "link_id")),
        *(sa.Column(name, sa.Text) for name in ("channel", "locale", "source", "external_id")),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("answers", JSONB, nullable=False),
        sa.Column("score_type", sa.Text),
        sa.Column("score", sa.SmallInteger),
        sa.Column("is_test", sa.Boolean, nullable=False),
        sa.Column("settled", sa.Boolean, nullable=False),
        sa.Column("started_at", INSTANT),
        sa.Column("answered_at", INSTANT),
        sa.Column("answered_on", sa.Date, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "survey_id", "questions_version"],
            ["survey_versions.workspace_id", "survey_versions.survey_id", "survey_versions.number"],
            name=f"fk_{table}_version",
        ),
        belongs_to(table, "contact_id", "contacts"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "invitation_id"],
            ["survey_invitations.workspace_id", "survey_invitations.id"],
            name=f"fk_{table}_invitation",
        ),
        one_of(table, "state", "partial completed"),
        sa.CheckConstraint("external_id IS NULL OR source IS NOT NULL", name=f"ck_{table}_source"),
        sa.CheckConstraint(
            "contact_id IS NULL OR (started_at IS NOT NULL AND answered_at IS NOT NULL)",
            name=f"ck_{table}_instants",
        ),
    )
    for column in ("invitation_id", "external_id"):
        key = ["invitation_id"] if column == "invitation_id" else ["source", "external_id"]
        op.create_index(
            f"uq_{table}_{column}",
            table,
            ["workspace_id", *key],
            unique=True,
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    op.create_index(f"ix_{table}_survey_id", table, ["workspace_id", "survey_id", "answered_on", "id"])
    op.create_index(f"ix_{table}_contact_id", table, ["workspace_id", "contact_id", "answered_at", "id"])
    op.create_index(f"ix_{table}_answered_at", table, ["workspace_id", "answered_at"])
    for name, columns, condition in (
        ("answered_on", ["answered_on"], "answered_at IS NULL"),
        ("unsettled", ["survey_id"], "NOT settled"),
    ):
        op.create_index(
            f"ix_{table}_{name}", table, ["workspace_id", *columns], postgresql_where=sa.text(condition)
        )
    protect(table)


def make_contact_scores() -> None:
    table = "survey_contact_scores"
    op.create_table(
        table,
        sa.Column("workspace_id", sa.Uuid, nullable=False),
        sa.Column("contact_id", sa.Uuid, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("score", sa.SmallInteger, nullable=False),
        sa.Column("answered_at", INSTANT, nullable=False),
        sa.Column("response_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "contact_id", "type", name=f"pk_{table}"),
        belongs_to(table, "contact_id", "contacts"),
    )
    for column in ("score", "answered_at"):
        op.create_index(f"ix_{table}_{column}", table, ["workspace_id", "type", column])
    protect(table)


def make_functions() -> None:
    """Those that look for work look into an index once for each workspace, however much of it there is."""
    definer_function(
        "find_survey_token(hash bytea)",
        "TABLE (workspace_id uuid, invitation_id uuid, link_id uuid)",
        "SELECT workspace_id, id, NULL::uuid FROM survey_invitations WHERE token_hash = hash "
        "UNION ALL SELECT workspace_id, NULL::uuid, id FROM survey_links WHERE token_hash = hash",
    )
    for name, table, condition in (
        ("due_surveys", "surveys", "turn_at <= now()"),
        ("due_planned_invitations", "planned_invitations", "state = 'planned' AND due_at <= now()"),
        ("due_survey_reminders", "survey_invitations", "next_reminder_at <= now()"),
        ("due_survey_settlements", "surveys", "settle_at <= now()"),
    ):
        definer_function(
            f"{name}()",
            DUE,
            f"SELECT w.id, NULL::uuid FROM workspaces w WHERE EXISTS (SELECT FROM {table} t "
            f"WHERE t.workspace_id = w.id AND {condition})",
        )


def belongs_to(table: str, column: str, parent: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id", column],
        [f"{parent}.workspace_id", f"{parent}.id"],
        name=f"fk_{table}_workspace_id_{column}_{parent}",
    )


def one_of(table: str, column: str, choices: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{choice}'" for choice in choices.split())
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"ck_{table}_{column}")
