"""Webhook delivery beside raw sockets, and how long an event takes to its first attempt.

`python -m benchmarks.webhooks --help`. Both over real processes: `rapport serve --no-worker`, `rapport
worker`, and a receiver that does next to nothing.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from app.kit.ids import new_id
from app.kit.jobs import Job
from app.kit.outbox import RELAY_JOB, Relay
from app.kit.resources import open_resources
from app.settings import Settings
from app.subscriptions import CONSUMERS
from benchmarks.load import new_contact
from benchmarks.measuring import MOST_OTHER_LOAD, busy_seconds, process_seconds
from benchmarks.processes import SECRET_KEY, Cores, Helper, Target, helper, rapport, worker
from benchmarks.world import World, pin, pin_database, running_world

DELIVERY_GATE = 0.08
LATENCY_GATE_MS = 2000
IN_FLIGHT_EACH = 8
WARM = 200
PATIENCE_SECONDS = 120


@dataclass(slots=True)
class Stage:
    """All that runs."""

    world: World
    place: Path
    cores: Cores
    api: Target
    sink: Helper
    sink_port: int
    options: argparse.Namespace


def main() -> None:
    options = _options()
    with _stage(options) as stage:
        rate = _delivery_rate(stage)
        late = _latency(stage)
    print("| path | figure | floor | ratio | gate |\n|---|---|---|---|---|")
    print(rate)
    print(late)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2000, help="events owed to every endpoint")
    parser.add_argument("--endpoints", type=int, default=4, help="each has 8 messages on their way")
    parser.add_argument("--rate", type=int, default=100, help="events a second while the latency is measured")
    parser.add_argument("--seconds", type=float, default=20, help="how long")
    parser.add_argument("--data", type=Path, help="keep the filled database here and use it again")
    parser.add_argument("--although-busy", action="store_true", help="figures that are indications only")
    return parser.parse_args()


@contextmanager
def _stage(options: argparse.Namespace) -> Iterator[Stage]:
    with ExitStack() as stack:
        place = options.data or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="rapport-bench-"))
        )
        say(f"filling a database in {place} …")
        world = stack.enter_context(running_world(place))
        cores = Cores.of_this_machine()
        pin_database(world, cores.rest)
        api = stack.enter_context(rapport(world, place, cores))
        sink = Helper(stack.enter_context(helper("benchmarks.sink", cores.rest)))
        port = sink.ask({"do": "start"})["port"]
        pin(0, cores.rest)
        yield Stage(world, place, cores, api, sink, port, options)


def _delivery_rate(stage: Stage) -> str:
    """Deliveries per second of CPU: of the worker that drains what is owed, and of raw sockets."""
    options = stage.options
    asyncio.run(_owe(stage, options.endpoints, options.events))
    owed = options.endpoints * options.events
    say(f"{owed} deliveries are owed …")
    with worker(stage.world, stage.place, stage.cores) as pid:
        first = _await_count(stage, WARM)
        cpu, busy, started = process_seconds(pid), busy_seconds(stage.cores.api), time.perf_counter()
        last = _await_count(stage, owed)
        spent = process_seconds(pid) - cpu
        seconds = time.perf_counter() - started
        other = busy_seconds(stage.cores.api) - busy - spent
    rapport_rate = (last - first) / spent
    floor_rate = _raw_rate(stage, options.endpoints * IN_FLIGHT_EACH)
    ratio = rapport_rate / floor_rate
    shown = _ratio(ratio, other / seconds, options)
    return (
        f"| webhooks sent | {rapport_rate:,.0f} per CPU second, {(last - first) / seconds:,.0f}/s | "
        f"{floor_rate:,.0f} per CPU second | {shown} | {DELIVERY_GATE} |"
    )


def _ratio(ratio: float, other_load: float, options: argparse.Namespace) -> str:
    if other_load <= MOST_OTHER_LOAD:
        return f"{ratio:.3f} {'reached' if ratio >= DELIVERY_GATE else 'MISSED'}"
    return (
        f"{ratio:.3f} (busy: an indication)" if options.although_busy else f"– (other load {other_load:.0%})"
    )


def _latency(stage: Stage) -> str:
    """From `occurred_at`, which is before the commit, to the arrival at the receiver."""
    options = stage.options
    seen = stage.sink.ask({"do": "start"})["count"]
    with worker(stage.world, stage.place, stage.cores):
        asyncio.run(_owe(stage, 1, WARM))
        seen = _await_count(stage, seen + WARM)
        made = asyncio.run(_create_at_rate(stage, options.rate, options.seconds))
        _await_count(stage, seen + made)
        late = sorted(stage.sink.ask({"do": "look", "after": seen})["late_ms"])
    p50, p99 = statistics.median(late), late[int(len(late) * 0.99)]
    verdict = "reached" if p99 <= LATENCY_GATE_MS else "MISSED"
    return (
        f"| commit to first attempt at {options.rate} events/s | p50 {p50:.0f} ms, p99 {p99:.0f} ms over "
        f"{len(late)} events | | | p99 {LATENCY_GATE_MS} ms {verdict} |"
    )


async def _owe(stage: Stage, endpoints: int, events: int) -> None:
    """Fresh endpoints, and so many events owed to each of them, with no job that tells a worker."""
    await _forget(stage.world)
    async with _client(stage) as client:
        for number in range(endpoints):
            url = f"http://127.0.0.1:{stage.sink_port}/{number}"
            await _post(client, "/v1/webhook-endpoints", {"url": url, "event_types": ["contact.created"]})
        first = time.time_ns() // 1000
        for start in range(0, events, 500):
            count = min(500, events - start)
            items = [new_contact(first + start + each) for each in range(count)]
            await _post(client, "/v1/contacts/batch", {"items": items})
    settings = Settings(_env_file=None, database_url=stage.world.app_url, secret_key=SECRET_KEY)
    resources = open_resources(settings, stage.world.address)
    await Relay(resources.database, CONSUMERS).run(Job(RELAY_JOB, stage.world.workspace_id, new_id()))
    await resources.close()


async def _forget(world: World) -> None:
    """Nothing of an earlier part is owed to anybody."""
    owner = await asyncpg.connect(world.owner_dsn)
    await owner.execute("TRUNCATE events, event_streams, event_cursors, pgqueuer, webhook_endpoints CASCADE")
    await owner.close()


async def _create_at_rate(stage: Stage, rate: int, seconds: float) -> int:
    """An open loop: each contact is made at its time, however long the others take."""
    first, started = time.time_ns() // 1000, time.perf_counter()
    tasks = []
    async with _client(stage) as client:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
            tasks.append(asyncio.create_task(_post(client, "/v1/contacts", new_contact(first + number))))
        await asyncio.gather(*tasks)
    return len(tasks)


def _client(stage: Stage) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{stage.api.port}",
        headers={"Authorization": f"Bearer {stage.world.api_key}"},
        timeout=60,
    )


async def _post(client: httpx.AsyncClient, target: str, body: Any) -> None:
    answer = await client.post(target, json=body)
    if answer.is_error:
        raise RuntimeError(f"POST {target}: {answer.status_code} {answer.text[:500]}")


def _await_count(stage: Stage, count: int) -> int:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up:
        arrived: int = stage.sink.ask({"do": "start"})["count"]
        if arrived >= count:
            return arrived
        time.sleep(0.02)
    raise RuntimeError(f"only {arrived} of {count} deliveries arrived; see {stage.place}/worker.log")


def _raw_rate(stage: Stage, connections: int) -> float:
    body = '{"occurred_at":"2026-11-21T12:00:00Z","padding":"' + "x" * 900 + '"}'
    with helper("benchmarks.raw_sender", stage.cores.api) as process:
        figures = Helper(process).ask(
            {"port": stage.sink_port, "connections": connections, "seconds": 3, "body": body}
        )
    rate: float = figures["posts"] / figures["cpu_seconds"]
    return rate


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
