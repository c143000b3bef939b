"""HTTP face of the rules on how often a contact may be asked."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from app.kit.calls import Access, Call
from app.kit.pages import DEFAULT_ROWS, PageRequest
from app.kit.parameters import Cursor, IdempotencyKey, IfMatch, IfNoneMatch, Limit, sort_by
from app.kit.web import JsonRoute
from app.surveys.repository.frequency import RULE_SORTING
from app.surveys.schemas.frequency import (
    FrequencyRule,
    FrequencyRuleCreate,
    FrequencyRulePage,
    FrequencyRulePatch,
)
from app.surveys.service.frequency import FrequencyRuleService

router = APIRouter(prefix="/v1/contact-frequency-rules", tags=["survey invitations"], route_class=JsonRoute)

Reader = Annotated[Call, Depends(Access("surveys:read"))]
Writer = Annotated[Call, Depends(Access("surveys:write"))]


@router.post("", operation_id="contact_frequency_rules_create", response_model=FrequencyRule, status_code=201)
async def create_rule(
    new: FrequencyRuleCreate, call: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Limits how often any contact is asked, over all surveys. A workspace has at most 20 such rules."""
    return await call.write(
        lambda unit: FrequencyRuleService(unit).create(new),
        status=201,
        location=lambda rule: f"/v1/contact-frequency-rules/{rule.id}",
    )


@router.get("", operation_id="contact_frequency_rules_list", response_model=FrequencyRulePage)
async def list_rules(
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(RULE_SORTING)] = None,
) -> Response:
    """The rules, newest first unless sorted otherwise. A contact is asked only if all of them allow it."""
    page = PageRequest(RULE_SORTING.parse(sort), limit, cursor)
    return await call.read(lambda unit: FrequencyRuleService(unit).list(page))


@router.get("/{rule_id}", operation_id="contact_frequency_rules_get", response_model=FrequencyRule)
async def get_rule(rule_id: UUID, call: Reader, if_none_match: IfNoneMatch = None) -> Response:
    """One rule."""
    return await call.read(lambda unit: FrequencyRuleService(unit).get(rule_id))


@router.patch("/{rule_id}", operation_id="contact_frequency_rules_update", response_model=FrequencyRule)
async def update_rule(
    rule_id: UUID, patch: FrequencyRulePatch, call: Writer, if_match: IfMatch = None
) -> Response:
    """Changes a rule: absent stays, null clears."""
    return await call.write(lambda unit: FrequencyRuleService(unit).update(rule_id, patch, call.if_match()))


@router.delete("/{rule_id}", operation_id="contact_frequency_rules_delete", status_code=204)
async def delete_rule(rule_id: UUID, call: Writer, if_match: IfMatch = None) -> Response:
    """Removes a rule for good."""
    return await call.write(lambda unit: FrequencyRuleService(unit).remove(rule_id, call.if_match()))
