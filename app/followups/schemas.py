"""Shapes of follow-ups."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import MISSING, Field, StringConstraints

from app.followups.models import FollowupRow
from app.kit.schemas import NOT_BLANK, Input, Instant, Key, LongText, Name, Output, Page, Patch

State = Literal["open", "done", "cancelled"]
OriginKind = Literal["survey_response"]

Outcome = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True), NOT_BLANK]

_OWNER = "The member who sees to it, an active one."
_OUTCOME = "What came of it, in a few words."
_ROOT_CAUSE = "What was behind it: a tag to count by."


class FollowupCreate(Input):
    """A task on a contact."""

    contact_id: UUID = Field(description="The contact it is about.")
    title: Name = Field(description="What is to be done.", examples=["Call about the late delivery"])
    note: LongText | None = Field(default=None, description="What one should know for it.")
    owner_id: UUID | None = Field(
        default=None, description=f"{_OWNER} The contact's owner if absent, while that one is active."
    )
    due_at: Instant | None = Field(default=None, description="When it is due; 48 hours from now if absent.")


class FollowupPatch(Patch):
    """Changes to a follow-up: absent stays, null clears."""

    title: Name | MISSING = Field(default=MISSING, description="What is to be done.")
    note: LongText | None | MISSING = Field(default=MISSING, description="What one should know for it.")
    owner_id: UUID | None | MISSING = Field(default=MISSING, description=_OWNER)
    due_at: Instant | MISSING = Field(
        default=MISSING, description="When it is due; passing the new time is told anew."
    )
    state: State | MISSING = Field(
        default=MISSING,
        description="`done` or `cancelled` closes an open one; `open` takes a closed one up again.",
    )
    outcome: Outcome | None | MISSING = Field(default=MISSING, description=_OUTCOME)
    root_cause: Key | None | MISSING = Field(
        default=MISSING, description=_ROOT_CAUSE, examples=["late_delivery"]
    )
    contacted_at: Instant | None | MISSING = Field(
        default=MISSING,
        description="When somebody first got in touch about it: not before `opened_at`, not in the future.",
    )


class FollowupOrigin(Output):
    """What opened a follow-up."""

    kind: OriginKind = Field(description="What kind of thing it was.")
    id: UUID = Field(description="The id of the response.")
    survey_id: UUID = Field(description="The survey that was answered.")


class Followup(Output):
    """A task on a contact."""

    id: UUID = Field(description="UUIDv7.")
    contact_id: UUID = Field(description="The contact it is about.")
    title: str = Field(description="What is to be done.")
    note: str | None = Field(description="What one should know for it.")
    owner_id: UUID | None = Field(description="The member who sees to it; null while nobody does.")
    due_at: datetime = Field(description="When it is due.")
    state: State = Field(description="`open` until it is `done` or `cancelled`.")
    outcome: str | None = Field(description=_OUTCOME)
    root_cause: str | None = Field(description=_ROOT_CAUSE)
    opened_at: datetime = Field(description="When it was opened; reopening leaves it as it was.")
    contacted_at: datetime | None = Field(
        description="When somebody first got in touch: said by hand, or the first outbound `message`, "
        "`call`, `meeting` or `visit` recorded of the contact while it is open."
    )
    closed_at: datetime | None = Field(description="When it was done or cancelled; null while it is open.")
    overdue: bool = Field(description="Whether it is open and its due time has passed.")
    overdue_since: datetime | None = Field(
        description="The due time that passed while it was open, once `followup.overdue` has told of it; "
        "null again with a new due time."
    )
    origin: FollowupOrigin | None = Field(description="What opened it; null when it was made by hand.")
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When it last changed.")
    version: int = Field(description="Goes up by one with each change; also the `ETag`.")

    @classmethod
    def of(cls, row: FollowupRow, now: datetime) -> "Followup":
        """The answer for a row; `now` decides whether it is overdue."""
        plain = {name: getattr(row, name) for name in cls.model_fields.keys() - {"overdue", "origin"}}
        overdue = row.state == "open" and row.due_at < now
        return cls(**plain, overdue=overdue, origin=_origin(row))


def _origin(row: FollowupRow) -> FollowupOrigin | None:
    if row.origin_kind is None:
        return None
    return FollowupOrigin.model_validate(
        {"kind": row.origin_kind, "id": row.origin_id, "survey_id": row.origin_survey_id}
    )


class FollowupPage(Page[Followup]):
    """One page of follow-ups."""


class FollowupBefore(Output):
    """What a follow-up was before it changed."""

    state: State = Field(description="The state before.")
    owner_id: UUID | None = Field(description="The owner before.")
    due_at: datetime = Field(description="The due time before.")
    contacted_at: datetime | None = Field(description="`contacted_at` before.")
    closed_at: datetime | None = Field(description="`closed_at` before.")


class FollowupChanged(Output):
    """`data` of the follow-up events: the follow-up as it is now, and what it was before."""

    followup: Followup = Field(description="As it is now.")
    previous: FollowupBefore | None = Field(description="Before the change; null when it is new.")
