"""What the fuzzer has to know of Rapport: how its texts look, and what a schema cannot say."""

from datetime import UTC, datetime
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.transport import Response

FIRST, LAST = datetime(1900, 1, 2), datetime(2199, 12, 30)

BEYOND_SCHEMA = {
    "/problems/idempotency-key-reused": "one request compared with another",
    "anonymous": "one field compared with another",
    "anonymous_partial": "whether the survey is anonymous",
    "bad_email": "an address has a grammar of its own",
    "bad_phone": "so has a phone number",
    "bad_text": "it would have to be forbidden in every single text",
    "before_opening": "a field compared with what there is",
    "circle": "a goal compared with those below it",
    "closes_first": "one field compared with another",
    "currency_mismatch": "the workspace has its currency",
    "due_before_start": "one field compared with another",
    "duplicate_choice": "the items of a list compared with each other",
    "duplicate_locale": "two tags that differ in case",
    "duplicate_question": "one field compared with another",
    "empty_range": "one parameter compared with another",
    "empty_time": "one field compared with another",
    "fixed": "a change compared with what there is",
    "in_the_future": "a field compared with the clock",
    "in_the_past": "a field compared with the clock",
    "incomplete": "one parameter asks for another",
    "int_type": "to JSON Schema 1.0 is an integer as well",
    "invalid_cursor": "cursors are made by the server",
    "missing": "a field that another one asks for",
    "no_key": "one of two fields is needed",
    "no_limit": "one of several fields is needed",
    "no_metric": "one field asks for another",
    "no_score": "one field compared with another",
    "no_text_question": "one field compared with another",
    "not_allowed": "one field compared with another",
    "not_positive": "one field asks for a range of another",
    "not_reached": "an answer compared with those before it",
    "not_summable": "a measure compared with its metric",
    "nul_character": "it would have to be forbidden in every single text",
    "one_address": "exactly one of two fields is needed",
    "one_condition": "exactly one of two fields is needed",
    "one_contact": "exactly one of two fields is needed",
    "one_reference": "exactly one of two fields is needed",
    "one_selection": "exactly one of two fields is needed",
    "options": "one field asks for another",
    "other_version": "a field compared with what there is",
    "out_of_range": "a field compared with another",
    "overlap": "one parameter compared with another",
    "refused_url": "a URL has a grammar of its own, and some addresses are out of bounds",
    "repeated": "one parameter compared with another",
    "score_question": "one field compared with another",
    "status_change": "a change compared with what there is",
    "too_complex": "branches are judged as a whole",
    "too_deep": "filters and goals nest only so deep",
    "too_few": "a question says how many choices",
    "too_large": "the bytes of a whole object",
    "too_long": "one field compared with another",
    "too_many": "a question says how many choices",
    "too_many_decimals": "each currency has its decimals",
    "too_many_events": "a replay compared with what there is",
    "too_many_groups": "counted over what there is",
    "too_many_points": "one parameter compared with another",
    "too_many_predicates": "counted over a whole filter",
    "unknown_attribute": "the workspace has its attributes",
    "unknown_band": "one parameter compared with what there is",
    "unknown_choice": "a filter's value compared with its field",
    "unknown_contact": "there is no such row",
    "unknown_currency": "ISO 4217 has its list",
    "unknown_event_type": "the catalogue has its list",
    "unknown_field": "a filter names fields by their text",
    "unknown_goal": "there is no such row",
    "unknown_member": "there is no such row",
    "unknown_metric": "the catalogue has its list",
    "unknown_operator": "each type of field has its operators",
    "unknown_position": "the feed has its end",
    "unknown_question": "the survey has its questions",
    "unknown_sort": "a search names its order by text",
    "unknown_survey": "there is no such row",
    "unknown_timezone": "IANA has its list",
    "unknown_version": "the survey has its versions",
    "unreachable": "branches are judged as a whole",
    "wrong_type": "an attribute or a field of a filter has its type",
}
"""Codes of refusals that may meet a request that its schema allows, and why."""

schemathesis.openapi.format("date", st.dates(FIRST.date(), LAST.date()).map(str))
schemathesis.openapi.format(
    "date-time", st.datetimes(FIRST, LAST, timezones=st.just(UTC)).map(lambda instant: instant.isoformat())
)


@schemathesis.check
def refused_for_a_reason(ctx: Any, response: Response, case: schemathesis.Case) -> None:
    """A request that its schema allows is taken, or refused for a reason that no schema can tell."""
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive or response.status_code not in (400, 415, 422):
        return
    problem = response.json()
    errors = problem.get("errors", [])
    codes = {error["code"] for error in errors} or {problem["type"]}
    if codes - BEYOND_SCHEMA.keys():
        raise AssertionError(f"a schema could tell: {sorted(codes - BEYOND_SCHEMA.keys())} in {errors}")
