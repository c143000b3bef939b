"""Hostile input over every operation: always a 4xx that says why, briefly and without the input in it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.kit.resources import Resources
from app.workspaces.service import WorkspaceService
from tests.contract.bodies import body_for, fields, with_value
from tests.contract.factories import World, a_world
from tests.contract.hostile import ATTACKS, CANARY, HEADERS, IDS, LARGEST_BODY, QUERIES, VALUES, in_chunks
from tests.contract.operations import KEYED, OPERATIONS, Operation

pytestmark = pytest.mark.slow

LARGEST_REFUSAL = 16 * 1024
MOST_ERRORS = 20
WITH_BODY = [operation for operation in OPERATIONS if operation.body is not None]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS")

Wrong = dict[str, str]


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_hostile_body_is_refused_by_every_operation(name: str, ours: World) -> None:
    attack, wrong = ATTACKS[name], Wrong()
    headers = {**attack.headers} | ({"Content-Type": attack.content_type} if attack.content_type else {})

    for operation in WITH_BODY:
        answer = await ours.client.request(
            operation.method,
            operation.at(await ours.ids_for(operation)),
            content=attack.body,
            headers=headers | signature(operation),
        )
        note(wrong, operation, answer, must_refuse=True)
    assert wrong == {}


async def test_a_body_that_is_too_large_in_chunks_is_refused_by_every_operation(ours: World) -> None:
    wrong = Wrong()
    for operation in WITH_BODY:
        answer = await ours.client.request(
            operation.method,
            operation.at(await ours.ids_for(operation)),
            content=in_chunks(LARGEST_BODY + 1),
            headers={"Content-Type": "application/json"} | signature(operation),
        )
        note(wrong, operation, answer, must_refuse=True)
        assert answer.status_code == 413
    assert wrong == {}


@pytest.mark.slow
@pytest.mark.parametrize("operation", [each for each in WITH_BODY if each.scope], ids=str)
async def test_no_value_in_any_field_breaks_anything(operation: Operation, world: World) -> None:
    wrong, ids, body = Wrong(), await world.ids_for(operation), body_for(operation)
    for pointer in sorted({pointer for pointer, _ in fields(operation.body or {})}):
        for name, value in VALUES.items():
            answer = await world.client.request(
                operation.method, operation.at(ids), json=with_value(body, pointer, value)
            )
            note(wrong, operation, answer, f"{name} at {pointer}")
    assert wrong == {}


@pytest.mark.parametrize("name", QUERIES)
async def test_a_hostile_query_is_refused_by_every_operation(name: str, ours: World) -> None:
    wrong = Wrong()
    for operation in KEYED:
        url = f"{operation.at(await ours.ids_for(operation))}?{QUERIES[name]}"
        answer = await ours.client.request(operation.method, url, json=body_for(operation))
        note(wrong, operation, answer, must_refuse=True)
    assert wrong == {}


@pytest.mark.parametrize("name", IDS)
async def test_a_hostile_path_is_refused_by_every_operation(name: str, ours: World) -> None:
    wrong = Wrong()
    for operation in OPERATIONS:
        own = await ours.ids_for(operation)
        for parameter in operation.names("path"):
            answer = await ours.client.request(
                operation.method,
                operation.at(own | {parameter: IDS[name]}),
                json=body_for(operation),
                headers=signature(operation),
            )
            note(wrong, operation, answer, parameter, must_refuse=True)
    assert wrong == {}


@pytest.fixture(scope="module")
async def spare(app: FastAPI, resources: Resources) -> AsyncIterator[World]:
    """A workspace whose things may be archived while it is used."""
    async with a_world(app, resources) as made:
        await made.fill()
        yield made


@pytest.mark.parametrize("name", HEADERS)
async def test_no_header_breaks_anything(name: str, spare: World) -> None:
    header, value = HEADERS[name]
    wrong = Wrong()
    for operation in KEYED:
        answer = await spare.client.request(
            operation.method,
            operation.at(await spare.ids_for(operation)),
            json=body_for(operation),
            headers=httpx.Headers([(header.encode(), value)]),
        )
        note(wrong, operation, answer)
    assert wrong == {}


@pytest.mark.parametrize("path", sorted({operation.path for operation in OPERATIONS}))
async def test_a_method_that_a_path_does_not_take_is_a_405_that_names_those_it_takes(
    path: str, ours: World
) -> None:
    here = [operation for operation in OPERATIONS if operation.path == path]
    taken = {operation.method for operation in here}
    taken |= {"HEAD"} if "GET" in taken else set()
    url = path.format_map({name: await ours.id(name) for name in here[0].names("path")})

    for method in set(METHODS) - taken:
        refused = await ours.client.request(method, url)

        assert refused.status_code == 405, method
        assert set(refused.headers["allow"].split(", ")) == taken


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.method == "GET"], ids=str)
async def test_head_is_get_without_the_body(operation: Operation, ours: World) -> None:
    url = operation.at(await ours.ids_for(operation))
    whole, head = await ours.client.get(url), await ours.client.head(url)

    assert head.status_code == whole.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == whole.headers["content-type"]
    assert head.headers.get("etag") == whole.headers.get("etag")


ANSWERS = {
    200: ("GET", "/v1/workspace", {}),
    304: ("GET", "/v1/workspace", {"headers": {"If-None-Match": "*"}}),
    400: ("POST", "/v1/members", {"content": b"{", "headers": {"Content-Type": "application/json"}}),
    401: ("GET", "/v1/workspace", {"headers": {"Authorization": "Bearer rpt_no"}}),
    404: ("GET", "/v1/nothing", {}),
    405: ("PUT", "/v1/workspace", {}),
    412: ("PATCH", "/v1/workspace", {"json": {}, "headers": {"If-Match": '"0"'}}),
    413: ("POST", "/v1/members", {"content": b" " * (LARGEST_BODY + 1)}),
    414: ("GET", "/v1/workspace?" + "x" * 9000, {}),
    415: ("POST", "/v1/members", {"content": b"<a/>", "headers": {"Content-Type": "text/xml"}}),
    422: ("POST", "/v1/members", {"json": {}}),
}


@pytest.mark.parametrize("status", ANSWERS)
async def test_every_class_of_answer_has_the_headers_that_protect(status: int, ours: World) -> None:
    method, url, request = ANSWERS[status]
    arguments: dict[str, Any] = dict(request)

    answer = await ours.client.request(method, url, **arguments)

    assert answer.status_code == status
    assert_protected(answer)


@pytest.mark.parametrize(("status", "fault"), [(500, RuntimeError(CANARY)), (503, OSError(CANARY))])
async def test_a_fault_of_ours_has_them_too_and_tells_nothing_of_itself(
    status: int, fault: Exception, ours: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: WorkspaceService) -> None:
        raise fault

    monkeypatch.setattr(WorkspaceService, "get", fail)
    answer = await ours.client.get("/v1/workspace")

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert CANARY not in answer.text
    assert_protected(answer)


def assert_protected(answer: httpx.Response) -> None:
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "no-store" in answer.headers["cache-control"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"
    assert "server" not in answer.headers


def signature(operation: Operation) -> dict[str, str]:
    """What the one operation without a key asks for instead; it is wrong, as the body is."""
    if operation.scope is not None:
        return {}
    return {"webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}


def note(
    wrong: Wrong, operation: Operation, answer: httpx.Response, about: str = "", *, must_refuse: bool = False
) -> None:
    fault = fault_of(answer, must_refuse)
    if fault:
        wrong[f"{operation.id} {about}"] = f"{answer.status_code}: {fault}: {answer.text[:200]}"


def fault_of(answer: httpx.Response, must_refuse: bool) -> str | None:
    """What is wrong with an answer; None when it is a success, or a refusal as it should be."""
    if answer.status_code >= 500:
        return "a fault"
    if answer.status_code < 400:
        return "taken" if must_refuse else None
    if answer.headers["content-type"] != "application/problem+json":
        return "not a problem document"
    problem = answer.json()
    if len(answer.content) > LARGEST_REFUSAL or len(problem.get("errors", ())) > MOST_ERRORS:
        return "too long"
    if CANARY in told_of_the_input(problem):
        return "it echoes the input"
    return None


def told_of_the_input(problem: dict[str, Any]) -> str:
    """A problem says where it is: in which path, and in the field of which name. All else is ours to word."""
    errors = [{**error, "pointer": ""} for error in problem.get("errors", ())]
    return str({**problem, "instance": "", "errors": errors})
