"""Every error path of the web app ends here, in a problem document (RFC 9457)."""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from inspect import cleandoc
from typing import Any, cast
from urllib.parse import quote

import orjson
import structlog
from fastapi import Depends, FastAPI
from fastapi._compat import field_annotation_is_sequence
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params, get_validation_alias
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Scope

from app.kit.database_problems import DATABASE_ERRORS, problem_of, sqlstate_of
from app.kit.errors import (
    MEDIA_TYPE,
    MOST_ERRORS,
    FieldError,
    InternalError,
    Invalid,
    MethodNotAllowed,
    NotFound,
    Problem,
)
from app.kit.methods import template_of
from app.kit.strict_json import MalformedJson, pointer_token

BROKEN = "Something broke on our side. The log says what, under this request id."
LONGEST_INSTANCE = 500
LONGEST_DETAIL = 300
LONGEST_NAME = 100
PARSED_BODY = "app.parsed_body"
WRONG_TAG = ("union_tag_invalid", "union_tag_not_found")
_ALWAYS_SENT = {401: ("WWW-Authenticate", "Bearer"), 503: ("Retry-After", "1")}

_log = structlog.get_logger("app.web")


def install_problem_handlers(app: FastAPI) -> None:
    """Makes every refusal and fault of `app` a problem document."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ResponseValidationError, _on_invalid_response)
    for kind in DATABASE_ERRORS:
        app.add_exception_handler(kind, _on_database_error)
    app.add_exception_handler(Exception, _on_fault)


def problem_response(problem: Problem, request: HTTPConnection) -> Response:
    """The answer to a refused request, naming its path and request id."""
    document = problem.document(instance=_instance(request), request_id=_request_id(request))
    return _response(problem.status, document, problem.headers)


class JsonRoute(APIRoute):
    """Takes the tree that the body guard has read, so that a body is parsed once: `route_class=JsonRoute`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if PARSED_BODY in request.scope:
                request = _ReadRequest(request.scope, request.receive)
            return await handler(request)

        return handle


class _ReadRequest(Request):
    async def json(self) -> Any:
        return self.scope[PARSED_BODY]


def refuse_unknown_query() -> Dependency:
    """A dependency for an app or router: a query parameter the route does not declare is a 422."""
    return cast(Dependency, Depends(strict_query))


async def strict_query(request: Request) -> None:
    """Raises `Invalid` for query parameters the route does not know, or that repeat without being a list."""
    if not request.scope["query_string"]:
        return
    known = _query_parameters(request.scope)
    errors, seen = [], set()
    for name, _ in request.query_params.multi_items():
        if name not in known:
            errors.append(_parameter_error(name, "there is no such parameter here", "unknown_parameter"))
        elif name in seen and not known[name]:
            errors.append(_parameter_error(name, "it is given more than once", "repeated_parameter"))
        seen.add(name)
    if errors:
        raise Invalid(f"The query is not acceptable: {errors[0].detail}.", errors=errors)


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One row of the public list of problems."""

    slug: str
    title: str
    status: int
    explanation: str


def problem_types() -> dict[str, ProblemType]:
    """Every kind of problem the loaded code can answer, by slug. One without its own slug is its parent's."""
    found: dict[str, ProblemType] = {}
    for kind in _subclasses(Problem):
        explanation = " ".join(cleandoc(kind.__doc__ or kind.title).split())
        found.setdefault(kind.slug, ProblemType(kind.slug, kind.title, kind.status, explanation))
    return dict(sorted(found.items(), key=lambda row: (row[1].status, row[0])))


def _subclasses(kind: type[Problem]) -> Iterator[type[Problem]]:
    """Parents before children."""
    children = kind.__subclasses__()
    yield from children
    for child in children:
        yield from _subclasses(child)


async def _on_problem(request: Request, error: Exception) -> Response:
    problem = cast(Problem, error)
    if problem.status >= 500:
        _log.warning("refused", problem=problem.slug, detail=problem.detail)
    return problem_response(problem, request)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    invalid = cast(RequestValidationError, error)
    faults = invalid.errors()
    if faults and faults[0]["type"] == "json_invalid":
        return problem_response(MalformedJson("The body is not valid JSON."), request)
    return problem_response(invalid_request(faults, invalid.body), request)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    refused = cast(HTTPException, error)
    if isinstance(refused.__cause__, Problem):
        return problem_response(refused.__cause__, request)
    if refused.status_code < 400:
        return Response(status_code=refused.status_code, headers=refused.headers)
    if refused.status_code == 404:
        return problem_response(NotFound("There is nothing at this path."), request)
    if refused.status_code == 405:
        return problem_response(_method_not_allowed(request), request)
    return _other_status(refused, request)


async def _on_invalid_response(request: Request, error: Exception) -> Response:
    """The error's own text would put the values, and so personal data, into the log."""
    faults = cast(ResponseValidationError, error).errors()
    places = [{"loc": fault["loc"], "type": fault["type"]} for fault in faults[:MOST_ERRORS]]
    _log.error("invalid_response", faults=places)
    return problem_response(InternalError(BROKEN), request)


async def _on_database_error(request: Request, error: Exception) -> Response:
    """The server's message may quote values, so only its code is logged unless the fault is ours."""
    problem = problem_of(error)
    cause = getattr(error, "orig", None) or error
    about = {"error": type(cause).__name__, "sqlstate": sqlstate_of(error), "problem": problem.slug}
    if problem.status == 500:
        _log.error("database_fault", **about, exc_info=error)
    else:
        _log.warning("database_error", **about)
    return problem_response(problem, request)


async def _on_fault(request: Request, _error: Exception) -> Response:
    """The last resort of an app that is not behind `RequestContext`; the caller raises on and logs."""
    return problem_response(InternalError(BROKEN), request)


def invalid_request(faults: Sequence[Any], body: Any = None) -> Invalid:
    """Pydantic's errors as one refusal: at most 20, with a pointer each and nothing of the input in them."""
    errors = [
        FieldError(_pointer(fault, body), _detail(fault), fault["type"]) for fault in faults[:MOST_ERRORS]
    ]
    count = len(faults)
    if count == 1:
        return Invalid(f"One value is not acceptable: {errors[0].detail}", errors=errors)
    shown = f"; the first {MOST_ERRORS} are named" if count > MOST_ERRORS else ""
    return Invalid(f"{count} values are not acceptable{shown}.", errors=errors)


def _pointer(fault: Any, body: Any) -> str:
    where, *steps = fault["loc"] or ("body",)
    if where == "query":
        return "?" + str(steps[0])[:LONGEST_NAME] if steps else "?"
    if where != "body":
        return " ".join([str(where), *(str(step)[:LONGEST_NAME] for step in steps[:1])])
    real = [*_real_steps(steps, body, missing=fault["type"] == "missing"), *_tag(fault)]
    return "".join(f"/{pointer_token(step)}" for step in real)


def _real_steps(steps: Sequence[str | int], body: Any, *, missing: bool) -> Iterator[str | int]:
    """Pydantic puts the names of union members among the steps; only what the body has is a real one."""
    node = body
    for index, step in enumerate(steps):
        if _holds(node, step):
            yield step
            node = node[step]
        elif missing and index == len(steps) - 1:
            yield step


def _tag(fault: Any) -> Sequence[str]:
    """The field that tells the members of a union apart, where that is what is wrong."""
    return (fault["ctx"]["discriminator"].strip("'"),) if fault["type"] in WRONG_TAG else ()


def _holds(node: Any, step: str | int) -> bool:
    if isinstance(node, dict):
        return step in node
    return isinstance(node, list) and isinstance(step, int) and step < len(node)


def _detail(fault: Any) -> str:
    if fault["type"] == "union_tag_invalid":
        return f"Must be one of {fault['ctx']['expected_tags']}."[:LONGEST_DETAIL]
    if fault["type"] == "union_tag_not_found":
        return "Field required"
    message = str(fault["msg"]).removeprefix("Value error, ")[:LONGEST_DETAIL]
    value = fault.get("input")
    if isinstance(value, str) and len(value) > 2 and value in message:
        return "The value is not acceptable."
    return message


# By the identity of a route's dependant, which stands in the value too, so that no identity is used again.
_parameters_by_route: dict[int, tuple[Dependant, dict[str, bool]]] = {}


def _query_parameters(scope: Scope) -> dict[str, bool]:
    """The query parameters that the route and its dependencies declare, and whether each may repeat."""
    route = scope.get("fastapi", {}).get("effective_route_context") or scope["route"]
    dependant: Dependant = route.dependant
    if id(dependant) not in _parameters_by_route:
        parameters = {
            get_validation_alias(field): field_annotation_is_sequence(field.field_info.annotation)
            for field in get_flat_params(_only_query(dependant))
        }
        _parameters_by_route[id(dependant)] = (dependant, parameters)
    return _parameters_by_route[id(dependant)][1]


def _only_query(dependant: Dependant) -> Dependant:
    """FastAPI flattens all kinds of parameters together; here it finds only those of the query."""
    return Dependant(
        call=dependant.call,
        query_params=dependant.query_params,
        dependencies=[_only_query(below) for below in dependant.dependencies],
    )


def _parameter_error(name: str, detail: str, code: str) -> FieldError:
    return FieldError(f"?{name[:LONGEST_NAME]}", detail, code)


def _method_not_allowed(request: Request) -> Problem:
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    template = template_of(request.app, path)
    return template.refusal() if template else MethodNotAllowed("This path does not take this method.")


def _other_status(refused: HTTPException, request: Request) -> Response:
    """A status the framework chose: the problem we have for it, or else `about:blank`."""
    headers = dict(refused.headers or {})
    for kind in Problem.__subclasses__():
        if kind.status == refused.status_code:
            return problem_response(kind(str(refused.detail), headers=headers), request)
    document = {
        "type": "about:blank",
        "title": HTTPStatus(refused.status_code).phrase,
        "status": refused.status_code,
        "detail": str(refused.detail),
        "instance": _instance(request),
        "request_id": _request_id(request),
    }
    return _response(refused.status_code, document, headers)


def _response(status: int, document: dict[str, Any], headers: dict[str, str]) -> Response:
    response = Response(orjson.dumps(document), status, headers, media_type=MEDIA_TYPE)
    if status in _ALWAYS_SENT:
        response.headers.setdefault(*_ALWAYS_SENT[status])
    return response


def _instance(request: HTTPConnection) -> str:
    """The path as it was sent, still percent-encoded: a URI reference, whatever bytes it stands for."""
    raw = request.scope.get("raw_path")
    path = raw.decode("latin-1") if raw else quote(request.scope["path"])
    return path[:LONGEST_INSTANCE]


def _request_id(request: HTTPConnection) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))
