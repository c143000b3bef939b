"""Shapes of workspaces, members and API keys."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import MISSING, AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from app.kit.money import Currency
from app.kit.schemas import Input, Instant, Name, Output, Page, Patch, Whole

Scope = Literal[
    "admin",
    "contacts:read",
    "contacts:write",
    "touchpoints:read",
    "touchpoints:write",
    "metrics:read",
    "metrics:write",
    "followups:read",
    "followups:write",
    "surveys:read",
    "surveys:write",
    "goals:read",
    "goals:write",
    "webhooks:read",
    "webhooks:write",
    "sources:read",
    "sources:write",
    "events:read",
    "workspace:read",
    "workspace:write",
]

_ZONES = frozenset(available_timezones())


def _known_zone(name: str) -> str:
    if name not in _ZONES:
        raise PydanticCustomError("unknown_timezone", "must be an IANA time zone such as Europe/Berlin")
    return name


TimeZone = Annotated[
    str, StringConstraints(max_length=64), AfterValidator(_known_zone), Field(examples=["Europe/Berlin"])
]
Clock = Annotated[
    str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Field(examples=["09:00"])
]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class WorkingHours(Input):
    """The hours of one weekday in which the team works, in the workspace's time zone."""

    day: Weekday = Field(description="The day of the week.")
    opens: Clock = Field(description="When work begins.")
    closes: Clock = Field(description="When work ends.")

    @model_validator(mode="after")
    def _opens_first(self) -> "WorkingHours":
        if self.closes <= self.opens:
            raise PydanticCustomError("closes_first", "must close after it opens")
        return self


class WorkingHoursOut(Output):
    """The hours of one weekday in which the team works, in the workspace's time zone."""

    day: Weekday = Field(description="The day of the week.")
    opens: str = Field(description="When work begins.", examples=["09:00"])
    closes: str = Field(description="When work ends.", examples=["17:30"])


class WorkspaceCreate(Input):
    """A new tenant; only the command line makes one."""

    name: Name
    currency: Currency = "USD"
    timezone: TimeZone = "UTC"


class WorkspacePatch(Patch):
    """Changes to the workspace's settings. The currency stays: recorded amounts are in it."""

    name: Name | MISSING = Field(default=MISSING, description="What people call the workspace.")
    timezone: TimeZone | MISSING = Field(default=MISSING, description="Decides where a day of a metric ends.")
    churn_after_days: Annotated[Whole, Field(ge=1, le=3650)] | MISSING = Field(
        default=MISSING, description="A customer without a purchase for so many days counts as churned."
    )
    working_hours: Annotated[list[WorkingHours], Field(max_length=50)] | MISSING = Field(
        default=MISSING, description="When the team works; an empty list means always."
    )


class Workspace(Output):
    """The tenant and its settings."""

    id: UUID = Field(description="UUIDv7.")
    name: str = Field(description="What people call the workspace.")
    currency: str = Field(description="ISO 4217 code of every amount in this workspace.", examples=["EUR"])
    timezone: str = Field(description="IANA time zone that decides where a day of a metric ends.")
    churn_after_days: int = Field(description="Days without a purchase after which a customer has churned.")
    working_hours: list[WorkingHoursOut] = Field(description="When the team works; empty means always.")
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When a setting last changed.")
    version: int = Field(description="Goes up by one with each change; also the `ETag`.")


EmailText = Annotated[str, StringConstraints(max_length=254)]


class MemberCreate(Input):
    """A person who works in the workspace."""

    name: Name = Field(description="What people call them.")
    email: EmailText = Field(description="Unique among the members.", examples=["mara@example.com"])


class MemberPatch(Patch):
    """Changes to a member."""

    name: Name | MISSING = Field(default=MISSING, description="What people call them.")
    email: EmailText | MISSING = Field(default=MISSING, description="Unique among the members.")


class Member(Output):
    """A person who works in the workspace: owner of contacts and goals."""

    id: UUID = Field(description="UUIDv7.")
    name: str = Field(description="What people call them.")
    email: str = Field(description="Unique among the members.")
    created_at: datetime = Field(description="When they were added.")
    updated_at: datetime = Field(description="When they last changed.")
    archived_at: datetime | None = Field(description="When they were archived; null while active.")
    version: int = Field(description="Goes up by one with each change; also the `ETag`.")


class MemberPage(Page[Member]):
    """One page of members."""


class ApiKeyCreate(Input):
    """A new key for a program."""

    name: Name = Field(description="What the key is for.")
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=50)] = Field(
        description="What the key may do. `x:write` includes `x:read`, `admin` includes everything."
    )
    expires_at: Instant | None = Field(default=None, description="When it stops working; null means never.")


class ApiKey(Output):
    """A key of a program, without the key itself."""

    id: UUID = Field(description="UUIDv7.")
    name: str = Field(description="What the key is for.")
    prefix: str = Field(description="The first characters of the key, to tell keys apart.")
    scopes: list[str] = Field(description="What the key may do.")
    created_at: datetime = Field(description="When it was made.")
    expires_at: datetime | None = Field(description="When it stops working; null means never.")
    revoked_at: datetime | None = Field(description="When it was revoked; null while it works.")
    last_used_at: datetime | None = Field(description="When it was last used, to the minute; null before.")


class CreatedApiKey(ApiKey):
    """A key just made. `api_key` is shown this once."""

    api_key: str = Field(description="The key itself. It cannot be shown again.")


class ApiKeyPage(Page[ApiKey]):
    """One page of API keys."""


class WorkspaceSettingsChanged(Output):
    """`data` of `workspace.settings_changed`: the settings as they are now."""

    workspace: Workspace = Field(description="The workspace.")
