"""Shapes of the suppression list."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from app.contacts.models import SuppressionKind, SuppressionReason
from app.kit.contact_points import LONGEST_EMAIL
from app.kit.schemas import Input, Output, Page

SuppressedEmail = Annotated[str, StringConstraints(max_length=LONGEST_EMAIL)]
SuppressedPhone = Annotated[str, StringConstraints(max_length=50)]

_REASON = (
    "`unsubscribed`; `bounced`: nothing arrives there; `complained`: marked it as unwanted; `objected`: to "
    "being written to at all; `other`."
)


class SuppressionCreate(Input):
    """An address that must not be written to again: an email address or a phone number, exactly one."""

    email: SuppressedEmail | None = Field(
        default=None, description="The email address; kept in lower case.", examples=["ada@example.com"]
    )
    phone: SuppressedPhone | None = Field(
        default=None,
        description="The phone number, with its country code; kept in E.164.",
        examples=["+493090182000"],
    )
    reason: SuppressionReason = Field(description=_REASON)
    note: Annotated[str, StringConstraints(max_length=1000)] | None = Field(
        default=None, description="What else is known of it, for people."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> "SuppressionCreate":
        if (self.email is None) == (self.phone is None):
            raise PydanticCustomError("one_address", "must have either email or phone")
        return self


class Suppression(Output):
    """An address that is not written to, whoever has it now or is imported with it later."""

    id: UUID = Field(description="UUIDv7.")
    kind: SuppressionKind = Field(description="What kind of address it is.")
    value: str = Field(description="The address: an email address in lower case, or a number in E.164.")
    reason: SuppressionReason = Field(description=_REASON)
    note: str | None = Field(description="What else is known of it.")
    created_at: datetime = Field(description="Since when.")


class RecordedSuppression(Suppression):
    """An entry and what became of the request: one that the address has already stays as it is."""

    status: Literal["created", "unchanged"] = Field(
        description="`unchanged` if the address was on the list before."
    )


class SuppressionPage(Page[Suppression]):
    """One page of the suppression list."""
