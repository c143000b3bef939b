"""Processes of the embedded PostgreSQL, run as somebody PostgreSQL accepts: it refuses root.

Run as a script, with nothing but the standard library, this file is the helper that first becomes that
somebody and then the wanted program. `preexec_fn` would do the same, but not safely once the app has threads.
"""

import ctypes
import os
import pwd
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

CLONE_NEWUSER = 0x10000000
PROCESSES = Path("/proc")

Action = Literal["run", "launch", "reach"]
Command = Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a program runs as. `uid` and `gid` own its files on disk.

    In a user `namespace` of its own a program of root's sees itself as `nobody`, while its files stay root's.
    """

    uid: int
    gid: int
    namespace: bool = False


def run(identity: Identity, command: Command, *, stdin: str = "") -> tuple[bool, str]:
    """Runs `command` to its end: whether it succeeded, and all it said."""
    done = subprocess.run(
        _helper(identity, "run", command),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd="/",
        env=environment(),
        check=False,
    )
    return done.returncode == 0, done.stdout.strip()


def launch(identity: Identity, command: Command, *, log: Path, extra: Mapping[str, str]) -> int | None:
    """Starts `command` and leaves it to itself: the process id, or None when the log says why it has none.

    It gets a session of its own, so the terminal's Ctrl-C does not reach it, and is nobody's child, so its
    end never leaves a zombie with whoever happened to start it. `extra` joins its environment.
    """
    with log.open("ab") as output:
        done = subprocess.run(
            _helper(identity, "launch", command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            cwd="/",
            env=environment() | dict(extra),
            start_new_session=True,
            check=False,
        )
    return int(done.stdout) if done.returncode == 0 else None


def reaches(identity: Identity, *paths: Path) -> bool:
    """Whether that identity can be taken on here, and may enter, or execute, every path."""
    done = subprocess.run(
        _helper(identity, "reach", paths),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment(),
        check=False,
    )
    return done.returncode == 0


def runs_with(pid: int, argument: Path) -> bool:
    """Whether process `pid` lives and has `argument` on its command line.

    Process ids are used again (in a container soon), and zombies keep theirs: the id alone proves nothing.
    """
    if not PROCESSES.exists():
        return str(argument) in _command_line(pid)
    try:
        command = (PROCESSES / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return os.fsencode(argument) in command.split(b"\0")


def environment() -> dict[str, str]:
    """Our own environment for PostgreSQL's programs, without what would change their meaning or language."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C"}


def _command_line(pid: int) -> str:
    """Where there is no /proc, as on macOS."""
    command = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _helper(identity: Identity, action: Action, arguments: Command) -> list[str]:
    whom = [str(identity.uid), str(identity.gid), "namespace" if identity.namespace else "same"]
    return [sys.executable, "-I", "-S", __file__, action, *whom, *map(str, arguments)]


def _main(action: str, uid: str, gid: str, where: str, *arguments: str) -> int:  # noqa: RET503 - execv
    _become(Identity(int(uid), int(gid), where == "namespace"))
    if action == "reach":
        return 0 if all(os.access(path, os.X_OK) for path in arguments) else 1
    if action == "launch" and (pid := os.fork()):
        print(pid)
        return 0
    if action == "launch":
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.execv(arguments[0], arguments)


def _become(identity: Identity) -> None:
    if identity.namespace:
        _enter_namespace()
    elif identity.uid != os.geteuid():
        os.setgroups([])
        os.setgid(identity.gid)
        os.setuid(identity.uid)


def _enter_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "a user namespace is not allowed here")
    # initdb wants an id that has a name; nobody has one everywhere.
    nobody = pwd.getpwnam("nobody")
    own = PROCESSES / "self"
    (own / "setgroups").write_text("deny")
    (own / "uid_map").write_text(f"{nobody.pw_uid} {uid} 1")
    (own / "gid_map").write_text(f"{nobody.pw_gid} {gid} 1")


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
