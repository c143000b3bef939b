"""Survey metrics: their facts of a day, and what the interval of a mean of marks needs."""

from decimal import Decimal

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

COUNTS = (
    "promoters", "passives", "detractors", "csat_answers", "satisfied", "ces_answers", "found_easy",
    "invitations", "invitations_answered", "loops_opened", "loops_closed", "loops_contacted",
)  # fmt: skip
SUMS = ("contact_seconds",)


def upgrade() -> None:
    for name in COUNTS:
        add_fact(name, sa.BigInteger())
    for name in SUMS:
        add_fact(name, sa.Numeric())
    op.add_column("metric_snapshots", sa.Column("squares", sa.BigInteger))
    make_all_due()


def downgrade() -> None:
    op.drop_column("metric_snapshots", "squares")
    for name in (*COUNTS, *SUMS):
        op.drop_column("metric_days", name)
    make_all_due()


def add_fact(name: str, kind: sa.BigInteger | sa.Numeric[Decimal]) -> None:
    """With a default, since the release before this one goes on counting days without it."""
    op.add_column("metric_days", sa.Column(name, kind, nullable=False, server_default="0"))


def make_all_due() -> None:
    """With other definitions every figure is incomplete until the next fold; so that comes at once."""
    op.execute("ALTER TABLE metric_states NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE metric_states SET next_day_at = now() WHERE next_day_at IS NOT NULL")
    op.execute("ALTER TABLE metric_states FORCE ROW LEVEL SECURITY")
