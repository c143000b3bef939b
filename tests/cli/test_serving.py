"""`rapport serve` and `rapport worker`, from the first start to the last answer."""

import asyncio
import json
import re
import signal
import subprocess

import httpx
import pytest

from tests.cli.conftest import CommandLine, Served
from tests.journeys.processes import RAPPORT

pytestmark = pytest.mark.slow


def shown_key(printed: str) -> str:
    found = re.search(r"rpt_[A-Za-z0-9_-]{43}", printed)
    assert found is not None, printed
    return found[0]


async def test_the_first_start_shows_a_key_that_works(served: Served) -> None:
    headers = {"Authorization": f"Bearer {shown_key(served.printed())}"}
    async with httpx.AsyncClient(base_url=served.url, headers=headers) as client:
        answer = await client.get("/v1/workspace")
    assert answer.status_code == 200
    assert answer.json()["id"] in served.printed()


async def test_a_later_start_shows_no_key(rapport: CommandLine, served: Served) -> None:
    with rapport.serve("--no-worker") as second:
        await second.ready()
    assert "rpt_" not in second.printed()
    assert second.url in second.printed()


async def test_a_stop_lets_the_request_in_flight_finish(rapport: CommandLine, served: Served) -> None:
    key = shown_key(served.printed())
    body = json.dumps({"display_name": "Ada"}).encode()
    with rapport.serve() as server:
        await server.ready()
        host, port = server.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /v1/contacts HTTP/1.1\r\nHost: rapport\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer %b\r\nContent-Length: %d\r\n\r\n" % (key.encode(), len(body))
        )
        writer.write(body[:5])
        await writer.drain()
        await asyncio.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        await refuses_connections(host, int(port))
        writer.write(body[5:])
        assert (await reader.readline()).startswith(b"HTTP/1.1 201")
        writer.close()
        assert await asyncio.to_thread(server.process.wait, 30) == 0


async def refuses_connections(host: str, port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except ConnectionRefusedError:
            return
        writer.close()
        await asyncio.sleep(0.02)


def test_a_worker_stops_with_0(rapport: CommandLine, served: Served) -> None:
    command = [RAPPORT, "worker"]
    with subprocess.Popen(
        command, env=rapport.environment(), cwd=rapport.data_dir, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        assert b"background jobs" in worker.stdout.readline()
        worker.terminate()
        assert worker.wait(30) == 0


def test_a_taken_port_is_told_in_a_line(rapport: CommandLine, served: Served) -> None:
    done = rapport.run("serve", RAPPORT_PORT=served.url.rpartition(":")[2])
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "RAPPORT_PORT" in done.stderr


def test_a_database_that_is_away_is_told_in_a_line_without_its_password(rapport: CommandLine) -> None:
    done = rapport.run("serve", RAPPORT_PORT="0", RAPPORT_DATABASE_URL="postgresql://me:geheim@127.0.0.1:1/x")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "127.0.0.1:1/x" in done.stderr
    assert "geheim" not in done.stderr


@pytest.mark.parametrize("url", ["postgresql://me:geheim@[x/db", "postgresql://me:a@geheim:9x/db"])
def test_a_database_url_that_is_none_is_told_in_a_line(rapport: CommandLine, url: str) -> None:
    done = rapport.run("serve", RAPPORT_PORT="0", RAPPORT_DATABASE_URL=url)
    assert done.returncode == 1
    assert done.stderr.startswith("rapport: RAPPORT_DATABASE_URL: is no URL")
    assert "geheim" not in done.stderr


def test_wrong_settings_are_named_without_their_values(rapport: CommandLine) -> None:
    done = rapport.run("serve", RAPPORT_PORT="99999", RAPPORT_DATABASE_URL="mysql://geheim@x")
    assert done.returncode == 1
    assert "RAPPORT_PORT" in done.stderr
    assert "RAPPORT_DATABASE_URL" in done.stderr
    assert "geheim" not in done.stderr
