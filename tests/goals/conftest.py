from datetime import UTC, datetime

import httpx
import pytest

from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.goals.goal_world import TODAY, GoalWorld
from tests.stand_ins import MovableClock


@pytest.fixture(autouse=True)
def noon(clock: MovableClock) -> None:
    """It is noon of `TODAY` when a test begins."""
    clock.set(datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC))


@pytest.fixture
def world(client: httpx.AsyncClient, tenant: Tenant, resources: Resources, clock: MovableClock) -> GoalWorld:
    return GoalWorld(client, tenant, resources, clock)
