"""One installation of its own for each journey."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.kit.embedded import EmbeddedError, EmbeddedServer
from tests.journeys.processes import Installation


@pytest.fixture
def installation() -> Iterator[Installation]:
    """Directly under /tmp, where PostgreSQL gets to whatever user it has to run as."""
    made = Installation(Path(tempfile.mkdtemp(prefix="rapport-journey-", dir="/tmp")))
    try:
        yield made
    finally:
        for process in made.running.values():
            process.kill()
            process.wait()
        _stop_server(made.data_dir)
        shutil.rmtree(made.data_dir, ignore_errors=True)


def _stop_server(data_dir: Path) -> None:
    """Killed processes leave the server running: hold it once more, and let go."""
    try:
        with EmbeddedServer(data_dir):
            pass
    except EmbeddedError:
        return
