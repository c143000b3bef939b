"""What a contact's touchpoints add up to. Kept by the touchpoints room, in the same transaction."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from app.contacts.repository.contacts import ContactRepository
from app.kit.database import Unit


class Stats(NamedTuple):
    """The statistics of one contact, or what is to be added to them."""

    touchpoints: int = 0
    last_touchpoint_at: datetime | None = None
    purchases: int = 0
    net_revenue: Decimal = Decimal(0)
    first_purchase_at: datetime | None = None
    last_purchase_at: datetime | None = None


StatsDelta = Stats


class ContactStats:
    """Changes statistics. Each change raises the contact's version, since its answer differs from then on."""

    def __init__(self, unit: Unit) -> None:
        self.repository = ContactRepository(unit)

    async def lock(self, ids: Iterable[UUID]) -> None:
        """Keeps others from changing these contacts until the unit ends. Take it before you recompute."""
        await self.repository.lock(ids)

    async def add(self, deltas: Mapping[UUID, StatsDelta]) -> None:
        """Adds counts and sums, and widens the instants."""
        if deltas:
            await self.repository.add_stats(_columns(deltas))

    async def replace(self, stats: Mapping[UUID, Stats]) -> None:
        """Sets what was recomputed under `lock`."""
        if stats:
            await self.repository.replace_stats(_columns(stats))


def _columns(stats: Mapping[UUID, Stats]) -> list[list[object]]:
    rows = [(contact_id, *each) for contact_id, each in stats.items()]
    return [list(column) for column in zip(*rows, strict=True)]
