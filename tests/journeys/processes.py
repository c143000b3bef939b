"""Rapport as its users have it: processes started by the command line, spoken to over sockets."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

RAPPORT = str(Path(sys.executable).with_name("rapport"))
START_SECONDS = 60
# Settings of whoever runs the tests, and the one that makes every start compile the whole code anew.
PRIVATE = ("RAPPORT_", "PYTHONDONTWRITEBYTECODE")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Installation:
    """One data directory with its API and its worker."""

    data_dir: Path
    port: int = field(default_factory=free_port)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        ours = {
            "RAPPORT_DATA_DIR": str(self.data_dir),
            "RAPPORT_PORT": str(self.port),
            "RAPPORT_RATE_LIMIT_PER_SECOND": "0",
            "RAPPORT_OUTBOUND_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
            "RAPPORT_LOG_FORMAT": "json",
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
        return inherited | ours

    def command(self, *arguments: str) -> Any:
        """Runs a command that ends, and reads the JSON it prints."""
        done = subprocess.run(
            [RAPPORT, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start(self, *names: str) -> None:
        """Starts `api`, `worker` or both."""
        commands = {"api": ("serve", "--no-worker"), "worker": ("worker",)}
        for name in names:
            with (self.data_dir / f"{name}.log").open("ab") as log:
                self.running[name] = subprocess.Popen(
                    [RAPPORT, *commands[name]], env=self.environment, stdout=log, stderr=log
                )

    def kill(self, name: str) -> None:
        """SIGKILL: no chance to tidy up."""
        process = self.running[name]
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> list[int]:
        """SIGTERM to whatever runs; the exit codes."""
        for process in self.running.values():
            process.terminate()
        return [process.wait(timeout=60) for process in self.running.values()]

    async def ready(self) -> None:
        """Waits until the API says that it is."""

        async def is_ready() -> bool:
            return await status_of(f"{self.url}/readyz") == 200

        await until(is_ready, START_SECONDS)


async def status_of(url: str) -> int:
    """The status an address answers with; 0 when nobody does."""
    try:
        async with httpx.AsyncClient() as client:
            return (await client.get(url)).status_code
    except httpx.TransportError:
        return 0


async def until(condition: Callable[[], Awaitable[bool]], seconds: float, *, pause: float = 0.02) -> None:
    """Waits for a condition of another process, which can only be asked."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(pause)


def cloud_event(number: int, kind: str, data: dict[str, Any], source: str = "/shop") -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{kind}-{number}",
        "source": source,
        "type": f"rapport.{kind}",
        "datacontenttype": "application/json",
        "data": data,
    }


def items(page: dict[str, Any]) -> Sequence[dict[str, Any]]:
    found: Sequence[dict[str, Any]] = page["items"]
    return found
