"""Every refusal Rapport can give, as RFC 9457 problem documents.

A service raises one of these (or a room's own subclass); `kit.web` turns it into the answer. The class
carries what is the same each time (status, slug, title), the instance what happened this time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 20


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong place in a request: a JSON pointer such as `/emails/0/address`, or `?name` in the query."""

    pointer: str
    detail: str
    code: str

    def as_dict(self) -> dict[str, str]:
        return {"pointer": self.pointer, "detail": self.detail, "code": self.code}


class Problem(Exception):
    """A refusal with its HTTP status. `extensions` become members of the problem document."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)[:MOST_ERRORS]
        self.headers = dict(headers or {})
        self.extensions = dict(extensions or {})

    def document(self, *, instance: str, request_id: str) -> dict[str, Any]:
        """The problem+json body. `instance` is the request's path."""
        body: dict[str, Any] = {
            "type": f"/problems/{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "request_id": request_id,
        }
        if self.errors:
            body["errors"] = [error.as_dict() for error in self.errors]
        return body | self.extensions


class InternalError(Problem):
    """Something of ours broke; the transaction was rolled back."""


class Malformed(Problem):
    """The request cannot be read at all: broken JSON, a header or cursor that makes no sense."""

    status = 400
    slug = "malformed-request"
    title = "The request cannot be read"


class Unauthenticated(Problem):
    """No API key, or one that is unknown, expired or revoked."""

    status = 401
    slug = "unauthenticated"
    title = "A valid API key is needed"


class MissingScope(Problem):
    """The key is valid but lacks the scope this operation needs."""

    status = 403
    slug = "missing-scope"
    title = "The API key lacks a scope"


class NotFound(Problem):
    """There is no such thing in this workspace."""

    status = 404
    slug = "not-found"
    title = "Not found"


class MethodNotAllowed(Problem):
    """The path exists, the method on it does not."""

    status = 405
    slug = "method-not-allowed"
    title = "Method not allowed"


class BodyTimeout(Problem):
    """The body did not arrive in time."""

    status = 408
    slug = "body-timeout"
    title = "The body took too long"


class Conflict(Problem):
    """The request is well-formed but the present state does not allow it."""

    status = 409
    slug = "conflict"
    title = "Conflict with the present state"


class PreconditionFailed(Problem):
    """`If-Match` names a version that is no longer the present one."""

    status = 412
    slug = "stale-version"
    title = "The resource has changed since"


class TooLarge(Problem):
    """The body is over the limit of this path."""

    status = 413
    slug = "body-too-large"
    title = "The body is too large"


class UnsupportedMediaType(Problem):
    """The body is of a type this path does not read."""

    status = 415
    slug = "unsupported-media-type"
    title = "Unsupported media type"


class Invalid(Problem):
    """The request can be read but a value in it is not acceptable; `errors` names each place."""

    status = 422
    slug = "invalid"
    title = "The request is not valid"

    @classmethod
    def at(cls, pointer: str, detail: str, code: str = "invalid") -> "Invalid":
        """One wrong place."""
        return cls(detail, errors=[FieldError(pointer, detail, code)])

    @classmethod
    def refuse_any(cls, errors: Sequence[FieldError]) -> None:
        """Raises one refusal of all these wrong places, if there are any."""
        if errors:
            many = f"{len(errors)} values are not acceptable."
            raise cls(many if len(errors) > 1 else errors[0].detail, errors=errors)


class RateLimited(Problem):
    """This key or address has used up its budget; `Retry-After` says when to come back."""

    status = 429
    slug = "rate-limited"
    title = "Too many requests"


class Unavailable(Problem):
    """The database is away or the backlog is full; nothing was changed, try again."""

    status = 503
    slug = "unavailable"
    title = "Temporarily unavailable"
