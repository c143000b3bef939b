"""Shapes of sources, of the CloudEvents they send, and of what became of these."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import MISSING, AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from app.kit.batches import ItemError
from app.kit.schemas import Input, Instant, Name, Output, Page, Patch

MOST_EVENTS = 1000
LONGEST_ATTRIBUTE = 255


class SourceCreate(Input):
    """A partner system that is to send events."""

    name: Name = Field(description="What people call it.", examples=["shop"])


class SourcePatch(Patch):
    """Changes to a source. Its key stays."""

    name: Name | MISSING = Field(default=MISSING, description="What people call it.")


class Source(Output):
    """A partner system that sends events."""

    id: UUID = Field(description="UUIDv7.")
    name: str = Field(description="What people call it.")
    key: str = Field(
        description="The `source` of its touchpoints that name none: the first name, in letters, digits and "
        "`_ . : -`. Unique; never changes.",
        examples=["shop"],
    )
    pending: int = Field(description="Events received and not applied yet.")
    parked: int = Field(description="Events that could not be applied and wait for somebody to look at them.")
    last_event_at: datetime | None = Field(
        description="When the latest event that was worked on came; null before the first."
    )
    older_secrets_until: datetime | None = Field(
        description="Until when a secret from before a rotation works too; null when there is none."
    )
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When its name, secret or archiving last changed.")
    archived_at: datetime | None = Field(description="When it was archived; null while active.")
    version: int = Field(
        description="Goes up by one with each change of the source; its counts move without it. "
        "Also the `ETag`."
    )


class SourceWithSecret(Source):
    """A source whose secret was just made. `secret` is shown this once."""

    secret: str = Field(
        description="Signs its events, as Standard Webhooks has it. It cannot be shown again."
    )


class SourcePage(Page[Source]):
    """One page of sources."""


def _no_control_characters(text: str) -> str:
    if any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in text):
        raise PydanticCustomError("control_character", "must not hold control characters")
    return text


def _no_spaces(text: str) -> str:
    if any(character.isspace() for character in text):
        raise PydanticCustomError("uri_reference", "must be a URI reference, without spaces")
    return text


def _json_only(media_type: str) -> str:
    bare = media_type.partition(";")[0].strip().lower()
    if bare != "application/json" and not bare.endswith("+json"):
        raise PydanticCustomError("not_json", "must be application/json")
    return media_type


EventAttribute = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_ATTRIBUTE),
    AfterValidator(_no_control_characters),
]


class CloudEvent(BaseModel):
    """A CloudEvent 1.0 whose data is JSON. Extension attributes are allowed and not kept.

    `data` is the body of the REST call that the type stands for: `rapport.contact` that of an upsert in
    `POST /v1/contacts/batch`, `rapport.touchpoint` that of `POST /v1/touchpoints`, `rapport.survey_response`
    that of `POST /v1/surveys/{survey_id}/responses` with the `survey_id` in it.
    """

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    specversion: Literal["1.0"] = Field(description="The version of CloudEvents.")
    id: EventAttribute = Field(
        description="Names the event within its `source`: the same again is a duplicate.",
        examples=["order-1001"],
    )
    source: Annotated[EventAttribute, AfterValidator(_no_spaces)] = Field(
        description="Where it happened, a URI reference.", examples=["/orders"]
    )
    type: EventAttribute = Field(
        description="`rapport.contact`, `rapport.touchpoint` or `rapport.survey_response`; others are kept "
        "and parked.",
        examples=["rapport.touchpoint"],
    )
    subject: EventAttribute | None = Field(
        default=None, description="What it is about; shown with parked events."
    )
    time: Instant | None = Field(
        default=None,
        description="When it happened: the `occurred_at` of a touchpoint, or `answered_at` of a response, "
        "that has none.",
    )
    datacontenttype: Annotated[EventAttribute, AfterValidator(_json_only)] | None = Field(
        default=None, description="`application/json`, if it is there at all."
    )
    data: dict[str, Any] = Field(description="The event itself.")


class ReceivedEvent(Output):
    """What became of one event of a request."""

    index: int = Field(description="The event's place in the request, from 0.")
    id: str | None = Field(description="The event's `id`; null when it has none that can be read.")
    status: Literal["accepted", "duplicate", "rejected"] = Field(
        description="`accepted`: stored, will be applied. `duplicate`: stored before. `rejected`: not stored."
    )
    problem: ItemError | None = Field(description="Why it was rejected; null otherwise.")


class Receipt(Output):
    """What became of the events of a request. Everything accepted is stored durably."""

    accepted: int = Field(description="How many were stored.")
    duplicates: int = Field(description="How many were stored before; as good as accepted.")
    rejected: int = Field(description="How many were refused; sending them again unchanged is of no use.")
    results: list[ReceivedEvent] = Field(description="One for each event, in order.")


class ParkedEvent(Output):
    """An event that was stored and could not be applied."""

    id: UUID = Field(description="UUIDv7, to discard it or re-drive it by.")
    event_id: str = Field(description="The event's `id`.")
    event_source: str = Field(description="The event's `source`.")
    type: str = Field(description="The event's `type`.")
    subject: str | None = Field(description="The event's `subject`.")
    event_time: datetime | None = Field(description="The event's `time`.")
    payload: dict[str, Any] = Field(description="The event's `data`, as it came.")
    reason: str = Field(
        description="Why, in one word for programs: `unknown_type`, `internal`, or a problem's."
    )
    problem: ItemError = Field(description="Why, in full.")
    received_at: datetime = Field(description="When it came.")
    finished_at: datetime = Field(description="When it was parked.")


class ParkedEventPage(Page[ParkedEvent]):
    """One page of parked events."""


class ParkedRedrive(Input):
    """Which parked events to try again."""

    ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_EVENTS)] | None = Field(
        default=None, description="Ids of parked events; all of the source's if absent."
    )


class ParkedRedriven(Output):
    """How many events are tried again."""

    redriven: int = Field(description="How many; ids that were not parked are not among them.")


def _reference(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}


_DATA_SCHEMA = {
    "description": "By `type` the body of an upsert of a contact, or of a touchpoint, whose `occurred_at`, "
    "`source` and `external_id` may be left to the event; any object for other types.",
    "anyOf": [_reference("ContactUpsert"), _reference("TouchpointCreate"), {"type": "object"}],
}
_EVENT_EXAMPLE = {
    "specversion": "1.0",
    "id": "order-1001",
    "source": "/orders",
    "type": "rapport.touchpoint",
    "time": "2026-01-31T09:00:00Z",
    "data": {
        "contact": {"email": "ada@example.com"},
        "channel": "store",
        "kind": "purchase",
        "value": {"amount": "49.90", "currency": "EUR"},
    },
}


def _event_schema() -> dict[str, Any]:
    schema = CloudEvent.model_json_schema()
    schema["properties"]["data"] = _DATA_SCHEMA
    return schema


def _header(name: str, description: str, *, required: bool = False) -> dict[str, Any]:
    schema = {"type": "string"}
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


EVENTS_CONTRACT: dict[str, Any] = {
    "parameters": [
        _header("webhook-id", "Names the request, in visible ASCII without a dot.", required=True),
        _header(
            "webhook-timestamp", "When it was signed, in seconds since 1970; within 5 minutes.", required=True
        ),
        _header(
            "webhook-signature",
            "One or more `v1,<base64 HMAC-SHA256 of id.timestamp.body>`, separated by spaces.",
            required=True,
        ),
        _header("ce-specversion", "In binary mode: `1.0`."),
        _header("ce-id", "In binary mode: the event's `id`, percent-encoded where it is not ASCII."),
        _header("ce-source", "In binary mode: the event's `source`."),
        _header("ce-type", "In binary mode: the event's `type`."),
        _header("ce-time", "In binary mode: the event's `time`."),
        _header("ce-subject", "In binary mode: the event's `subject`."),
    ],
    "requestBody": {
        "required": True,
        "description": "An event, a batch of up to 1,000, or the data of one whose attributes are headers.",
        "content": {
            "application/cloudevents+json": {"schema": _event_schema(), "example": _EVENT_EXAMPLE},
            "application/cloudevents-batch+json": {
                "schema": {"type": "array", "maxItems": MOST_EVENTS, "items": _event_schema()},
                "example": [_EVENT_EXAMPLE],
            },
            "application/json": {"schema": _DATA_SCHEMA, "example": _EVENT_EXAMPLE["data"]},
        },
    },
}
"""What FastAPI cannot know of the route that reads its body itself."""

EVENTS_RESPONSES: dict[int | str, dict[str, Any]] = {
    401: {
        "description": "The signature does not fit, or is more than five minutes off.",
        "content": {"application/problem+json": {"schema": _reference("Problem")}},
    },
}
