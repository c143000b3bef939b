"""What makes a touchpoint acceptable, beyond the shape of its fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import orjson

from app.kit.clock import MOST_AHEAD
from app.kit.errors import FieldError, Invalid
from app.kit.ids import new_id
from app.kit.money import MoneyInput
from app.touchpoints.models import TouchpointRecord
from app.touchpoints.repository import canonical
from app.touchpoints.schemas import MOST_ATTRIBUTES, Kind, Stage, TouchpointCreate, TouchpointPatch

LARGEST_ATTRIBUTES = 16 * 1024

SALES: Final = frozenset(("purchase", "refund"))

STAGES: Final[Mapping[Kind, Stage]] = {
    "message": "consideration",
    "call": "consideration",
    "meeting": "consideration",
    "visit": "awareness",
    "purchase": "purchase",
    "refund": "support",
    "support_case": "support",
    "support_resolved": "support",
    "campaign_response": "awareness",
    "referral": "advocacy",
    "note": "consideration",
    "custom": "consideration",
}
"""The stage of a touchpoint whose sender names none."""

UNKNOWN: Final = UUID(int=0)
"""Stands for a contact that has still to be found."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one workspace at one instant."""

    currency: str
    now: datetime

    def draft(self, new: TouchpointCreate) -> TouchpointRecord | Invalid:
        """The record of an item, of the contact `UNKNOWN` if it is given by reference; or what is wrong."""
        errors = _reference_errors(new)
        amount = self._amount(new.value, errors)
        attributes = _attributes(new.attributes, errors)
        self._check(new.kind, new.occurred_at, amount, errors)
        if errors:
            return _invalid(errors)
        return TouchpointRecord(
            new_id(),
            new.contact_id or UNKNOWN,
            new.channel,
            new.kind,
            new.direction,
            new.stage or STAGES[new.kind],
            new.occurred_at,
            new.summary,
            amount,
            new.campaign,
            new.source,
            new.external_id,
            attributes,
            recorded_at=self.now,
            updated_at=self.now,
            deleted_at=None,
            version=1,
        )

    def patched(self, record: TouchpointRecord, patch: TouchpointPatch) -> TouchpointRecord:
        """The record with the patch on it; itself when nothing differs. Raises `Invalid`."""
        changes = patch.changes()
        errors: list[FieldError] = []
        if "value" in changes:
            changes["amount"] = self._amount(changes.pop("value"), errors)
        if "attributes" in changes:
            merged = orjson.loads(record.attributes) | changes["attributes"]
            changes["attributes"] = _attributes(merged, errors)
        if changes.get("stage", "") is None:
            changes["stage"] = STAGES[changes.get("kind", record.kind)]
        after = record._replace(**changes)
        self._check(after.kind, after.occurred_at, after.amount, errors)
        if errors:
            raise _invalid(errors)
        return record if after == record else after._replace(updated_at=self.now, version=record.version + 1)

    def _amount(self, money: MoneyInput | None, errors: list[FieldError]) -> Decimal | None:
        if money is None:
            return None
        if money.currency != self.currency:
            detail = f"must be in {self.currency}, the workspace's currency"
            errors.append(FieldError("/value/currency", detail, "currency_mismatch"))
        return money.decimal

    def _check(
        self, kind: str, occurred_at: datetime, amount: Decimal | None, errors: list[FieldError]
    ) -> None:
        if occurred_at > self.now + MOST_AHEAD:
            errors.append(
                FieldError("/occurred_at", "must lie at most one day in the future", "in_the_future")
            )
        if kind not in SALES:
            return
        if amount is None:
            errors.append(FieldError("/value", "is needed for a purchase or a refund", "missing"))
        elif amount <= 0:
            detail = "must be above 0 for a purchase or a refund"
            errors.append(FieldError("/value/amount", detail, "not_positive"))


def _reference_errors(new: TouchpointCreate) -> list[FieldError]:
    errors = []
    if new.contact_id is None and new.contact is None:
        errors.append(FieldError("/contact_id", "is needed, or else contact", "missing"))
    elif new.contact_id is not None and new.contact is not None:
        errors.append(FieldError("/contact", "must not be there together with contact_id", "one_contact"))
    if new.external_id is not None and new.source is None:
        errors.append(FieldError("/source", "is needed where there is an external_id", "missing"))
    return errors


def _attributes(attributes: Mapping[str, Any], errors: list[FieldError]) -> str:
    if not attributes:
        return "{}"
    kept = {key: value for key, value in attributes.items() if value is not None}
    if len(kept) > MOST_ATTRIBUTES:
        errors.append(FieldError("/attributes", f"must have at most {MOST_ATTRIBUTES} keys", "too_long"))
    text = canonical(kept)
    if len(text.encode()) > LARGEST_ATTRIBUTES:
        errors.append(FieldError("/attributes", "must not exceed 16 KB as JSON", "too_large"))
    return text


def _invalid(errors: list[FieldError]) -> Invalid:
    return Invalid("The touchpoint is not valid.", errors=errors)
