"""What the data of an event stands for: the body of a REST call, with what the event itself adds to it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.contacts.schemas import ContactReference, ContactUpsert
from app.contacts.service.values import Normaliser
from app.intake.schemas import CloudEvent
from app.kit.batches import field_errors
from app.kit.contact_points import email_address
from app.kit.errors import FieldError, Invalid, Problem
from app.surveys.schemas.responses import PartnerResponse
from app.touchpoints.schemas import TouchpointCreate
from app.touchpoints.service.rules import Rules

CONTACT = "rapport.contact"
TOUCHPOINT = "rapport.touchpoint"
SURVEY_RESPONSE = "rapport.survey_response"
KNOWN_TYPES = frozenset((CONTACT, TOUCHPOINT, SURVEY_RESPONSE))

_CONTACT = TypeAdapter(ContactUpsert)
_TOUCHPOINT = TypeAdapter(TouchpointCreate)
_SURVEY_RESPONSE = TypeAdapter(PartnerResponse)


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What an event says besides its data: the defaults of what does not say it itself."""

    source_key: str
    external_id: str
    time: datetime | None


def contact_body(data: dict[str, Any]) -> ContactUpsert | Problem:
    """The data of a `rapport.contact`."""
    try:
        return _CONTACT.validate_python(data)
    except ValidationError as error:
        return _invalid(error)


def touchpoint_body(data: dict[str, Any], facts: EventFacts) -> TouchpointCreate | Problem:
    """The data of a `rapport.touchpoint`.

    `source` and `external_id` default to the source's key and the event's id, together, so that the same
    fact sent over REST with these is the same touchpoint; `occurred_at` defaults to the event's `time`.
    """
    body = dict(data)
    if body.get("source") is None and body.get("external_id") is None:
        body |= {"source": facts.source_key, "external_id": facts.external_id}
    elif body.get("source") is None:
        body["source"] = facts.source_key
    if body.get("occurred_at") is None and facts.time is not None:
        body["occurred_at"] = facts.time
    try:
        return _TOUCHPOINT.validate_python(body)
    except ValidationError as error:
        return _invalid(error)


def survey_response_body(data: dict[str, Any], facts: EventFacts) -> PartnerResponse | Problem:
    """The data of a `rapport.survey_response`; `answered_at` defaults to the event's `time`.

    Whether it may have a `source` and an `external_id` depends on the survey: see `keyed`.
    """
    body = dict(data)
    if body.get("answered_at") is None and facts.time is not None:
        body["answered_at"] = facts.time
    try:
        return _SURVEY_RESPONSE.validate_python(body)
    except ValidationError as error:
        return _invalid(error)


def keyed(body: PartnerResponse, facts: EventFacts) -> PartnerResponse:
    """The response with `source` and `external_id` as a touchpoint of that event would have them."""
    external_id = body.external_id
    if external_id is None and body.source is None:
        external_id = facts.external_id
    return body.model_copy(update={"source": body.source or facts.source_key, "external_id": external_id})


def data_errors(event: CloudEvent, facts: EventFacts, now: datetime) -> list[FieldError]:
    """What is wrong with an event's data, as far as that can be told without looking anything up.

    What depends on the workspace (its attributes, members, currency, contacts and surveys) shows when it is
    applied.
    """
    problem: Problem | None = None
    if event.type == CONTACT:
        problem = _contact_problem(event.data)
    elif event.type == TOUCHPOINT:
        problem = _touchpoint_problem(event.data, facts, now)
    elif event.type == SURVEY_RESPONSE:
        problem = _response_problem(event.data, facts)
    if problem is None:
        return []
    return [FieldError(f"/data{error.pointer}", error.detail, error.code) for error in problem.errors]


def _contact_problem(data: dict[str, Any]) -> Problem | None:
    body = contact_body(data)
    if isinstance(body, Problem):
        return body
    said = {name: getattr(body, name) for name in body.model_fields_set - {"attributes"}}
    try:
        Normaliser({}).stored(said)
    except Invalid as problem:
        return problem
    return None


def _touchpoint_problem(data: dict[str, Any], facts: EventFacts, now: datetime) -> Problem | None:
    body = touchpoint_body(data, facts)
    if isinstance(body, Problem):
        return body
    currency = body.value.currency if body.value else ""
    draft = Rules(currency, now).draft(body)
    if isinstance(draft, Problem):
        return draft
    return _reference_problem(body.contact)


def _response_problem(data: dict[str, Any], facts: EventFacts) -> Problem | None:
    body = survey_response_body(data, facts)
    return body if isinstance(body, Problem) else _reference_problem(body.contact)


def _reference_problem(contact: ContactReference | None) -> Problem | None:
    if contact is None or contact.email is None:
        return None
    try:
        email_address(contact.email, "/contact/email")
    except Invalid as problem:
        return problem
    return None


def _invalid(error: ValidationError) -> Invalid:
    return Invalid("The event's data is not valid.", errors=field_errors(error))
