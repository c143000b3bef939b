"""Shapes of responses, as partners record them and as they are read."""

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import MISSING, Field, WithJsonSchema

from app.contacts.models import Channel
from app.contacts.schemas.contacts import ContactReference, ForeignId, SourceName
from app.kit.schemas import Flag, Input, Instant, LanguageTag, Output, Page, Patch, Whole
from app.surveys.models.records import ResponseRecord
from app.surveys.models.responses import ResponseState
from app.surveys.schemas.questions import (
    LONGEST_ANSWER,
    MOST_CHOICES,
    MOST_QUESTIONS,
    ScoreType,
)
from app.surveys.schemas.surveys import SurveyReference

_VALUES: Final = (
    {"type": "string", "maxLength": LONGEST_ANSWER},
    {"type": "number"},
    {"type": "boolean"},
    {"type": "array", "items": {"type": "string"}, "maxItems": MOST_CHOICES},
)
_VALUE = (
    "Whole numbers for `nps`, `csat`, `ces` and `rating`, the key of a choice, a list of such keys, a text, "
    "true or false, a number, a day such as 2026-01-31."
)
AnswerValue = Annotated[
    Any,
    WithJsonSchema({"anyOf": [*_VALUES, {"type": "null"}], "description": f"{_VALUE} Null for no answer."}),
]
Answers = Annotated[
    dict[str, AnswerValue], Field(max_length=MOST_QUESTIONS, examples=[{"score": 9, "why": "Fast delivery."}])
]

GivenAnswers = dict[str, Annotated[Any, WithJsonSchema({"anyOf": [*_VALUES], "description": _VALUE})]]

QuestionsVersion = Annotated[Whole, Field(ge=1, le=1_000_000)]

_ANSWERS = "The answers, by the keys of their questions."
_TEST = "A test: in no score and no metric, and opens no follow-up."
_LOCALE = "The language it was answered in."
_VERSION = "The version of the questions it answers"


class SurveyResponseCreate(Input):
    """A completed response that another system has collected.

    The contact is given by at most one of `contact_id` and `contact`. An anonymous survey takes neither of
    them, nor `source` and `external_id`, and keeps no more of `answered_at` than the day.
    """

    contact_id: UUID | None = Field(default=None, description="Who answered, by the contact's id here.")
    contact: ContactReference | None = Field(
        default=None, description="Who answered, by what another system knows; made if there is none yet."
    )
    answers: Answers = Field(description=f"{_ANSWERS} Every required question on their path has one.")
    answered_at: Instant | None = Field(
        default=None,
        description="When: at most one day from now; before it closed, for a closed survey. Now if null.",
    )
    channel: Channel | None = Field(default=None, description="The channel it came by.")
    locale: LanguageTag | None = Field(default=None, description=_LOCALE)
    questions_version: QuestionsVersion | None = Field(
        default=None, description=f"{_VERSION}; the present one if null."
    )
    source: SourceName | None = Field(default=None, description="The system that tells of it.")
    external_id: ForeignId | None = Field(
        default=None,
        description="Its id in `source`, which must be there as well. Sent again with the same content it is "
        "`unchanged`; other content is refused.",
        examples=["answer-77"],
    )
    test: Flag = Field(default=False, description=_TEST)


class PartnerResponse(SurveyResponseCreate):
    """A completed response of another system to the survey it names."""

    survey_id: UUID = Field(description="The survey that was answered.")


class SurveyResponsePatch(Patch):
    """Changes to a response: what was answered stays."""

    test: Flag | MISSING = Field(
        default=MISSING,
        description=f"{_TEST} The one it had opened is cancelled, if nobody has seen to it, and comes back "
        "with the response. The invitation that it answers becomes a test, or none, with it.",
    )


class SurveyResponse(Output):
    """The answers of one respondent.

    Of an anonymous survey everything that could tell who it was is null, and `answered_on` is all that says
    when.
    """

    id: UUID = Field(description="UUIDv7; a random one for an anonymous survey.")
    survey_id: UUID = Field(description="The survey.")
    questions_version: int = Field(description=f"{_VERSION}.")
    iteration: int = Field(description="The survey's iteration it belongs to, from 1.")
    contact_id: UUID | None = Field(description="Who answered, if that is known.")
    invitation_id: UUID | None = Field(description="The invitation it answers.")
    link_id: UUID | None = Field(description="The open link it came by.")
    channel: Channel | None = Field(description="The channel it came by.")
    locale: str | None = Field(description=f"{_LOCALE} Null if unknown.")
    source: str | None = Field(description="The system that told of it; null for one given here.")
    external_id: str | None = Field(description="Its id in `source`.")
    state: ResponseState = Field(
        description="`partial` until the respondent has come to the end, then `completed`."
    )
    answers: GivenAnswers = Field(description=f"{_ANSWERS} Those that were not asked are absent.")
    score_type: ScoreType | None = Field(description="What `score` is; null for a custom survey.")
    score: int | None = Field(
        description="The answer to the survey's score question; null if partial, or not answered."
    )
    test: bool = Field(description=_TEST)
    started_at: datetime | None = Field(description="When the first answer came.")
    answered_at: datetime | None = Field(description="When it was completed; the last save of a partial one.")
    answered_on: date = Field(description="The workspace's local day of `answered_at`.")
    version: int = Field(description="Goes up by one with each change; also the `ETag`.")

    @classmethod
    def of(cls, record: ResponseRecord) -> "SurveyResponse":
        """The answer for a response as it is kept."""
        return cls(**_shown(record))


class SurveyResponsePage(Page[SurveyResponse]):
    """One page of responses."""


class RecordedSurveyResponse(SurveyResponse):
    """A response, and what recording it did."""

    status: Literal["created", "unchanged"] = Field(description="`unchanged` if it was recorded before.")

    @classmethod
    def told(
        cls, record: ResponseRecord, status: Literal["created", "unchanged"]
    ) -> "RecordedSurveyResponse":
        """The answer for a response that was recorded just now or before."""
        return cls(**_shown(record), status=status)


class SurveyResponseReceived(Output):
    """`data` of an event about a completed response."""

    response: SurveyResponse = Field(description="The response.")
    survey: SurveyReference = Field(description="The survey it answers.")
    contact_id: UUID | None = Field(description="Who answered; null if unknown, or anonymous.")
    spent_invitation_id: UUID | None = Field(
        description="The invitation it has spent: also where another response was begun by that one, so that "
        "`response.invitation_id` is null. Null if it has spent none, or is anonymous."
    )


class SurveyResponseChanged(Output):
    """`data` of an event about a response that counts from now on, or no longer."""

    response: SurveyResponse = Field(description="The response as it is now.")
    previous_test: bool = Field(description="Whether it was a test before.")


class SurveyParticipationSettled(Output):
    """`data` of the event that some of those asked by an anonymous survey have answered."""

    survey_id: UUID = Field(description="The survey.")
    invited_on: list[date] = Field(description="The local days on which they were asked.")
    answered: int = Field(description="How many they are.")


def _shown(record: ResponseRecord) -> dict[str, Any]:
    return record._asdict() | {"test": record.is_test}
