"""What the webhooks room publishes."""

from app.kit.outbox import EventType
from app.webhooks.schemas import EndpointDisabled, EndpointFailing

FAILING = EventType(
    "endpoint.failing",
    EndpointFailing,
    "A webhook endpoint fails: 70 % of at least ten tries in five minutes, or every try for half an hour.",
)
DISABLED = EventType(
    "endpoint.disabled",
    EndpointDisabled,
    "A webhook endpoint gets nothing any more: it answered 410, or failed for five days.",
)

ALL = (FAILING, DISABLED)
