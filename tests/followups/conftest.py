import httpx
import pytest

from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.followups.followup_world import FollowupWorld
from tests.stand_ins import MovableClock


@pytest.fixture
def world(
    client: httpx.AsyncClient, tenant: Tenant, resources: Resources, clock: MovableClock
) -> FollowupWorld:
    return FollowupWorld(client, tenant, resources, clock)
