"""SQL of the fold: its lock, its marks, and the snapshots it makes from the facts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy import delete, exists, select, tuple_, update

from app.kit.database import Unit
from app.metrics.models import MetricMarkRow, MetricSnapshotRow, MetricStateRow
from app.metrics.repository.day_facts import DAY_FACTS
from app.metrics.repository.facts import GRAINS, LONGEST_SECONDS
from app.workspaces.models import WorkspaceRow

MOST_LISTED = 100

# Running sums over the customers' changes give, for each period, who is alive at its start and who is kept;
# the periods themselves join in with zeros, so that one without a change carries its predecessor's sum.
_MAKE_SNAPSHOTS = f"""
    WITH {GRAINS},
    periods AS (
        SELECT grain, begins::date AS begins, (begins + step)::date AS ends
        FROM grains CROSS JOIN LATERAL generate_series(
            date_trunc(grain, $2::date::timestamp), $3::date::timestamp, step
        ) AS begins
    ),
    days AS (
        SELECT grain, date_trunc(grain, day::timestamp)::date AS begins,
            {", ".join(f"sum({name}) AS {name}" for name in DAY_FACTS)}
        FROM metric_days CROSS JOIN grains
        WHERE workspace_id = $1 AND day >= (SELECT min(begins) FROM periods)
            AND day < (SELECT max(ends) FROM periods)
        GROUP BY 1, 2
    ),
    changes AS (
        SELECT grain, period_start AS begins, active, first_purchases, second_purchases, alive_change,
            kept_change
        FROM metric_customer_periods WHERE workspace_id = $1 AND period_start <= $3
        UNION ALL
        SELECT grain, begins, 0, 0, 0, 0, 0 FROM periods
    ),
    customers AS (
        SELECT grain, begins, sum(active) AS active, sum(first_purchases) AS new,
            sum(sum(first_purchases)) OVER up_to AS all_so_far,
            sum(sum(second_purchases)) OVER up_to AS repeating,
            sum(sum(alive_change)) OVER up_to AS alive, sum(sum(kept_change)) OVER up_to AS kept
        FROM changes GROUP BY grain, begins
        WINDOW up_to AS (PARTITION BY grain ORDER BY begins)
    ),
    counted AS (
        SELECT periods.grain, periods.begins, ends, customers.active, new, all_so_far, repeating, alive, kept,
            {", ".join(f"coalesce({name}, 0) AS {name}" for name in DAY_FACTS)}
        FROM periods JOIN customers USING (grain, begins) LEFT JOIN days USING (grain, begins)
    ),
    figures AS (
        SELECT metric_key, grain, begins, ends, numerator::numeric, denominator::numeric, squares::bigint,
            n::bigint, version
        FROM counted CROSS JOIN LATERAL (VALUES
            ('active_customers', active, NULL, NULL, active),
            ('average_order_value', purchase_value, purchases, NULL, purchases),
            ('churn_rate', alive - kept, alive, NULL, alive),
            ('customer_effort', found_easy, ces_answers, NULL, ces_answers),
            ('customer_satisfaction', satisfied, csat_answers, NULL, csat_answers),
            ('loop_closed_rate', loops_closed, loops_opened, NULL, loops_opened),
            ('net_promoter_score', promoters - detractors, promoters + passives + detractors,
                promoters + detractors, promoters + passives + detractors),
            ('net_revenue', purchase_value - refund_value, NULL, NULL, purchases + refunds),
            ('new_contacts', new_contacts, NULL, NULL, new_contacts),
            ('new_customers', new, NULL, NULL, new),
            ('repeat_purchase_rate', repeating, all_so_far, NULL, all_so_far),
            ('retention_rate', kept, alive, NULL, alive),
            ('survey_response_rate', invitations_answered, invitations, NULL, invitations),
            ('time_to_contact_minutes', contact_seconds / 60, loops_contacted, NULL, loops_contacted),
            ('touchpoint_count', touchpoints, NULL, NULL, touchpoints)
        ) AS made (metric_key, numerator, denominator, squares, n)
        JOIN unnest($4::text[], $5::int[]) AS definitions (metric_key, version) USING (metric_key)
    ),
    written AS (
        INSERT INTO metric_snapshots AS known (
            workspace_id, metric_key, grain, period_start, period_end, numerator, denominator,
            squares, n, definition_version, computed_at
        )
        SELECT $1, f.metric_key, f.grain, f.begins, f.ends, f.numerator, f.denominator, f.squares, f.n,
            f.version, $6
        FROM figures AS f LEFT JOIN metric_snapshots AS old
            ON old.workspace_id = $1 AND old.metric_key = f.metric_key AND old.grain = f.grain
            AND old.period_start = f.begins
        WHERE (f.numerator, f.denominator, f.squares, f.n, f.version)
            IS DISTINCT FROM (old.numerator, old.denominator, old.squares, old.n, old.definition_version)
        ON CONFLICT (workspace_id, metric_key, grain, period_start) DO UPDATE SET
            numerator = excluded.numerator, denominator = excluded.denominator,
            squares = excluded.squares, n = excluded.n, definition_version = excluded.definition_version,
            computed_at = excluded.computed_at
        RETURNING *
    )
    SELECT * FROM (
        SELECT *, count(*) OVER (PARTITION BY metric_key) AS changed,
            row_number() OVER (PARTITION BY metric_key ORDER BY period_start DESC, period_end DESC) AS place
        FROM written
    ) AS ranked WHERE place <= $7 ORDER BY metric_key, place
"""


@dataclass(frozen=True, slots=True)
class FoldSettings:
    """The settings of a workspace that decide what its facts are."""

    zone: ZoneInfo
    churn_after_days: int


class FoldRepository:
    """What a fold of the unit's workspace reads and writes apart from the facts."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._session = unit.session
        self._workspace_id = unit.workspace_id

    async def lock(self) -> MetricStateRow | None:
        """The workspace's state, locked until the unit ends; None while somebody else holds it."""
        statement = (
            select(MetricStateRow)
            .where(MetricStateRow.workspace_id == self._workspace_id)
            .with_for_update(skip_locked=True)
        )
        return (await self._session.execute(statement)).scalar_one_or_none()

    async def settings(self) -> FoldSettings:
        statement = select(WorkspaceRow.timezone, WorkspaceRow.churn_after_days).where(
            WorkspaceRow.id == self._workspace_id
        )
        timezone, churn_after_days = (await self._session.execute(statement)).one()
        return FoldSettings(ZoneInfo(timezone), churn_after_days)

    async def take_marks(self) -> list[date]:
        """Deletes the marks that are there and returns their days; later ones stay for the next fold.

        A mark is committed after the change it tells of: whatever is read from here on has seen that change.
        """
        statement = (
            delete(MetricMarkRow)
            .where(MetricMarkRow.workspace_id == self._workspace_id)
            .returning(MetricMarkRow.day)
        )
        return sorted(set((await self._session.execute(statement)).scalars()))

    async def has_marks(self) -> bool:
        statement = select(exists().where(MetricMarkRow.workspace_id == self._workspace_id))
        return bool((await self._session.execute(statement)).scalar_one())

    async def make_snapshots(
        self, since: date, today: date, versions: Mapping[str, int]
    ) -> Sequence[tuple[MetricSnapshotRow, int]]:
        """Brings all periods from the one of `since` to the one of `today` up to date.

        `versions` has the version of each metric's definition, by key. Returns those that are new or have
        moved, at most 100 of each metric, newest first, each with how many of its metric there are.
        """
        rows = await self._unit.connection.fetch(
            _MAKE_SNAPSHOTS,
            self._workspace_id,
            since,
            today,
            list(versions),
            list(versions.values()),
            self._unit.now,
            MOST_LISTED,
            timeout=LONGEST_SECONDS,
        )
        return [(_snapshot_row(row), row["changed"]) for row in rows]

    async def confirm_snapshots(
        self, keys: Collection[str], periods: Sequence[tuple[str, date]] | None
    ) -> None:
        """Notes that snapshots were computed now even if nothing moved: those of (grain, start), or all."""
        statement = update(MetricSnapshotRow).where(MetricSnapshotRow.workspace_id == self._workspace_id)
        if periods is not None:
            key = tuple_(MetricSnapshotRow.grain, MetricSnapshotRow.period_start)
            statement = statement.where(MetricSnapshotRow.metric_key.in_(keys), key.in_(periods))
        await self._session.execute(
            statement.values(computed_at=self._unit.now).execution_options(synchronize_session=False)
        )

    async def trim_snapshots(self, first_day: date | None, today: date) -> None:
        """Removes the periods before the first day and after today; all of them without a first day."""
        statement = delete(MetricSnapshotRow).where(MetricSnapshotRow.workspace_id == self._workspace_id)
        if first_day is not None:
            outside = (MetricSnapshotRow.period_end <= first_day) | (MetricSnapshotRow.period_start > today)
            statement = statement.where(outside)
        await self._session.execute(statement.execution_options(synchronize_session=False))


def _snapshot_row(row: object) -> MetricSnapshotRow:
    columns = MetricSnapshotRow.__table__.columns.keys()
    return MetricSnapshotRow(**{name: row[name] for name in columns})  # type: ignore[index]
