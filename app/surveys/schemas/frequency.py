"""Shapes of the rules on how often a contact may be asked."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import MISSING, Field

from app.kit.schemas import Input, Name, Output, Page, Patch, Whole

MOST_INVITATIONS = 1_000
MOST_HOURS = 24 * 366

Invitations = Annotated[Whole, Field(ge=1, le=MOST_INVITATIONS)]
Hours = Annotated[Whole, Field(ge=1, le=MOST_HOURS)]

_NAME = "What people call it."
_MAX = "At most so many invitations within any `window_hours`; the two go together."
_WINDOW = "How long the window is that ends now, in hours of 60 minutes, whatever the clocks do."
_GAP = "At least so many hours between two invitations."


class FrequencyRuleCreate(Input):
    """A limit over all surveys of the workspace: `max_invitations` with `window_hours`, `min_gap_hours`, or
    all three.
    """

    name: Name = Field(description=_NAME, examples=["Twice a month"])
    max_invitations: Invitations | None = Field(default=None, description=_MAX, examples=[2])
    window_hours: Hours | None = Field(default=None, description=_WINDOW, examples=[720])
    min_gap_hours: Hours | None = Field(default=None, description=_GAP)


class FrequencyRulePatch(Patch):
    """Changes to a limit: absent stays, null clears."""

    name: Name | MISSING = Field(default=MISSING, description=_NAME)
    max_invitations: Invitations | None | MISSING = Field(default=MISSING, description=_MAX)
    window_hours: Hours | None | MISSING = Field(default=MISSING, description=_WINDOW)
    min_gap_hours: Hours | None | MISSING = Field(default=MISSING, description=_GAP)


class FrequencyRule(Output):
    """A limit on how often any contact is asked. Reminders, tests, and what bounced do not count."""

    id: UUID = Field(description="UUIDv7.")
    name: str = Field(description=_NAME)
    max_invitations: int | None = Field(description=_MAX)
    window_hours: int | None = Field(description=_WINDOW)
    min_gap_hours: int | None = Field(description=_GAP)
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When it last changed.")
    version: int = Field(description="Goes up by one with each change; also the `ETag`.")


class FrequencyRulePage(Page[FrequencyRule]):
    """One page of limits."""
