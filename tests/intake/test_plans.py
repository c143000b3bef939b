"""The frequent looks at received events go through an index, whatever the planner believes of the table."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.intake import repository
from app.kit.resources import DatabaseAddress, Resources
from tests.conftest import Tenant
from tests.intake.sending import Partner

pytestmark = pytest.mark.slow

ROWS = 20_000

FILL = """
    INSERT INTO inbound_events
        (workspace_id, id, source_id, event_source, event_id, type, payload, received_at, state, purge_at)
    SELECT $1, gen_random_uuid(), $2, '/x', number::text, 'x', '{}', now(),
        (ARRAY['parked', 'pending'] || array_fill('applied'::text, ARRAY[38]))[1 + number % 40],
        now() + interval '1 day'
    FROM generate_series(1, $3) AS number
"""


async def analyze(address: DatabaseAddress) -> None:
    owner = await asyncpg.connect(address.owner_url.replace("+asyncpg", ""))
    await owner.execute("ANALYZE inbound_events")
    await owner.close()


@pytest.mark.parametrize(
    "name", ["_BACKLOG", "_FIRST_PENDING", "_PENDING", "_NAMESAKES", "_COUNTS", "_PURGE_ROWS", "_DISCARD"]
)
async def test_no_look_reads_the_whole_table(
    resources: Resources, address: DatabaseAddress, tenant: Tenant, partner: Partner, name: str
):
    source_id = UUID(partner.id)
    arguments: dict[str, tuple[Any, ...]] = {
        "_BACKLOG": (100_000,),
        "_FIRST_PENDING": (source_id,),
        "_PENDING": (source_id, 500),
        "_NAMESAKES": (source_id, [source_id], ["7"], ["/y"]),
        "_COUNTS": ([source_id],),
        "_PURGE_ROWS": (resources.database.clock.now(), 100),
        "_DISCARD": (source_id, source_id, resources.database.clock.now(), repository.ROW_KEPT),
    }
    async with resources.database.unit(tenant.workspace_id) as unit:
        await unit.connection.execute(FILL, tenant.workspace_id, source_id, ROWS)
    await analyze(address)
    async with resources.database.unit(tenant.workspace_id) as unit:
        statement = "EXPLAIN " + getattr(repository, name)
        lines = await unit.connection.fetch(statement, tenant.workspace_id, *arguments[name])
        await unit.connection.execute("DELETE FROM inbound_events")
    assert "Seq Scan" not in "\n".join(line[0] for line in lines)
