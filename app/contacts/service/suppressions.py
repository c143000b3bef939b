"""Addresses that must not be written to, whoever has them."""

from collections.abc import Collection
from typing import Literal, NamedTuple
from uuid import UUID

from app.contacts.models import Channel, SuppressionKind, SuppressionRow
from app.contacts.repository.suppressions import Address, SuppressionRepository
from app.contacts.schemas.suppressions import (
    RecordedSuppression,
    Suppression,
    SuppressionCreate,
    SuppressionPage,
)
from app.kit.contact_points import email_key, phone_number
from app.kit.database import Unit
from app.kit.errors import NotFound
from app.kit.ids import new_id
from app.kit.pages import PageRequest

KINDS_OF_CHANNEL: dict[Channel | None, tuple[SuppressionKind, ...]] = {
    "email": ("email",),
    "phone": ("phone",),
    "sms": ("phone",),
}
"""What kinds of address an ask on the channel goes to; on any other it may come by either."""
EITHER: tuple[SuppressionKind, ...] = ("email", "phone")


class SuppressionListing(NamedTuple):
    """The filters of the list; None where one is not used."""

    kind: SuppressionKind | None = None
    email: str | None = None
    phone: str | None = None


class SuppressionService:
    """Keeps the list and checks contacts against it.

    Entries know no contact: who is erased and comes back with the next import is still not written to.
    """

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = SuppressionRepository(unit)

    async def add(self, new: SuppressionCreate) -> RecordedSuppression:
        """Puts an address on the list; an entry it has already stays. Raises `Invalid` for no address."""
        [address] = _addresses(new.email, new.phone, "/email", "/phone")
        made = SuppressionRow(
            workspace_id=self.unit.workspace_id,
            id=new_id(),
            kind=address.kind,
            value=address.value,
            reason=new.reason,
            note=new.note,
            created_at=self.unit.now,
        )
        row = await self.repository.add(made)
        status: Literal["created", "unchanged"] = "created" if row.id == made.id else "unchanged"
        return RecordedSuppression(**Suppression.model_validate(row).model_dump(), status=status)

    async def get(self, suppression_id: UUID) -> Suppression:
        """Raises `NotFound`."""
        row = await self.repository.get(suppression_id)
        if row is None:
            raise _unknown()
        return Suppression.model_validate(row)

    async def list(self, page: PageRequest, listing: SuppressionListing) -> SuppressionPage:
        """Raises `Invalid` for what is no address."""
        addresses = _addresses(listing.email, listing.phone, "?email", "?phone")
        rows = await self.repository.page(page, listing.kind, addresses)
        kept, cursor = page.cut(rows)
        return SuppressionPage(items=[Suppression.model_validate(row) for row in kept], next_cursor=cursor)

    async def lift(self, suppression_id: UUID) -> None:
        """Takes an address off the list. Raises `NotFound`."""
        if not await self.repository.remove(suppression_id):
            raise _unknown()

    async def suppressed(self, contact_ids: Collection[UUID], channel: Channel | None) -> set[UUID]:
        """Which of the contacts must not be written to on the channel, in one query."""
        if not contact_ids:
            return set()
        return await self.repository.suppressed(contact_ids, KINDS_OF_CHANNEL.get(channel, EITHER))


def _addresses(email: str | None, phone: str | None, email_pointer: str, phone_pointer: str) -> list[Address]:
    """Those that are given, in their normal form."""
    addresses = []
    if email is not None:
        addresses.append(Address("email", email_key(email, email_pointer)))
    if phone is not None:
        addresses.append(Address("phone", phone_number(phone, phone_pointer)))
    return addresses


def _unknown() -> NotFound:
    return NotFound("There is no such suppression in this workspace.")
