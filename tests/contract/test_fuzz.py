"""The contract's promises, fuzzed against a live server: a little each time, a lot by `make fuzz`."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn

from app.kit.resources import DatabaseAddress, open_resources
from app.main import create_app
from app.settings import Settings
from tests.conftest import make_tenant

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "tests" / "contract" / "schemathesis.toml"

EXAMPLES = int(os.environ.get("RAPPORT_FUZZ", "0"))
"""How many examples of each operation; 0 for the few that every run of the tests can afford."""
SEED = os.environ.get("RAPPORT_FUZZ_SEED", "1")
MINUTES = 60

FEW = ["--phases", "examples,fuzzing", "--max-examples", "5", "--no-shrink", "--generation-deterministic"]
MANY = ["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(EXAMPLES)]


@dataclass(frozen=True, slots=True)
class Live:
    """A server that listens, and a key for a workspace of its own."""

    url: str
    api_key: str


@pytest.mark.slow
def test_the_contract_keeps_its_promises(live: Live, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("st")), "--config-file", str(CONFIG), "run", "openapi.yaml"),
            *("--url", live.url, "--header", f"Authorization: Bearer {live.api_key}"),
            # With two workers it crashes on Python 3.11.
            *("--workers", "1", "--seed", SEED, "--continue-on-failure"),
            *("--report-dir", str(tmp_path), "--request-timeout", "30"),
            *(MANY if EXAMPLES else FEW),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=MINUTES * 60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-100_000:] + done.stderr[-2_000:]


@pytest.fixture(scope="module")
def live(settings: Settings, address: DatabaseAddress) -> Iterator[Live]:
    """The app under uvicorn, in a thread with a loop and connections of its own."""
    serving = Serving(settings, address)
    thread = threading.Thread(target=serving.run)
    thread.start()
    assert serving.ready.wait(30)
    assert serving.live is not None
    yield serving.live
    serving.stop()
    thread.join(30)


class Serving:
    """Runs a server in whatever thread calls `run`, until `stop`."""

    def __init__(self, settings: Settings, address: DatabaseAddress) -> None:
        self.ready = threading.Event()
        self.live: Live | None = None
        self._settings = settings
        self._address = address
        self._server: uvicorn.Server | None = None

    def run(self) -> None:
        asyncio.run(self._serve())

    def stop(self) -> None:
        assert self._server is not None
        self._server.should_exit = True

    async def _serve(self) -> None:
        resources = open_resources(self._settings, self._address)
        tenant = await make_tenant(resources)
        config = uvicorn.Config(create_app(resources), port=0, log_level="error", server_header=False)
        self._server = Announced(config, lambda port: self._announce(port, tenant.api_key))
        await self._server.serve()

    def _announce(self, port: int, api_key: str) -> None:
        self.live = Live(f"http://127.0.0.1:{port}", api_key)
        self.ready.set()


class Announced(uvicorn.Server):
    """A server that says on which port it listens as soon as it does."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[int], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce(self.servers[0].sockets[0].getsockname()[1])
