"""The steps that every use case which makes or changes contacts shares."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.contacts.events import CREATED, STAGE_CHANGED, UPDATED
from app.contacts.models import ContactRow, LifecycleStage
from app.contacts.schemas.contacts import (
    Contact,
    ContactStageChanged,
    ContactStatistics,
    Email,
    ExternalId,
    Phone,
)
from app.contacts.service.rendering import columns_of, contact_json
from app.contacts.service.values import NAMING_FIELDS, derived_name, without_nulls
from app.kit.database import Unit
from app.kit.ids import new_id
from app.kit.money import Money
from app.kit.outbox import emit, emit_raw

PLAIN_FIELDS = (
    "id", "given_name", "family_name", "display_name", "company", "job_title", "lifecycle_stage", "owner_id",
    "tags", "attributes", "locale", "timezone", "acquired_at", "acquisition_channel", "acquisition_campaign",
    "created_at", "updated_at", "archived_at", "version",
)  # fmt: skip


def new_row(unit: Unit, values: Mapping[str, Any], *, acquired_at: datetime | None = None) -> ContactRow:
    """A contact that is not stored yet, from stored values."""
    defaults: dict[str, Any] = {
        "emails": [],
        "phones": [],
        "external_ids": [],
        "tags": [],
        "attributes": {},
        "lifecycle_stage": "lead",
    }
    said = defaults | {name: value for name, value in values.items() if value is not None}
    said["attributes"] = without_nulls(said["attributes"])
    said.setdefault("display_name", derived_name(said))
    said.setdefault("acquired_at", acquired_at or unit.now)
    return ContactRow(
        workspace_id=unit.workspace_id,
        id=new_id(),
        touchpoint_count=0,
        purchase_count=0,
        net_revenue=Decimal(0),
        created_at=unit.now,
        updated_at=unit.now,
        version=1,
        **said,
    )


def change(row: ContactRow, values: Mapping[str, Any], now: datetime) -> bool:
    """Puts stored values into the row; says whether any differs. Raises the version if so."""
    named = _with_display_name(row, values)
    changed = {name: value for name, value in named.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    if changed:
        row.version += 1
        row.updated_at = now
    return bool(changed)


def _with_display_name(row: ContactRow, values: Mapping[str, Any]) -> dict[str, Any]:
    """A display name that was made from other fields follows them; null makes it so again."""
    now = {field: getattr(row, field) for field in NAMING_FIELDS}
    follows = row.display_name == derived_name(now)
    if values.get("display_name") is None and (follows or "display_name" in values):
        then = {field: values.get(field, now[field]) for field in NAMING_FIELDS}
        return {**values, "display_name": derived_name(then)}
    return dict(values)


def announce_created(unit: Unit, rows: Sequence[ContactRow], currency: str) -> None:
    """Emits `contact.created` for each."""
    for row in rows:
        emit_raw(unit, CREATED, _changed_json(row, currency), subject_id=row.id)


def announce_changed(unit: Unit, row: ContactRow, currency: str, previous_stage: LifecycleStage) -> None:
    """Emits `contact.updated`, and `contact.stage_changed` when the stage is another one."""
    emit_raw(unit, UPDATED, _changed_json(row, currency), subject_id=row.id)
    if row.lifecycle_stage != previous_stage:
        stage = ContactStageChanged.model_construct(
            contact_id=row.id, previous=previous_stage, current=row.lifecycle_stage
        )
        emit(unit, STAGE_CHANGED, stage, subject_id=row.id)


def _changed_json(row: ContactRow, currency: str) -> bytes:
    """`ContactChanged` as JSON, without the models: a batch makes a thousand."""
    return b'{"contact":' + contact_json(columns_of(row), currency) + b"}"


def contact_of(row: ContactRow, currency: str) -> Contact:
    """The answer for a row. Nothing is validated again: the row was made from valid values."""
    return Contact.model_construct(
        **{name: getattr(row, name) for name in PLAIN_FIELDS},
        emails=[Email.model_construct(**each) for each in row.emails],
        phones=[Phone.model_construct(**each) for each in row.phones],
        external_ids=[ExternalId.model_construct(**each) for each in row.external_ids],
        stats=ContactStatistics.model_construct(
            touchpoint_count=row.touchpoint_count,
            last_touchpoint_at=row.last_touchpoint_at,
            purchase_count=row.purchase_count,
            net_revenue=Money.of(row.net_revenue, currency),
            first_purchase_at=row.first_purchase_at,
            last_purchase_at=row.last_purchase_at,
        ),
    )
