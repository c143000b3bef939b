"""Who matches a filter, and how they stand: for whoever works on many contacts at once."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from app.contacts.repository.contacts import FILTER_FIELDS, ContactRepository, filter_fields
from app.contacts.repository.matching import MatchingRepository
from app.kit.database import Unit
from app.kit.filter_sql import FilterField, FilterFields
from app.kit.filters import Filter


def offer_fields(fields: Iterable[FilterField]) -> None:
    """Lets contacts be filtered by what a higher room knows of them. Once in a process, for each field."""
    FILTER_FIELDS.register(*fields)


class ContactState(NamedTuple):
    """What deciding on a contact takes. `email` and `phone` are the primary ones, None if there is none."""

    is_archived: bool
    owner_id: UUID | None
    locale: str | None
    email: str | None
    phone: str | None


class ContactMatcher:
    """Finds contacts by the filter grammar, their own fields, attributes and registered ones alike."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.contacts = ContactRepository(unit)
        self.repository = MatchingRepository(unit)

    async def check(self, filter: Filter, pointer: str) -> None:
        """Raises `Invalid` with an error below `pointer` for each unknown field and wrong value."""
        (await self._fields()).to_sql(filter, now=self.unit.now, pointer=pointer)

    async def matching(
        self,
        filter: Filter | None,
        *,
        among: Sequence[UUID] | None = None,
        after: UUID | None = None,
        limit: int,
    ) -> list[UUID]:
        """Ids of active contacts, ascending: all of them if `filter` is None, only those of `among` if given.

        Go on with the last id as `after`. Raises `Invalid` for a filter that `check` would refuse.
        """
        if among is not None and not among:
            return []
        where = []
        if filter is not None:
            where.append((await self._fields()).to_sql(filter, now=self.unit.now))
        return await self.repository.matching(where, among=among, after=after, limit=limit)

    async def states(self, ids: Sequence[UUID]) -> dict[UUID, ContactState]:
        """How each of these contacts stands, archived ones included; one that is not there is left out."""
        return {
            row["id"]: ContactState(
                row["archived_at"] is not None, row["owner_id"], row["locale"], row["email"], row["phone"]
            )
            for row in await self.repository.states(ids)
        }

    async def _fields(self) -> FilterFields:
        return filter_fields(await self.contacts.definitions())
