"""What the webhooks room does about events: all of them are owed to whoever subscribed."""

from collections.abc import Sequence

from app.kit.database import Unit
from app.kit.outbox import Consumer, Event
from app.webhooks.service.deliveries import DeliveryService


async def fan_out(unit: Unit, events: Sequence[Event]) -> None:
    """Owes each event to every endpoint that wants it."""
    await DeliveryService(unit).fan_out(events)


FAN_OUT = Consumer("webhooks.fan_out", fan_out)
