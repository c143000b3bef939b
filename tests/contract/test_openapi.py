"""The contract itself: committed as the code says, valid, and fit for whoever generates a client from it."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate

from app.kit.openapi import to_yaml
from app.subscriptions import EVENT_TYPES
from tests.contract.operations import DOCUMENT, OPERATIONS, SCHEMAS, Operation, Schema, resolve

COMMITTED = Path(__file__).resolve().parents[2] / "openapi.yaml"
PROBLEM = "application/problem+json"
NOUN_AND_VERB = re.compile(r"[a-z]+(_[a-z]+)+")

POSTS = [operation for operation in OPERATIONS if operation.method == "POST"]
WITHOUT_IDEMPOTENCY_KEY = {
    "contacts_search": "it only reads",
    "touchpoints_search": "it only reads",
    "goals_assess": "it only reads",
    "surveys_check_eligibility": "it only reads",
    "sources_receive_events": "events carry ids of their own, by which a repeated one is known",
}

CHANGES = [operation for operation in OPERATIONS if operation.method in ("PATCH", "DELETE")]
WITHOUT_IF_MATCH = {
    "api_keys_revoke": "a key never changes but once",
    "suppressions_lift": "an address on the list never changes but once",
    "sources_discard_parked": "a parked event never changes but once",
}


def test_the_committed_contract_is_what_the_code_says() -> None:
    assert COMMITTED.read_text() == to_yaml(DOCUMENT), "run `make openapi`"


@pytest.mark.slow
def test_it_is_valid() -> None:
    validate(DOCUMENT)


def test_operations_are_called_noun_verb_and_none_twice() -> None:
    names = [operation.id for operation in OPERATIONS]

    assert [name for name in names if not NOUN_AND_VERB.fullmatch(name)] == []
    assert [name for name, times in Counter(names).items() if times > 1] == []


def test_schemas_have_plain_names() -> None:
    """`Contact-Output`, `Page_Contact_` and module paths are what generators stumble over."""
    assert [name for name in SCHEMAS if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name)] == []
    assert [name for name in SCHEMAS if re.search(r"^(Input|Output)|(Input|Output)__", name)] == []


def test_everything_is_described() -> None:
    bare = [name for name, schema in SCHEMAS.items() if not described(schema) and "enum" not in schema]
    bare += [
        f"{name}.{field}"
        for name, schema in SCHEMAS.items()
        for field, inner in schema.get("properties", {}).items()
        if not described(inner)
    ]
    bare += [operation.id for operation in OPERATIONS if not operation.contract.get("description")]
    bare += [
        f"{operation.id}?{parameter['name']}"
        for operation in OPERATIONS
        for parameter in operation.parameters
        if not parameter.get("description")
    ]
    assert bare == []


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_every_refusal_is_a_problem_document(operation: Operation) -> None:
    responses = operation.contract["responses"]
    refusals = {status: resolve(response) for status, response in responses.items() if status[0] in "45"}

    assert refusals.keys() >= expected_refusals(operation)
    for status, response in refusals.items():
        assert response["content"].keys() == {PROBLEM}, status


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_every_success_has_a_shape(operation: Operation) -> None:
    for status, response in operation.contract["responses"].items():
        if status.startswith("2") and status != "204":
            schemas = [content.get("schema") for content in response["content"].values()]
            assert all(schemas), status


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_an_optional_parameter_is_absent_and_never_null(operation: Operation) -> None:
    """A query has no null; a generated client would send the word."""
    for parameter in operation.parameters:
        assert {"type": "null"} not in parameter["schema"].get("anyOf", ()), parameter["name"]


def test_examples_are_valid() -> None:
    wrong = [
        f"{place}: {error.message}"
        for place, schema, example in examples()
        for error in validator(schema).iter_errors(example)
    ]
    assert wrong == []


def test_defaults_are_valid() -> None:
    wrong = [
        f"{place}: {error.message}"
        for place, schema in places()
        if "default" in schema
        for error in validator(schema).iter_errors(schema["default"])
    ]
    assert wrong == []


def test_every_event_type_is_a_webhook() -> None:
    assert DOCUMENT["webhooks"].keys() == {event_type.name for event_type in EVENT_TYPES}
    for webhook in DOCUMENT["webhooks"].values():
        content = webhook["post"]["requestBody"]["content"]["application/json"]
        assert resolve(content["schema"]["properties"]["data"])["type"] == "object"


def test_every_post_that_changes_something_takes_an_idempotency_key() -> None:
    without = {operation.id for operation in POSTS if not operation.is_idempotent}

    assert without == WITHOUT_IDEMPOTENCY_KEY.keys()


def test_every_change_of_a_versioned_resource_takes_if_match() -> None:
    without = {operation.id for operation in CHANGES if "If-Match" not in operation.names("header")}

    assert without == WITHOUT_IF_MATCH.keys()


def test_every_versioned_resource_takes_if_none_match_unless_its_counters_move_without_it() -> None:
    for operation in OPERATIONS:
        if operation.id.endswith("_get") and operation.id not in ("sources_get", "webhook_endpoints_get"):
            shape = resolve(operation.contract["responses"]["200"]["content"]["application/json"]["schema"])
            has_version = "version" in shape["properties"]
            assert ("If-None-Match" in operation.names("header")) == has_version, operation.id


def expected_refusals(operation: Operation) -> set[str]:
    expected = {"400", "422", "429", "500", "503"}
    if operation.scope is not None:
        expected |= {"401", "403"}
    if "requestBody" in operation.contract:
        expected |= {"408", "413", "415"}
    if operation.names("path"):
        expected.add("404")
    if operation.is_idempotent:
        expected.add("409")
    if "If-Match" in operation.names("header"):
        expected.add("412")
    return expected


def described(schema: Schema) -> bool:
    """By itself, or by the one schema that it refers to."""
    return bool(schema.get("description") or (len(schema) == 1 and resolve(schema).get("description")))


def places(node: Any = DOCUMENT, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the document by its place, the values of examples and defaults left out."""
    if isinstance(node, dict):
        yield at, node
        for key, inner in node.items():
            if key not in ("example", "examples", "default", "enum", "const"):
                yield from places(inner, f"{at}/{key}")
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            yield from places(inner, f"{at}/{index}")


def examples() -> Iterator[tuple[str, Schema, Any]]:
    for at, node in places():
        schema = node.get("schema", node)
        if "example" in node:
            yield at, schema, node["example"]
        for example in node["examples"] if isinstance(node.get("examples"), list) else ():
            yield at, schema, example


def validator(schema: Schema) -> Draft202012Validator:
    return Draft202012Validator(
        {**schema, "components": DOCUMENT["components"]}, format_checker=FormatChecker()
    )
