"""Many contacts at once: made where nobody has their keys, brought up to date where somebody has."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from app.contacts.errors import AmbiguousContact
from app.contacts.models import ContactRow, IdentityKey, LifecycleStage
from app.contacts.repository.contacts import ContactRepository
from app.contacts.schemas.contacts import ContactBatchResult, ContactUpsert
from app.contacts.service.values import (
    Normaliser,
    added,
    added_ids,
    identity_keys,
    without_nulls,
)
from app.contacts.service.writing import announce_changed, announce_created, change, new_row
from app.kit.batches import DryRunOver, Outcome, read_items, refuse_if_atomic, summarise
from app.kit.database import Unit
from app.kit.errors import Invalid, Problem, Unavailable
from app.workspaces.service import WorkspaceService

UPSERT = TypeAdapter(ContactUpsert)
TRIES = 5


class _KeyLost(Exception):
    """Somebody else took a key between our look and our claim."""


class ContactUpserter:
    """The batch use case, also behind intake, import and demo."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = ContactRepository(unit)

    async def batch(self, raw: Sequence[Any], *, atomic: bool, dry_run: bool) -> ContactBatchResult:
        """Judges each item by itself. Raises `BatchRefused` if `atomic` and one is bad."""
        outcomes: list[Outcome] = []
        try:
            async with self.unit.savepoint():
                outcomes = await self.upsert(read_items(UPSERT, raw))
                if atomic:
                    refuse_if_atomic(outcomes)
                if dry_run:
                    raise DryRunOver
        except DryRunOver:
            pass
        return summarise(ContactBatchResult, outcomes)

    async def upsert(self, items: Sequence[ContactUpsert | Problem]) -> list[Outcome]:
        """What became of each item, in order; later items see what earlier ones did."""
        for _ in range(TRIES):
            try:
                async with self.unit.savepoint():
                    return await _Run(self, await self._values(items)).outcomes()
            except _KeyLost:
                continue
        raise Unavailable(
            "These contacts are being changed by others. Try again.", headers={"Retry-After": "1"}
        )

    async def _values(self, items: Sequence[ContactUpsert | Problem]) -> list[dict[str, Any] | Problem]:
        """The stored values of each item's sent fields."""
        normaliser = Normaliser(await self.repository.definitions())
        values = [_normalised(normaliser, item) for item in items]
        owners = {each["owner_id"] for each in values if isinstance(each, dict) and each.get("owner_id")}
        members = await WorkspaceService(self.unit).members_among(owners)
        return [_with_known_owner(each, members) for each in values]


class _Run:
    """One try over all items."""

    def __init__(self, upserter: ContactUpserter, values: Sequence[dict[str, Any] | Problem]) -> None:
        self.unit = upserter.unit
        self.repository = upserter.repository
        self.values = values
        self.holders: dict[IdentityKey, UUID] = {}
        self.rows: dict[UUID, ContactRow] = {}
        self.made: dict[UUID, ContactRow] = {}
        self.claims: dict[IdentityKey, UUID] = {}
        self.changed: dict[UUID, LifecycleStage] = {}

    async def outcomes(self) -> list[Outcome]:
        keys = {key for each in self.values if isinstance(each, dict) for key in identity_keys(each)}
        self.holders = await self.repository.holders(keys)
        self.rows = await self.repository.locked(set(self.holders.values()))
        judged = [self._judge(each) for each in self.values]
        await self.repository.add(list(self.made.values()))
        if await self.repository.claim(self.claims):
            raise _KeyLost
        await self._announce()
        return judged

    def _judge(self, values: dict[str, Any] | Problem) -> Outcome:
        if isinstance(values, Problem):
            return Outcome.refused(values)
        keys = identity_keys(values)
        holders = sorted({self.holders[key] for key in keys if key in self.holders})
        if len(holders) > 1:
            return Outcome.refused(AmbiguousContact.between(holders))
        return self._update(self.rows[holders[0]], values) if holders else self._make(values)

    def _make(self, values: Mapping[str, Any]) -> Outcome:
        row = new_row(self.unit, values)
        self.rows[row.id] = self.made[row.id] = row
        self._own(values, row.id)
        return Outcome("created", row.id)

    def _update(self, row: ContactRow, values: Mapping[str, Any]) -> Outcome:
        previous_stage = row.lifecycle_stage
        if not change(row, _merged(row, values), self.unit.now):
            return Outcome("unchanged", row.id)
        self._own(values, row.id)
        if row.id in self.made:
            row.version = 1
        else:
            self.changed.setdefault(row.id, previous_stage)
        return Outcome("updated", row.id)

    def _own(self, values: Mapping[str, Any], contact_id: UUID) -> None:
        for key in identity_keys(values):
            if key not in self.holders:
                self.claims[key] = self.holders[key] = contact_id

    async def _announce(self) -> None:
        currency = await WorkspaceService(self.unit).currency()
        announce_created(self.unit, list(self.made.values()), currency)
        for contact_id, previous_stage in self.changed.items():
            announce_changed(self.unit, self.rows[contact_id], currency, previous_stage)


def _normalised(normaliser: Normaliser, item: ContactUpsert | Problem) -> dict[str, Any] | Problem:
    if isinstance(item, Problem):
        return item
    try:
        return normaliser.stored({name: getattr(item, name) for name in item.model_fields_set})
    except Invalid as problem:
        return problem


def _with_known_owner(values: dict[str, Any] | Problem, members: set[UUID]) -> dict[str, Any] | Problem:
    if isinstance(values, dict) and values.get("owner_id") and values["owner_id"] not in members:
        return Invalid.at("/owner_id", "is not an active member of this workspace", "unknown_member")
    return values


def _merged(row: ContactRow, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the row's fields are to be: lists are added to, attributes set key by key, the rest replaced."""
    merged = dict(values)
    if "emails" in values:
        merged["emails"] = added(row.emails, values["emails"], "address")
    if "phones" in values:
        merged["phones"] = added(row.phones, values["phones"], "number")
    if "external_ids" in values:
        merged["external_ids"] = added_ids(row.external_ids, values["external_ids"])
    if "tags" in values:
        merged["tags"] = sorted({*row.tags, *values["tags"]})
    if "attributes" in values:
        merged["attributes"] = without_nulls(row.attributes | values["attributes"])
    if "acquired_at" in merged and merged["acquired_at"] is None:
        del merged["acquired_at"]
    return merged
