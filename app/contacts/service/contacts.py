"""Use cases over single contacts and lists of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.contacts.errors import ContactExists, unknown_contact
from app.contacts.models import ContactRow, IdentityKey
from app.contacts.repository.contacts import FILTER_FIELDS, SORTING, ContactRepository, filter_fields
from app.contacts.schemas.contacts import Contact, ContactCreate, ContactPage, ContactPatch, ContactSearch
from app.contacts.service.values import (
    Normaliser,
    identity_keys,
    row_keys,
    without_nulls,
)
from app.contacts.service.writing import announce_changed, announce_created, change, contact_of, new_row
from app.kit.database import Unit
from app.kit.filter_sql import FilterFields
from app.kit.filters import Filter, FilterAnd, FilterPredicate, Operator
from app.kit.pages import PageRequest
from app.kit.preconditions import Precondition
from app.workspaces.service import WorkspaceService


@dataclass(frozen=True, slots=True)
class ContactListing:
    """The simple filters of the contact list; None where one is not used."""

    lifecycle_stage: str | None = None
    owner_id: UUID | None = None
    tag: str | None = None
    email: str | None = None
    include_archived: bool = False

    def as_filter(self) -> Filter | None:
        """The same as a filter of the grammar, so that there is one meaning."""
        predicates = [
            FilterPredicate(field=field, op=operator, value=str(value))
            for field, operator, value in self._wanted()
            if value is not None
        ]
        return FilterAnd.model_construct(and_=tuple(predicates)) if predicates else None

    def _wanted(self) -> Sequence[tuple[str, Operator, Any]]:
        return (
            ("lifecycle_stage", "eq", self.lifecycle_stage),
            ("owner_id", "eq", self.owner_id),
            ("tags", "contains", self.tag),
            ("email", "eq", self.email),
        )


class ContactService:
    """Makes, finds, changes, archives and restores contacts."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = ContactRepository(unit)
        self.workspace = WorkspaceService(unit)

    async def create(self, new: ContactCreate) -> Contact:
        """Raises `ContactExists` when an email address or external id is another contact's."""
        values = await self._stored({name: getattr(new, name) for name in type(new).model_fields})
        row = new_row(self.unit, values)
        await self.repository.add([row])
        await self._claim(row, identity_keys(values))
        currency = await self.workspace.currency()
        announce_created(self.unit, [row], currency)
        return contact_of(row, currency)

    async def get(self, contact_id: UUID) -> Contact:
        row = await self.repository.get(contact_id)
        if row is None:
            raise unknown_contact()
        return contact_of(row, await self.workspace.currency())

    async def list(self, page: PageRequest, listing: ContactListing) -> ContactPage:
        """The simple filters name no attribute, so their definitions are not asked for."""
        return await self._page(
            page, listing.as_filter(), FILTER_FIELDS, include_archived=listing.include_archived
        )

    async def search(self, search: ContactSearch) -> ContactPage:
        query = search.filter.model_dump(mode="json") if search.filter else None
        page = PageRequest(
            SORTING.parse(search.sort, "/sort"),
            search.limit,
            search.cursor,
            [query, search.include_archived],
            pointer="/cursor",
        )
        fields = filter_fields(await self.repository.definitions() if search.filter else {})
        return await self._page(page, search.filter, fields, include_archived=search.include_archived)

    async def update(self, contact_id: UUID, patch: ContactPatch, precondition: Precondition) -> Contact:
        row = await self._locked(contact_id)
        precondition.check(row.version)
        values = await self._stored(patch.changes())
        if "attributes" in values:
            values["attributes"] = without_nulls(row.attributes | values["attributes"])
        await self._apply(row, values)
        return contact_of(row, await self.workspace.currency())

    async def archive(self, contact_id: UUID, precondition: Precondition) -> None:
        """Archiving an archived contact changes nothing."""
        row = await self._locked(contact_id)
        precondition.check(row.version)
        if row.archived_at is None:
            await self._apply(row, {"archived_at": self.unit.now})

    async def restore(self, contact_id: UUID) -> Contact:
        """Restoring an active contact changes nothing."""
        row = await self._locked(contact_id)
        await self._apply(row, {"archived_at": None})
        return contact_of(row, await self.workspace.currency())

    async def _page(
        self, page: PageRequest, wanted: Filter | None, fields: FilterFields, *, include_archived: bool
    ) -> ContactPage:
        where = [] if wanted is None else [fields.to_sql(wanted, now=self.unit.now)]
        rows = await self.repository.page(page, where=where, include_archived=include_archived)
        kept, cursor = page.cut(rows)
        currency = await self.workspace.currency()
        return ContactPage.model_construct(
            items=[contact_of(row, currency) for row in kept], next_cursor=cursor
        )

    async def _stored(self, said: Mapping[str, Any]) -> dict[str, Any]:
        definitions = await self.repository.definitions() if said.get("attributes") else {}
        values = Normaliser(definitions).stored(said)
        if values.get("owner_id") is not None:
            await self.workspace.require_members([values["owner_id"]], "/owner_id")
        return values

    async def _apply(self, row: ContactRow, values: dict[str, Any]) -> None:
        """Changes the row and its keys, and tells of it."""
        before, previous_stage = row_keys(row), row.lifecycle_stage
        if not change(row, values, self.unit.now):
            return
        await self.repository.save()
        after = row_keys(row)
        await self.repository.release(set(before) - set(after))
        await self._claim(row, [key for key in after if key not in before])
        announce_changed(self.unit, row, await self.workspace.currency(), previous_stage)

    async def _claim(self, row: ContactRow, keys: Sequence[IdentityKey]) -> None:
        lost = await self.repository.claim(dict.fromkeys(keys, row.id))
        if lost:
            key, holder = next(iter((await self.repository.holders(lost)).items()))
            raise ContactExists.held_by(holder, key.describe())

    async def _locked(self, contact_id: UUID) -> ContactRow:
        row = (await self.repository.locked([contact_id])).get(contact_id)
        if row is None:
            raise unknown_contact()
        return row
