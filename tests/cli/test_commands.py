"""The commands that end, beside a server that runs on the same data."""

import json
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from tests.cli.conftest import CommandLine, Served

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made(rapport: CommandLine, served: Served) -> dict[str, str]:
    """A workspace made on the command line, beside the first."""
    done = rapport.run("workspace", "create", "Acme", "--currency", "EUR", "--json")
    assert done.returncode == 0, done.stderr
    made: dict[str, str] = json.loads(done.stdout)
    return made


def test_workspace_create_prints_exactly_the_id_and_a_key(made: dict[str, str]) -> None:
    assert set(made) == {"workspace_id", "api_key"}
    assert UUID(made["workspace_id"]).version == 7


async def test_a_key_made_by_hand_has_the_scopes_it_was_given(
    rapport: CommandLine, served: Served, made: dict[str, str]
) -> None:
    done = rapport.run(
        "key", "create", "--workspace", made["workspace_id"], "--scope", "contacts:read", "--json"
    )
    key = json.loads(done.stdout)
    assert set(key) == {"api_key"}
    headers = {"Authorization": f"Bearer {key['api_key']}"}
    async with httpx.AsyncClient(base_url=served.url, headers=headers) as client:
        assert (await client.get("/v1/contacts")).status_code == 200
        assert (await client.get("/v1/members")).status_code == 403


async def test_a_revoked_key_is_refused(rapport: CommandLine, served: Served, made: dict[str, str]) -> None:
    of_it = ("--workspace", made["workspace_id"])
    created = rapport.run("key", "create", *of_it, "--scope", "admin", "--name", "short-lived", "--json")
    listed = rapport.run("key", "list", *of_it, "--json").stdout.splitlines()
    (key,) = [row for row in map(json.loads, listed) if row["name"] == "short-lived"]
    assert rapport.run("key", "revoke", key["id"], *of_it).returncode == 0
    headers = {"Authorization": f"Bearer {json.loads(created.stdout)['api_key']}"}
    async with httpx.AsyncClient(base_url=served.url, headers=headers) as client:
        assert (await client.get("/v1/workspace")).status_code == 401


def test_the_command_line_itself_reads_no_framework() -> None:
    """So that `rapport --help` answers at once; each command reads what it needs."""
    heavy = {"alembic", "fastapi", "pgqueuer", "pydantic", "sqlalchemy"}
    script = f"import sys, app.cli; sys.exit(', '.join({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_a_workspace_that_is_not_there_is_told_in_a_line(rapport: CommandLine) -> None:
    done = rapport.run(
        "key", "create", "--workspace", "01a1ff87-4edb-70f0-8ec0-8092a5e7dc63", "--scope", "admin"
    )
    assert done.returncode == 1
    assert done.stderr.startswith("rapport: There is no workspace")


def test_doctor_finds_all_well_beside_a_server(rapport: CommandLine, served: Served) -> None:
    done = rapport.run("doctor")
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout
    assert "rapport_app owns no table" in done.stdout


def test_doctor_names_what_is_not_well(rapport: CommandLine) -> None:
    done = rapport.run("doctor", RAPPORT_DATABASE_URL="postgresql://127.0.0.1:1/x", RAPPORT_PROT="8000")
    assert done.returncode == 1
    assert "RAPPORT_PROT" in done.stdout
    assert "RAPPORT_SECRET_KEY" in done.stdout
    assert "127.0.0.1:1/x cannot be reached" in done.stdout


def test_the_committed_contract_is_what_the_code_says(rapport: CommandLine) -> None:
    done = rapport.run("openapi", "--check", cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_importing_a_file_twice_changes_nothing(
    rapport: CommandLine, made: dict[str, str], tmp_path: Path
) -> None:
    orders = tmp_path / "orders.csv"
    orders.write_text("customer;date;total\nC1;2026-03-01;10,50\nC1;2026-03-01;10,50\nC2;2026-03-32;1\n")
    command = (
        "import-touchpoints", str(orders), "--workspace", made["workspace_id"], "--kind", "purchase",
        "--map", "contact=customer", "--map", "occurred_at=date", "--map", "value=total", "--decimal-comma",
        "--json",
    )  # fmt: skip
    first, second = rapport.run(*command), rapport.run(*command)
    assert json.loads(first.stdout) == {"created": 2, "updated": 0, "unchanged": 0, "rejected": 1}
    assert json.loads(second.stdout) == {"created": 0, "updated": 0, "unchanged": 2, "rejected": 1}
    assert first.stderr.startswith("line 4: occurred_at")
    assert first.returncode == 1


async def test_the_demo_is_there_to_be_looked_at(rapport: CommandLine, served: Served) -> None:
    done = rapport.run("demo", "--contacts", "60")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    curls = [line.split() for line in done.stdout.splitlines() if line.strip().startswith("curl")]
    assert len(curls) == 4
    key = done.stdout.partition("Bearer ")[2].partition("'")[0]
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as client:
        for curl in curls:
            path = curl[-1].strip("'").partition("/v1/")[2]
            answer = await client.get(f"{served.url}/v1/{path}")
            assert answer.status_code == 200, answer.text
        snapshots = (await client.get(f"{served.url}/v1/metrics/net_revenue/snapshots?grain=month")).json()
    assert sum(snapshot["value"] for snapshot in snapshots["items"]) > 0
