"""Shapes of what spans rooms about one person."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field
from typing_extensions import TypeAliasType

from app.contacts.schemas.consents import Consent
from app.kit.schemas import Output, Page
from app.surveys.schemas.responses import SurveyResponse
from app.touchpoints.schemas import Touchpoint

_TYPE = "What the entry is; further types may come, so expect others."
_ID = "The id of what the entry shows."

EntryType = Literal["touchpoint", "survey_response", "consent"]


class TouchpointEntry(Output):
    """A touchpoint on a timeline."""

    type: Literal["touchpoint"] = Field(description=_TYPE)
    at: datetime = Field(description="When it happened.")
    id: UUID = Field(description=_ID)
    touchpoint: Touchpoint = Field(description="The touchpoint itself.")


class SurveyResponseEntry(Output):
    """A completed response to a survey on a timeline. Anonymous ones are on nobody's."""

    type: Literal["survey_response"] = Field(description=_TYPE)
    at: datetime = Field(description="When it was completed.")
    id: UUID = Field(description=_ID)
    survey_response: SurveyResponse = Field(description="The response itself.")


class ConsentEntry(Output):
    """What a contact said about being asked or written to, on a timeline."""

    type: Literal["consent"] = Field(description=_TYPE)
    at: datetime = Field(description="When it was said.")
    id: UUID = Field(description=_ID)
    consent: Consent = Field(description="The consent itself.")


TimelineEntry = TypeAliasType(
    "TimelineEntry",
    Annotated[
        TouchpointEntry | SurveyResponseEntry | ConsentEntry,
        Field(
            discriminator="type",
            title="TimelineEntry",
            description="Something that happened with a contact; its `type` says what.",
        ),
    ],
)


class TimelinePage(Page[TimelineEntry]):
    """One page of a contact's timeline."""
