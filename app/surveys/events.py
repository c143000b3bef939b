"""What the surveys room publishes."""

from pydantic import Field

from app.kit.outbox import EventType
from app.kit.schemas import Output
from app.surveys.schemas.surveys import Survey


class SurveyChanged(Output):
    """`data` of an event about a survey."""

    survey: Survey = Field(description="The survey as it is now.")


OPENED = EventType("survey.opened", SurveyChanged, "A survey opened, by a call or at its `opens_at`.")
CLOSED = EventType("survey.closed", SurveyChanged, "A survey closed, by a call or at its `closes_at`.")

ALL: tuple[EventType, ...] = (OPENED, CLOSED)
