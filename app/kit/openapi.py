"""The OpenAPI document, repaired at the root so that generated clients and fuzzers can trust it.

FastAPI describes what it knows; the security of each route, the problem documents, the headers that every
answer has and the webhooks that Rapport sends are added here from the same declarations the code runs on.
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

import yaml
from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from app.kit.calls import Access
from app.kit.errors import MEDIA_TYPE
from app.kit.outbox import EventType

VERSION = "3.1.1"
PROBLEM = "#/components/schemas/Problem"

FIELD_ERROR_SCHEMA = {
    "type": "object",
    "description": "One wrong place in a request.",
    "required": ["pointer", "detail", "code"],
    "properties": {
        "pointer": {
            "type": "string",
            "description": "JSON pointer into the body, `?name` for a query parameter, or a header's name.",
        },
        "detail": {"type": "string", "description": "What is wrong there."},
        "code": {"type": "string", "description": "The same in one word, for programs."},
    },
}

PROBLEM_SCHEMA = {
    "type": "object",
    "description": "A refusal, as RFC 9457 has it.",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "What kind of problem; a path that explains it."},
        "title": {"type": "string", "description": "The kind in words."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What happened this time."},
        "instance": {"type": "string", "description": "The path that was asked."},
        "request_id": {"type": "string", "description": "Also in `X-Request-Id` and in the log."},
        "errors": {
            "type": "array",
            "maxItems": 20,
            "description": "The wrong places of the request, 20 at most.",
            "items": {"$ref": "#/components/schemas/FieldError"},
        },
    },
}

ALWAYS = (400, 414, 429, 500, 503)
WITH_KEY = (401, 403)
WITH_BODY = (408, 413, 415)
REFUSALS = tuple(sorted((*ALWAYS, *WITH_KEY, *WITH_BODY, 404, 409, 412, 422)))


def install_openapi(app: FastAPI, event_types: Callable[[], Sequence[EventType]]) -> None:
    """Replaces the app's OpenAPI document by the repaired one, made once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build_document(app, event_types())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    install_openapi_routes(app)


def install_openapi_routes(app: FastAPI) -> None:
    """Serves the document as JSON and as YAML, the same as in the repository."""

    async def as_json() -> Response:
        return JSONResponse(app.openapi())

    async def as_yaml() -> Response:
        return Response(to_yaml(app.openapi()), media_type="application/yaml")

    app.add_api_route("/openapi.json", as_json, include_in_schema=False)
    app.add_api_route("/openapi.yaml", as_yaml, include_in_schema=False)


def build_document(app: FastAPI, event_types: Sequence[EventType]) -> dict[str, Any]:
    """The whole document as plain data."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version=VERSION,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
        servers=[{"url": "/", "description": "This server"}],
        license_info=app.license_info,
        separate_input_output_schemas=True,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for stock in ("HTTPValidationError", "ValidationError"):
        schemas.pop(stock, None)
    schemas["Problem"] = PROBLEM_SCHEMA
    schemas["FieldError"] = FIELD_ERROR_SCHEMA
    document["components"]["securitySchemes"] = {
        "apiKey": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key: `Authorization: Bearer rpt_…`.",
        }
    }
    document["components"]["responses"] = {_response_name(status): _problem(status) for status in REFUSALS}
    scopes = route_scopes(app)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(operation, scopes.get((method.upper(), path)), path)
    document["webhooks"] = _webhooks(event_types, schemas)
    return document


def route_scopes(app: FastAPI) -> dict[tuple[str, str], str | None]:
    """Every operation of the API and the scope it needs; None for a public one."""
    found: dict[tuple[str, str], str | None] = {}
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        dependant = getattr(route, "dependant", None)
        if dependant is None:
            continue
        scopes = [d.call.scope for d in dependant.dependencies if isinstance(d.call, Access)]
        for method in context.methods or ():
            found[(method, context.path_format or "")] = scopes[0] if scopes else None
    return found


def to_yaml(document: dict[str, Any]) -> str:
    """The document as it is committed: stable, in the order of the code."""
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def _complete(operation: dict[str, Any], scope: str | None, path: str) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    statuses = {*ALWAYS, 422}
    if scope is not None:
        statuses |= {*WITH_KEY}
        operation["security"] = [{"apiKey": []}]
        operation["description"] = f"{operation.get('description', '')}\n\nScope: `{scope}`.".strip()
    else:
        operation["security"] = []
    if "requestBody" in operation:
        statuses |= {*WITH_BODY}
    if "{" in path:
        statuses.add(404)
    headers = {parameter["name"].lower() for parameter in operation.get("parameters", ())}
    if "if-match" in headers:
        statuses.add(412)
    if "idempotency-key" in headers or operation["operationId"].endswith(("_create", "_update", "_restore")):
        statuses.add(409)
    if "if-none-match" in headers:
        responses["304"] = {"description": "Not modified: the version you have is current."}
    for status in sorted(statuses):
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{_response_name(status)}"})
    for parameter in operation.get("parameters", ()):
        _never_null(parameter)
        if parameter["in"] == "path":
            parameter.setdefault("description", _of_path(parameter["name"]))
    if operation["operationId"].endswith("_update"):
        content = operation["requestBody"]["content"]
        content["application/merge-patch+json"] = content["application/json"]
    for status, response in responses.items():
        if "$ref" not in response:
            _add_headers(response, status, operation)


def _never_null(parameter: dict[str, Any]) -> None:
    """A parameter is there or absent; only a body has null."""
    schema = parameter["schema"]
    kinds = [kind for kind in schema.pop("anyOf", ()) if kind != {"type": "null"}]
    if kinds:
        schema |= kinds[0]


def _of_path(name: str) -> str:
    noun = name.removesuffix("_id")
    return f"The {noun}." if noun == name else f"The id of the {noun}."


def _response_name(status: int) -> str:
    """409 is `Conflict`, 413 is `RequestEntityTooLarge`."""
    return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")


def _problem(status: int) -> dict[str, Any]:
    response = {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": PROBLEM}}},
    }
    _add_headers(response, str(status), {})
    return response


def _add_headers(response: dict[str, Any], status: str, operation: dict[str, Any]) -> None:
    headers = response.setdefault("headers", {})
    headers["X-Request-Id"] = {
        "description": "Names this request in logs and problem documents.",
        "schema": {"type": "string"},
    }
    names = {parameter["name"] for parameter in operation.get("parameters", ())}
    if status.startswith("2") and names & {"If-Match", "If-None-Match"} and status != "204":
        headers["ETag"] = {"description": "The version of the resource.", "schema": {"type": "string"}}
    if status in ("429", "503"):
        headers["Retry-After"] = {"description": "Seconds to wait.", "schema": {"type": "integer"}}


def _webhooks(event_types: Sequence[EventType], schemas: dict[str, Any]) -> dict[str, Any]:
    """What Rapport sends to webhook endpoints, from the event catalogue."""
    models = [(event_type.data, "serialization") for event_type in event_types]
    _, definitions = models_json_schema(
        models,  # type: ignore[arg-type]
        ref_template="#/components/schemas/{model}",
        schema_generator=GenerateJsonSchema,
    )
    for name, schema in definitions.get("$defs", {}).items():
        schemas.setdefault(name, schema)
    return {event_type.name: {"post": _webhook(event_type)} for event_type in event_types}


def _webhook(event_type: EventType) -> dict[str, Any]:
    return {
        "operationId": f"receive_{event_type.name.replace('.', '_')}",
        "summary": event_type.name,
        "description": event_type.description,
        "tags": ["webhooks"],
        "parameters": [
            _header("webhook-id", "The event's id, the same on every try: deduplicate by it."),
            _header("webhook-timestamp", "When this try was signed, in seconds since 1970."),
            _header("webhook-signature", "One or more `v1,<base64 HMAC-SHA256>`, separated by spaces."),
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": event_type.envelope_schema()}},
        },
        "responses": {"2XX": {"description": "Received. Anything else is tried again."}},
    }


def _header(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
    }
