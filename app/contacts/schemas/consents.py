"""Shapes of consents."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from app.contacts.models import Channel, ConsentBasis, ConsentState
from app.kit.schemas import Input, Instant, Name, Output, Page

Purpose = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$", to_lower=True),
    Field(examples=["surveys"]),
]
"""What a consent is for. In lower case: a denial of `Surveys` must not miss those who ask for `surveys`."""

_STATE = "What was said: `granted` or `denied`."
_BASIS = "The legal basis of it: `consent`, `contract`, `legitimate_interest` or `other`."


class ConsentCreate(Input):
    """What a contact has said, to be added to their consents."""

    purpose: Purpose = Field(
        description="What it is for, such as `surveys` or `marketing`; kept in lower case."
    )
    channel: Channel | None = Field(default=None, description="The one channel it is for; null for all.")
    state: ConsentState = Field(description=_STATE)
    basis: ConsentBasis = Field(default="consent", description=_BASIS)
    source: Name | None = Field(
        default=None, description="Where it was said, such as a form or a system.", examples=["checkout form"]
    )
    note: Annotated[str, StringConstraints(max_length=1000)] | None = Field(
        default=None, description="What else proves it, for people."
    )
    at: Instant | None = Field(
        default=None,
        description="When it was said; the present instant if absent. One of a clock that is ahead, by a "
        "day at most, is kept as the present instant.",
    )


class Consent(Output):
    """One entry of a contact's consents. Entries are never changed; a later one says otherwise."""

    id: UUID = Field(description="UUIDv7.")
    contact_id: UUID = Field(description="Who said it.")
    purpose: str = Field(description="What it is for.")
    channel: Channel | None = Field(description="The one channel it is for; null for all.")
    state: ConsentState = Field(description=_STATE)
    basis: ConsentBasis = Field(description=_BASIS)
    source: str | None = Field(description="Where it was said.")
    note: str | None = Field(description="What else proves it.")
    at: datetime = Field(description="When it was said.")
    recorded_at: datetime = Field(description="When it was recorded here.")


class ConsentPage(Page[Consent]):
    """One page of a contact's consents."""


class CurrentConsent(Output):
    """What was last said of one purpose and channel."""

    purpose: str = Field(description="What it is for.")
    channel: Channel | None = Field(description="The one channel it is for; null for all.")
    state: ConsentState = Field(description="What was last said.")
    at: datetime = Field(description="When it was said.")
    consent_id: UUID = Field(description="The entry that says so.")


class CurrentConsents(Output):
    """What holds now. Denying wins: what is denied for all channels is denied for each."""

    items: list[CurrentConsent] = Field(description="By purpose, and in it by channel, all channels first.")


class ContactConsentChanged(Output):
    """`data` of `contact.consent_changed`."""

    contact_id: UUID = Field(description="Whose consents they are.")
    consent: Consent = Field(description="The new entry.")
