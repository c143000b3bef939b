"""Bodies that an operation accepts, made from its schema; where fields depend on each other, by hand."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.contract.operations import Operation, Schema, resolve

EXAMPLES: Mapping[str, Any] = {
    "text": "Example",
    "date": "2026-03-31",
    "date-time": "2026-01-31T09:00:00Z",
    "uuid": "01890a5d-ac96-774b-bcce-b302099a8057",
}

# What no schema says: these fields need each other, or a place in time.
BY_HAND: Mapping[str, Mapping[str, Any]] = {
    "ContactUpsert": {"emails": [{"address": "ada@example.com"}]},
    "ContactReference": {"email": "ada@example.com"},
    "TouchpointCreate": {
        "contact": {"email": "ada@example.com"},
        "kind": "purchase",
        "occurred_at": "2026-01-31T09:00:00Z",
        "value": {"amount": "49.90", "currency": "EUR"},
    },
    "SuppressionCreate": {"email": "ada@example.com", "reason": "objected"},
    "SurveyInvitationsCreate": {"contact_ids": [EXAMPLES["uuid"]]},
    "FrequencyRuleCreate": {"name": "Hourly", "max_invitations": 1000, "window_hours": 1},
    "GoalCreate": {"title": "Grow", "starts_on": "2026-01-01", "due_on": "2027-01-01"},
    "GoalAssess": {"title": "Grow", "starts_on": "2026-01-01", "due_on": "2027-01-01"},
    "WebhookEndpointCreate": {"url": "http://127.0.0.1:59999/hooks"},
}


def body_for(operation: Operation) -> Any:
    """The smallest body that the operation takes; None when it takes none."""
    return None if operation.body is None else minimal(operation.body)


def minimal(schema: Schema) -> Any:
    """The smallest value of a schema."""
    name = schema.get("$ref", "").rpartition("/")[2]
    if name in BY_HAND:
        return dict(BY_HAND[name])
    schema = resolve(schema)
    for branches in ("anyOf", "oneOf"):
        if branches in schema:
            return minimal(schema[branches][0])
    for chosen in ("const", "default"):
        if chosen in schema:
            return schema[chosen]
    for choices in ("enum", "examples"):
        if choices in schema:
            return schema[choices][0]
    return _made(schema)


def _made(schema: Schema) -> Any:
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {name: minimal(properties[name]) for name in schema.get("required", ())}
        case "array":
            return [minimal(schema["items"])] * schema.get("minItems", 0)
        case "string":
            return EXAMPLES[schema.get("format", "text")]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
    return {}


def fields(schema: Schema, at: str = "") -> Iterator[tuple[str, Schema]]:
    """Every place of a body, as a JSON pointer and its schema; the first item stands for a list's items."""
    schema = resolve(schema)
    yield at, schema
    for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from ((pointer, inner) for pointer, inner in fields(branch, at) if pointer != at or inner)
    if at.count("/") < 5:
        for name, inner in schema.get("properties", {}).items():
            yield from fields(inner, f"{at}/{name}")
        if "items" in schema:
            yield from fields(schema["items"], f"{at}/0")


def with_value(body: Any, pointer: str, value: Any) -> Any:
    """The body with this value at a place, which is made if it is not there."""
    if pointer == "":
        return value
    step, _, rest = pointer[1:].partition("/")
    rest = f"/{rest}" if rest else ""
    if step.isdigit():
        first = body[0] if isinstance(body, list) and body else {}
        return [with_value(first, rest, value)]
    members = dict(body) if isinstance(body, dict) else {}
    return members | {step: with_value(members.get(step), rest, value)}
