"""The table that a run prints."""

import argparse
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from benchmarks.processes import Cores

GATES = {"one": 0.25, "list": 0.35, "create": 0.30, "batch100": 0.40, "batch1000": 0.50, "submit": 0.35}
# The others come from the design of the whole; these we have set ourselves since.
OUR_GATES = ("submit",)
TAIL_GATE = 5
NAMES = {
    "one": "one contact",
    "list": "filtered list of 50",
    "create": "durable create",
    "batch100": "batch of 100 touchpoints",
    "batch1000": "batch of 1,000 touchpoints",
    "submit": "public submit",
}
HEAD = (
    "| path | target | req/s | p50 ms | p99 ms | API µs | DB µs | ratio (API) | ratio (API + DB) | gate |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A path's medians, and the ratios where the run allows any."""

    path: str
    floor: Mapping[str, float]
    rapport: Mapping[str, float]
    ratio: float | None = None
    ratio_with_database: float | None = None
    tail: float | None = None
    is_tail: bool = False


def markdown(lines: Sequence[Line], *, cores: Cores, options: argparse.Namespace) -> str:
    rows = [HEAD]
    for line in lines:
        rows += _tail_rows(line, options) if line.is_tail else _rows(line)
    return "\n".join([*rows, "", _conditions(cores, options)])


def _rows(line: Line) -> list[str]:
    gate = GATES[line.path]
    ours = " (ours)" if line.path in OUR_GATES else ""
    verdict = "–" if line.ratio is None else f"{gate}{ours} {'reached' if line.ratio >= gate else 'MISSED'}"
    ratios = f"{_number(line.ratio)} | {_number(line.ratio_with_database)} | {verdict}"
    return [
        f"| {NAMES[line.path]} | floor | {_figures(line.floor)} | 1 | 1 | |",
        f"| | Rapport | {_figures(line.rapport)} | {ratios} |",
    ]


def _tail_rows(line: Line, options: argparse.Namespace) -> list[str]:
    reached = "–"
    if line.tail is not None:
        reached = (
            f"p99/p50 {line.tail:.1f}: ≤ {TAIL_GATE} {'reached' if line.tail <= TAIL_GATE else 'MISSED'}"
        )
    name = f"tail of {NAMES[line.path]}"
    load = f"pool {options.tail_pool}, {options.conc} loops"
    return [f"| {name} | {load} | {_figures(line.rapport)} | | | {reached} |"]


def _figures(figures: Mapping[str, float]) -> str:
    if not figures:
        return "– | – | – | – | –"
    return (
        f"{figures['per_second']:,.0f} | {figures['p50_ms']:.1f} | {figures['p99_ms']:.1f} | "
        f"{figures['api_us']:,.0f} | {figures['database_us']:,.0f}"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _conditions(cores: Cores, options: argparse.Namespace) -> str:
    parts = ", ".join(f"{name} {version(name)}" for name in ("fastapi", "uvicorn", "asyncpg", "pydantic"))
    pinned = "not pinned" if cores.api is None else f"API on core {cores.api}, the rest on core {cores.rest}"
    busy = " **The machine was busy: indications only.**" if options.although_busy else ""
    return (
        f"{options.rounds} rounds of {options.slice:g} s, {options.connections} loops (batches 4), pool "
        f"{options.pool}; {pinned}; Python {platform.python_version()}, {parts}.{busy}"
    )
