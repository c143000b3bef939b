import httpx
import pytest

from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.stand_ins import MovableClock
from tests.surveys.secret import Secret, a_secret
from tests.surveys.world import AskingWorld


@pytest.fixture
def asking(
    client: httpx.AsyncClient, tenant: Tenant, resources: Resources, clock: MovableClock
) -> AskingWorld:
    return AskingWorld(client, tenant, resources, clock)


@pytest.fixture
async def secret(asking: AskingWorld, stranger: httpx.AsyncClient) -> Secret:
    return await a_secret(asking, stranger)
