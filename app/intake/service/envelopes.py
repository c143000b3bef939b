"""Reads CloudEvents 1.0 off a request: structured, binary and batch.

What is wrong with the request as a whole is raised; what is wrong with one event becomes that event's
problem, and the others go on.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from pydantic import TypeAdapter, ValidationError

from app.intake.schemas import LONGEST_ATTRIBUTE, MOST_EVENTS, CloudEvent
from app.kit.batches import field_errors
from app.kit.errors import FieldError, Invalid, Malformed, Problem, TooLarge, UnsupportedMediaType

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
BINARY = "application/json"

HEADER_PREFIX = "ce-"

_EVENT = TypeAdapter(CloudEvent)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event of a request as it was read: `event` or `problem`, with its `id` where that can be told.

    `place` turns a pointer into the event to where that stands in the request.
    """

    id: str | None
    event: CloudEvent | None
    problem: Problem | None = None
    is_binary: bool = False

    def refused(self, errors: Iterable[FieldError]) -> "Arrival":
        """The same event, refused for these places."""
        problem = Invalid("The event is not valid.", errors=[self._placed(error) for error in errors])
        return Arrival(self.id, None, problem, self.is_binary)

    def _placed(self, error: FieldError) -> FieldError:
        """In binary mode the attributes are headers and the body is the data."""
        if not self.is_binary:
            return error
        name, _, rest = error.pointer.removeprefix("/").partition("/")
        place = HEADER_PREFIX + name if name != "data" else f"/{rest}" if rest else ""
        return FieldError(place, error.detail, error.code)


def media_type_of(content_type: str) -> str:
    """In lower case, without parameters."""
    return content_type.partition(";")[0].strip().lower()


def read_events(
    content_type: str, headers: Iterable[tuple[str, str]], read_body: Callable[[], Any]
) -> list[Arrival]:
    """The events of a request, in order. `read_body` gives its JSON.

    Raises `UnsupportedMediaType` for what is no CloudEvent in JSON, `Malformed` for an envelope that cannot
    be read, `TooLarge` for more than 1,000 events.
    """
    media_type = media_type_of(content_type)
    if media_type == BATCH:
        return [_read(event) for event in _batch(read_body())]
    if media_type == STRUCTURED:
        return [_read(_structured(read_body()))]
    attributes = [(name, value) for name, value in headers if name.startswith(HEADER_PREFIX)]
    if not attributes or media_type != BINARY:
        raise no_cloud_event()
    return [_read_binary(media_type, attributes, read_body())]


def no_cloud_event() -> UnsupportedMediaType:
    """The request's body is not of a kind that events come in."""
    types = f"{STRUCTURED}, {BATCH}, or {BINARY} with the attributes in {HEADER_PREFIX}* headers"
    return UnsupportedMediaType(
        f"Send CloudEvents in UTF-8: {types}.", headers={"Accept": f"{STRUCTURED}, {BATCH}, {BINARY}"}
    )


def _structured(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Malformed("A structured CloudEvent is a JSON object.")
    return body


def _batch(body: Any) -> list[Any]:
    if not isinstance(body, list):
        raise Malformed("A batch of CloudEvents is a JSON array.")
    if len(body) > MOST_EVENTS:
        raise TooLarge(f"A batch holds at most {MOST_EVENTS} events.")
    return body


def _read(raw: Any, *, is_binary: bool = False) -> Arrival:
    arrival = Arrival(_readable_id(raw), None, is_binary=is_binary)
    try:
        return Arrival(arrival.id, _EVENT.validate_python(raw), is_binary=is_binary)
    except ValidationError as error:
        return arrival.refused(field_errors(error))


def _readable_id(raw: Any) -> str | None:
    event_id = raw.get("id") if isinstance(raw, dict) else None
    return event_id[:LONGEST_ATTRIBUTE] if isinstance(event_id, str) and event_id else None


def _read_binary(media_type: str, headers: list[tuple[str, str]], body: Any) -> Arrival:
    attributes: dict[str, Any] = {}
    errors = []
    for header, value in headers:
        name = header.removeprefix(HEADER_PREFIX)
        if name in ("data", "datacontenttype") or name in attributes:
            errors.append(FieldError(f"/{name}", "must not be there, or not twice", "unexpected_header"))
        try:
            attributes[name] = _decoded(value)
        except UnicodeDecodeError:
            attributes[name] = ""
            errors.append(FieldError(f"/{name}", "must be percent-encoded UTF-8", "bad_encoding"))
    if errors:
        return Arrival(_readable_id(attributes), None, is_binary=True).refused(errors)
    return _read(attributes | {"data": body, "datacontenttype": media_type}, is_binary=True)


def _decoded(value: str) -> str:
    """A header's value: perhaps in quotes, then decoded exactly once. Raises `UnicodeDecodeError`."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return unquote_to_bytes(value.encode("latin-1")).decode()
