"""All SQL of the follow-ups room."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, not_, select, text
from sqlalchemy.dialects.postgresql import insert

from app.contacts.models import ContactRow
from app.followups.models import FollowupRow
from app.kit.database import Unit
from app.kit.pages import PageRequest, Sorting, SortKey
from app.workspaces.models import MemberRow

SORTING = Sorting(
    FollowupRow.id,
    {
        "due_at": SortKey(FollowupRow.due_at, "instant"),
        "created_at": SortKey(FollowupRow.created_at, "instant"),
        "updated_at": SortKey(FollowupRow.updated_at, "instant"),
    },
    default="-created_at",
)

OriginKey = tuple[str | None, UUID | None]


@dataclass(frozen=True, slots=True)
class FollowupListing:
    """The filters of the follow-up list; None where one is not used. `due_to` itself is out."""

    contact_id: UUID | None = None
    owner_id: UUID | None = None
    state: str | None = None
    root_cause: str | None = None
    origin_kind: str | None = None
    survey_id: UUID | None = None
    overdue: bool | None = None
    due_from: datetime | None = None
    due_to: datetime | None = None

    def conditions(self, now: datetime) -> Iterable[ColumnElement[bool]]:
        same = (
            (FollowupRow.contact_id, self.contact_id),
            (FollowupRow.owner_id, self.owner_id),
            (FollowupRow.root_cause, self.root_cause),
            (FollowupRow.origin_kind, self.origin_kind),
            (FollowupRow.origin_survey_id, self.survey_id),
        )
        yield from (column == value for column, value in same if value is not None)
        if self.state is not None:
            yield _is(self.state)
        if self.overdue is not None:
            yield _late(now) if self.overdue else not_(_late(now))
        if self.due_from is not None:
            yield FollowupRow.due_at >= self.due_from
        if self.due_to is not None:
            yield FollowupRow.due_at < self.due_to


class FollowupRepository:
    """Reads and writes the follow-ups of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._workspace_id = unit.workspace_id

    async def contact_owners(self, contact_ids: Collection[UUID]) -> dict[UUID, UUID | None]:
        """Who owns each of these contacts, None if nobody active does; unknown contacts are left out."""
        owner = and_(
            MemberRow.workspace_id == ContactRow.workspace_id,
            MemberRow.id == ContactRow.owner_id,
            MemberRow.archived_at.is_(None),
        )
        statement = (
            select(ContactRow.id, MemberRow.id)
            .outerjoin(MemberRow, owner)
            .where(ContactRow.workspace_id == self._workspace_id, ContactRow.id.in_(list(contact_ids)))
        )
        return {row[0]: row[1] for row in await self._unit.session.execute(statement)}

    async def insert(self, rows: Sequence[FollowupRow]) -> set[UUID]:
        """Writes those whose origin has no follow-up yet; returns their ids.

        Waits for whoever is about to open one. The rows must be in the order of their origins, so that two
        callers cannot wait for each other.
        """
        statement = (
            insert(FollowupRow)
            .on_conflict_do_nothing(
                index_elements=["workspace_id", "origin_kind", "origin_id"],
                index_where=text("origin_id IS NOT NULL"),
            )
            .returning(FollowupRow.id)
        )
        columns = FollowupRow.__table__.columns.keys()
        values = [{name: getattr(row, name) for name in columns} for row in rows]
        return set((await self._unit.session.execute(statement, values)).scalars())

    async def of_origins(
        self, keys: Collection[OriginKey], *, lock: bool = False
    ) -> dict[OriginKey, FollowupRow]:
        """The follow-ups that these (kind, id) have opened, and perhaps others."""
        statement = select(FollowupRow).where(
            self._mine(),
            FollowupRow.origin_kind.in_({kind for kind, _ in keys}),
            FollowupRow.origin_id.in_([origin_id for _, origin_id in keys]),
        )
        if lock:
            statement = statement.with_for_update(key_share=True)
        rows = (await self._unit.session.execute(statement)).scalars()
        return {(row.origin_kind, row.origin_id): row for row in rows}

    async def get(self, followup_id: UUID, *, lock: bool = False) -> FollowupRow | None:
        statement = select(FollowupRow).where(self._mine(), FollowupRow.id == followup_id)
        if lock:
            statement = statement.with_for_update(key_share=True)
        return (await self._unit.session.execute(statement)).scalar_one_or_none()

    async def page(self, page: PageRequest, listing: FollowupListing) -> Sequence[FollowupRow]:
        statement = select(FollowupRow).where(self._mine(), *listing.conditions(self._unit.now))
        return (await self._unit.session.execute(page.apply(statement))).scalars().all()

    async def uncontacted(self, contact_ids: Collection[UUID]) -> Sequence[FollowupRow]:
        """The open follow-ups of these contacts that have no `contacted_at`, locked in the order of ids."""
        statement = (
            select(FollowupRow)
            .where(
                self._mine(),
                FollowupRow.contact_id.in_(list(contact_ids)),
                _is("open"),
                FollowupRow.contacted_at.is_(None),
            )
            .order_by(FollowupRow.id)
            .with_for_update(key_share=True)
        )
        return (await self._unit.session.execute(statement)).scalars().all()

    async def unflagged(self, most: int) -> Sequence[FollowupRow]:
        """Overdue ones that were not told of, the earliest due first; those being changed are skipped."""
        statement = (
            select(FollowupRow)
            .where(self._mine(), _late(self._unit.now), FollowupRow.overdue_since.is_(None))
            .order_by(FollowupRow.due_at, FollowupRow.id)
            .limit(most)
            .with_for_update(key_share=True, skip_locked=True)
        )
        return (await self._unit.session.execute(statement)).scalars().all()

    def _mine(self) -> ColumnElement[bool]:
        return FollowupRow.workspace_id == self._workspace_id


def _late(now: datetime) -> ColumnElement[bool]:
    return and_(_is("open"), FollowupRow.due_at < now)


def _is(state: str) -> ColumnElement[bool]:
    """Spelled out in the SQL: a plan for any parameter could not use the indexes over the open ones."""
    return FollowupRow.state == bindparam(None, state, literal_execute=True)
