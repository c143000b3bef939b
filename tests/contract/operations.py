"""The contract as the tests walk it: every operation, made from the routes themselves."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from app.commands.contract import NOWHERE
from app.kit.openapi import route_scopes
from app.kit.resources import open_resources
from app.main import create_app
from app.settings import Settings

Schema = Mapping[str, Any]

APP = create_app(
    open_resources(
        Settings(_env_file=None, secret_key=SecretStr(base64.b64encode(bytes(32)).decode())), NOWHERE
    )
)
DOCUMENT: dict[str, Any] = APP.openapi()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
SCOPES = route_scopes(APP)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the contract; `contract` is its part of the document."""

    id: str
    method: str
    path: str
    scope: str | None
    contract: Mapping[str, Any]

    @property
    def parameters(self) -> list[Mapping[str, Any]]:
        return list(self.contract.get("parameters", ()))

    def names(self, place: str) -> list[str]:
        """The parameters in `path`, `query` or `header`."""
        return [each["name"] for each in self.parameters if each["in"] == place]

    @property
    def body(self) -> Schema | None:
        """The schema of the JSON body, if it takes one."""
        content = self.contract.get("requestBody", {}).get("content", {})
        schema: Schema | None = content.get("application/json", {}).get("schema")
        return schema

    @property
    def is_idempotent(self) -> bool:
        return "Idempotency-Key" in self.names("header")

    def at(self, ids: Mapping[str, str]) -> str:
        """The path with these ids in it."""
        return self.path.format_map(ids)

    def __str__(self) -> str:
        return self.id


def resolve(schema: Schema) -> Schema:
    """The schema or the response that a reference points to."""
    while "$ref" in schema:
        _, kind, name = schema["$ref"].rsplit("/", 2)
        schema = DOCUMENT["components"][kind][name]
    return schema


def every_operation() -> Iterator[Operation]:
    for path, methods in DOCUMENT["paths"].items():
        for method, contract in methods.items():
            key = (method.upper(), path)
            yield Operation(contract["operationId"], *key, SCOPES[key], contract)


OPERATIONS = list(every_operation())
KEYED = [operation for operation in OPERATIONS if operation.scope is not None]
