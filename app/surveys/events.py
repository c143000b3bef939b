"""What the surveys room publishes."""

from pydantic import Field

from app.kit.outbox import EventType
from app.kit.schemas import Output
from app.surveys.schemas.invitations import SurveyAsk, SurveyInvitationChanged
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
    "An invitation bounced, was revoked, or turned out to have arrived.",
)
REMINDER_DUE = EventType(
    "survey.reminder_due", SurveyAsk, "A contact who has not answered is to be reminded, with the same link."
)
_ASKING = (INVITATION_CREATED, INVITATION_CHANGED, REMINDER_DUE)

ALL: tuple[EventType, ...] = (OPENED, CLOSED, *_ASKING)
