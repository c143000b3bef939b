"""PostgreSQL plans for a workspace it has never heard of as for any other.

See docs/decisions/0019-every-workspace-is-planned-alike.md.
"""

from alembic import op

from app.kit.tenancy import plan_alike, plan_as_usual

revision = "0013"
down_revision = "0012"

TABLES = (
    "api_keys", "attribute_definitions", "consents", "contact_frequency_rules", "contact_identities",
    "contacts", "event_cursors", "event_streams", "events", "followups", "goal_boards", "goal_check_ins",
    "goal_progress", "goal_revisions", "goals", "idempotency_keys", "inbound_events", "jobs", "members",
    "metric_contacts", "metric_customer_days", "metric_customer_periods", "metric_days", "metric_marks",
    "metric_snapshots", "metric_states", "planned_invitations", "sources", "suppressions",
    "survey_contact_scores", "survey_invitations", "survey_links", "survey_responses", "survey_versions",
    "surveys", "touchpoints", "webhook_attempts", "webhook_deliveries", "webhook_endpoints",
)  # fmt: skip
PARENTS = {
    "inbound_events": "source_id",
    "planned_invitations": "survey_id",
    "survey_invitations": "survey_id",
    "webhook_deliveries": "endpoint_id",
}
SEARCHES = ("contacts_with_tags(text[])", "contacts_with_attribute(jsonb[])")


def upgrade() -> None:
    for table in TABLES:
        plan_alike(table)
    for table, column in PARENTS.items():
        plan_alike(table, column)
    # How large a survey is has to be known where it is counted, and soon.
    op.execute("ALTER TABLE survey_responses SET (autovacuum_analyze_scale_factor = 0.01)")
    for search in SEARCHES:
        # So few that what is found is looked up by key: for a thousand, all contacts would be read.
        op.execute(f"ALTER FUNCTION {search} ROWS 10")


def downgrade() -> None:
    for search in SEARCHES:
        op.execute(f"ALTER FUNCTION {search} ROWS 1000")
    op.execute("ALTER TABLE survey_responses RESET (autovacuum_analyze_scale_factor)")
    for table, column in PARENTS.items():
        plan_as_usual(table, column)
    for table in TABLES:
        plan_as_usual(table)
