"""Shapes of surveys and their settings."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import MISSING, Field, StringConstraints

from app.contacts.models import Channel
from app.kit.filters import Filter
from app.kit.schemas import NOT_BLANK, Flag, Input, Instant, LanguageTag, Name, Output, Page, Patch, Whole
from app.surveys.models.surveys import RecontactRule, SurveyState
from app.surveys.schemas.questions import (
    SURVEY_TYPE,
    Question,
    QuestionKey,
    QuestionsInput,
    SurveyType,
)
from app.surveys.schemas.texts import LocalText, LocalTextInput, LocalTextPatch
from app.touchpoints.schemas import Kind

LinkUrl = Annotated[
    str,
    StringConstraints(max_length=2000, pattern=r"^https?://[!-z|~]*\{token\}[!-z|~]*$"),
    Field(examples=["https://feedback.example.com/s/{token}"]),
]
Days = Annotated[Whole, Field(ge=1, le=3650)]
Hours = Annotated[Whole, Field(ge=1, le=24 * 365)]
Percent = Annotated[float, Field(strict=True, gt=0, le=100)]
Phrase = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), NOT_BLANK]

_TITLE = "What people call it; a visitor sees it."
_INTRODUCTION = "What a visitor reads before the questions."
_THANKS = "What a visitor reads after the last question."
_MERGED = "Texts by language are merged into those there are; null removes one."
_ANONYMOUS = (
    "Responses keep no link to who gave them, and no time finer than the day. Fixed by the first response."
)
_LOCALE = "The language of texts without one, and the last but one resort of the fallback chain."
_CHANNEL = "The channel it asks by, where an invitation names none."
_LINK_URL = "Where a visitor answers, with `{token}` in it; the API's own public address if null."
_AUDIENCE = "Only contacts that match are asked; all of them if null."
_CONSENT = "Whether a contact must have granted consent to the purpose `surveys`; a denial always counts."
_RULE = (
    "Within an iteration a contact is asked `once`, again `until_response`, again every `recontact_days` "
    "(`recurring`), or `always`."
)
_RECONTACT_DAYS = "Days between two asks; for the rule `recurring` alone."
_INVITATION_DAYS = "How many days an invitation is good for."
_GRACE = "For how many hours after that an answer in progress may still be finished."
_REMINDERS = "How often an unanswered invitation is reminded of, at most."
_GAP = "Hours between an invitation, or a reminder, and the next reminder."
_RECURRENCE = (
    "A new iteration begins every so many local days; null for a survey with one iteration. Once the survey "
    "was opened, only a null can be changed: `recurrence_iterations` ends it."
)
_ITERATIONS = "The last iteration; null for no end."
_INVITES = "Whether each iteration begins with inviting everybody whom `audience` names."
_TRIGGERS = (
    "What makes the survey ask by itself. A touchpoint from before the survey was first opened leads to no "
    "ask, nor does one that comes in more than 7 days after it would have led to one. What waits for its "
    "time follows changes of these, and of the touchpoint."
)
_RULES = (
    "What makes a response open a follow-up; the first rule that fits does. If absent, a survey with a score "
    "has one for detractors: NPS up to 6, CSAT up to 2, CES up to 3."
)
_OPENS_AT = (
    "When it opens by itself, once `POST …/open` has scheduled it; null: with that call. A scheduled survey "
    "without it is a draft again. Fixed once the survey was opened."
)
_CLOSES_AT = "When it closes by itself; null for never."


class SurveyTriggerInput(Input):
    """Asks a contact some time after a touchpoint."""

    kind: Kind = Field(description="The touchpoint's kind.", examples=["support_resolved"])
    channels: Annotated[list[Channel], Field(min_length=1, max_length=11)] | None = Field(
        default=None, description="Only touchpoints on one of these channels; any if null."
    )
    delay_hours: Annotated[Whole, Field(ge=0, le=24 * 90)] = Field(
        default=0, description="Hours from the touchpoint to the ask."
    )
    sample_percent: Percent = Field(default=100, description="The share of touchpoints that lead to an ask.")
    channel: Channel | None = Field(default=None, description="The channel to ask by; the survey's if null.")


class SurveyTrigger(Output):
    """Asks a contact some time after a touchpoint."""

    kind: Kind = Field(description="The touchpoint's kind.")
    channels: list[Channel] | None = Field(description="Only touchpoints on one of these; any if null.")
    delay_hours: int = Field(description="Hours from the touchpoint to the ask.")
    sample_percent: float = Field(description="The share of touchpoints that lead to an ask.")
    channel: Channel | None = Field(description="The channel to ask by; the survey's if null.")


class FollowupRuleInput(Input):
    """Opens a follow-up for a response with a low score or with one of some phrases; one of these two."""

    score_at_most: Whole | None = Field(default=None, description="The highest score it is for.")
    text_contains: Annotated[list[Phrase], Field(max_length=50)] = Field(
        default=[], description="Phrases, any of which in a text answer is enough; case does not matter."
    )
    question: QuestionKey | None = Field(
        default=None, description="The text question to look for phrases in; all of them if null."
    )
    owner_id: UUID | None = Field(
        default=None, description="The member who is to act; the contact's owner if null."
    )
    due_hours: Hours = Field(
        default=48, description="Hours from when the response is recorded to when it is due."
    )
    title: Name | None = Field(default=None, description="The follow-up's title; made from the rule if null.")


class FollowupRule(Output):
    """Opens a follow-up for a response with a low score or with one of some phrases."""

    score_at_most: int | None = Field(description="The highest score it is for.")
    text_contains: list[str] = Field(description="Phrases, any of which in a text answer is enough.")
    question: str | None = Field(description="The text question to look in; all of them if null.")
    owner_id: UUID | None = Field(description="The member who is to act; the contact's owner if null.")
    due_hours: int = Field(description="Hours from when the response is recorded to when it is due.")
    title: str | None = Field(description="The follow-up's title; made from the rule if null.")


TriggersInput = Annotated[list[SurveyTriggerInput], Field(max_length=20)]
FollowupRulesInput = Annotated[list[FollowupRuleInput], Field(max_length=20)]
GraceHours = Annotated[Whole, Field(ge=0, le=24 * 30)]
InvitationDays = Annotated[Whole, Field(ge=1, le=365)]
Reminders = Annotated[Whole, Field(ge=0, le=10)]
Iterations = Annotated[Whole, Field(ge=1, le=1000)]


class SurveyCreate(Input):
    """A new survey, as a draft."""

    title: LocalTextInput = Field(description=_TITLE)
    type: SurveyType = Field(
        description=f"{SURVEY_TYPE} A survey with a score has exactly one question of that type."
    )
    questions: QuestionsInput = Field(
        description="What is asked, in this order.",
        examples=[
            [
                {
                    "key": "score",
                    "type": "nps",
                    "text": {"en": "How likely …?", "de": "Wie wahrscheinlich …?"},
                },
                {
                    "key": "why",
                    "type": "text",
                    "text": "What went wrong?",
                    "show_if": {"field": "score", "op": "lte", "value": 6},
                },
            ]
        ],
    )
    introduction: LocalTextInput | None = Field(default=None, description=_INTRODUCTION)
    thanks: LocalTextInput | None = Field(default=None, description=_THANKS)
    anonymous: Flag = Field(default=False, description=_ANONYMOUS)
    default_locale: LanguageTag = Field(default="en", description=_LOCALE)
    channel: Channel | None = Field(default=None, description=_CHANNEL)
    link_url: LinkUrl | None = Field(default=None, description=_LINK_URL)
    audience: Filter | None = Field(default=None, description=_AUDIENCE)
    consent_required: Flag = Field(default=False, description=_CONSENT)
    recontact_rule: RecontactRule = Field(default="once", description=_RULE)
    recontact_days: Days | None = Field(default=None, description=_RECONTACT_DAYS)
    invitation_days: InvitationDays = Field(default=30, description=_INVITATION_DAYS)
    grace_hours: GraceHours = Field(default=24, description=_GRACE)
    reminders_max: Reminders = Field(default=0, description=_REMINDERS)
    reminder_gap_hours: Hours = Field(default=72, description=_GAP)
    recurrence_days: Days | None = Field(default=None, description=_RECURRENCE)
    recurrence_iterations: Iterations | None = Field(default=None, description=_ITERATIONS)
    recurrence_invites: Flag = Field(default=False, description=_INVITES)
    triggers: TriggersInput = Field(default=[], description=_TRIGGERS)
    followup_rules: FollowupRulesInput | None = Field(default=None, description=_RULES)
    opens_at: Instant | None = Field(default=None, description=_OPENS_AT)
    closes_at: Instant | None = Field(default=None, description=_CLOSES_AT)


class SurveyPatch(Patch):
    """Changes to a survey. Its type stays. Other questions make a new version once there are responses."""

    title: LocalTextPatch | MISSING = Field(default=MISSING, description=f"{_TITLE} {_MERGED}")
    questions: QuestionsInput | MISSING = Field(default=MISSING, description="All of them, replaced whole.")
    introduction: LocalTextPatch | None | MISSING = Field(
        default=MISSING, description=f"{_INTRODUCTION} {_MERGED}"
    )
    thanks: LocalTextPatch | None | MISSING = Field(default=MISSING, description=f"{_THANKS} {_MERGED}")
    anonymous: Flag | MISSING = Field(default=MISSING, description=_ANONYMOUS)
    default_locale: LanguageTag | MISSING = Field(default=MISSING, description=_LOCALE)
    channel: Channel | None | MISSING = Field(default=MISSING, description=_CHANNEL)
    link_url: LinkUrl | None | MISSING = Field(default=MISSING, description=_LINK_URL)
    audience: Filter | None | MISSING = Field(default=MISSING, description=_AUDIENCE)
    consent_required: Flag | MISSING = Field(default=MISSING, description=_CONSENT)
    recontact_rule: RecontactRule | MISSING = Field(default=MISSING, description=_RULE)
    recontact_days: Days | None | MISSING = Field(default=MISSING, description=_RECONTACT_DAYS)
    invitation_days: InvitationDays | MISSING = Field(default=MISSING, description=_INVITATION_DAYS)
    grace_hours: GraceHours | MISSING = Field(default=MISSING, description=_GRACE)
    reminders_max: Reminders | MISSING = Field(default=MISSING, description=_REMINDERS)
    reminder_gap_hours: Hours | MISSING = Field(default=MISSING, description=_GAP)
    recurrence_days: Days | None | MISSING = Field(default=MISSING, description=_RECURRENCE)
    recurrence_iterations: Iterations | None | MISSING = Field(default=MISSING, description=_ITERATIONS)
    recurrence_invites: Flag | MISSING = Field(default=MISSING, description=_INVITES)
    triggers: TriggersInput | MISSING = Field(default=MISSING, description=f"{_TRIGGERS} Replaced whole.")
    followup_rules: FollowupRulesInput | MISSING = Field(
        default=MISSING, description="What makes a response open a follow-up. Replaced whole."
    )
    opens_at: Instant | None | MISSING = Field(default=MISSING, description=_OPENS_AT)
    closes_at: Instant | None | MISSING = Field(default=MISSING, description=_CLOSES_AT)


class Survey(Output):
    """A survey: its questions, whom it asks and when."""

    id: UUID = Field(description="UUIDv7.")
    title: LocalText = Field(description=_TITLE)
    type: SurveyType = Field(description=SURVEY_TYPE)
    state: SurveyState = Field(
        description="`draft`, `scheduled` to open at `opens_at`, `open` and taking answers, `closed`."
    )
    questions_version: int = Field(description="The version of `questions`; responses name theirs.")
    questions: list[Question] = Field(description="What is asked, in this order.")
    score_question: str | None = Field(
        description="The key of the question that the score is computed from; null for `custom`."
    )
    introduction: LocalText | None = Field(description=_INTRODUCTION)
    thanks: LocalText | None = Field(description=_THANKS)
    anonymous: bool = Field(description=_ANONYMOUS)
    default_locale: str = Field(description=_LOCALE)
    channel: Channel | None = Field(description=_CHANNEL)
    link_url: str | None = Field(description=_LINK_URL)
    audience: Filter | None = Field(description=_AUDIENCE)
    consent_required: bool = Field(description=_CONSENT)
    recontact_rule: RecontactRule = Field(description=_RULE)
    recontact_days: int | None = Field(description=_RECONTACT_DAYS)
    invitation_days: int = Field(description=_INVITATION_DAYS)
    grace_hours: int = Field(description=_GRACE)
    reminders_max: int = Field(description=_REMINDERS)
    reminder_gap_hours: int = Field(description=_GAP)
    recurrence_days: int | None = Field(description=_RECURRENCE)
    recurrence_iterations: int | None = Field(description=_ITERATIONS)
    recurrence_invites: bool = Field(description=_INVITES)
    iteration: int | None = Field(description="The iteration that runs now; null before it was opened.")
    triggers: list[SurveyTrigger] = Field(description=_TRIGGERS)
    followup_rules: list[FollowupRule] = Field(description="What makes a response open a follow-up.")
    opens_at: datetime | None = Field(description=_OPENS_AT)
    closes_at: datetime | None = Field(description=_CLOSES_AT)
    opened_at: datetime | None = Field(description="When it was first opened; null before.")
    closed_at: datetime | None = Field(
        description="When it was last closed, at its `closes_at` if that had passed; null while it is not."
    )
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When it last changed.")
    archived_at: datetime | None = Field(description="When it was archived; null while it is not.")
    version: int = Field(description="Goes up by one with each change; also the `ETag`.")


class SurveyReference(Output):
    """Which survey it is, in what is told about something else."""

    id: UUID = Field(description="The survey.")
    type: SurveyType = Field(description=SURVEY_TYPE)
    title: LocalText = Field(description=_TITLE)


class SurveyPage(Page[Survey]):
    """One page of surveys."""


class SurveyVersion(Output):
    """One version of a survey's questions."""

    questions_version: int = Field(description="1 for the first; responses name theirs.")
    questions: list[Question] = Field(description="What was asked, in this order.")
    answered: bool = Field(description="Whether it has a response, so that it never changes again.")
    created_at: datetime = Field(description="When it was made.")


class SurveyVersionPage(Page[SurveyVersion]):
    """One page of versions, newest first."""
