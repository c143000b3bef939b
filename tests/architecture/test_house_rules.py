"""The rules of the house that imports cannot tell, each as a small check over the source."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.kit.calls import Access
from app.kit.database import Base
from app.kit.personal_data import PersonalData
from app.workspaces.schemas import Scope

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "app"
ROOMS = (
    "workspaces",
    "contacts",
    "touchpoints",
    "followups",
    "surveys",
    "webhooks",
    "metrics",
    "goals",
    "intake",
    "profile",
)
ROOM_PARTS = {
    "__init__",
    "router",
    "service",
    "repository",
    "models",
    "schemas",
    "events",
    "errors",
    "handlers",
    "jobs",
}

MOST_LINES = {"app": 400, "tests": 450, "benchmarks": 400}
MOST_FUNCTION_LINES = 60

# Whoever may call without a key, and why.
PUBLIC = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/docs"),
    ("GET", "/docs/assets/{name}"),
    ("GET", "/problems"),
    ("GET", "/problems/{slug}"),
    ("GET", "/openapi.json"),
    ("GET", "/openapi.yaml"),
    ("POST", "/v1/sources/{source_id}/events"),
    ("GET", "/v1/public/surveys/{token}"),
    ("POST", "/v1/public/surveys/{token}"),
}


def sources(*folders: str) -> list[tuple[Path, ast.Module]]:
    return [
        (path.relative_to(ROOT), parsed(path))
        for folder in folders or ("app", "migrations")
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_files_stay_readable() -> None:
    long = {
        str(path): count
        for path, _ in sources("app", "tests", "benchmarks")
        if (count := len((ROOT / path).read_text().splitlines())) > MOST_LINES[path.parts[0]]
    }
    assert long == {}


def test_functions_stay_readable() -> None:
    long = {
        f"{path}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path, tree in sources("app", "tests", "benchmarks")
        for node in functions(tree)
        if (node.end_lineno or 0) - node.lineno + 1 > MOST_FUNCTION_LINES
    }
    assert long == {}


def test_nothing_is_imported_inside_a_function() -> None:
    found = [
        f"{path}:{inner.lineno}"
        for path, tree in sources()
        for node in functions(tree)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert found == []


def test_only_the_kit_begins_and_commits() -> None:
    verbs = {"commit", "rollback", "begin"}
    found = [
        f"{path}:{node.lineno}"
        for path, tree in sources("app")
        if not str(path).startswith("app/kit/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in verbs
    ]
    assert found == []


def test_nothing_reads_the_clock_or_the_environment_by_itself() -> None:
    wall = {
        ("datetime", "now"),
        ("datetime", "utcnow"),
        ("date", "today"),
        ("time", "time"),
        ("os", "environ"),
    }
    allowed = {"app/kit/clock.py", "app/settings.py"}
    found = [
        f"{path}:{node.lineno}"
        for path, tree in sources("app")
        if str(path) not in allowed
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in wall
    ]
    assert [place for place in found if not place.startswith("app/kit/embedded")] == []


def test_no_network_call_stands_in_a_transaction() -> None:
    """Whoever speaks to the outside does it in no block that has a unit of work open."""
    found = []
    for path, tree in sources("app"):
        for block in ast.walk(tree):
            if not isinstance(block, ast.AsyncWith):
                continue
            opens = any(".unit(" in ast.unparse(item.context_expr) for item in block.items)
            speaks = any("outbound.post" in ast.unparse(node) for node in block.body)
            if opens and speaks:
                found.append(f"{path}:{block.lineno}")
    assert found == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_the_usual_files_and_no_others(room: str) -> None:
    parts = {path.stem for path in (APP / room).iterdir() if path.name != "__pycache__"}
    assert parts <= ROOM_PARTS


def test_every_table_says_whether_it_holds_personal_data() -> None:
    silent = [table.name for table in Base.metadata.tables.values() if "personal_data" not in table.info]
    assert silent == []


def test_personal_data_points_to_a_column() -> None:
    for table in Base.metadata.tables.values():
        said = table.info["personal_data"]
        if isinstance(said, PersonalData):
            assert said.subject in table.columns, table.name


def test_the_workspace_comes_first_in_every_key() -> None:
    for table in Base.metadata.tables.values():
        if table.name == "workspaces":
            continue
        assert next(iter(table.primary_key.columns)).name == "workspace_id", table.name
        for index in table.indexes:
            if index.unique:
                assert next(iter(index.columns)).name == "workspace_id", index.name
        for constraint in table.foreign_key_constraints:
            assert constraint.column_keys[0] == "workspace_id", constraint.name


def test_every_route_has_one_scope_or_is_public(app: FastAPI) -> None:
    found = dict(routes(app))
    assert len(found) > 80, "the walk over the routes sees nothing"
    assert {route for route, scopes in found.items() if len(scopes) != 1} == PUBLIC


def test_every_scope_is_one_that_a_key_can_have(app: FastAPI) -> None:
    asked = {scope for scopes in dict(routes(app)).values() for scope in scopes}
    assert asked <= set(get_args(Scope))


def routes(app: FastAPI) -> Iterator[tuple[tuple[str, str], list[str]]]:
    for context in iter_route_contexts(app.routes):
        dependant = getattr(context.original_route, "dependant", None)
        assert dependant is not None, context.path_format
        scopes = [each.call.scope for each in dependant.dependencies if isinstance(each.call, Access)]
        for method in context.methods or ():
            yield (method, context.path_format or ""), scopes
