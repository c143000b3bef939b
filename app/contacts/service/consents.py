"""What contacts allow: an append-only ledger, in which denying wins."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from app.contacts.errors import unknown_contact
from app.contacts.events import CONSENT_CHANGED
from app.contacts.models import Channel, ConsentRow, ConsentState
from app.contacts.repository.consents import ConsentRepository
from app.contacts.repository.contacts import ContactRepository
from app.contacts.schemas.consents import (
    Consent,
    ConsentCreate,
    ConsentPage,
    ContactConsentChanged,
    CurrentConsent,
    CurrentConsents,
)
from app.kit.clock import MOST_AHEAD
from app.kit.database import Unit
from app.kit.errors import Invalid
from app.kit.ids import new_id
from app.kit.outbox import emit
from app.kit.pages import PageRequest


class ConsentService:
    """Records what contacts say, and answers whether they may be asked.

    The latest entry of a purpose and channel holds, by `at` and then by id. Something is denied on a channel
    if what holds for that channel or for all channels is a denial, and granted if either is a grant and none
    a denial. Who asks without a channel hears only of all channels.
    """

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = ConsentRepository(unit)
        self.contacts = ContactRepository(unit)

    async def record(self, contact_id: UUID, new: ConsentCreate) -> Consent:
        """Adds an entry, for archived contacts too. Raises `NotFound` and `Invalid`."""
        at = self._said_at(new.at)
        await self._require(contact_id)
        row = ConsentRow(
            workspace_id=self.unit.workspace_id,
            id=new_id(),
            contact_id=contact_id,
            recorded_at=self.unit.now,
            **new.model_dump(exclude={"at"}),
            at=at,
        )
        await self.repository.add(row)
        consent = Consent.model_validate(row)
        changed = ContactConsentChanged(contact_id=contact_id, consent=consent)
        emit(self.unit, CONSENT_CHANGED, changed, subject_id=contact_id)
        return consent

    async def page(self, contact_id: UUID, page: PageRequest, purpose: str | None) -> ConsentPage:
        """A contact's entries, newest first. Raises `NotFound`."""
        await self._require(contact_id)
        rows = await self.repository.page(contact_id, page, purpose)
        kept, cursor = page.cut(rows)
        return ConsentPage(items=[Consent.model_validate(row) for row in kept], next_cursor=cursor)

    async def current(self, contact_id: UUID) -> CurrentConsents:
        """The latest entry of each purpose and channel. Raises `NotFound`."""
        await self._require(contact_id)
        return CurrentConsents(
            items=[
                CurrentConsent(
                    purpose=row.purpose, channel=row.channel, state=row.state, at=row.at, consent_id=row.id
                )
                for row in await self.repository.current(contact_id)
            ]
        )

    async def latest_of(
        self, contact_id: UUID, position: tuple[datetime, UUID] | None, limit: int
    ) -> list[Consent]:
        """A contact's entries strictly before the position (`at`, id), newest first; none if unknown."""
        rows = await self.repository.before(contact_id, position, limit)
        return [Consent.model_validate(row) for row in rows]

    async def denied(self, contact_ids: Collection[UUID], purpose: str, channel: Channel | None) -> set[UUID]:
        """Which of the contacts have denied the purpose on the channel, in one query."""
        return await self._standing("denied", contact_ids, purpose, channel)

    async def granted(
        self, contact_ids: Collection[UUID], purpose: str, channel: Channel | None
    ) -> set[UUID]:
        """Which of the contacts have granted the purpose on the channel, in one query."""
        return await self._standing("granted", contact_ids, purpose, channel)

    async def _standing(
        self, state: ConsentState, contact_ids: Collection[UUID], purpose: str, channel: Channel | None
    ) -> set[UUID]:
        standing = await self.repository.standing(contact_ids, purpose, channel) if contact_ids else {}
        return {contact_id for contact_id, holds in standing.items() if holds == state}

    def _said_at(self, at: datetime | None) -> datetime:
        """Nothing was said in the future: dated so, a grant would outlast a denial that follows it."""
        if at is not None and at > self.unit.now + MOST_AHEAD:
            raise Invalid.at("/at", "must lie at most one day in the future", "in_the_future")
        return min(at or self.unit.now, self.unit.now)

    async def _require(self, contact_id: UUID) -> None:
        if not await self.contacts.existing([contact_id]):
            raise unknown_contact()
