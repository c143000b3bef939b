"""Two workspaces with one of everything, which the tests of the contract look at and never change."""

from collections.abc import AsyncIterator, Iterator

import pytest
import structlog.testing
from fastapi import FastAPI

from app.kit.resources import Resources
from tests.contract.factories import World, a_world


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of refusals and provoked faults: rendering them would cost more than all the rest."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
async def world(app: FastAPI, resources: Resources) -> AsyncIterator[World]:
    """A workspace of this test's own, where things are made when they are asked for."""
    async with a_world(app, resources) as made:
        yield made


@pytest.fixture(scope="session")
async def ours(app: FastAPI, resources: Resources) -> AsyncIterator[World]:
    """The workspace of whoever tries."""
    async with a_world(app, resources) as made:
        await made.fill()
        yield made


@pytest.fixture(scope="session")
async def theirs(app: FastAPI, resources: Resources) -> AsyncIterator[World]:
    """The workspace that must not be seen from `ours`."""
    async with a_world(app, resources) as made:
        await made.fill()
        yield made
