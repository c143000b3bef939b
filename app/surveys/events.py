"""What the surveys room publishes."""

from uuid import UUID

from pydantic import Field

from app.kit.hot import to_json
from app.kit.outbox import EventType
from app.kit.schemas import Output
from app.surveys.models.records import ResponseRecord, SurveyFacts
from app.surveys.schemas.invitations import SurveyAsk, SurveyInvitationChanged
from app.surveys.schemas.responses import (
    SurveyParticipationSettled,
    SurveyResponse,
    SurveyResponseChanged,
    SurveyResponseReceived,
)
from app.surveys.schemas.surveys import Survey


class SurveyChanged(Output):
    """`data` of an event about a survey."""

    survey: Survey = Field(description="The survey as it is now.")


OPENED = EventType("survey.opened", SurveyChanged, "A survey opened, by a call or at its `opens_at`.")
CLOSED = EventType("survey.closed", SurveyChanged, "A survey closed, by a call or at its `closes_at`.")

INVITATION_CREATED = EventType(
    "survey.invitation_created",
    SurveyAsk,
    "A contact is to be asked: it has what a mailer needs to write to them, the link included.",
)
INVITATION_CHANGED = EventType(
    "survey.invitation_changed",
    SurveyInvitationChanged,
    "An invitation bounced, was revoked, or turned out to have arrived; or it became a test, or is none any "
    "longer, because its response did.",
)
REMINDER_DUE = EventType(
    "survey.reminder_due", SurveyAsk, "A contact who has not answered is to be reminded, with the same link."
)
_ASKING = (INVITATION_CREATED, INVITATION_CHANGED, REMINDER_DUE)

RESPONSE_RECEIVED = EventType(
    "survey.response_received",
    SurveyResponseReceived,
    "A response was completed, or recorded by a partner; tests too, whose `response.test` says so. Of an "
    "anonymous survey it is told of together with others, or when the day is over, and `occurred_at` is the "
    "start of the day.",
)
DETRACTOR_RECEIVED = EventType(
    "survey.detractor_received",
    SurveyResponseReceived,
    "A response has a low score, and is no test: NPS up to 6, CSAT up to 2, CES up to 3. Told besides "
    "`survey.response_received`.",
)
RESPONSE_CHANGED = EventType(
    "survey.response_changed", SurveyResponseChanged, "A response became a test, or is none any longer."
)
PARTICIPATION_SETTLED = EventType(
    "survey.participation_settled",
    SurveyParticipationSettled,
    "Invitations to an anonymous survey are shown as answered: five or more together.",
)
_ANSWERING = (RESPONSE_RECEIVED, DETRACTOR_RECEIVED, RESPONSE_CHANGED, PARTICIPATION_SETTLED)

ALL: tuple[EventType, ...] = (OPENED, CLOSED, *_ASKING, *_ANSWERING)

_SHOWN = tuple(SurveyResponse.model_fields)


def received_json(record: ResponseRecord, survey: SurveyFacts, spent_invitation_id: UUID | None) -> bytes:
    """`SurveyResponseReceived` as JSON, for a fraction of what the models cost."""
    shown = record._asdict() | {"test": record.is_test}
    received = {
        "response": {name: shown[name] for name in _SHOWN},
        "survey": {"id": survey.id, "type": survey.type, "title": survey.title},
        "contact_id": record.contact_id,
        "spent_invitation_id": spent_invitation_id,
    }
    return to_json(received)
