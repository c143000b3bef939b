"""Use cases that span rooms about one person."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from app.contacts.service.consents import ConsentService
from app.contacts.service.contacts import ContactService
from app.kit.database import Unit
from app.kit.pages import PageRequest
from app.profile.schemas import (
    ConsentEntry,
    EntryType,
    SurveyResponseEntry,
    TimelineEntry,
    TimelinePage,
    TouchpointEntry,
)
from app.surveys.service.responses import ResponseService
from app.touchpoints.service.touchpoints import TouchpointService

Position = tuple[datetime, UUID] | None


class TimelineService:
    """Everything that happened with a contact, in one feed."""

    def __init__(self, unit: Unit) -> None:
        self.contacts = ContactService(unit)
        self.touchpoints = TouchpointService(unit)
        self.responses = ResponseService(unit)
        self.consents = ConsentService(unit)

    async def page(self, contact_id: UUID, page: PageRequest, types: Collection[EntryType]) -> TimelinePage:
        """One page of the entries of these types, latest first. Raises `NotFound` for an unknown contact.

        Each kind gives as many entries as the page may need, so that the latest of all are among them.
        """
        await self.contacts.get(contact_id)
        before, limit = page.position(), page.limit + 1
        entries: list[TimelineEntry] = []
        if "touchpoint" in types:
            entries += await self._touchpoints(contact_id, before, limit)
        if "survey_response" in types:
            entries += await self._responses(contact_id, before, limit)
        if "consent" in types:
            entries += await self._consents(contact_id, before, limit)
        entries.sort(key=lambda entry: (entry.at, entry.id), reverse=True)
        kept, cursor = page.cut(entries, lambda entry: (entry.at, entry.id))
        return TimelinePage.model_construct(items=list(kept), next_cursor=cursor)

    async def _touchpoints(self, contact_id: UUID, before: Position, limit: int) -> Sequence[TouchpointEntry]:
        return [
            TouchpointEntry.model_construct(
                type="touchpoint", at=touchpoint.occurred_at, id=touchpoint.id, touchpoint=touchpoint
            )
            for touchpoint in await self.touchpoints.latest_of(contact_id, before, limit)
        ]

    async def _responses(
        self, contact_id: UUID, before: Position, limit: int
    ) -> Sequence[SurveyResponseEntry]:
        return [
            SurveyResponseEntry.model_construct(
                type="survey_response",
                at=cast(datetime, response.answered_at),
                id=response.id,
                survey_response=response,
            )
            for response in await self.responses.latest_of(contact_id, before, limit)
        ]

    async def _consents(self, contact_id: UUID, before: Position, limit: int) -> Sequence[ConsentEntry]:
        return [
            ConsentEntry.model_construct(type="consent", at=consent.at, id=consent.id, consent=consent)
            for consent in await self.consents.latest_of(contact_id, before, limit)
        ]
