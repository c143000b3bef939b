"""`rapport openapi`: the contract, printed, written or compared."""

import base64
import difflib
from pathlib import Path

from pydantic import SecretStr

from app.commands.console import Failure, say
from app.kit.openapi import build_document, to_yaml
from app.kit.resources import DatabaseAddress, open_resources
from app.main import create_app
from app.settings import Settings
from app.subscriptions import EVENT_TYPES

NOWHERE = DatabaseAddress("postgresql+asyncpg://", "postgresql+asyncpg://", None)
MOST_LINES = 40


def document() -> str:
    """The contract as YAML, made from the code alone: no database is asked, no setting read."""
    settings = Settings(_env_file=None, secret_key=SecretStr(base64.b64encode(bytes(32)).decode()))
    app = create_app(open_resources(settings, NOWHERE))
    return to_yaml(build_document(app, EVENT_TYPES))


def write(path: Path) -> None:
    """Writes the contract to `path`."""
    path.write_text(document())
    say(f"Wrote {path}")


def check(path: Path) -> None:
    """Raises `Failure`, with the first differences, unless `path` holds what the code says."""
    written = path.read_text() if path.exists() else ""
    difference = list(
        difflib.unified_diff(
            written.splitlines(), document().splitlines(), str(path), "the code", lineterm=""
        )
    )
    if difference:
        shown = "\n".join(difference[:MOST_LINES])
        raise Failure(f"{path} is not what the code says: run `make openapi`.\n{shown}")
    say(f"{path} is what the code says")
