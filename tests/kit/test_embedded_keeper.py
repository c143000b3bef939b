"""The embedded server, brought back by whoever keeps it up."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.kit.embedded import EmbeddedError, EmbeddedServer
from app.kit.embedded_keeper import kept_up
from tests.journeys.processes import until

pytestmark = pytest.mark.slow

FAST = {"fsync": "off", "full_page_writes": "off"}
PATIENCE = 30


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Directly under /tmp, where PostgreSQL gets to whatever user it has to run as."""
    with tempfile.TemporaryDirectory(prefix="rapport-test-", dir="/tmp") as place:
        yield Path(place) / "data"


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(data_dir, settings=FAST) as running:
        yield running


async def test_a_server_that_dies_is_brought_back_again_and_again(server: EmbeddedServer) -> None:
    with kept_up(server):
        for _ in range(2):
            await another(server, kill(server))


async def test_two_who_keep_one_server_bring_back_one(server: EmbeddedServer, data_dir: Path) -> None:
    with EmbeddedServer(data_dir, settings=FAST) as other, kept_up(server), kept_up(other):
        came = await another(server, kill(server))

    assert server.postmaster_pid() == came


async def test_a_removed_cluster_is_not_begun_anew(server: EmbeddedServer, data_dir: Path) -> None:
    kill(server)
    (version_file,) = data_dir.glob("pg*/PG_VERSION")
    shutil.rmtree(version_file.parent)

    assert not server.has_died()


def kill(server: EmbeddedServer) -> int:
    killed = server.postmaster_pid()
    os.kill(killed, signal.SIGKILL)
    return killed


async def another(server: EmbeddedServer, killed: int) -> int:
    """Waits for a server that is not the killed one: its process id."""

    async def came() -> bool:
        return running(server) not in (None, killed)

    await until(came, PATIENCE)
    return server.postmaster_pid()


def running(server: EmbeddedServer) -> int | None:
    try:
        return server.postmaster_pid()
    except EmbeddedError:
        return None
