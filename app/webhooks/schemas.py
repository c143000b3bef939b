"""Shapes of webhook endpoints, their deliveries, and the event feed."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import MISSING, Field, StringConstraints

from app.kit.schemas import Input, Instant, Output, Page, Patch

EndpointStatus = Literal["enabled", "failing", "disabled"]
DisabledReason = Literal["gone", "too_many_failures"]
DeliveryStatus = Literal["pending", "succeeded", "failed"]
DeliveryOrigin = Literal["event", "replay", "ping"]
ErrorKind = Literal[
    "status", "redirect", "timeout", "connect", "tls", "dns", "protocol", "refused_address", "interrupted"
]

EndpointUrl = Annotated[
    str, StringConstraints(min_length=1, max_length=2048), Field(examples=["https://shop.example.com/hooks"])
]
EventTypeName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
EventTypeNames = Annotated[list[EventTypeName], Field(max_length=200, examples=[["contact.created"]])]
Description = Annotated[str, StringConstraints(max_length=500)]


class WebhookEndpointCreate(Input):
    """A new subscription."""

    url: EndpointUrl = Field(description="Where events are posted: https, at a public address.")
    event_types: EventTypeNames = Field(default=[], description="Which events; empty means all.")
    description: Description | None = Field(default=None, description="What it is for.")


class WebhookEndpointPatch(Patch):
    """Changes to an endpoint. A new URL starts with a clean record of failures."""

    url: EndpointUrl | MISSING = Field(default=MISSING, description="Where events are posted.")
    event_types: EventTypeNames | MISSING = Field(default=MISSING, description="Which events; empty: all.")
    description: Description | MISSING | None = Field(default=MISSING, description="What it is for.")


class WebhookEndpoint(Output):
    """A subscriber's URL and how it fares. What counts tries moves without a new `version`."""

    id: UUID = Field(description="UUIDv7.")
    url: str = Field(description="Where events are posted.")
    description: str | None = Field(description="What it is for.")
    event_types: list[str] = Field(description="Which events it gets; empty means all.")
    status: EndpointStatus = Field(
        description="`failing`: most tries fail, or all have for half an hour. `disabled`: nothing is sent."
    )
    disabled_reason: DisabledReason | None = Field(
        description="`gone`: it answered 410. `too_many_failures`: every try of five days failed. Else null."
    )
    disabled_at: datetime | None = Field(description="When it was disabled; null while it is not.")
    consecutive_failures: int = Field(description="Failed tries since the last success.")
    failing_since: datetime | None = Field(description="The first of these; null when there is none.")
    last_success_at: datetime | None = Field(description="When a try last succeeded.")
    last_failure_at: datetime | None = Field(description="When a try last failed.")
    paused_until: datetime | None = Field(
        description="Too many failures: until then nothing is sent, then one try decides. Null otherwise."
    )
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When it was last changed.")
    archived_at: datetime | None = Field(description="When it was archived; null while it is in use.")
    version: int = Field(
        description="Goes up by one with each change of the endpoint; its tries are counted without it. "
        "Also the `ETag`."
    )


class WebhookEndpointWithSecret(WebhookEndpoint):
    """An endpoint with a fresh signing secret, which is shown this once."""

    secret: str = Field(description="`whsec_` and base64; cannot be shown again.", examples=["whsec_…"])


class WebhookEndpointPage(Page[WebhookEndpoint]):
    """One page of endpoints."""


class WebhookDelivery(Output):
    """One event owed to one endpoint."""

    id: UUID = Field(description="UUIDv7.")
    endpoint_id: UUID = Field(description="To whom it is owed.")
    event_id: UUID = Field(description="The event; sent as `webhook-id` with every try.")
    event_type: str = Field(description="The event's type, or `webhook.ping`.")
    origin: DeliveryOrigin = Field(description="Why it exists.")
    status: DeliveryStatus = Field(description="`pending` until a try succeeds or the last one fails.")
    attempt_count: int = Field(description="Tries begun so far.")
    next_attempt_at: datetime | None = Field(
        validation_alias="due_at",
        description="When it is tried next, unless a running try succeeds; null at the end.",
    )
    last_status_code: int | None = Field(description="HTTP status of the last try; null without an answer.")
    last_error_kind: ErrorKind | None = Field(description="Why the last try failed; null when it did not.")
    created_at: datetime = Field(description="When it was made.")
    finished_at: datetime | None = Field(description="When it succeeded or was given up.")


class WebhookDeliveryPage(Page[WebhookDelivery]):
    """One page of deliveries."""


class WebhookAttempt(Output):
    """One try."""

    number: int = Field(description="1 for the first.")
    started_at: datetime = Field(description="When it was begun.")
    duration_ms: float | None = Field(description="How long it took; null for one that was interrupted.")
    status_code: int | None = Field(description="The answer's HTTP status; null when there was none.")
    error_kind: ErrorKind | None = Field(description="Why it failed; null when it did not.")
    error_detail: str | None = Field(description="The same in words.")
    answer: str = Field(description="The first 16 KB of the answer's body, read as UTF-8.")
    answer_truncated: bool = Field(description="Whether there was more.")


class WebhookDeliveryDetail(WebhookDelivery):
    """A delivery and its tries."""

    attempts: list[WebhookAttempt] = Field(description="The latest 50 tries, oldest first.")


class WebhookReplayRequest(Input):
    """Which events to send again."""

    since: Instant = Field(description="Events that happened at this instant or later.")
    until: Instant | None = Field(default=None, description="Events that happened before; null means now.")
    types: EventTypeNames = Field(default=[], description="Only these; empty: all it subscribes to.")


class WebhookReplay(Output):
    """How many events a replay covers."""

    dry_run: bool = Field(description="Whether they were only counted.")
    matched: int = Field(description="Events that match.")
    created: int = Field(description="Deliveries made for them; 0 for a dry run.")


class WebhookPing(Output):
    """`data` of a `webhook.ping`."""

    endpoint_id: UUID = Field(description="The endpoint that was pinged.")


class EndpointFailing(Output):
    """`data` of `endpoint.failing`."""

    endpoint: WebhookEndpoint = Field(description="The endpoint as it is now.")


class EndpointDisabled(Output):
    """`data` of `endpoint.disabled`."""

    endpoint: WebhookEndpoint = Field(description="The endpoint as it is now.")
    reason: DisabledReason = Field(description="Why nothing is sent to it any more.")


class EventTypeDescription(Output):
    """An entry of the event catalogue."""

    name: str = Field(description="What it is called.", examples=["contact.created"])
    version: int = Field(description="The version of the shape of `data`.")
    description: str = Field(description="What it tells.")
    json_schema: dict[str, Any] = Field(description="JSON Schema (2020-12) of the whole body that is posted.")


class EventTypePage(Page[EventTypeDescription]):
    """The event catalogue, which is always one page."""


class FeedEvent(Output):
    """An event, as webhooks carry it, with its place in the feed."""

    id: UUID = Field(description="The event's id.")
    type: str = Field(description="What happened.")
    version: int = Field(description="The version of `data`'s shape.")
    occurred_at: datetime = Field(description="When it happened.")
    workspace_id: UUID = Field(description="Whose event it is.")
    data: dict[str, Any] = Field(description="What the event type's schema says.")
    sequence: int = Field(description="Its place in commit order; rises without gaps within a workspace.")


class FeedPage(Page[FeedEvent]):
    """A stretch of the feed, in commit order."""

    position: str = Field(description="How far this page goes: hand it back as `after` to go on later.")
