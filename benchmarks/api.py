"""Rapport beside its floor, path by path, in one run: `python -m benchmarks.api --help`."""

import argparse
import asyncio
import itertools
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from app.settings import Settings
from benchmarks import recording
from benchmarks.checking import check_target
from benchmarks.floor import Floor
from benchmarks.load import answers, new_contact, public, token, touchpoint
from benchmarks.measuring import MOST_OTHER_LOAD, Cost, Meter
from benchmarks.processes import Cores, Load, Target, floor, load, rapport
from benchmarks.recording import Probe, Statement, in_one_spelling
from benchmarks.report import GATES, Line, markdown
from benchmarks.surveys import Traces, seed
from benchmarks.world import CONTACTS_EACH, World, pin, pin_database, running_world

BATCH_CONNECTIONS = 4
MOST_TRIES = 3
PAGES = 30
WARM_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One slice of one target."""

    cost: Cost
    figures: Mapping[str, Any]

    @property
    def requests(self) -> int:
        return max(1, int(self.figures["requests"]))

    @property
    def api_us(self) -> float:
        return 1e6 * self.cost.api / self.requests

    @property
    def database_us(self) -> float:
        return 1e6 * self.cost.database / self.requests


@dataclass(slots=True)
class Bench:
    """All targets up at once, and what it takes to measure them in turns."""

    world: World
    cores: Cores
    load: Load
    options: argparse.Namespace
    unexpected: list[str] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)

    def rounds(self, path: str, targets: Sequence[Target], connections: int) -> list[list[Sample]]:
        """Rounds of one slice of each target; one in which the machine was busy is repeated."""
        for target in targets:
            self._slice(target, path, connections, WARM_SECONDS)
        kept: list[list[Sample]] = []
        for _ in range(self.options.rounds * MOST_TRIES):
            samples = [self._slice(target, path, connections, self.options.slice) for target in targets]
            busy = max(sample.cost.other_load for sample in samples)
            say(
                f"  {path}: "
                + "  ".join(f"{s.api_us:.0f} µs" for s in samples)
                + f"  (other load {busy:.0%})"
            )
            if busy <= MOST_OTHER_LOAD or self.options.although_busy:
                kept.append(samples)
            if len(kept) == self.options.rounds:
                break
        return kept

    def _slice(self, target: Target, path: str, connections: int, seconds: float) -> Sample:
        meter = Meter(target.pid, self.world.postmaster, self.cores.api, [self.load.process.pid])
        stop = meter.start()
        figures = self.load.slice(target, path, connections=connections, seconds=seconds)
        cost = stop()
        self.answered[path] += int(figures["requests"])
        if figures["unexpected"]:
            self.unexpected.append(f"{target.name}, {path}: {figures['unexpected']} × {figures['example']}")
        return Sample(cost, figures)


def main() -> None:
    options = _options()
    with ExitStack() as stack:
        place = options.data or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="rapport-bench-"))
        )
        say(f"filling a database in {place} …")
        world = stack.enter_context(running_world(place))
        cores = Cores.of_this_machine()
        pin_database(world, cores.rest)
        bench, targets, tail = stack.enter_context(_everything_up(world, place, cores, options))
        lines = [_line(bench, path, targets) for path in options.paths]
        lines += [_tail_line(bench, path, tail) for path in options.paths if path in ("one", "list")]
        print(markdown(lines, cores=cores, options=options))
    if bench.unexpected:
        print("unexpected answers, so no ratio counts:", *bench.unexpected[:5], sep="\n", file=sys.stderr)
        sys.exit(1)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paths", type=lambda text: text.split(","), default=list(GATES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--slice", type=float, default=1.5, help="seconds that a target is measured at a time"
    )
    parser.add_argument("--connections", type=int, default=16, help="closed loops; batches have 4")
    parser.add_argument("--pool", type=int, default=10, help="database connections of each target")
    parser.add_argument("--tail-pool", type=int, default=4, help="of the one whose tail is measured")
    parser.add_argument("--conc", type=int, default=32, help="closed loops while the tail is measured")
    parser.add_argument("--data", type=Path, help="keep the filled database here and use it again")
    parser.add_argument("--although-busy", action="store_true", help="figures that are indications only")
    return parser.parse_args()


@contextmanager
def _everything_up(
    world: World, place: Path, cores: Cores, options: argparse.Namespace
) -> Iterator[tuple[Bench, list[Target], Target]]:
    with ExitStack() as stack:
        say("starting Rapport …")
        measured = stack.enter_context(rapport(world, place, cores, name="rapport", pool=options.pool))
        tail = stack.enter_context(rapport(world, place, cores, name="tail", pool=options.tail_pool))
        plan = asyncio.run(_plan(world, measured))
        tokens = itertools.count(1)
        config = {
            "dsn": world.app_dsn,
            "pool": options.pool,
            "statements": asyncio.run(_recorded(world, plan, tokens)),
        }
        base = stack.enter_context(floor(config, cores))
        numbers = itertools.count(time.time_ns() // 1000, 1_000_000)
        for target in (base, measured, tail):
            asyncio.run(check_target(world, target, plan | {"submit": next(tokens)}, next(numbers)))
        generator = stack.enter_context(load(plan | {"first_token": next(tokens)}, cores))
        pin(0, cores.rest)
        yield Bench(world, cores, generator, options), [base, measured], tail


async def _plan(world: World, target: Target) -> dict[str, Any]:
    """What is asked for: contacts all over the workspace, consecutive pages of its customers, a survey."""
    connection = await asyncpg.connect(world.owner_dsn)
    ids = await connection.fetch("SELECT id FROM contacts WHERE workspace_id = $1", world.workspace_id)
    await connection.close()
    chosen = random.Random(3).sample([str(row["id"]) for row in ids], 1000)
    first = "/v1/contacts?limit=50&lifecycle_stage=customer"
    pages, cursor = [], None
    headers = {"Authorization": f"Bearer {world.api_key}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{target.port}", headers=headers) as client:
        for _ in range(PAGES):
            cursor = (await client.get(f"{first}&cursor={cursor}" if cursor else first)).json()["next_cursor"]
            pages.append(f"{first}&cursor={cursor}")
        await seed(world, client)
    return {
        "api_key": world.api_key,
        "contacts_each": CONTACTS_EACH,
        "one": [f"/v1/contacts/{contact_id}" for contact_id in chosen],
        "list": pages,
    }


async def _recorded(world: World, plan: Mapping[str, Any], tokens: Iterator[int]) -> dict[str, Any]:
    """Rapport's statements, once the floor has shown that it executes the same ones."""
    settings = Settings(_env_file=None, rate_limit_per_second=0, secret_key=None)
    probes = _probes(world, plan, tokens)
    statements = await recording.record(world, settings, probes)
    config = {"dsn": world.app_dsn, "pool": recording.POOL, "statements": recording.as_data(statements)}
    app = Floor(config)
    for path, probe in probes.items():
        spoken = await recording.heard_of_floor(app, world, probe)
        _require_same(path, statements[path], spoken)
    await app.connections.close()
    return recording.as_data(statements)


def _require_same(path: str, rapport_says: Sequence[Statement], floor_says: Sequence[str]) -> None:
    ours = sorted(in_one_spelling(each.text) for each in rapport_says)
    theirs = sorted(in_one_spelling(text) for text in floor_says)
    if ours != theirs:
        only_ours = "\n  ".join(text for text in ours if text not in theirs)
        only_theirs = "\n  ".join(text for text in theirs if text not in ours)
        raise SystemExit(
            f"The floor of {path} says other things than Rapport.\nOnly Rapport:\n  {only_ours}\n"
            f"Only the floor:\n  {only_theirs}"
        )


def _probes(world: World, plan: Mapping[str, Any], tokens: Iterator[int]) -> dict[str, Probe]:
    numbers = itertools.count(time.time_ns() // 1000)
    one, page = plan["one"][0], plan["list"][0]
    at, row_id = recording.cursor_position(page)
    listed = {"stage": "customer", "after_at": at, "after_id": row_id, "limit": 51}
    known = {"workspace": world.workspace_id}

    def batch() -> dict[str, Any]:
        return {"items": [touchpoint(number, CONTACTS_EACH) for number in (1, 2, 3, next(numbers))]}

    return {
        "one": Probe("GET", one, None, {**known, "contact": one.rpartition("/")[2]}),
        "list": Probe("GET", page, None, known | listed),
        "create": Probe("POST", "/v1/contacts", lambda: new_contact(next(numbers)), known),
        "batch100": Probe("POST", "/v1/touchpoints/batch", batch, known),
        "submit": Probe("POST", lambda: public(token(next(tokens))), answers(), known),
    }


def _line(bench: Bench, path: str, targets: Sequence[Target]) -> Line:
    connections = BATCH_CONNECTIONS if path.startswith("batch") else bench.options.connections
    before = asyncio.run(Traces.of(bench.world))
    rounds = bench.rounds(path, targets, connections)
    if path == "submit":
        after = asyncio.run(Traces.of(bench.world))
        bench.unexpected += after.complaints(before, bench.answered[path])
    enough = len(rounds) == bench.options.rounds and not bench.unexpected
    base, ours = zip(*rounds, strict=True) if rounds else ((), ())
    return Line(
        path=path,
        floor=_medians(base),
        rapport=_medians(ours),
        ratio=_median_ratio(base, ours, lambda sample: sample.api_us) if enough else None,
        ratio_with_database=(
            _median_ratio(base, ours, lambda sample: sample.api_us + sample.database_us) if enough else None
        ),
    )


def _tail_line(bench: Bench, path: str, target: Target) -> Line:
    rounds = bench.rounds(path, [target], bench.options.conc)
    ours = [samples[0] for samples in rounds]
    figures = _medians(ours)
    enough = len(rounds) == bench.options.rounds and not bench.unexpected
    tail = figures["p99_ms"] / figures["p50_ms"] if enough else None
    return Line(path=path, floor={}, rapport=figures, tail=tail, is_tail=True)


def _medians(samples: Sequence[Sample]) -> dict[str, float]:
    if not samples:
        return {}
    return {
        "api_us": statistics.median(sample.api_us for sample in samples),
        "database_us": statistics.median(sample.database_us for sample in samples),
        **{
            name: statistics.median(sample.figures[name] for sample in samples)
            for name in ("per_second", "p50_ms", "p99_ms")
        },
    }


def _median_ratio(base: Sequence[Sample], ours: Sequence[Sample], cost: Callable[[Sample], float]) -> float:
    return statistics.median(cost(one) / cost(other) for one, other in zip(base, ours, strict=True))


if __name__ == "__main__":
    main()
