"""What the OpenAPI document says of touchpoints."""

from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter

from app.touchpoints import schemas
from app.touchpoints.service.rules import STAGES


@pytest.fixture(scope="module")
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def test_every_field_is_described(document: dict[str, Any]) -> None:
    ours = {name: s for name, s in document["components"]["schemas"].items() if "ouchpoint" in name}
    assert ours
    bare = [
        f"{name}.{field}"
        for name, schema in ours.items()
        for field, described in schema["properties"].items()
        if "description" not in described
    ]
    assert bare == []


def test_schema_names_are_not_split(document: dict[str, Any]) -> None:
    names = document["components"]["schemas"]
    assert not [name for name in names if name.endswith(("-Input", "-Output")) or "__" in name]


def test_examples_are_valid(document: dict[str, Any]) -> None:
    for name in ("TouchpointCreate", "TouchpointSearch"):
        model = getattr(schemas, name)
        for field, schema in document["components"]["schemas"][name]["properties"].items():
            for example in schema.get("examples", ()):
                TypeAdapter(model.model_fields[field].rebuild_annotation()).validate_python(example)


def test_every_kind_has_a_stage() -> None:
    kinds = schemas.TouchpointCreate.model_json_schema()["properties"]["kind"]["enum"]
    assert set(STAGES) == set(kinds)


def test_the_events_are_in_the_catalogue(document: dict[str, Any]) -> None:
    assert {"touchpoint.recorded", "touchpoint.updated", "touchpoint.deleted"} <= set(document["webhooks"])
