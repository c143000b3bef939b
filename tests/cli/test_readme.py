"""What the README says is so: every setting stands in it, and its tour works as it is written."""

import asyncio
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from app.settings import PREFIX, Settings
from tests.cli.conftest import CommandLine, Served
from tests.receivers import receiver

README = Path(__file__).resolve().parents[2] / "README.md"


def settings_table() -> list[str]:
    """The table as the settings have it."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, [], "") else f"`{field.default}`"
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return rows


def test_every_setting_stands_in_the_readme_as_it_is() -> None:
    written = [line for line in README.read_text().splitlines() if line.startswith(f"| `{PREFIX}")]
    assert written == settings_table()


@pytest.mark.slow
async def test_the_tour_works_as_it_is_written(rapport: CommandLine, served: Served, tmp_path: Path) -> None:
    tour = README.read_text().partition("## A tour")[2].partition("\n## ")[0]
    script = "set -e\n" + "".join(re.findall(r"^```sh\n(.*?)^```", tour, re.MULTILINE | re.DOTALL))
    answers = "".join(re.findall(r"^```text\n(.*?)^```", tour, re.MULTILINE | re.DOTALL))
    made = json.loads(rapport.run("workspace", "create", "Tour", "--json").stdout)
    settings = {"API": f"{served.url}/v1", "KEY": made["api_key"], "PATH": os.environ["PATH"]}
    async with receiver() as hook:
        script = script.replace("http://127.0.0.1:9000/", hook.url())
        done = await asyncio.to_thread(
            subprocess.run, ["bash", "-c", script], cwd=tmp_path, env=settings, capture_output=True, text=True
        )
        assert done.stdout == answers, done.stderr
        await hook.wait_for(1)
    assert hook.posted[0].json["type"] == "goal.progressed"
