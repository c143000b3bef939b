"""Shapes of contacts and their attributes."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import MISSING, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from app.contacts.models import LifecycleStage
from app.kit.batches import BatchResult, JudgedAlone
from app.kit.filters import Filter
from app.kit.money import Money
from app.kit.pages import PageBody
from app.kit.schemas import NOT_BLANK, Input, Instant, LanguageTag, Name, Output, Page, Patch
from app.workspaces.schemas import TimeZone

Label = Annotated[str, StringConstraints(min_length=1, max_length=50, strip_whitespace=True), NOT_BLANK]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True), NOT_BLANK]
Locale = Annotated[LanguageTag, Field(examples=["de-AT"])]
SourceName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$"),
    Field(examples=["shop"]),
]
ForeignId = Annotated[str, StringConstraints(min_length=1, max_length=255), Field(examples=["C-1001"])]
AttributeValue = str | int | float | bool | None
Attributes = Annotated[
    dict[Annotated[str, StringConstraints(max_length=100)], AttributeValue],
    Field(max_length=200, examples=[{"plan": "pro"}]),
]


class EmailInput(Input):
    """An email address of a contact."""

    address: Annotated[str, StringConstraints(max_length=254)] = Field(
        description="Kept normalised; belongs to one contact of the workspace.", examples=["ada@example.com"]
    )
    label: Label | None = Field(default=None, description="Such as `work`.")


class PhoneInput(Input):
    """A phone number of a contact."""

    number: Annotated[str, StringConstraints(max_length=50)] = Field(
        description="With its country code; kept in E.164.", examples=["+493090182000"]
    )
    label: Label | None = Field(default=None, description="Such as `mobile`.")


class ExternalIdInput(Input):
    """The id under which another system knows a contact."""

    source: SourceName = Field(description="The other system.")
    id: ForeignId = Field(description="The id there.")


class ContactReference(Input):
    """Points to a contact by what another system knows: an external id or an email address, exactly one."""

    external_id: ExternalIdInput | None = Field(default=None, description="The id in another system.")
    email: Annotated[str, StringConstraints(max_length=254)] | None = Field(
        default=None, description="An email address of the contact.", examples=["ada@example.com"]
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> "ContactReference":
        if (self.external_id is None) == (self.email is None):
            raise PydanticCustomError("one_reference", "must have either external_id or email")
        return self


class ContactFields(Input):
    """What may be said of a contact when it is made."""

    given_name: Name | None = Field(default=None, description="First name.")
    family_name: Name | None = Field(default=None, description="Last name.")
    display_name: Name | None = Field(
        default=None,
        description="What to call them; made from the names, the first email or an id if absent.",
    )
    emails: Annotated[list[EmailInput], Field(max_length=20)] = Field(
        default=[], description="Email addresses, the primary one first."
    )
    phones: Annotated[list[PhoneInput], Field(max_length=20)] = Field(
        default=[], description="Phone numbers, the primary one first."
    )
    company: Name | None = Field(default=None, description="Where they work.")
    job_title: Name | None = Field(default=None, description="What they do there.")
    lifecycle_stage: LifecycleStage = Field(default="lead", description="Where the relationship stands.")
    owner_id: UUID | None = Field(default=None, description="The member who looks after them.")
    tags: Annotated[list[Tag], Field(max_length=100)] = Field(default=[], description="Free labels.")
    attributes: Attributes = Field(
        default={}, description="Values of the workspace's own attributes, by key."
    )
    external_ids: Annotated[list[ExternalIdInput], Field(max_length=50)] = Field(
        default=[], description="Ids in other systems; each belongs to one contact of the workspace."
    )
    locale: Locale | None = Field(default=None, description="BCP 47 language tag.")
    timezone: TimeZone | None = Field(default=None, description="IANA time zone.")
    acquired_at: Instant | None = Field(
        default=None, description="When the relationship began; the present instant if absent."
    )
    acquisition_channel: Name | None = Field(default=None, description="The channel that won them.")
    acquisition_campaign: Name | None = Field(default=None, description="The campaign that won them.")


class ContactCreate(ContactFields):
    """A new contact."""


class ContactUpsert(ContactFields):
    """A contact to make, or to bring up to date if one has any of these external ids or email addresses.

    Of a known contact only the fields that are sent change. Emails, phones, external ids and tags are added
    to those it has, attributes are set key by key (null removes one).
    """

    @model_validator(mode="after")
    def _has_a_key(self) -> "ContactUpsert":
        if not self.external_ids and not self.emails:
            raise PydanticCustomError("no_key", "must have an external id or an email address to match by")
        return self


class ContactPatch(Patch):
    """Changes to a contact: absent stays, null clears, lists are replaced whole."""

    given_name: Name | None | MISSING = Field(default=MISSING, description="First name.")
    family_name: Name | None | MISSING = Field(default=MISSING, description="Last name.")
    display_name: Name | None | MISSING = Field(
        default=MISSING, description="What to call them; null makes it from the names again."
    )
    emails: Annotated[list[EmailInput], Field(max_length=20)] | MISSING = Field(
        default=MISSING, description="Email addresses, the primary one first."
    )
    phones: Annotated[list[PhoneInput], Field(max_length=20)] | MISSING = Field(
        default=MISSING, description="Phone numbers, the primary one first."
    )
    company: Name | None | MISSING = Field(default=MISSING, description="Where they work.")
    job_title: Name | None | MISSING = Field(default=MISSING, description="What they do there.")
    lifecycle_stage: LifecycleStage | MISSING = Field(
        default=MISSING, description="Where the relationship stands."
    )
    owner_id: UUID | None | MISSING = Field(default=MISSING, description="The member who looks after them.")
    tags: Annotated[list[Tag], Field(max_length=100)] | MISSING = Field(
        default=MISSING, description="Free labels."
    )
    attributes: Attributes | MISSING = Field(
        default=MISSING, description="Attributes to set, by key; null removes one, absent ones stay."
    )
    external_ids: Annotated[list[ExternalIdInput], Field(max_length=50)] | MISSING = Field(
        default=MISSING, description="Ids in other systems."
    )
    locale: Locale | None | MISSING = Field(default=MISSING, description="BCP 47 language tag.")
    timezone: TimeZone | None | MISSING = Field(default=MISSING, description="IANA time zone.")
    acquired_at: Instant | MISSING = Field(default=MISSING, description="When the relationship began.")
    acquisition_channel: Name | None | MISSING = Field(
        default=MISSING, description="The channel that won them."
    )
    acquisition_campaign: Name | None | MISSING = Field(
        default=MISSING, description="The campaign that won them."
    )


class Email(Output):
    """An email address of a contact."""

    address: str = Field(description="Normalised.")
    label: str | None = Field(description="Such as `work`.")


class Phone(Output):
    """A phone number of a contact."""

    number: str = Field(description="E.164.")
    label: str | None = Field(description="Such as `mobile`.")


class ExternalId(Output):
    """The id under which another system knows a contact."""

    source: str = Field(description="The other system.")
    id: str = Field(description="The id there.")


class ContactStatistics(Output):
    """What a contact's touchpoints add up to, kept with each of them."""

    touchpoint_count: int = Field(description="How many touchpoints there are.")
    last_touchpoint_at: datetime | None = Field(description="When the latest one was.")
    purchase_count: int = Field(description="How many of them are purchases.")
    net_revenue: Money = Field(description="Purchases less refunds.")
    first_purchase_at: datetime | None = Field(description="When the first purchase was.")
    last_purchase_at: datetime | None = Field(description="When the latest purchase was.")


class Contact(Output):
    """A person the business has a relationship with."""

    id: UUID = Field(description="UUIDv7.")
    given_name: str | None = Field(description="First name.")
    family_name: str | None = Field(description="Last name.")
    display_name: str = Field(description="What to call them.")
    emails: list[Email] = Field(description="Email addresses, the primary one first.")
    phones: list[Phone] = Field(description="Phone numbers, the primary one first.")
    company: str | None = Field(description="Where they work.")
    job_title: str | None = Field(description="What they do there.")
    lifecycle_stage: LifecycleStage = Field(description="Where the relationship stands.")
    owner_id: UUID | None = Field(description="The member who looks after them.")
    tags: list[str] = Field(description="Free labels, sorted.")
    attributes: dict[str, str | int | float | bool] = Field(description="The workspace's own attributes.")
    external_ids: list[ExternalId] = Field(description="Ids in other systems.")
    locale: str | None = Field(description="BCP 47 language tag.")
    timezone: str | None = Field(description="IANA time zone.")
    acquired_at: datetime = Field(description="When the relationship began.")
    acquisition_channel: str | None = Field(description="The channel that won them.")
    acquisition_campaign: str | None = Field(description="The campaign that won them.")
    stats: ContactStatistics = Field(description="What their touchpoints add up to.")
    created_at: datetime = Field(description="When the contact was made here.")
    updated_at: datetime = Field(description="When a field other than the statistics last changed.")
    archived_at: datetime | None = Field(description="When it was archived; null while active.")
    version: int = Field(description="Goes up with each change, statistics included; also the `ETag`.")


class ContactPage(Page[Contact]):
    """One page of contacts."""


class ContactSearch(Input, PageBody):
    """What contacts to look for."""

    filter: Filter | None = Field(default=None, description="Which contacts; all of them if absent.")
    sort: str | None = Field(
        default=None, description="Order, as of the list: a field, with `-` before it for descending."
    )
    include_archived: bool = Field(default=False, strict=True, description="Archived contacts as well.")


class ContactBatch(Input):
    """Contacts to make or bring up to date."""

    items: Annotated[
        list[Annotated[Any, JudgedAlone(ContactUpsert)]], Field(min_length=1, max_length=1000)
    ] = Field(description="Up to 1,000 contacts; each is judged by itself.")


class ContactBatchResult(BatchResult):
    """What became of each contact of a batch."""


AttributeKey = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=r"^[a-z][a-z0-9_]*$"),
    Field(examples=["plan"]),
]
AttributeType = Literal["text", "number", "boolean", "date", "select"]
Option = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class AttributeDefinitionCreate(Input):
    """A new attribute of contacts."""

    key: AttributeKey = Field(description="Its name in `attributes` and in filters.")
    type: AttributeType = Field(description="What values it takes; `date` is a calendar day.")
    options: Annotated[list[Option], Field(max_length=500)] = Field(
        default=[], description="The values of a `select`; empty for other types."
    )
    description: Annotated[str, StringConstraints(max_length=1000)] = Field(
        default="", description="What it means, for people."
    )

    @model_validator(mode="after")
    def _options_fit(self) -> "AttributeDefinitionCreate":
        if (self.type == "select") != bool(self.options):
            raise PydanticCustomError("options", "a select has options, and no other type has")
        if len(set(self.options)) != len(self.options):
            raise PydanticCustomError("options", "options must differ")
        return self


class AttributeDefinitionPatch(Patch):
    """Changes to an attribute. Key and type stay, since stored values have them; options can be added."""

    options: Annotated[list[Option], Field(min_length=1, max_length=500)] | MISSING = Field(
        default=MISSING, description="The values of a `select`; the present ones must be among them."
    )
    description: Annotated[str, StringConstraints(max_length=1000)] | MISSING = Field(
        default=MISSING, description="What it means, for people."
    )


class AttributeDefinition(Output):
    """An attribute of contacts that this workspace has of its own."""

    id: UUID = Field(description="UUIDv7.")
    key: str = Field(description="Its name in `attributes` and in filters.")
    type: AttributeType = Field(description="What values it takes.")
    options: list[str] = Field(description="The values of a `select`; empty for other types.")
    description: str = Field(description="What it means, for people.")
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When it last changed.")
    version: int = Field(description="Goes up by one with each change; also the `ETag`.")


class AttributeDefinitionPage(Page[AttributeDefinition]):
    """One page of attribute definitions."""


class ContactChanged(Output):
    """`data` of `contact.created` and `contact.updated`: the contact as it is now."""

    contact: Contact = Field(description="The contact.")


class ContactStageChanged(Output):
    """`data` of `contact.stage_changed`."""

    contact_id: UUID = Field(description="Whose stage it is.")
    previous: LifecycleStage = Field(description="The stage until now.")
    current: LifecycleStage = Field(description="The stage from now on.")
