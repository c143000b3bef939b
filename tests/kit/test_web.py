from typing import Annotated, Any, Literal

import asyncpg
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from structlog.testing import capture_logs

from app.kit.errors import FieldError, Invalid, NotFound, Problem, Unauthenticated, Unavailable
from app.kit.web import JsonRoute, install_problem_handlers, problem_types, refuse_unknown_query
from tests.kit.guarded_apps import build_app, calling


class Cat(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["dog"]
    tricks: list[str]


class Animal(BaseModel):
    model_config = ConfigDict(extra="forbid")
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    size: int | Literal["big"] = 1
    nick: str = Field("x", max_length=3)
    code: str = "ok"

    @field_validator("code")
    @classmethod
    def _no_bad_code(cls, code: str) -> str:
        if code != "ok":
            raise ValueError(f"code {code} is unknown")
        return code


def raising(error: Exception) -> FastAPI:
    app = FastAPI()

    @app.get("/")
    async def fail() -> None:
        raise error

    install_problem_handlers(app)
    return app


def animals() -> FastAPI:
    app = FastAPI()

    @app.post("/animals")
    async def create(animal: Animal) -> Animal:
        return animal

    @app.get("/animals/{number}")
    async def read(number: int, size: Annotated[int, Query(le=5)] = 1) -> int:
        return number

    install_problem_handlers(app)
    return app


async def answer_to(error: Exception) -> Any:
    async with calling(raising(error)) as client:
        return await client.get("/")


async def errors_of(body: Any) -> list[dict[str, str]]:
    async with calling(animals()) as client:
        answer = await client.post("/animals", json=body)
    assert answer.status_code == 422
    errors: list[dict[str, str]] = answer.json()["errors"]
    return errors


async def test_a_problem_is_a_problem_document() -> None:
    refusal = Invalid(
        "No.",
        errors=[FieldError("/a", "is wrong", "wrong")],
        headers={"X-Why": "because"},
        extensions={"current_version": 3},
    )
    answer = await answer_to(refusal)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-why"] == "because"
    assert answer.json() == {
        "type": "/problems/invalid",
        "title": "The request is not valid",
        "status": 422,
        "detail": "No.",
        "instance": "/",
        "request_id": "",
        "errors": [{"pointer": "/a", "detail": "is wrong", "code": "wrong"}],
        "current_version": 3,
    }


async def test_a_401_names_the_scheme_and_a_503_when_to_come_back() -> None:
    assert (await answer_to(Unauthenticated("No key."))).headers["www-authenticate"] == "Bearer"
    assert (await answer_to(Unavailable("Away."))).headers["retry-after"] == "1"
    later = Unavailable("Full.", headers={"Retry-After": "30"})
    assert (await answer_to(later)).headers.get_list("retry-after") == ["30"]


async def test_the_instance_is_the_path_as_it_was_sent() -> None:
    async with calling(build_app()) as client:
        answer = await client.get("/nowhere/%C3%A9%20x?cursor=canary")
    assert answer.json()["instance"] == "/nowhere/%C3%A9%20x"


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"nick": "long"}, "/nick", "string_too_long"),
        ({"pet": {"kind": "cat", "lives": "x"}}, "/pet/lives", "int_parsing"),
        ({"pet": {"kind": "cat"}}, "/pet/lives", "missing"),
        ({"pet": {"kind": "dog", "tricks": ["a", 1]}}, "/pet/tricks/1", "string_type"),
        ({"pet": {"kind": "cow"}}, "/pet/kind", "union_tag_invalid"),
        ({"pet": {"lives": 9}}, "/pet/kind", "union_tag_not_found"),
        ({"unknown": 1}, "/unknown", "extra_forbidden"),
        ({"a/b~c": 1}, "/a~1b~0c", "extra_forbidden"),
        ({"code": "canary"}, "/code", "value_error"),
        ([], "", "model_attributes_type"),
        (None, "", "missing"),
    ],
)
async def test_each_wrong_place_has_a_pointer(body: Any, pointer: str, code: str) -> None:
    (error,) = await errors_of(body)
    assert (error["pointer"], error["code"]) == (pointer, code)


async def test_the_members_of_a_union_are_not_part_of_the_pointer() -> None:
    errors = await errors_of({"size": "huge"})
    assert {error["pointer"] for error in errors} == {"/size"}


async def test_input_is_never_echoed() -> None:
    async with calling(animals()) as client:
        for body in (
            {"code": "canary"},
            {"pet": {"kind": "canary"}},
            {"size": "canary"},
            {"nick": "canary"},
            {"pet": "canary"},
        ):
            answer = await client.post("/animals", json=body)
            assert answer.status_code == 422
            assert "canary" not in answer.text


async def test_at_most_twenty_errors_and_a_small_answer() -> None:
    async with calling(animals()) as client:
        answer = await client.post("/animals", json={"k" * 500 + str(n): 1 for n in range(900)})
    problem = answer.json()
    assert len(problem["errors"]) == 20
    assert "900 values" in problem["detail"]
    assert len(answer.content) < 16 * 1024


async def test_query_and_path_are_named_as_such() -> None:
    async with calling(animals()) as client:
        answer = await client.get("/animals/x?size=9")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["path number", "?size"]


async def test_broken_json_is_a_400_without_the_guards_too() -> None:
    async with calling(animals()) as client:
        answer = await client.post("/animals", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/malformed-json"


async def test_allow_names_every_method_of_the_path() -> None:
    async with calling(build_app()) as client:
        answer = await client.put("/v1/people")
        nested = await client.patch("/v1/people/7")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert nested.headers["allow"] == "DELETE, GET, HEAD"


@pytest.mark.parametrize(
    ("status", "type_"),
    [(400, "/problems/malformed-request"), (409, "/problems/conflict"), (418, "about:blank")],
)
async def test_the_frameworks_own_refusals_are_problems_too(status: int, type_: str) -> None:
    answer = await answer_to(HTTPException(status, "So it is."))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == type_
    assert answer.json()["detail"] == "So it is."


async def test_a_refusal_behind_a_framework_error_is_the_answer() -> None:
    async def fail(request: Request) -> None:
        try:
            raise NotFound("The cause.")
        except Problem as cause:
            raise HTTPException(400, "There was an error parsing the body") from cause

    app = FastAPI()
    app.add_api_route("/", fail)
    install_problem_handlers(app)
    async with calling(app) as client:
        assert (await client.get("/")).json()["detail"] == "The cause."


async def test_a_misshapen_answer_is_logged_without_its_values() -> None:
    async with calling(build_app()) as client:
        with capture_logs() as lines:
            answer = await client.get("/v1/misshapen")
    assert answer.status_code == 500
    assert lines[0]["faults"] == [{"loc": ("response", "name"), "type": "string_type"}]
    assert "canary" not in answer.text + str(lines)


STATES = [
    ("22001", 422),
    ("22P05", 422),
    ("23502", 422),
    ("23503", 409),
    ("23505", 409),
    ("23514", 422),
    ("23P01", 409),
    ("25006", 503),
    ("28P01", 503),
    ("40001", 503),
    ("40P01", 503),
    ("42P01", 500),
    ("53300", 503),
    ("53100", 503),
    ("54000", 422),
    ("55P03", 503),
    ("57014", 503),
    ("57P01", 503),
    ("57P03", 503),
    ("08003", 503),
    ("08006", 503),
    ("XX000", 500),
    ("P0001", 500),
]


def driver_error(sqlstate: str) -> asyncpg.PostgresError:
    error: asyncpg.PostgresError = asyncpg.PostgresError.new(
        {"C": sqlstate, "M": "canary message", "D": "Key (email)=(canary) already exists.", "S": "ERROR"}
    )
    return error


def wrapped(error: Exception, *, lost: bool = False) -> DBAPIError:
    """As SQLAlchemy hands on what the driver raised."""
    dbapi = PGDialect_asyncpg.import_dbapi()  # type: ignore[no-untyped-call]
    for kind in type(error).__mro__:
        if kind in dbapi._asyncpg_error_translate:
            orig = dbapi._asyncpg_error_translate[kind](str(error), error)
            break
    orig.__cause__ = error
    instance = DBAPIError.instance("select 1", {}, orig, dbapi.Error, connection_invalidated=lost)
    assert isinstance(instance, DBAPIError)
    return instance


@pytest.mark.parametrize(("sqlstate", "status"), STATES)
async def test_each_database_error_has_its_status(sqlstate: str, status: int) -> None:
    for error in (driver_error(sqlstate), wrapped(driver_error(sqlstate))):
        with capture_logs() as lines:
            answer = await answer_to(error)
        assert answer.status_code == status
        assert "canary" not in answer.text
        assert lines[0]["sqlstate"] == sqlstate
        assert (answer.headers.get("retry-after") == "1") == (status == 503)


@pytest.mark.parametrize("sqlstate", ["23505", "22001", "57014"])
async def test_what_the_database_quotes_is_not_logged(sqlstate: str) -> None:
    with capture_logs() as lines:
        await answer_to(wrapped(driver_error(sqlstate)))
    assert "canary" not in str(lines)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (asyncpg.InterfaceError("connection is closed"), 503),
        (asyncpg.InterfaceError("pool is closing"), 503),
        (asyncpg.InterfaceError("another operation is in progress"), 500),
        (asyncpg.DataError("invalid input for query argument $1: 'x'"), 422),
        (asyncpg.InternalClientError("unknown state"), 503),
        (wrapped(asyncpg.InterfaceError("connection is closed")), 503),
        (wrapped(asyncpg.DataError("invalid input for query argument $1")), 422),
        (wrapped(asyncpg.InternalClientError("unknown state"), lost=True), 503),
        (PoolTimeout("QueuePool limit reached"), 503),
        (ConnectionRefusedError("refused"), 503),
        (ConnectionResetError("reset"), 503),
        (FileNotFoundError("no socket file"), 503),
        (OSError("Multiple exceptions: refused, refused"), 503),
        (TimeoutError(), 503),
    ],
)
async def test_errors_without_a_code_have_their_status(error: Exception, status: int) -> None:
    assert (await answer_to(error)).status_code == status


async def test_a_database_that_nobody_listens_for_is_a_503() -> None:
    app = FastAPI()

    @app.get("/")
    async def connect() -> None:
        await asyncpg.connect(host="127.0.0.1", port=1, user="x", timeout=2)

    @app.get("/socket")
    async def connect_to_socket() -> None:
        await asyncpg.connect(host="/nonexistent", user="x", timeout=2)

    install_problem_handlers(app)
    async with calling(app) as client:
        assert (await client.get("/")).status_code == 503
        assert (await client.get("/socket")).status_code == 503


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("limt=5", [("?limt", "unknown_parameter")]),
        ("limit=1&limit=2", [("?limit", "repeated_parameter")]),
        ("cursor=a&cursor=a", [("?cursor", "repeated_parameter")]),
        ("=1", [("?", "unknown_parameter")]),
        ("Limit=1&x", [("?Limit", "unknown_parameter"), ("?x", "unknown_parameter")]),
    ],
)
async def test_a_query_the_route_does_not_know_is_refused(query: str, errors: list[tuple[str, str]]) -> None:
    async with calling(build_app()) as client:
        answer = await client.get(f"/v1/people?{query}")
    assert answer.status_code == 422
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == errors


async def test_a_query_may_use_what_routes_dependencies_and_models_declare() -> None:
    async with calling(build_app()) as client:
        answer = await client.get("/v1/people?limit=5&cursor=c&sort=x&tag=a&tag=b")
    assert answer.json() == {"limit": 5, "tags": ["a", "b"], "cursor": "c"}


async def test_a_route_without_a_query_takes_none() -> None:
    async with calling(build_app()) as client:
        assert (await client.get("/v1/people/7?x=1")).status_code == 422
        assert (await client.get("/docs?x=1")).status_code == 422


async def test_one_router_under_two_prefixes_keeps_its_parameters_apart() -> None:
    async def extra(page: int = 1) -> None:
        """Adds a parameter to whatever includes it."""

    router = APIRouter()
    router.add_api_route("/things", lambda size=1: size)
    app = FastAPI(dependencies=[refuse_unknown_query()])
    app.include_router(router, prefix="/a")
    app.include_router(router, prefix="/b", dependencies=[Depends(extra)])
    install_problem_handlers(app)
    async with calling(app) as client:
        assert (await client.get("/a/things?page=1")).status_code == 422
        assert (await client.get("/b/things?page=1")).status_code == 200


async def test_a_body_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Request) -> None:
        raise AssertionError("parsed again")

    monkeypatch.setattr(Request, "json", refuse)
    async with calling(build_app()) as client:
        answer = await client.post("/v1/people", json={"name": "Ada"})
    assert answer.status_code == 201


async def test_json_routes_work_without_the_guard() -> None:
    router = APIRouter(route_class=JsonRoute)

    @router.post("/animals")
    async def create(animal: Animal) -> Animal:
        return animal

    app = FastAPI()
    app.include_router(router)
    async with calling(app) as client:
        assert (await client.post("/animals", json={})).status_code == 200


def test_every_problem_is_listed_with_an_explanation() -> None:
    types = problem_types()
    assert {"invalid", "not-found", "malformed-json", "internal-error", "rate-limited"} <= set(types)
    for slug, kind in types.items():
        assert slug == kind.slug
        assert kind.status >= 400
        assert kind.explanation.endswith(".")
