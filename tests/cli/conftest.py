"""One data directory for the tests of the command line, and one server on it, both as users have them."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.kit.embedded import EmbeddedServer
from tests.conftest import FAST
from tests.journeys.processes import PRIVATE, RAPPORT, free_port, status_of, until

OUTBOUND = {"RAPPORT_OUTBOUND_ALLOWED_NETWORKS": '["127.0.0.0/8"]'}


@dataclass(frozen=True, slots=True)
class Served:
    """A `rapport serve` that runs, and what it has printed."""

    process: subprocess.Popen[bytes]
    url: str
    output: Path

    def printed(self) -> str:
        return self.output.read_text()

    async def ready(self) -> "Served":
        async def is_ready() -> bool:
            assert self.process.poll() is None, self.printed()
            return await status_of(f"{self.url}/readyz") == 200

        await until(is_ready, 60)
        return self


@dataclass(frozen=True, slots=True)
class CommandLine:
    """`rapport` on one data directory."""

    data_dir: Path

    def environment(self, extra: Mapping[str, str] = {}) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
        return inherited | {"RAPPORT_DATA_DIR": str(self.data_dir)} | dict(extra)

    def run(
        self, *arguments: str, cwd: Path | None = None, **extra: str
    ) -> "subprocess.CompletedProcess[str]":
        """Runs a command to its end; `extra` joins its environment."""
        return subprocess.run(
            [RAPPORT, *arguments],
            env=self.environment(extra),
            cwd=cwd or self.data_dir,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    @contextlib.contextmanager
    def serve(self, *arguments: str) -> Iterator[Served]:
        port = free_port()
        output = self.data_dir / f"serve-{port}.out"
        with output.open("wb") as printed, (self.data_dir / f"serve-{port}.log").open("wb") as log:
            process = subprocess.Popen(
                [RAPPORT, "serve", *arguments],
                env=self.environment({"RAPPORT_PORT": str(port), **OUTBOUND}),
                cwd=self.data_dir,
                stdout=printed,
                stderr=log,
            )
        try:
            yield Served(process, f"http://127.0.0.1:{port}", output)
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def rapport() -> Iterator[CommandLine]:
    """Directly under /tmp, where PostgreSQL gets to whatever user it has to run as."""
    data_dir = Path(tempfile.mkdtemp(prefix="rapport-cli-", dir="/tmp"))
    with EmbeddedServer(data_dir, settings=FAST):
        yield CommandLine(data_dir)
    shutil.rmtree(data_dir, ignore_errors=True)


@pytest.fixture(scope="session")
async def served(rapport: CommandLine) -> AsyncIterator[Served]:
    """The first server on the data directory."""
    with rapport.serve() as first:
        yield await first.ready()
