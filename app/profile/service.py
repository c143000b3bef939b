"""Use cases that span rooms about one person."""

from uuid import UUID

from app.contacts.service.contacts import ContactService
from app.kit.database import Unit
from app.kit.pages import PageRequest
from app.profile.schemas import TimelinePage, TouchpointEntry
from app.touchpoints.schemas import Touchpoint
from app.touchpoints.service.touchpoints import TouchpointListing, TouchpointService


class TimelineService:
    """Everything that happened with a contact, in one feed."""

    def __init__(self, unit: Unit) -> None:
        self.contacts = ContactService(unit)
        self.touchpoints = TouchpointService(unit)

    async def page(self, contact_id: UUID, page: PageRequest) -> TimelinePage:
        """One page in the order of the request. Raises `NotFound` for an unknown contact."""
        await self.contacts.get(contact_id)
        found = await self.touchpoints.list(page, TouchpointListing(contact_id=contact_id))
        return TimelinePage.model_construct(
            items=[_entry(touchpoint) for touchpoint in found.items], next_cursor=found.next_cursor
        )


def _entry(touchpoint: Touchpoint) -> TouchpointEntry:
    return TouchpointEntry.model_construct(
        type="touchpoint", at=touchpoint.occurred_at, id=touchpoint.id, touchpoint=touchpoint
    )
