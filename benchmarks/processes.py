"""The processes that take part: Rapport, the floor and the load generator, each on its core."""

import base64
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.world import World, pin

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60
SECRET_KEY = base64.b64encode(os.urandom(32)).decode()


@dataclass(frozen=True, slots=True)
class Target:
    """A server under measurement."""

    name: str
    pid: int
    port: int


@dataclass(frozen=True, slots=True)
class Cores:
    """The API has one to itself where there are two; PostgreSQL and the load share the other."""

    api: int | None
    rest: int | None

    @classmethod
    def of_this_machine(cls) -> "Cores":
        usable = sorted(os.sched_getaffinity(0))
        return cls(usable[0], usable[1]) if len(usable) > 1 else cls(None, None)


class Helper:
    """A process that takes one order a line and answers each with a line, both in JSON."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.tell(order)
        answer: dict[str, Any] = orjson.loads(self.process.stdout.readline())
        return answer

    def tell(self, order: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(orjson.dumps(order) + b"\n")
        self.process.stdin.flush()


@contextmanager
def rapport(
    world: World, place: Path, cores: Cores, *, name: str = "rapport", pool: int = 10
) -> Iterator[Target]:
    """`rapport serve --no-worker`, as a user would start it, without its rate limit."""
    port = free_port()
    settings = _settings(world) | {"RAPPORT_PORT": str(port), "RAPPORT_DATABASE_POOL_SIZE": str(pool)}
    with _logged(place, name, ["serve", "--no-worker"], settings, cores) as process:
        _await_port(process, port)
        yield Target(name, process.pid, port)


@contextmanager
def worker(world: World, place: Path, cores: Cores) -> Iterator[int]:
    """`rapport worker`; gives its process id."""
    with _logged(place, "worker", ["worker"], _settings(world), cores) as process:
        yield process.pid


def _settings(world: World) -> dict[str, str]:
    return {
        "RAPPORT_DATABASE_URL": world.app_url,
        "RAPPORT_DATABASE_OWNER_URL": world.owner_url,
        "RAPPORT_SECRET_KEY": SECRET_KEY,
        "RAPPORT_RATE_LIMIT_PER_SECOND": "0",
        "RAPPORT_LOG_FORMAT": "json",
        "RAPPORT_OUTBOUND_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
    }


@contextmanager
def _logged(
    place: Path, name: str, command: list[str], settings: Mapping[str, str], cores: Cores
) -> Iterator["subprocess.Popen[bytes]"]:
    program = str(Path(sys.executable).parent / "rapport")
    with (
        (place / f"{name}.log").open("wb") as log,
        _running([program, *command], cores.api, env=settings, stdout=log, stderr=log) as process,
    ):
        yield process


@contextmanager
def floor(config: Mapping[str, Any], cores: Cores) -> Iterator[Target]:
    """The floor; `config` is what `floor.Floor` takes."""
    port = free_port()
    with _running([sys.executable, "-m", "benchmarks.floor"], cores.api, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(orjson.dumps({**config, "port": port}))
        process.stdin.close()
        _await_port(process, port)
        yield Target("floor", process.pid, port)


class Load(Helper):
    """The load generator's process."""

    def slice(self, target: Target, path: str, *, connections: int, seconds: float) -> dict[str, Any]:
        """Runs one slice and returns its figures."""
        return self.ask({"port": target.port, "path": path, "connections": connections, "seconds": seconds})


@contextmanager
def load(plan: Mapping[str, Any], cores: Cores) -> Iterator[Load]:
    """The load generator; `plan` is what `load.Loads` takes."""
    with helper("benchmarks.load", cores.rest) as process:
        generator = Load(process)
        generator.tell(dict(plan))
        yield generator


@contextmanager
def helper(module: str, core: int | None) -> Iterator["subprocess.Popen[bytes]"]:
    """A helper's process, on its core."""
    command = [sys.executable, "-m", module]
    with _running(command, core, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def _running(
    command: list[str], core: int | None, *, env: Mapping[str, str] | None = None, **streams: Any
) -> Iterator["subprocess.Popen[bytes]"]:
    with ExitStack() as stack:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | dict(env or {}), **streams)
        stack.callback(_end, process)
        pin(process.pid, core)
        yield process


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _await_port(process: "subprocess.Popen[bytes]", port: int) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not listen on port {port}")
