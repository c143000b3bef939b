"""Metrics that were made by other definitions are due, so that an upgrade needs nobody to wake them.

The number is `DEFINITIONS` of `app/metrics/service/catalogue.py`; who raises it there replaces this function.
"""

from alembic import op

from app.kit.tenancy import definer_function

revision = "0014"
down_revision = "0013"

DEFINITIONS = 3
DUE = (
    "SELECT DISTINCT workspace_id, NULL::uuid FROM metric_marks "
    "UNION SELECT workspace_id, NULL::uuid FROM metric_states WHERE next_day_at <= now() "
    "UNION SELECT s.workspace_id, NULL::uuid FROM metric_states s "
    "JOIN workspaces w ON w.id = s.workspace_id "
    "WHERE s.timezone <> w.timezone OR s.churn_after_days <> w.churn_after_days "
    "UNION SELECT workspace_id, NULL::uuid FROM jobs "
    "WHERE kind = 'metrics.refresh' AND state IN ('queued', 'running')"
)


def upgrade() -> None:
    replace(
        f"{DUE} UNION SELECT workspace_id, NULL::uuid FROM metric_states WHERE definitions < {DEFINITIONS}"
    )


def downgrade() -> None:
    replace(DUE)


def replace(body: str) -> None:
    op.execute("DROP FUNCTION due_metric_days()")
    definer_function("due_metric_days()", "TABLE (workspace_id uuid, subject uuid)", body)
