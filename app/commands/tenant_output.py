"""What `rapport workspace` and `rapport key` read from the command line and print."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import uvloop

from app.commands import tenants
from app.commands.console import parsed, read_settings, ready_database, run, say, say_json
from app.workspaces.schemas import ApiKeyCreate, WorkspaceCreate


def create_workspace(name: str, currency: str, timezone: str, *, as_json: bool) -> None:
    """Makes a workspace; prints its id and its key, which cannot be shown again."""
    new = parsed(WorkspaceCreate, {"name": name, "currency": currency, "timezone": timezone})
    made = run(lambda resources: tenants.create_workspace(resources, new))
    if as_json:
        say_json({"workspace_id": made.workspace_id, "api_key": made.api_key})
    else:
        say(f"workspace  {made.workspace_id}\nAPI key    {made.api_key}   (shown this once)")


def list_workspaces(*, as_json: bool) -> None:
    """Prints every workspace."""
    with ready_database(read_settings()) as address:
        rows = uvloop.run(tenants.list_workspaces(address))
    _show(rows, ("id", "name", "currency", "timezone", "created_at"), as_json=as_json)


def create_key(
    workspace_id: UUID, scopes: Sequence[str], name: str, expires: str | None, *, as_json: bool
) -> None:
    """Makes a key and prints it, which cannot be done again."""
    new = parsed(ApiKeyCreate, {"name": name, "scopes": list(scopes), "expires_at": _instant(expires)})
    made = run(lambda resources: tenants.create_key(resources, workspace_id, new))
    if as_json:
        say_json({"api_key": made.api_key})
    else:
        say(f"key      {made.id}\nAPI key  {made.api_key}   (shown this once)")


def list_keys(workspace_id: UUID, *, as_json: bool) -> None:
    """Prints the keys of a workspace, without the keys themselves."""
    found = run(lambda resources: tenants.list_keys(resources, workspace_id))
    columns = ("id", "name", "prefix", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")
    _show([key.model_dump(mode="json") for key in found], columns, as_json=as_json)


def revoke_key(workspace_id: UUID, key_id: UUID) -> None:
    """Ends a key."""
    run(lambda resources: tenants.revoke_key(resources, workspace_id, key_id))
    say(f"Revoked {key_id}")


def _instant(text: str | None) -> str | None:
    """A bare day means its first moment in UTC."""
    if text is None:
        return None
    try:
        return f"{date.fromisoformat(text)}T00:00:00Z"
    except ValueError:
        return text


def _show(rows: list[dict[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            say_json(row)
        return
    lines = [list(columns), *([_cell(row[column]) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return "" if value is None else str(value)
