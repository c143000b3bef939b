"""Shapes of touchpoints."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from pydantic import MISSING, Field, StringConstraints

from app.contacts.models import Channel
from app.contacts.schemas import ContactReference, ForeignId, SourceName
from app.kit.batches import BatchResult
from app.kit.filters import Filter
from app.kit.money import Money, MoneyInput
from app.kit.pages import PageBody
from app.kit.schemas import Flag, Input, Instant, LongText, Name, Output, Page, Patch, Whole
from app.touchpoints.models import TouchpointRecord

Kind = Literal[
    "message", "call", "meeting", "visit", "purchase", "refund", "support_case", "support_resolved",
    "campaign_response", "referral", "note", "custom",
]  # fmt: skip
Direction = Literal["inbound", "outbound"]
RecordedStatus = Literal["created", "updated", "unchanged"]
Stage = Literal["awareness", "consideration", "purchase", "onboarding", "support", "loyalty", "advocacy"]

MOST_ATTRIBUTES = 100
LARGEST_NUMBER = 10**18
"""Of a number in `attributes`, so that filters can compare each of them."""

AttributeScalar = (
    Annotated[str, StringConstraints(max_length=2_000)]
    | Flag
    | Annotated[Whole, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
    | Annotated[float, Field(strict=True, ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
)
AttributeList = Annotated[list[AttributeScalar], Field(max_length=50)]
TouchpointAttributes = Annotated[
    dict[
        Annotated[str, StringConstraints(min_length=1, max_length=100)],
        AttributeScalar | AttributeList | None,
    ],
    Field(max_length=MOST_ATTRIBUTES, examples=[{"order_lines": 3, "coupon": "SPRING"}]),
]

_ATTRIBUTES = (
    "Anything else worth knowing, at most 100 keys and 16 KB: texts, numbers, booleans and lists of up to 50 "
    "of these"
)
_STAGE = (
    "Where in the relationship it stands. By kind if absent: `visit` and `campaign_response` are "
    "`awareness`, `message`, `call`, `meeting`, `note` and `custom` `consideration`, `purchase` is "
    "`purchase`, `refund`, `support_case` and `support_resolved` are `support`, `referral` is `advocacy`."
)
_VALUE = (
    "What it was worth, in the workspace's currency; `purchase` and `refund` need one above 0, and a refund "
    "counts against revenue."
)
_OCCURRED_AT = "When it happened: since 1900, and at most one day from now."


class TouchpointCreate(Input):
    """One interaction between a contact and the business.

    The contact is given by exactly one of `contact_id` and `contact`.
    """

    contact_id: UUID | None = Field(default=None, description="The contact, by its id here.")
    contact: ContactReference | None = Field(
        default=None, description="The contact, by what another system knows; made if there is none yet."
    )
    channel: Channel = Field(default="other", description="The way it took.")
    kind: Kind = Field(description="What happened.")
    direction: Direction = Field(default="inbound", description="Who turned to whom.")
    stage: Stage | None = Field(default=None, description=_STAGE)
    occurred_at: Instant = Field(description=_OCCURRED_AT)
    summary: LongText | None = Field(default=None, description="What it was about, for people.")
    value: MoneyInput | None = Field(default=None, description=_VALUE)
    campaign: Name | None = Field(default=None, description="The campaign it belongs to.")
    source: SourceName | None = Field(default=None, description="The system that tells of it.")
    external_id: ForeignId | None = Field(
        default=None,
        description="Its id in `source`, which must be there as well. Sent again with the same content it is "
        "`unchanged`, with other content `updated`.",
        examples=["order-5001"],
    )
    attributes: TouchpointAttributes = Field(
        default={}, description=f"{_ATTRIBUTES}; null is the same as absent."
    )


class TouchpointPatch(Patch):
    """Changes to a touchpoint: absent stays, null clears. Its identity, `source` and `external_id`, stays."""

    contact_id: UUID | MISSING = Field(default=MISSING, description="Moves it to another contact.")
    channel: Channel | MISSING = Field(default=MISSING, description="The way it took.")
    kind: Kind | MISSING = Field(
        default=MISSING, description="What happened. The stage stays unless it is sent."
    )
    direction: Direction | MISSING = Field(default=MISSING, description="Who turned to whom.")
    stage: Stage | None | MISSING = Field(
        default=MISSING, description="Where in the relationship it stands; null derives it from the kind."
    )
    occurred_at: Instant | MISSING = Field(default=MISSING, description=_OCCURRED_AT)
    summary: LongText | None | MISSING = Field(default=MISSING, description="What it was about, for people.")
    value: MoneyInput | None | MISSING = Field(default=MISSING, description=_VALUE)
    campaign: Name | None | MISSING = Field(default=MISSING, description="The campaign it belongs to.")
    attributes: TouchpointAttributes | MISSING = Field(
        default=MISSING, description="Attributes to set, by key; null removes one, absent ones stay."
    )


class Touchpoint(Output):
    """One interaction between a contact and the business, on one channel, at one time."""

    id: UUID = Field(description="UUIDv7.")
    contact_id: UUID = Field(description="Whose it is.")
    channel: Channel = Field(description="The way it took.")
    kind: Kind = Field(description="What happened.")
    direction: Direction = Field(description="Who turned to whom.")
    stage: Stage = Field(description="Where in the relationship it stands.")
    occurred_at: datetime = Field(description="When it happened.")
    summary: str | None = Field(description="What it was about, for people.")
    value: Money | None = Field(description="What it was worth.")
    campaign: str | None = Field(description="The campaign it belongs to.")
    source: str | None = Field(description="The system that told of it.")
    external_id: str | None = Field(description="Its id in `source`.")
    attributes: dict[str, str | bool | int | float | list[str | bool | int | float]] = Field(
        description="Anything else worth knowing.", examples=[{"order_lines": 3, "coupon": "SPRING"}]
    )
    recorded_at: datetime = Field(description="When it was first recorded here.")
    updated_at: datetime = Field(description="When it last changed.")
    deleted_at: datetime | None = Field(description="When it was deleted; null while it counts.")
    version: int = Field(description="Goes up by one with each change; also the `ETag`.")

    @classmethod
    def of(cls, record: TouchpointRecord, currency: str) -> "Touchpoint":
        """The answer for a row; `currency` is the workspace's."""
        return cls.model_construct(**_fields(record, currency))


class RecordedTouchpoint(Touchpoint):
    """A touchpoint just sent, and what became of it."""

    status: RecordedStatus = Field(
        description="`created` with a 201; with a 200 `updated`, or `unchanged` when all of it was known."
    )

    @classmethod
    def told(cls, record: TouchpointRecord, currency: str, status: RecordedStatus) -> "RecordedTouchpoint":
        """The answer for a row that was just sent."""
        return cls.model_construct(**_fields(record, currency), status=status)


def _fields(record: TouchpointRecord, currency: str) -> dict[str, Any]:
    fields = record._asdict()
    amount = fields.pop("amount")
    fields["value"] = None if amount is None else Money.of(amount, currency)
    fields["attributes"] = orjson.loads(record.attributes)
    return fields


class TouchpointPage(Page[Touchpoint]):
    """One page of touchpoints."""


class TouchpointSearch(Input, PageBody):
    """What touchpoints to look for."""

    filter: Filter | None = Field(
        default=None,
        description="Which touchpoints; all of them if absent. Fields: those of a touchpoint, `value` as its "
        "amount, and `attributes.<key>`, which is read as the type of the values it is compared with: an "
        "attribute of another type is missing. On a list `contains` asks for an element.",
        examples=[
            {
                "and": [
                    {"field": "kind", "op": "eq", "value": "purchase"},
                    {"field": "value", "op": "gte", "value": 100},
                    {"field": "attributes.coupon", "op": "eq", "value": "SPRING"},
                ]
            }
        ],
    )
    sort: str | None = Field(
        default=None, max_length=100, description="Order, as of the list; `-occurred_at` if absent."
    )
    include_archived: Flag = Field(default=False, description="Deleted touchpoints as well.")


class TouchpointBatch(Input):
    """Touchpoints to record."""

    items: Annotated[list[Any], Field(min_length=1, max_length=1000)] = Field(
        description="Up to 1,000 touchpoints; each is judged by itself, in this order.",
        json_schema_extra={"items": {"$ref": "#/components/schemas/TouchpointCreate"}},
    )


class TouchpointBatchResult(BatchResult):
    """What became of each touchpoint of a batch."""


class TouchpointBefore(Output):
    """What a touchpoint counted as before it changed."""

    contact_id: UUID = Field(description="Whose it was.")
    kind: Kind = Field(description="What it was.")
    channel: Channel = Field(description="The way it had taken.")
    occurred_at: datetime = Field(description="When it had happened.")
    value: Money | None = Field(description="What it had been worth.")


class TouchpointChanged(Output):
    """`data` of the touchpoint events: the touchpoint as it is now, and what it counted as before."""

    touchpoint: Touchpoint = Field(description="As it is now.")
    previous: TouchpointBefore | None = Field(description="Before the change; null when it is new.")
