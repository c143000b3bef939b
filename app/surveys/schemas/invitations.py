"""Shapes of asking: invitations, those still planned, who may be asked, and open links."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import MISSING, Field

from app.contacts.models import Channel
from app.kit.filters import Filter
from app.kit.schemas import Flag, Input, Instant, LanguageTag, Name, Output, Page, Patch
from app.surveys.models.invitations import (
    Delivery,
    Origin,
    PlannedInvitationRow,
    PlanState,
    SurveyInvitationRow,
    SurveyLinkRow,
)
from app.surveys.schemas.surveys import SurveyReference

SkipReason = Literal[
    "unknown_contact", "archived_contact", "duplicate", "no_consent", "suppressed", "outside_audience",
    "already_answered", "recontact", "contact_frequency",
]  # fmt: skip
"""Why a contact is not asked, in the order in which it is decided: the first that applies is told."""

MOST_AT_ONCE = 1_000

ContactIds = Annotated[list[UUID], Field(min_length=1, max_length=MOST_AT_ONCE)]

_CHANNEL = "The channel it goes out by, whose consent and suppressions count; the survey's if null."
_TEST = "A test: past the rules on asking again, and counted nowhere."
_LINK_TEST = "Whether responses by it are tests, which count nowhere."
_URL = "Where to answer. Whoever has it may answer once."
_REASON = (
    "`unknown_contact`, `archived_contact`; `duplicate`: named before in this request; `no_consent`: denied "
    "the purpose `surveys`, or did not grant it where the survey asks for that; `suppressed`: the address is "
    "on the suppression list; `outside_audience`; `already_answered`; `recontact`: asked before, and not "
    "again by the survey's rule; `contact_frequency`: asked too often by all surveys together."
)


class SurveyInvitationsCreate(Input):
    """Whom to ask: either contacts by their ids, or all who match a filter."""

    contact_ids: ContactIds | None = Field(
        default=None, description="The contacts, in the order of the answer's `items`."
    )
    filter: Filter | None = Field(
        default=None,
        description="All active contacts that match. More than 1,000 are asked in the background.",
        examples=[{"field": "lifecycle_stage", "op": "eq", "value": "customer"}],
    )
    channel: Channel | None = Field(default=None, description=_CHANNEL)
    locale: LanguageTag | None = Field(
        default=None, description="The language to ask in; each contact's own if null."
    )
    test: Flag = Field(default=False, description=_TEST)


class SurveyInvitationResult(Output):
    """What became of one contact: an invitation, or the reason for none."""

    contact_id: UUID = Field(description="The contact.")
    invitation_id: UUID | None = Field(description="The invitation; null if skipped.")
    token: str | None = Field(description="What answers are given under, shown this once; null if skipped.")
    url: str | None = Field(description=f"{_URL} Null if skipped.")
    channel: Channel | None = Field(description="The channel it is for; null if skipped, or for none.")
    expires_at: datetime | None = Field(description="Until when it is good; null if skipped.")
    skipped: SkipReason | None = Field(description=f"Null if invited. {_REASON}")


class SurveyInvitationResults(Output):
    """What became of a request to ask contacts."""

    items: list[SurveyInvitationResult] = Field(
        description="One for each contact, in the order of the request; empty if they are planned."
    )
    planned: int = Field(
        description="How many are asked in the background: see the survey's planned invitations."
    )


class SurveyInvitation(Output):
    """One ask of one contact.

    Of an anonymous survey, `opened`, `started` and `answered` turn true together, always those of at
    least five people at once; `answered_at` stays null.
    """

    id: UUID = Field(description="UUIDv7.")
    survey_id: UUID = Field(description="The survey.")
    iteration: int = Field(description="The survey's iteration it belongs to, from 1.")
    contact_id: UUID | None = Field(
        description="Who was asked; null for a visitor who began to answer by an open link."
    )
    link_id: UUID | None = Field(description="The open link by which a visitor came.")
    origin: Origin = Field(
        description="What asked: a `request`, a `trigger`, the survey's `recurrence`, or a visitor by `link`."
    )
    channel: Channel | None = Field(description="The channel it is for.")
    locale: str | None = Field(description="The language to ask in, if known.")
    test: bool = Field(description=_TEST)
    delivery: Delivery = Field(description="`sent`, or `bounced` or `revoked`: its link does not work.")
    opened: bool = Field(description="Whether the questions were looked at.")
    started: bool = Field(description="Whether any question was answered.")
    answered: bool = Field(description="Whether a completed response has spent it.")
    answered_at: datetime | None = Field(description="When it was answered; null before.")
    reminders_sent: int = Field(description="How often it was reminded of.")
    last_reminded_at: datetime | None = Field(description="When it was last reminded of.")
    created_at: datetime = Field(description="When the contact was asked.")
    expires_at: datetime = Field(description="Until when a response may be begun.")
    version: int = Field(description="Goes up by one with each change; also the `ETag`.")

    @classmethod
    def of(cls, row: SurveyInvitationRow, *, anonymous: bool) -> "SurveyInvitation":
        """The answer for a row. `anonymous`: what was seen of the contact would tell when they answered."""
        answered = row.answered and row.settled
        same = {name: getattr(row, name) for name in _SAME_AS_ROW}
        return cls.model_construct(
            **same,
            test=row.is_test,
            opened=answered if anonymous else row.opened,
            started=answered if anonymous else row.started,
            answered=answered,
            answered_at=None if anonymous else row.answered_at,
        )


_SAME_AS_ROW = tuple(
    name
    for name in SurveyInvitation.model_fields
    if name not in {"test", "opened", "started", "answered", "answered_at"}
)


class SurveyInvitationPage(Page[SurveyInvitation]):
    """One page of invitations."""


class SurveyInvitationPatch(Patch):
    """What a mailer learnt, or an author decided, about an invitation."""

    delivery: Delivery | MISSING = Field(
        default=MISSING,
        description="`bounced` takes it out of the response rate, `sent` puts it back; `revoked` ends it for "
        "good. The link works only while it is `sent`.",
    )


class PlannedInvitation(Output):
    """An ask that waits for its time or its turn, and what became of it."""

    id: UUID = Field(description="UUIDv7.")
    survey_id: UUID = Field(description="The survey.")
    contact_id: UUID = Field(description="Who is to be asked.")
    touchpoint_id: UUID | None = Field(description="The touchpoint that triggered it.")
    origin: Origin = Field(description="What planned it: a `request`, a `trigger` or a `recurrence`.")
    channel: Channel | None = Field(description=_CHANNEL)
    locale: str | None = Field(description="The language to ask in; the contact's own if null.")
    test: bool = Field(description=_TEST)
    due_at: datetime = Field(description="When it is decided whether the contact is asked.")
    state: PlanState = Field(
        description="`planned`, then `invited` or `skipped`; `cancelled` when the survey was not open by "
        "then, or when before that the touchpoint was deleted or no trigger fitted it any longer, or "
        "the next iteration began."
    )
    reason: SkipReason | None = Field(description=f"Why it was skipped, null otherwise. {_REASON}")
    invitation_id: UUID | None = Field(description="The invitation it became.")
    created_at: datetime = Field(description="When it was planned.")
    updated_at: datetime = Field(description="When its state last changed.")

    @classmethod
    def of(cls, row: PlannedInvitationRow) -> "PlannedInvitation":
        same = {name: getattr(row, name) for name in cls.model_fields if name != "test"}
        return cls.model_construct(**same, test=row.is_test)


class PlannedInvitationPage(Page[PlannedInvitation]):
    """One page of planned invitations."""


class SurveyEligibilityCheck(Input):
    """Contacts to judge."""

    contact_ids: ContactIds = Field(description="The contacts.")
    channel: Channel | None = Field(default=None, description=_CHANNEL)


class SurveyEligibility(Output):
    """Whether a contact would be asked now."""

    contact_id: UUID = Field(description="The contact.")
    eligible: bool = Field(description="Whether it would be asked.")
    reason: SkipReason | None = Field(description=f"Why not, null if it would. {_REASON}")
    detail: str | None = Field(description="The same for people, with the time until which it holds.")


class SurveyEligibilities(Output):
    """Who would be asked now."""

    items: list[SurveyEligibility] = Field(description="One for each contact, in the order of the request.")


class SurveyLinkCreate(Input):
    """A link that anybody may answer by."""

    name: Name = Field(description="What it is for.", examples=["Poster in the shop"])
    channel: Channel | None = Field(default=None, description="The channel of the responses it brings.")
    expires_at: Instant | None = Field(
        default=None, description="Until when it works, in the future; as long as the survey if null."
    )
    test: Flag = Field(default=False, description=_LINK_TEST)


class SurveyLink(Output):
    """A link that anybody may answer by."""

    id: UUID = Field(description="UUIDv7.")
    survey_id: UUID = Field(description="The survey.")
    name: str = Field(description="What it is for.")
    channel: Channel | None = Field(description="The channel of the responses it brings.")
    test: bool = Field(description=_LINK_TEST)
    expires_at: datetime | None = Field(description="Until when it works.")
    revoked_at: datetime | None = Field(description="When it was revoked; null while it was not.")
    created_at: datetime = Field(description="When it was made.")
    version: int = Field(description="Goes up by one with each change; also the `ETag`.")

    @classmethod
    def of(cls, row: SurveyLinkRow) -> "SurveyLink":
        return cls.model_construct(**_link_fields(row))


class SurveyLinkWithToken(SurveyLink):
    """A link just made, with what is shown this once."""

    token: str = Field(description="What answers are given under.")
    url: str = Field(description="Where to answer.")

    @classmethod
    def shown(cls, row: SurveyLinkRow, token: str, url: str) -> "SurveyLinkWithToken":
        return cls.model_construct(**_link_fields(row), token=token, url=url)


def _link_fields(row: SurveyLinkRow) -> dict[str, Any]:
    same = {name: getattr(row, name) for name in SurveyLink.model_fields if name != "test"}
    return same | {"test": row.is_test}


class SurveyLinkPage(Page[SurveyLink]):
    """One page of links."""


class SurveyAsk(Output):
    """`data` of `survey.invitation_created` and `survey.reminder_due`: what it takes to write to somebody."""

    survey: SurveyReference = Field(description="What it asks about.")
    invitation_id: UUID = Field(description="The invitation.")
    contact_id: UUID = Field(description="Who is asked.")
    email: str | None = Field(description="The contact's primary email address.")
    phone: str | None = Field(description="The contact's primary phone number.")
    locale: str | None = Field(description="The language to write in: the invitation's, else the contact's.")
    channel: Channel | None = Field(description="The channel to write by, if one was chosen.")
    url: str = Field(description=_URL)
    iteration: int = Field(description="The survey's iteration, from 1.")
    test: bool = Field(description=_TEST)
    reminders_sent: int = Field(description="0 for the invitation itself, then 1 for the first reminder.")
    created_at: datetime = Field(description="When the contact was invited.")
    expires_at: datetime = Field(description="Until when a response may be begun.")


class SurveyInvitationBefore(Output):
    """What an invitation was before it changed."""

    delivery: Delivery = Field(description="What had become of it.")
    test: bool = Field(description="Whether it was a test.")


class SurveyInvitationChanged(Output):
    """`data` of `survey.invitation_changed`."""

    invitation: SurveyInvitation = Field(description="As it is now.")
    previous: SurveyInvitationBefore = Field(description="Before the change.")
