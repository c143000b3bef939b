"""The facts: what is counted from the rows, day by day, and the SQL that does it customer by customer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from app.kit.database import Unit
from app.metrics.repository.day_facts import COUNT_DAYS, EXTENT, FIRST_DAY

LONGEST_SECONDS = 3600
"""How long one statement of a fold may take; the connection's own limit suits requests."""

_BOUGHT = """
    SELECT DISTINCT t.contact_id, marked.day
    FROM unnest($2::date[], $3::timestamptz[], $4::timestamptz[]) AS marked (day, begins, ends)
    CROSS JOIN LATERAL (
        SELECT contact_id FROM touchpoints
        WHERE workspace_id = $1 AND kind = 'purchase'
            AND occurred_at >= marked.begins AND occurred_at < marked.ends AND deleted_at IS NULL
        OFFSET 0
    ) AS t
"""

_MOVED = f"""
    SELECT contact_id, day, known.contact_id IS NULL AS added
    FROM ({_BOUGHT}) AS fresh
    FULL JOIN (
        SELECT contact_id, day FROM metric_customer_days WHERE workspace_id = $1 AND day = ANY($2::date[])
    ) AS known USING (contact_id, day)
    WHERE fresh.contact_id IS NULL OR known.contact_id IS NULL
"""

_ADD_ALL = f"""
    INSERT INTO metric_customer_days (workspace_id, contact_id, day)
    SELECT $1, * FROM ({_BOUGHT}) AS fresh
"""

_ADD = """
    INSERT INTO metric_customer_days (workspace_id, contact_id, day)
    SELECT $1, * FROM unnest($2::uuid[], $3::date[])
"""

_REMOVE = """
    DELETE FROM metric_customer_days AS known
    USING unnest($2::uuid[], $3::date[]) AS gone (contact_id, day)
    WHERE known.workspace_id = $1 AND known.contact_id = gone.contact_id AND known.day = gone.day
"""

GRAINS = """
    grains (grain, step) AS (
        VALUES ('day', interval '1 day'), ('week', interval '7 days'),
            ('month', interval '1 month'), ('quarter', interval '3 months')
    )
"""

# A purchase on a day makes its customer alive at the starts of all periods in [rises, falls): those that
# begin on one of the next churn_after_days days. Ranges that touch are one; only its two ends are counted, so
# that a customer costs the same however long they stay. `last` is the last such period: alive at its start
# and not at its end, so not kept in it.
_COUNT_CUSTOMERS = """
    WITH %(grains)s,
    bought AS (
        SELECT contact_id, day, row_number() OVER (PARTITION BY contact_id ORDER BY day) AS place
        FROM metric_customer_days WHERE workspace_id = $1 %(who)s
    ),
    spread AS (
        SELECT grain, contact_id, day, place,
            date_trunc(grain, day::timestamp)::date AS period,
            (date_trunc(grain, day::timestamp) + step)::date AS rises,
            date_trunc(grain, (day + $2::int)::timestamp)::date AS last,
            (date_trunc(grain, (day + $2::int)::timestamp) + step)::date AS falls
        FROM bought CROSS JOIN grains
    ),
    visits AS (
        SELECT grain, period, place,
            period IS DISTINCT FROM lag(period) OVER (PARTITION BY grain, contact_id ORDER BY day) AS counts
        FROM spread
    ),
    alive AS (
        SELECT grain, rises, last, falls,
            coalesce(rises > lag(falls) OVER one, true) AS begins,
            coalesce(falls < lead(rises) OVER one, true) AS ends
        FROM spread WHERE rises <= last
        WINDOW one AS (PARTITION BY grain, contact_id ORDER BY day)
    ),
    changes (grain, period, active, first, second, alive, kept) AS (
        SELECT grain, period, count(*) FILTER (WHERE counts), count(*) FILTER (WHERE place = 1),
            count(*) FILTER (WHERE place = 2), 0, 0
        FROM visits GROUP BY 1, 2
        UNION ALL SELECT grain, rises, 0, 0, 0, count(*), count(*) FROM alive WHERE begins GROUP BY 1, 2
        UNION ALL SELECT grain, last, 0, 0, 0, 0, -count(*) FROM alive WHERE ends GROUP BY 1, 2
        UNION ALL SELECT grain, falls, 0, 0, 0, -count(*), 0 FROM alive WHERE ends GROUP BY 1, 2
    )
    INSERT INTO metric_customer_periods AS known (
        workspace_id, grain, period_start, active, first_purchases, second_purchases, alive_change,
        kept_change
    )
    SELECT $1, grain, period, $3::int * sum(active), $3::int * sum(first), $3::int * sum(second),
        $3::int * sum(alive), $3::int * sum(kept)
    FROM changes GROUP BY grain, period
    ON CONFLICT (workspace_id, grain, period_start) DO UPDATE SET
        active = known.active + excluded.active,
        first_purchases = known.first_purchases + excluded.first_purchases,
        second_purchases = known.second_purchases + excluded.second_purchases,
        alive_change = known.alive_change + excluded.alive_change,
        kept_change = known.kept_change + excluded.kept_change
"""

_COUNT_SOME = _COUNT_CUSTOMERS % {"grains": GRAINS, "who": "AND contact_id = ANY($4::uuid[])"}
_COUNT_ALL = _COUNT_CUSTOMERS % {"grains": GRAINS, "who": ""}


@dataclass(frozen=True, slots=True)
class Days:
    """Local days and the UTC instants [begins, ends) that make them up."""

    days: Sequence[date]
    begins: Sequence[datetime]
    ends: Sequence[datetime]


@dataclass(frozen=True, slots=True)
class Extent:
    """From when to when anything may have happened, in instants, and in local days where no instant is known.

    Wide enough for every fact; each pair is None where there is nothing of its kind.
    """

    first: datetime | None
    last: datetime | None
    first_day: date | None
    last_day: date | None


@dataclass(frozen=True, slots=True)
class PurchaseDays:
    """Pairs of a contact and a day."""

    contacts: list[UUID]
    days: list[date]


class FactRepository:
    """The facts of the unit's workspace. The caller holds the workspace's fold lock."""

    def __init__(self, unit: Unit) -> None:
        self._connection = unit.connection
        self._workspace_id = unit.workspace_id

    async def allow_long_statements(self) -> None:
        """For the rest of the unit: a rebuild, or the fold after a big import, reads and sorts a lot."""
        await self._connection.execute(
            f"SET LOCAL statement_timeout = '{LONGEST_SECONDS}s'; SET LOCAL work_mem = '64MB'"
        )

    async def count_days(self, days: Days) -> None:
        """Counts the additive facts of these days afresh."""
        await self._connection.execute(
            COUNT_DAYS, self._workspace_id, days.days, days.begins, days.ends, timeout=LONGEST_SECONDS
        )

    async def moved_purchase_days(self, days: Days) -> tuple[PurchaseDays, PurchaseDays]:
        """Of these days: who bought and is not known for it, and who is known for it and has not bought."""
        rows = await self._connection.fetch(
            _MOVED, self._workspace_id, days.days, days.begins, days.ends, timeout=LONGEST_SECONDS
        )
        added, gone = PurchaseDays([], []), PurchaseDays([], [])
        for row in rows:
            pairs = added if row["added"] else gone
            pairs.contacts.append(row["contact_id"])
            pairs.days.append(row["day"])
        return added, gone

    async def add_purchase_days(self, added: PurchaseDays) -> None:
        await self._connection.execute(
            _ADD, self._workspace_id, added.contacts, added.days, timeout=LONGEST_SECONDS
        )

    async def remove_purchase_days(self, gone: PurchaseDays) -> None:
        await self._connection.execute(
            _REMOVE, self._workspace_id, gone.contacts, gone.days, timeout=LONGEST_SECONDS
        )

    async def add_all_purchase_days(self, days: Days) -> None:
        """As `add_purchase_days`, for days of which nothing is known yet."""
        await self._connection.execute(
            _ADD_ALL, self._workspace_id, days.days, days.begins, days.ends, timeout=LONGEST_SECONDS
        )

    async def count_customers(
        self, churn_after_days: int, contacts: Collection[UUID] | None, *, sign: int = 1
    ) -> None:
        """Adds what these customers (None: all) make of the periods, or takes it away with a sign of -1."""
        arguments = [self._workspace_id, churn_after_days, sign]
        if contacts is None:
            await self._connection.execute(_COUNT_ALL, *arguments, timeout=LONGEST_SECONDS)
        else:
            await self._connection.execute(_COUNT_SOME, *arguments, contacts, timeout=LONGEST_SECONDS)

    async def wipe(self) -> None:
        """Forgets all facts."""
        for table in ("metric_days", "metric_customer_days", "metric_customer_periods"):
            await self._connection.execute(
                f"DELETE FROM {table} WHERE workspace_id = $1", self._workspace_id, timeout=LONGEST_SECONDS
            )

    async def extent(self) -> Extent:
        """From when to when there is anything to count."""
        row = await self._connection.fetchrow(EXTENT, self._workspace_id, timeout=LONGEST_SECONDS)
        assert row is not None
        return Extent(**row)

    async def first_day(self) -> date | None:
        """The first day with anything on it."""
        day: date | None = await self._connection.fetchval(FIRST_DAY, self._workspace_id)
        return day
