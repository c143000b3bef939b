"""An embedded PostgreSQL: one server per data directory, shared by every process that asks for it.

Each process that uses the server holds an flock on a file of its own; the kernel drops it when the process
dies, however it dies. The last holder to stop takes the server down. Clients come over a Unix socket only.
"""

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from app.kit import embedded_process as process
from app.kit.embedded_cluster import (
    APP,
    DATABASE,
    OWNER,
    PORT,
    Cluster,
    EmbeddedError,
    find_binaries,
    quoted,
    tail,
)

__all__ = ["EmbeddedError", "EmbeddedServer", "ServerUrls", "find_binaries"]

# Orphans of a killed server keep its shared memory, and with it the door shut, for some seconds.
STILL_OCCUPIED = re.compile(r'pre-existing shared memory block|lock file ".*" already exists')
RETRY_SECONDS = 30
RECOVERY_SECONDS = 120
STOP_SECONDS = 120
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ServerUrls:
    """Where one database is: for the role that owns everything, and for the role the app works as."""

    owner_url: str
    app_url: str


class EmbeddedServer:
    """The PostgreSQL server of one data directory, in `<data_dir>/pg<major>` with its log beside it.

    `settings` are PostgreSQL's own, on top of ours; those of the process that launches the server count.
    Raises EmbeddedError at once when the programs are missing or older than PostgreSQL 15.
    """

    def __init__(
        self, data_dir: Path, *, bindir: Path | None = None, settings: Mapping[str, str] = {}
    ) -> None:
        self._cluster = Cluster(data_dir, bindir, settings)
        self._lock = self._cluster.beside(".lock")
        self._holders = self._cluster.beside(".holders")
        self._hold: _Hold | None = None
        self._launched: int | None = None

    def start(self) -> ServerUrls:
        """Makes sure that the server runs and that we hold it. Blocks until it accepts connections.

        Makes the cluster when there is none. Safe to call again, also after the server was killed.
        Raises EmbeddedError, with the end of the server's log, when it does not come up.
        """
        self._make_directories()
        with self._alone():
            self._hold = self._hold or _Hold(self._holders)
            try:
                self._bring_up()
            except EmbeddedError:
                # Whatever still runs is recovering, and would have to begin anew if it were stopped.
                self._let_go()
                raise
            except BaseException:
                self._leave()
                raise
        return self.urls()

    def stop(self) -> None:
        """Drops our hold; the last holder stops the server. Does nothing when we hold nothing."""
        if self._hold is None:
            return
        with self._alone():
            self._leave()

    def urls(self, database: str = DATABASE) -> ServerUrls:
        """Where `database` is while the server runs."""
        place = f"@/{quote(database, safe='')}?host={quote(str(self._cluster.sockets))}"
        return ServerUrls(
            owner_url=f"postgresql+asyncpg://{OWNER}{place}", app_url=f"postgresql+asyncpg://{APP}{place}"
        )

    def create_database(self, name: str, *, template: str | None = None) -> None:
        """Creates a database of the owner's, as a copy of `template` if given. Raises EmbeddedError."""
        copied = f" template {quoted(template)}" if template else ""
        statement = f"create database {quoted(name)} owner {OWNER}{copied}"
        done = self._client("psql", "-X", "-q", "-U", OWNER, "-d", "postgres", "-c", statement)
        if done.returncode != 0:
            raise EmbeddedError(f"PostgreSQL refused `{statement}`: {done.stderr.strip()}")

    def postmaster_pid(self) -> int:
        """The process id of the running server. Raises EmbeddedError when it does not run."""
        pid = self._cluster.running_pid()
        if pid is None:
            raise EmbeddedError(
                f"The embedded PostgreSQL in {self._cluster.directory} is not running: start it."
            )
        return pid

    def has_died(self) -> bool:
        """Whether there is a cluster that no server runs. One that was removed would only begin anew."""
        return self._cluster.directory.is_dir() and self._cluster.running_pid() is None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _bring_up(self) -> None:
        give_up = time.monotonic() + RETRY_SECONDS
        while not self._settles(self._cluster.running_pid()):
            mark = self._log_size()
            self._launched = self._cluster.launch()
            if self._settles(self._launched):
                return
            if not STILL_OCCUPIED.search(self._log_since(mark)) or time.monotonic() > give_up:
                raise self._failure("PostgreSQL did not start", mark)
            time.sleep(POLL_SECONDS)

    def _settles(self, pid: int | None) -> bool:
        """Waits for the server `pid` to accept connections (True) or to end (False)."""
        mark = self._log_size()
        give_up = time.monotonic() + RECOVERY_SECONDS
        while pid is not None and self._cluster.is_run_by(pid):
            if self._accepts():
                return True
            if time.monotonic() > give_up:
                raise self._failure(
                    f"PostgreSQL (process {pid}) is not ready yet but goes on; try again later", mark
                )
            time.sleep(POLL_SECONDS)
        return False

    def _leave(self) -> None:
        self._let_go()
        if not _is_anyone_left(self._holders):
            self._shut_down()

    def _let_go(self) -> None:
        if self._hold is not None:
            self._hold.release()
            self._hold = None

    def _shut_down(self) -> None:
        mark = self._log_size()
        # One that was interrupted while starting may not have written its number down yet.
        for pid in (self._cluster.running_pid(), self._launched):
            if pid is not None and not self._end(pid):
                raise self._failure(f"PostgreSQL (process {pid}) does not stop", mark)
        self._launched = None
        self._cluster.close_sockets()

    def _end(self, pid: int) -> bool:
        """Ends the server in its fast mode: whether it is gone."""
        give_up = time.monotonic() + STOP_SECONDS
        if self._cluster.is_run_by(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        while self._cluster.is_run_by(pid):
            if time.monotonic() > give_up:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def _accepts(self) -> bool:
        return self._client("pg_isready", "--quiet").returncode == 0

    def _client(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        where = ("-h", str(self._cluster.sockets), "-p", PORT)
        return subprocess.run(
            [self._cluster.programs / program, *where, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=process.environment(),
            check=False,
        )

    def _make_directories(self) -> None:
        try:
            self._holders.mkdir(parents=True, exist_ok=True)
            self._lock.touch()
        except OSError as error:
            raise EmbeddedError(
                f"{error.filename} cannot be made ({error.strerror}): set RAPPORT_DATA_DIR to a "
                "directory that you may write to."
            ) from error

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps every other process, and thread, from starting or stopping this server meanwhile."""
        with self._lock.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _log_size(self) -> int:
        log = self._cluster.log
        return log.stat().st_size if log.exists() else 0

    def _log_since(self, mark: int) -> str:
        log = self._cluster.log
        return log.read_bytes()[mark:].decode(errors="replace") if log.exists() else ""

    def _failure(self, message: str, mark: int) -> EmbeddedError:
        return EmbeddedError(f"{message}; the end of {self._cluster.log}:\n{tail(self._log_since(mark))}")


class _Hold:
    """One claim on the server, good until it is released or its process is dead."""

    def __init__(self, holders: Path) -> None:
        self._file, name = tempfile.mkstemp(prefix=f"{os.getpid()}-", dir=holders)
        self._path = Path(name)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def release(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._file)


def _is_anyone_left(holders: Path) -> bool:
    """Whether a living process holds the server. Clears away what dead ones left."""
    held = [_is_held(path) for path in holders.iterdir()]
    return any(held)


def _is_held(path: Path) -> bool:
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    path.unlink()
    return False
