"""A source of the test's workspace, and the partner behind it."""

import httpx
import pytest

from tests.intake.sending import Partner
from tests.stand_ins import MovableClock


@pytest.fixture
async def partner(client: httpx.AsyncClient, stranger: httpx.AsyncClient, clock: MovableClock) -> Partner:
    """A source named `shop`; its partner has no API key."""
    source = (await client.post("/v1/sources", json={"name": "shop"})).json()
    return Partner(stranger, clock, source["id"], source["secret"])
