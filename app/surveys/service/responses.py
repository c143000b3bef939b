"""Use cases over responses: recording one, reading them, and taking tests out of what counts."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from app.kit.database import Unit
from app.kit.errors import Problem
from app.kit.outbox import emit
from app.kit.pages import PageRequest
from app.kit.periods import day_start
from app.kit.preconditions import Precondition
from app.surveys.errors import UnknownSurvey, unknown_response, unknown_survey
from app.surveys.events import RESPONSE_CHANGED
from app.surveys.models.records import ResponseRecord
from app.surveys.repository.responses import ResponseListing, ResponseRepository
from app.surveys.schemas.responses import (
    PartnerResponse,
    RecordedSurveyResponse,
    SurveyResponse,
    SurveyResponseChanged,
    SurveyResponseCreate,
    SurveyResponsePage,
    SurveyResponsePatch,
)
from app.surveys.service.contact_scores import ContactScores
from app.surveys.service.invitations import flag_invitation, held_invitation
from app.surveys.service.keeping import QUESTIONNAIRES
from app.surveys.service.loop import take_back, take_up
from app.surveys.service.recording import ResponseRecorder
from app.surveys.service.surveys import SurveyService
from app.surveys.service.timing import Calendar


class ResponseService:
    """The responses of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = ResponseRepository(unit)

    async def create(self, survey_id: UUID, new: SurveyResponseCreate) -> RecordedSurveyResponse:
        """Records a partner's response, or finds it recorded before. Raises its problem."""
        said = {name: getattr(new, name) for name in type(new).model_fields}
        item = PartnerResponse.model_construct(**said, survey_id=survey_id)
        (outcome,) = await ResponseRecorder(self.unit).record([item])
        if isinstance(outcome, UnknownSurvey):
            raise unknown_survey()
        if isinstance(outcome, Problem):
            raise outcome
        return RecordedSurveyResponse.told(outcome.response, outcome.status)

    async def get(self, survey_id: UUID, response_id: UUID) -> SurveyResponse:
        return SurveyResponse.of(await self._found(survey_id, response_id))

    async def list(self, survey_id: UUID, page: PageRequest, listing: ResponseListing) -> SurveyResponsePage:
        """Raises `NotFound` for an unknown survey."""
        await SurveyService(self.unit).found(survey_id)
        records = await self.repository.page(survey_id, page, listing)
        kept, cursor = page.cut(records)
        return SurveyResponsePage(items=[SurveyResponse.of(each) for each in kept], next_cursor=cursor)

    async def update(
        self, survey_id: UUID, response_id: UUID, patch: SurveyResponsePatch, precondition: Precondition
    ) -> SurveyResponse:
        """Makes it a test, or takes that back, and its invitation with it: a rate of which only one of them
        counts is none. What they have counted for is computed anew."""
        named = (await self._found(survey_id, response_id)).invitation_id
        # Whoever answers holds the invitation before the response, too.
        invitation = await held_invitation(self.unit, survey_id, named)
        before = await self._found(survey_id, response_id, lock=True)
        precondition.check(before.version)
        is_test = cast(bool, patch.changes().get("test", before.is_test))
        if is_test == before.is_test:
            return SurveyResponse.of(before)
        after = before._replace(is_test=is_test, version=before.version + 1)
        await self.repository.replace(after)
        if invitation is not None:
            flag_invitation(self.unit, invitation, test=is_test)
        if after.state == "completed":
            await ContactScores(self.unit).recompute(after)
            await self._follow_up(after)
        # Of one that is not settled nobody knows yet, and will be told what it is by then.
        if after.settled:
            await self._tell(after, previous_test=before.is_test)
        return SurveyResponse.of(after)

    async def latest_of(
        self, contact_id: UUID, position: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[SurveyResponse]:
        """The completed responses of a contact, newest first, strictly before (answered_at, id)."""
        records = await self.repository.latest_of(contact_id, position, limit)
        return [SurveyResponse.of(record) for record in records]

    async def _tell(self, record: ResponseRecord, *, previous_test: bool) -> None:
        changed = SurveyResponseChanged(response=SurveyResponse.of(record), previous_test=previous_test)
        blurred_to = None
        if record.answered_at is None:
            blurred_to = day_start(record.answered_on, (await Calendar.of(self.unit)).zone)
        emit(self.unit, RESPONSE_CHANGED, changed, subject_id=record.contact_id, blurred_to=blurred_to)

    async def _follow_up(self, record: ResponseRecord) -> None:
        if record.is_test:
            await take_back(self.unit, record)
            return
        survey = (await self.repository.facts([record.survey_id]))[record.survey_id]
        version = (survey.id, record.questions_version)
        found = await QUESTIONNAIRES.of(self.repository, self.unit.workspace_id, {version: survey})
        await take_up(self.unit, (record, survey, found[version]))

    async def _found(self, survey_id: UUID, response_id: UUID, *, lock: bool = False) -> ResponseRecord:
        record = await self.repository.get(survey_id, response_id, lock=lock)
        if record is None:
            raise unknown_response()
        return record
