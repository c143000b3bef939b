"""What a slice cost: CPU of processes from /proc, and how busy a core was with something else."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK = os.sysconf("SC_CLK_TCK")
MOST_OTHER_LOAD = 0.15
"""The share of a core that others may have while we measure."""
IDLE_COLUMNS = (3, 4)
# PostgreSQL's own housekeeping goes on whoever asks; it belongs to nobody's request.
HOUSEKEEPERS = ("checkpointer", "background writer", "autovacuum", "logical replication")


def process_seconds(pid: int) -> float:
    """CPU seconds of a process so far, over its living threads. Raises FileNotFoundError when it is gone."""
    nanoseconds = 0
    for thread in (PROC / str(pid) / "task").iterdir():
        nanoseconds += int((thread / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def children(pid: int) -> Iterator[int]:
    """The processes that `pid` started itself."""
    for entry in PROC.iterdir():
        if entry.name.isdigit() and _parent(entry) == pid:
            yield int(entry.name)


def backends(postmaster: int) -> list[int]:
    """PostgreSQL's processes that work for requests: connections, and who writes the log for them."""
    found = []
    for pid in children(postmaster):
        title = _title(pid)
        if title and not any(name in title for name in HOUSEKEEPERS):
            found.append(pid)
    return found


def busy_seconds(core: int | None) -> float:
    """Seconds that a core (None: all of them) has not been idle, whoever used it."""
    name = "cpu" if core is None else f"cpu{core}"
    for line in (PROC / "stat").read_text().splitlines():
        label, *columns = line.split()
        if label == name:
            ticks = [int(column) for column in columns[:8]]
            return (sum(ticks) - sum(ticks[column] for column in IDLE_COLUMNS)) / TICK
    raise RuntimeError(f"/proc/stat has no {name}")


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of the API and of PostgreSQL, and the share of the API's core that others took."""

    api: float
    database: float
    other_load: float


class Meter:
    """Measures one target: its process, the database's, and whoever else is on the API's core."""

    def __init__(self, api: int, postmaster: int, core: int | None, ours: Iterable[int]) -> None:
        self._api, self._postmaster, self._core = api, postmaster, core
        self._ours = [api] if core is not None else [api, os.getpid(), *ours]

    def start(self) -> Callable[[], Cost]:
        """Begins; what it returns ends."""
        started = time.perf_counter()
        api, database, ours, busy = self._read()

        def stop() -> Cost:
            seconds = time.perf_counter() - started
            api_now, database_now, ours_now, busy_now = self._read()
            spent = {pid: now - database.get(pid, 0.0) for pid, now in database_now.items()}
            mine = ours_now - ours + (sum(spent.values()) if self._core is None else 0.0)
            cores = 1 if self._core is not None else os.cpu_count() or 1
            other = max(0.0, busy_now - busy - mine) / (seconds * cores)
            return Cost(api_now - api, sum(spent.values()), other)

        return stop

    def _read(self) -> tuple[float, dict[int, float], float, float]:
        database = {}
        for pid in backends(self._postmaster):
            try:
                database[pid] = process_seconds(pid)
            except FileNotFoundError:
                continue
        ours = sum(process_seconds(pid) for pid in self._ours)
        return process_seconds(self._api), database, ours, busy_seconds(self._core)


def _parent(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def _title(pid: int) -> str:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
