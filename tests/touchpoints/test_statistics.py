"""A contact's statistics equal a naive recomputation, whatever happened in whatever order."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.kit.batches import read_items
from app.kit.database import Unit
from app.kit.errors import Invalid
from app.kit.preconditions import Precondition
from app.kit.resources import Resources
from app.touchpoints.schemas import TouchpointPatch
from app.touchpoints.service.touchpoints import CREATE, TouchpointService
from tests.conftest import make_tenant

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = ("visit", "purchase", "refund")

contacts = st.integers(0, 2)
kinds = st.sampled_from(KINDS)
instants = st.integers(0, 5).map(lambda days: (FIRST + timedelta(days=days)).isoformat())
moneys = st.integers(1, 9_999).map(lambda cents: {"amount": f"{Decimal(cents) / 100:.2f}", "currency": "EUR"})
keys = st.one_of(st.none(), st.integers(0, 4))


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    key = draw(keys)
    identity = {} if key is None else {"source": "shop", "external_id": f"order-{key}"}
    contact = {"external_id": {"source": "shop", "id": f"C-{draw(contacts)}"}}
    kind = draw(kinds)
    value = {"value": draw(moneys)} if kind != "visit" or draw(st.booleans()) else {}
    return {"contact": contact, "kind": kind, "occurred_at": draw(instants), **identity, **value}


patches = st.fixed_dictionaries(
    {}, optional={"kind": kinds, "occurred_at": instants, "value": st.one_of(st.none(), moneys)}
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("batch"), st.lists(items(), min_size=1, max_size=6)),
        st.tuples(st.just("patch"), st.integers(0, 50), patches),
        st.tuples(st.just("move"), st.integers(0, 50), st.integers(0, 50)),
        st.tuples(st.just("delete"), st.integers(0, 50)),
        st.tuples(st.just("restore"), st.integers(0, 50)),
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.slow
@given(history=steps)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_history_leaves_the_statistics_exact(resources: Resources, history: Sequence[Any]) -> None:
    tenant = await make_tenant(resources)
    for step in history:
        async with resources.database.unit(tenant.workspace_id) as unit:
            await apply(unit, step)
    async with resources.database.unit(tenant.workspace_id) as unit:
        assert await kept(unit) == await recomputed(unit)


async def test_parallel_writers_leave_the_statistics_exact(resources: Resources) -> None:
    tenant = await make_tenant(resources)
    order = {
        "kind": "purchase",
        "occurred_at": FIRST.isoformat(),
        "value": {"amount": "1.00", "currency": "EUR"},
    }

    async def write(writer: int) -> None:
        for turn in range(5):
            items = [
                order
                | {"contact": {"external_id": {"source": "shop", "id": f"C-{n % 3}"}}}
                | {"source": "shop", "external_id": f"order-{(n + writer) % 7}"}
                | {"occurred_at": (FIRST + timedelta(days=writer * turn + n)).isoformat()}
                for n in range(7)
            ]
            async with resources.database.unit(tenant.workspace_id) as unit:
                await TouchpointService(unit).record_many(read_items(CREATE, items))

    await asyncio.gather(*(write(writer) for writer in range(6)))
    async with resources.database.unit(tenant.workspace_id) as unit:
        assert await kept(unit) == await recomputed(unit)


async def apply(unit: Unit, step: Any) -> None:
    """One step; what a rule refuses changes nothing."""
    service = TouchpointService(unit)
    match step:
        case ("batch", batch):
            await service.record_many(read_items(CREATE, batch))
            return
    ids = await touchpoint_ids(unit)
    if not ids:
        return
    touchpoint_id = ids[step[1] % len(ids)]
    match step:
        case ("patch", _, changes):
            await change(service, touchpoint_id, changes)
        case ("move", _, number):
            other = (await service.get(ids[number % len(ids)])).contact_id
            await change(service, touchpoint_id, {"contact_id": str(other)})
        case ("delete", _):
            await service.delete(touchpoint_id, Precondition(None))
        case ("restore", _):
            await service.restore(touchpoint_id)


async def change(service: TouchpointService, touchpoint_id: UUID, changes: dict[str, Any]) -> None:
    try:
        await service.update(touchpoint_id, TouchpointPatch.model_validate(changes), Precondition(None))
    except Invalid:
        return


async def touchpoint_ids(unit: Unit) -> list[UUID]:
    rows = await unit.connection.fetch(
        "SELECT id FROM touchpoints WHERE workspace_id = $1 ORDER BY id", unit.workspace_id
    )
    return [row["id"] for row in rows]


@dataclass
class Tally:
    """The statistics of a contact, added up one touchpoint at a time."""

    touchpoint_count: int = 0
    last_touchpoint_at: datetime | None = None
    purchase_count: int = 0
    net_revenue: Decimal = Decimal(0)
    first_purchase_at: datetime | None = None
    last_purchase_at: datetime | None = None

    def add(self, kind: str, at: datetime, amount: Decimal | None) -> None:
        self.touchpoint_count += 1
        self.last_touchpoint_at = max(self.last_touchpoint_at or at, at)
        if kind == "purchase":
            self.purchase_count += 1
            self.first_purchase_at = min(self.first_purchase_at or at, at)
            self.last_purchase_at = max(self.last_purchase_at or at, at)
        if amount is not None:
            self.net_revenue += {"purchase": amount, "refund": -amount}.get(kind, Decimal(0))


async def recomputed(unit: Unit) -> dict[UUID, Tally]:
    tallies = dict.fromkeys(await contact_ids(unit))
    found = {contact_id: Tally() for contact_id in tallies}
    rows = await unit.connection.fetch(
        "SELECT contact_id, kind, occurred_at, amount FROM touchpoints "
        "WHERE workspace_id = $1 AND deleted_at IS NULL",
        unit.workspace_id,
    )
    for row in rows:
        found[row["contact_id"]].add(row["kind"], row["occurred_at"], row["amount"])
    return found


async def kept(unit: Unit) -> dict[UUID, Tally]:
    rows = await unit.connection.fetch(
        "SELECT id, touchpoint_count, last_touchpoint_at, purchase_count, net_revenue, first_purchase_at, "
        "last_purchase_at FROM contacts WHERE workspace_id = $1",
        unit.workspace_id,
    )
    return {row[0]: Tally(*row[1:]) for row in rows}


async def contact_ids(unit: Unit) -> list[UUID]:
    rows = await unit.connection.fetch("SELECT id FROM contacts WHERE workspace_id = $1", unit.workspace_id)
    return [row["id"] for row in rows]
