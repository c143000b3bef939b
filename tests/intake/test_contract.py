"""The contract of the route that reads its body itself."""

from typing import Any

import jsonschema
import pytest
from fastapi import FastAPI

from tests.intake.sending import BATCH, STRUCTURED

PATH = "/v1/sources/{source_id}/events"


@pytest.fixture
def operation(app: FastAPI) -> dict[str, Any]:
    return app.openapi()["paths"][PATH]["post"]


@pytest.mark.slow
def test_all_modes_answers_and_headers_are_described(operation: dict[str, Any]):
    needed = {"source_id", "webhook-id", "webhook-timestamp", "webhook-signature"}
    assert set(operation["requestBody"]["content"]) == {STRUCTURED, BATCH, "application/json"}
    assert {"202", "400", "401", "404", "413", "415", "422", "429", "503"} <= set(operation["responses"])
    assert {each["name"] for each in operation["parameters"] if each["required"]} == needed
    assert operation["security"] == []


@pytest.mark.parametrize("media_type", [STRUCTURED, BATCH, "application/json"])
def test_the_examples_are_valid(app: FastAPI, operation: dict[str, Any], media_type: str):
    content = operation["requestBody"]["content"][media_type]
    schema = content["schema"] | {"components": app.openapi()["components"]}
    jsonschema.Draft202012Validator(schema).validate(content["example"])
