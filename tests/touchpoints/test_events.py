"""The fast way to an event's JSON gives the same bytes as the model."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app.kit.ids import new_id
from app.kit.money import Money
from app.touchpoints.events import changed_json
from app.touchpoints.models import TouchpointRecord
from app.touchpoints.schemas import Touchpoint, TouchpointBefore, TouchpointChanged

PLAIN = TouchpointRecord(
    id=new_id(),
    contact_id=new_id(),
    channel="web",
    kind="visit",
    direction="inbound",
    stage="awareness",
    occurred_at=datetime(2026, 3, 1, 9, tzinfo=UTC),
    summary=None,
    amount=None,
    campaign=None,
    source=None,
    external_id=None,
    attributes="{}",
    recorded_at=datetime(2026, 3, 1, 9, 0, 0, 1200, tzinfo=UTC),
    updated_at=datetime(2026, 3, 1, 9, 0, 0, 1200, tzinfo=UTC),
    deleted_at=None,
    version=1,
)
FULL = PLAIN._replace(
    kind="purchase",
    amount=Decimal("49.9000"),
    summary='Zwölf "Lampen"\n\u2028',
    source="shop",
    external_id="order-1",
    attributes='{"a":[1,2.5,true],"ä":"x"}',
    deleted_at=datetime(2026, 3, 2, tzinfo=UTC),
    version=2,
)


@pytest.mark.parametrize(("after", "before"), [(PLAIN, None), (FULL, None), (FULL, PLAIN), (PLAIN, FULL)])
@pytest.mark.parametrize("currency", ["EUR", "KWD"])
def test_the_bytes_are_those_of_the_model(
    after: TouchpointRecord, before: TouchpointRecord | None, currency: str
) -> None:
    assert changed_json(after, before, currency) == model(after, before, currency).model_dump_json().encode()


def model(after: TouchpointRecord, before: TouchpointRecord | None, currency: str) -> TouchpointChanged:
    previous = before and TouchpointBefore(
        contact_id=before.contact_id,
        kind=before.kind,
        channel=before.channel,
        occurred_at=before.occurred_at,
        value=None if before.amount is None else Money.of(before.amount, currency),
    )
    return TouchpointChanged(touchpoint=Touchpoint.of(after, currency), previous=previous)
