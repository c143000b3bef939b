"""Publishes that a response was received."""

from uuid import UUID

from app.kit.database import Unit
from app.kit.outbox import emit_raw
from app.kit.periods import day_start
from app.surveys.events import DETRACTOR_RECEIVED, RESPONSE_RECEIVED, received_json
from app.surveys.models.records import ResponseRecord, SurveyFacts
from app.surveys.service.scoring import is_detractor
from app.surveys.service.timing import Calendar


def tell_received(
    unit: Unit,
    record: ResponseRecord,
    survey: SurveyFacts,
    calendar: Calendar,
    *,
    spent_invitation_id: UUID | None = None,
) -> None:
    """Tells of a completed response, and once more if its score is low; a test alarms nobody."""
    received = received_json(record, survey, spent_invitation_id)
    blurred_to = day_start(record.answered_on, calendar.zone) if survey.anonymous else None
    alarming = _is_low(record) and not record.is_test
    types = (RESPONSE_RECEIVED, DETRACTOR_RECEIVED) if alarming else (RESPONSE_RECEIVED,)
    for event_type in types:
        emit_raw(unit, event_type, received, subject_id=record.contact_id, blurred_to=blurred_to)


def _is_low(record: ResponseRecord) -> bool:
    if record.score_type is None or record.score is None:
        return False
    return is_detractor(record.score_type, record.score)
