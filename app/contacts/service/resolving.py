"""From what a partner knows of a person to the contact, which is made if nobody knew them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from app.contacts.models import ContactRow, IdentityKey
from app.contacts.repository.contacts import ContactRepository
from app.contacts.schemas.contacts import ContactReference
from app.contacts.service.writing import announce_created, new_row
from app.kit.contact_points import email_address
from app.kit.database import Unit
from app.kit.errors import Invalid, Problem
from app.workspaces.service import WorkspaceService


class Reference(NamedTuple):
    """Who is meant: a contact's id, or a key it is known by. `pointer` is where it stands in the request.

    `acquired_at` is when the relationship began, should the contact have to be made.
    """

    contact_id: UUID | None
    contact: ContactReference | None
    pointer: str
    acquired_at: datetime


class ContactResolver:
    """Finds contacts, and makes those that are missing, in a fixed number of queries."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = ContactRepository(unit)

    async def resolve(self, references: Sequence[Reference]) -> list[UUID | Problem]:
        """The contact of each reference, in order; a problem for one that is wrong.

        Archived contacts are found as well: what happened to them is not lost.
        """
        keys = [_key(reference) for reference in references]
        known = await self.repository.existing(
            [each.contact_id for each in references if each.contact_id is not None]
        )
        holders = await self._holders(keys, references)
        return [
            _resolved(reference, key, known, holders) for reference, key in zip(references, keys, strict=True)
        ]

    async def _holders(
        self, keys: Sequence["_Key | Problem | None"], references: Sequence[Reference]
    ) -> dict[IdentityKey, UUID]:
        wanted = {each.key: each for each in keys if isinstance(each, _Key)}
        holders = await self.repository.holders(wanted)
        acquired: dict[IdentityKey, datetime] = {}
        for each, reference in zip(keys, references, strict=True):
            if isinstance(each, _Key) and each.key not in holders:
                first = acquired.get(each.key, reference.acquired_at)
                acquired[each.key] = min(first, reference.acquired_at)
        if not acquired:
            return holders
        return holders | await self._make({key: (wanted[key], at) for key, at in acquired.items()})

    async def _make(self, missing: dict[IdentityKey, tuple["_Key", datetime]]) -> dict[IdentityKey, UUID]:
        rows = {key: new_row(self.unit, each.values(), acquired_at=at) for key, (each, at) in missing.items()}
        await self.repository.add(list(rows.values()))
        lost = await self.repository.claim({key: row.id for key, row in rows.items()})
        made = [row for key, row in rows.items() if key not in lost]
        await self._announce(made)
        found = {key: row.id for key, row in rows.items() if key not in lost}
        if lost:
            await self.repository.forget([rows[key].id for key in lost])
            found |= await self.repository.holders(lost)
        return found

    async def _announce(self, rows: Sequence[ContactRow]) -> None:
        announce_created(self.unit, rows, await WorkspaceService(self.unit).currency())


class _Key(NamedTuple):
    """A key and how the contact made for it shows it."""

    key: IdentityKey
    shown: str

    def values(self) -> dict[str, object]:
        if self.key.kind == "email":
            return {"emails": [{"address": self.shown, "label": None}]}
        return {"external_ids": [{"source": self.key.source, "id": self.key.value}]}


def _key(reference: Reference) -> _Key | Problem | None:
    contact = reference.contact
    if contact is None:
        return None
    if contact.external_id is not None:
        given = contact.external_id
        return _Key(IdentityKey.external(given.source, given.id), given.id)
    try:
        address = email_address(contact.email or "", f"{reference.pointer}/contact/email")
    except Invalid as problem:
        return problem
    return _Key(IdentityKey.email(address), address)


def _resolved(
    reference: Reference, key: _Key | Problem | None, known: set[UUID], holders: dict[IdentityKey, UUID]
) -> UUID | Problem:
    if isinstance(key, Problem):
        return key
    if key is not None:
        return holders[key.key]
    if reference.contact_id in known and reference.contact_id is not None:
        return reference.contact_id
    return Invalid.at(
        f"{reference.pointer}/contact_id", "is not a contact of this workspace", "unknown_contact"
    )
