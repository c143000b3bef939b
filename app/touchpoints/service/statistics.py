"""Keeps what the touchpoints of a contact add up to, equal to a recomputation at every commit."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from app.contacts.service.stats import ContactStats, StatsDelta
from app.kit.database import Unit
from app.touchpoints.models import TouchpointRecord
from app.touchpoints.repository import TouchpointRepository


async def keep_statistics(
    unit: Unit, changes: Iterable[tuple[TouchpointRecord | None, TouchpointRecord]]
) -> None:
    """Accounts for touchpoints that have been written: each before (None: new) and after its change.

    New ones are added up. Where one was changed, moved or removed, its contacts are computed anew from the
    rows, under the lock that every other writer needs to add its own.
    """
    added: dict[UUID, list[TouchpointRecord]] = {}
    disturbed: set[UUID] = set()
    for before, after in changes:
        if before is None:
            added.setdefault(after.contact_id, []).append(after)
        elif before.counted != after.counted:
            disturbed |= {before.contact_id, after.contact_id}
    statistics = ContactStats(unit)
    deltas = {contact_id: _sum(added[contact_id]) for contact_id in added.keys() - disturbed}
    if disturbed:
        await statistics.lock(deltas.keys() | disturbed)
    await statistics.add(deltas)
    if disturbed:
        await statistics.replace(await TouchpointRepository(unit).stats(disturbed))


def _sum(records: Iterable[TouchpointRecord]) -> StatsDelta:
    instants: list[datetime] = []
    purchases: list[datetime] = []
    revenue = Decimal(0)
    for record in records:
        instants.append(record.occurred_at)
        if record.kind == "purchase":
            purchases.append(record.occurred_at)
            revenue += record.amount or 0
        elif record.kind == "refund":
            revenue -= record.amount or 0
    return StatsDelta(
        touchpoints=len(instants),
        last_touchpoint_at=max(instants),
        purchases=len(purchases),
        net_revenue=revenue,
        first_purchase_at=min(purchases, default=None),
        last_purchase_at=max(purchases, default=None),
    )
