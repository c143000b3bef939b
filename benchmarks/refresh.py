"""What a fold costs after 1,000 new touchpoints, against a full rebuild of the same workspace.

    python -m benchmarks.refresh [--touchpoints 5000000]

Seeds three years of touchpoints into an embedded server of its own, takes the median of several folds (new
touchpoints of today; the same with one in a hundred somewhere in the past), then rebuilds everything and
compares the snapshots in both directions. Exits with 1 when they differ, are empty, or the fold is not a
hundred times cheaper.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg
from rich.console import Console
from rich.table import Table

from app.kit import migrations
from app.kit.embedded import EmbeddedServer
from app.kit.ids import new_id
from app.kit.jobs import Job
from app.kit.resources import DatabaseAddress, Resources, open_resources
from app.metrics.jobs import fold
from app.metrics.service.marking import FOLD_JOB, MarkService
from app.settings import Settings
from app.workspaces.schemas import WorkspaceCreate
from app.workspaces.service import WorkspaceService

YEARS = timedelta(days=3 * 365)
NEW, ROUNDS = 1000, 7
ENOUGH = 100

SEED_CONTACTS = """
    INSERT INTO contacts (
        workspace_id, id, display_name, emails, phones, external_ids, lifecycle_stage, tags, attributes,
        acquired_at, touchpoint_count, purchase_count, net_revenue, created_at, updated_at, version
    )
    SELECT $1, gen_random_uuid(), 'Contact ' || n, '[]', '[]', '[]', 'lead', '{}', '{}',
        $2::timestamptz + n * ($3::interval / $4::int), 0, 0, 0, $2, $2, 1
    FROM generate_series(0, $4::int - 1) AS n
"""
SEED_TOUCHPOINTS = """
    WITH people AS MATERIALIZED (
        SELECT id, row_number() OVER () - 1 AS place, count(*) OVER () AS total
        FROM contacts WHERE workspace_id = $1
    ),
    happened AS (
        SELECT n, at, abs(hashtext(at::text)::bigint) % (SELECT max(total) FROM people) AS place,
            CASE WHEN n % 10 < 2 THEN 'purchase' WHEN n % 10 = 2 THEN 'refund' ELSE 'message' END AS kind
        FROM unnest($2::timestamptz[]) WITH ORDINALITY AS moments (at, n)
    )
    INSERT INTO touchpoints (
        workspace_id, id, contact_id, channel, kind, direction, stage, occurred_at, amount, attributes,
        recorded_at, updated_at, version
    )
    SELECT $1, gen_random_uuid(), people.id, 'web', kind, 'inbound', 'purchase', at,
        CASE WHEN kind <> 'message' THEN 1 + (n % 20000) / 100.0 END, '{}', at, at, 1
    FROM happened JOIN people USING (place)
"""
SNAPSHOTS = """
    SELECT metric_key, grain, period_start, period_end, numerator, denominator, n
    FROM metric_snapshots WHERE workspace_id = $1
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Fold against rebuild.")
    parser.add_argument("--touchpoints", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="rapport-") as directory,
        EmbeddedServer(Path(directory), settings={"fsync": "off", "max_wal_size": "4GB"}) as server,
    ):
        urls = server.urls()
        address = DatabaseAddress(urls.owner_url, urls.app_url, None)
        migrations.upgrade(address.owner_url, address.app_role)
        return asyncio.run(measure(Path(directory), address, arguments.touchpoints))


async def measure(directory: Path, address: DatabaseAddress, count: int) -> int:
    settings = Settings(_env_file=None, data_dir=directory)
    resources = open_resources(settings, address, statement_seconds=3600)
    try:
        bench = Bench(resources, new_id())
        await bench.seed(count)
        first = await bench.time_rebuild()
        folds = [await bench.time_fold(late=0) for _ in range(ROUNDS)]
        late_folds = [await bench.time_fold(late=NEW // 100) for _ in range(ROUNDS)]
        folded = await bench.snapshots()
        second = await bench.time_rebuild()
        rebuilt = await bench.snapshots()
        total = count + 2 * ROUNDS * NEW
        equal = folded == rebuilt and touchpoints_in(folded) == total
        rebuild = median([first, second])
        report(total, rebuild, {"of today": median(folds), "1 % late": median(late_folds)}, equal=equal)
        return 0 if equal and rebuild / median(folds) >= ENOUGH else 1
    finally:
        await resources.close()


class Bench:
    """One workspace, its clock at the present."""

    def __init__(self, resources: Resources, workspace_id: UUID) -> None:
        self.resources = resources
        self.workspace_id = workspace_id
        self.now = datetime.now(UTC)

    async def seed(self, count: int) -> None:
        async with self.resources.database.unit(self.workspace_id) as unit:
            await WorkspaceService(unit).create(WorkspaceCreate(name="Bench", timezone="Europe/Berlin"))
            people = max(count // 50, 100)
            await unit.connection.execute(
                SEED_CONTACTS, self.workspace_id, self.now - YEARS, YEARS, people, timeout=3600
            )
        for start in range(0, count, 100_000):
            size = min(100_000, count - start)
            await self._add([self.now - YEARS + YEARS * ((start + n) / count) for n in range(size)])
        await self._vacuum()

    async def time_rebuild(self) -> float:
        async with self.resources.database.unit(self.workspace_id) as unit:
            await MarkService(unit).refresh()
        return await self._time_fold()

    async def time_fold(self, *, late: int) -> float:
        """Seconds of a fold after 1,000 new touchpoints, `late` of them spread over the years before."""
        moments = [self.now - timedelta(seconds=n) for n in range(NEW - late)]
        moments += [self.now - YEARS * (n + 1) / (late + 1) for n in range(late)]
        await self._add(moments)
        async with self.resources.database.unit(self.workspace_id) as unit:
            await MarkService(unit).mark(moments)
        return await self._time_fold()

    async def snapshots(self) -> set[tuple[Any, ...]]:
        async with self.resources.database.unit(self.workspace_id, read_only=True) as unit:
            return {tuple(row.values()) for row in await unit.connection.fetch(SNAPSHOTS, self.workspace_id)}

    async def _time_fold(self) -> float:
        begun = time.perf_counter()
        await fold(self.resources, Job(FOLD_JOB, self.workspace_id))
        return time.perf_counter() - begun

    async def _add(self, moments: list[datetime]) -> None:
        async with self.resources.database.unit(self.workspace_id) as unit:
            await unit.connection.execute(SEED_TOUCHPOINTS, self.workspace_id, moments, timeout=3600)

    async def _vacuum(self) -> None:
        owner = await asyncpg.connect(self.resources.address.owner_url.replace("+asyncpg", ""))
        await owner.execute("VACUUM ANALYZE touchpoints, contacts", timeout=3600)
        await owner.close()


def touchpoints_in(snapshots: set[tuple[Any, ...]]) -> int:
    return int(sum(row[4] for row in snapshots if row[:2] == ("touchpoint_count", "day")))


def report(total: int, rebuild: float, folds: dict[str, float], *, equal: bool) -> None:
    table = Table("touchpoints", "1,000 new ones", "fold", "rebuild", "ratio", "equal both ways")
    for kind, seconds in folds.items():
        ratio = f"{rebuild / seconds:,.0f}"
        table.add_row(f"{total:,}", kind, f"{seconds * 1000:,.1f} ms", f"{rebuild:,.2f} s", ratio, str(equal))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
