"""Use cases of the touchpoints room."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import TypeAdapter

from app.contacts.service.resolving import ContactResolver, Reference
from app.kit.batches import DryRunOver, Outcome, read_items, refuse_if_atomic, written_summary
from app.kit.database import Unit
from app.kit.errors import NotFound, Problem
from app.kit.filters import Filter, FilterAnd, FilterPredicate, Operator
from app.kit.hot import Rendered
from app.kit.outbox import EventType, emit_raw
from app.kit.pages import PageRequest
from app.kit.preconditions import Precondition
from app.touchpoints.events import DELETED, UPDATED, changed_json
from app.touchpoints.models import TouchpointRecord
from app.touchpoints.repository import SORTING, TouchpointRepository, filter_fields
from app.touchpoints.schemas import (
    RecordedTouchpoint,
    Touchpoint,
    TouchpointBatchResult,
    TouchpointCreate,
    TouchpointPage,
    TouchpointPatch,
    TouchpointSearch,
)
from app.touchpoints.service.recording import Change, Recorder
from app.touchpoints.service.rules import Rules
from app.touchpoints.service.statistics import keep_statistics
from app.workspaces.service import WorkspaceService

CREATE = TypeAdapter(TouchpointCreate)


LATEST_FIRST = SORTING.parse("-occurred_at")
"""The order of a timeline."""


@dataclass(frozen=True, slots=True)
class TouchpointListing:
    """The simple filters of the touchpoint list; None where one is not used. `until` itself is out."""

    contact_id: UUID | None = None
    kind: str | None = None
    channel: str | None = None
    stage: str | None = None
    campaign: str | None = None
    source: str | None = None
    external_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    include_archived: bool = False

    def as_filter(self) -> Filter | None:
        """The same as a filter of the grammar, so that there is one meaning."""
        predicates = tuple(
            FilterPredicate(field=field, op=operator, value=_text(value))
            for field, operator, value in self._wanted()
            if value is not None
        )
        return FilterAnd.model_construct(and_=predicates) if predicates else None

    def _wanted(self) -> Sequence[tuple[str, Operator, Any]]:
        return (
            ("contact_id", "eq", self.contact_id),
            ("kind", "eq", self.kind),
            ("channel", "eq", self.channel),
            ("stage", "eq", self.stage),
            ("campaign", "eq", self.campaign),
            ("source", "eq", self.source),
            ("external_id", "eq", self.external_id),
            ("occurred_at", "gte", self.since),
            ("occurred_at", "lt", self.until),
        )


class TouchpointService:
    """Records, finds, changes, deletes and restores touchpoints."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = TouchpointRepository(unit)
        self.workspace = WorkspaceService(unit)

    async def record_many(self, items: Sequence[TouchpointCreate | Problem]) -> list[Outcome]:
        """What became of each item, in order; a later one sees what an earlier one with its key did.

        Takes the same few statements however many items there are. A problem is handed through.
        """
        changes = await Recorder(self.unit, await self.workspace.currency()).record(items)
        return [_outcome(change) for change in changes]

    async def create(self, new: TouchpointCreate) -> RecordedTouchpoint:
        """Records one touchpoint, or brings the one with its key up to date. Raises its problem."""
        currency = await self.workspace.currency()
        (change,) = await Recorder(self.unit, currency).record([new])
        if isinstance(change, Problem):
            raise change
        return RecordedTouchpoint.told(change.after, currency, change.status)

    async def batch(
        self, raw: Sequence[Any], *, atomic: bool, dry_run: bool
    ) -> TouchpointBatchResult | Rendered:
        """Judges each item by itself. Raises `BatchRefused` if `atomic` and one is bad."""
        if dry_run:
            outcomes = await self._rehearsed(raw)
        else:
            outcomes = await self.record_many(read_items(CREATE, raw))
        if atomic:
            refuse_if_atomic(outcomes)
        return written_summary(TouchpointBatchResult, outcomes)

    async def get(self, touchpoint_id: UUID) -> Touchpoint:
        """Deleted or not."""
        record = await self._found(touchpoint_id)
        return Touchpoint.of(record, await self.workspace.currency())

    async def list(self, page: PageRequest, listing: TouchpointListing) -> TouchpointPage:
        return await self._page(page, listing.as_filter(), include_archived=listing.include_archived)

    async def latest_of(
        self, contact_id: UUID, position: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[Touchpoint]:
        """A contact's touchpoints strictly before the position (`occurred_at`, id), latest first."""
        wanted = FilterPredicate(field="contact_id", op="eq", value=str(contact_id))
        where = [filter_fields(wanted).to_sql(wanted, now=self.unit.now)]
        if position is not None:
            where.append(LATEST_FIRST.after(*position))
        records = await self.repository.page(PageRequest(LATEST_FIRST, limit), where=where)
        currency = await self.workspace.currency()
        return [Touchpoint.of(record, currency) for record in records[:limit]]

    async def search(self, search: TouchpointSearch) -> TouchpointPage:
        query = search.filter.model_dump(mode="json") if search.filter else None
        page = PageRequest(
            SORTING.parse(search.sort, "/sort"),
            search.limit,
            search.cursor,
            [query, search.include_archived],
            pointer="/cursor",
        )
        return await self._page(page, search.filter, include_archived=search.include_archived)

    async def update(
        self, touchpoint_id: UUID, patch: TouchpointPatch, precondition: Precondition
    ) -> Touchpoint:
        """A deleted one can be changed, too; it counts for nothing until it is restored."""
        await self._require_contact(patch)
        before = await self._found(touchpoint_id, lock=True)
        precondition.check(before.version)
        rules = Rules(await self.workspace.currency(), self.unit.now)
        return await self._write(before, rules.patched(before, patch), UPDATED)

    async def delete(self, touchpoint_id: UUID, precondition: Precondition) -> None:
        """Deleting a deleted touchpoint changes nothing."""
        before = await self._found(touchpoint_id, lock=True)
        precondition.check(before.version)
        if before.deleted_at is None:
            await self._write(before, self._marked(before, self.unit.now), DELETED)

    async def restore(self, touchpoint_id: UUID) -> Touchpoint:
        """Restoring one that is there changes nothing."""
        before = await self._found(touchpoint_id, lock=True)
        after = before if before.deleted_at is None else self._marked(before, None)
        return await self._write(before, after, UPDATED)

    async def _rehearsed(self, raw: Sequence[Any]) -> Sequence[Outcome]:
        """What would become of the items. What was made for that has no id, for it is undone."""
        outcomes: Sequence[Outcome] = ()
        try:
            async with self.unit.savepoint():
                outcomes = await self.record_many(read_items(CREATE, raw))
                raise DryRunOver
        except DryRunOver:
            made = {outcome.id for outcome in outcomes if outcome.status == "created"}
        return [replace(outcome, id=None) if outcome.id in made else outcome for outcome in outcomes]

    async def _page(
        self, page: PageRequest, wanted: Filter | None, *, include_archived: bool
    ) -> TouchpointPage:
        where: list[sa.ColumnElement[bool]] = []
        if wanted is not None:
            where.append(filter_fields(wanted).to_sql(wanted, now=self.unit.now))
        records = await self.repository.page(page, where=where, include_deleted=include_archived)
        kept, cursor = page.cut(records)
        currency = await self.workspace.currency()
        return TouchpointPage.model_construct(
            items=[Touchpoint.of(record, currency) for record in kept], next_cursor=cursor
        )

    async def _found(self, touchpoint_id: UUID, *, lock: bool = False) -> TouchpointRecord:
        record = await self.repository.get(touchpoint_id, lock=lock)
        if record is None:
            raise NotFound("There is no such touchpoint in this workspace.")
        return record

    async def _require_contact(self, patch: TouchpointPatch) -> None:
        contact_id = patch.changes().get("contact_id")
        if contact_id is None:
            return
        reference = Reference(contact_id, None, "", self.unit.now)
        (contact,) = await ContactResolver(self.unit).resolve([reference])
        if isinstance(contact, Problem):
            raise contact

    def _marked(self, record: TouchpointRecord, deleted_at: datetime | None) -> TouchpointRecord:
        return record._replace(deleted_at=deleted_at, updated_at=self.unit.now, version=record.version + 1)

    async def _write(
        self, before: TouchpointRecord, after: TouchpointRecord, event_type: EventType
    ) -> Touchpoint:
        currency = await self.workspace.currency()
        if after is not before:
            await self.repository.update([after])
            await keep_statistics(self.unit, [(before, after)])
            data = changed_json(after, before, currency)
            emit_raw(self.unit, event_type, data, subject_id=after.contact_id)
        return Touchpoint.of(after, currency)


def _outcome(change: Change | Problem) -> Outcome:
    if isinstance(change, Problem):
        return Outcome.refused(change)
    return Outcome(change.status, change.after.id)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
