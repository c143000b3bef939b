"""Looking for work of the kit goes from workspace to workspace, one index probe each: a long backlog costs
the sweeper nothing."""

from alembic import op

from app.kit.tenancy import definer_function

revision = "0012"
down_revision = "0011"

DUE = "TABLE (workspace_id uuid, subject uuid)"
BEHIND = (
    "SELECT s.workspace_id, NULL::uuid FROM event_streams s "
    "JOIN event_cursors c ON c.workspace_id = s.workspace_id WHERE c.position < s.last_sequence"
)


def upgrade() -> None:
    replace(
        "due_relays()",
        "WITH RECURSIVE waiting AS ("
        "(SELECT workspace_id FROM events WHERE sequence IS NULL ORDER BY workspace_id LIMIT 1) "
        "UNION ALL SELECT (SELECT e.workspace_id FROM events e WHERE e.sequence IS NULL "
        "AND e.workspace_id > w.workspace_id ORDER BY e.workspace_id LIMIT 1) "
        "FROM waiting w WHERE w.workspace_id IS NOT NULL) "
        f"SELECT workspace_id, NULL::uuid FROM waiting WHERE workspace_id IS NOT NULL UNION {BEHIND}",
    )
    replace(
        "due_idempotency_purges()",
        "SELECT w.id, NULL::uuid FROM workspaces w WHERE EXISTS (SELECT FROM idempotency_keys k "
        "WHERE k.workspace_id = w.id AND k.created_at < now() - interval '24 hours')",
    )


def downgrade() -> None:
    replace(
        "due_relays()",
        f"SELECT DISTINCT workspace_id, NULL::uuid FROM events WHERE sequence IS NULL UNION {BEHIND}",
    )
    replace(
        "due_idempotency_purges()",
        "SELECT DISTINCT workspace_id, NULL::uuid FROM idempotency_keys "
        "WHERE created_at < now() - interval '24 hours'",
    )


def replace(signature: str, body: str) -> None:
    op.execute(f"DROP FUNCTION {signature}")
    definer_function(signature, DUE, body)
