"""Use cases of the follow-ups room."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from app.followups.errors import unknown_followup
from app.followups.events import CLOSED, OPENED, OVERDUE, REOPENED, UPDATED
from app.followups.models import FollowupRow
from app.followups.repository import FollowupListing, FollowupRepository, OriginKey
from app.followups.schemas import (
    Followup,
    FollowupBefore,
    FollowupChanged,
    FollowupCreate,
    FollowupOrigin,
    FollowupPage,
    FollowupPatch,
)
from app.kit.database import Unit
from app.kit.errors import FieldError, Invalid
from app.kit.ids import new_id
from app.kit.outbox import EventType, emit
from app.kit.pages import PageRequest
from app.kit.preconditions import Precondition
from app.workspaces.service import WorkspaceService

DUE_AFTER = timedelta(hours=48)
WITHDRAWN = "What opened it was a test."
"""The outcome of a follow-up that nobody has to see to."""


@dataclass(frozen=True, slots=True)
class FollowupOpening:
    """A follow-up that a higher room wants opened on a contact of this workspace.

    An owner who is not active gives way to the contact's owner; without a due time it is due in 48 hours.
    """

    contact_id: UUID
    title: str
    note: str | None = None
    owner_id: UUID | None = None
    due_at: datetime | None = None
    origin: FollowupOrigin | None = None


class Outreach(NamedTuple):
    """Somebody of the business turned to a contact."""

    contact_id: UUID
    occurred_at: datetime


class FollowupService:
    """Opens, finds and changes follow-ups, and notes what becomes of them by itself."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = FollowupRepository(unit)
        self.workspace = WorkspaceService(unit)

    async def create(self, new: FollowupCreate) -> Followup:
        """Raises `Invalid` for a contact that this workspace does not have, or an owner who is not active."""
        owners = await self.repository.contact_owners([new.contact_id])
        if new.contact_id not in owners:
            raise Invalid.at("/contact_id", "is not a contact of this workspace", "unknown_contact")
        if new.owner_id is not None:
            await self.workspace.require_members([new.owner_id], "/owner_id")
        opening = FollowupOpening(new.contact_id, new.title, new.note, None, new.due_at)
        row = self._row(opening, new.owner_id or owners[new.contact_id])
        await self._insert([row])
        return self._shown(row)

    async def open_many(self, openings: Sequence[FollowupOpening]) -> Sequence[Followup]:
        """The follow-up of each opening, in order: a new one, or the one that its origin has opened before.

        The contacts must exist. Takes the same few statements however many openings there are.
        """
        if not openings:
            return []
        rows = await self._rows(openings)
        fresh = await self._insert(sorted(rows, key=_origin_order))
        known = await self._known(row for row in rows if row.id not in fresh)
        return [self._shown(row if row.id in fresh else known[_origin_key(row)]) for row in rows]

    async def get(self, followup_id: UUID) -> Followup:
        return self._shown(await self._found(followup_id))

    async def list(self, page: PageRequest, listing: FollowupListing) -> FollowupPage:
        rows = await self.repository.page(page, listing)
        kept, cursor = page.cut(rows)
        return FollowupPage(items=[self._shown(row) for row in kept], next_cursor=cursor)

    async def update(self, followup_id: UUID, patch: FollowupPatch, precondition: Precondition) -> Followup:
        row = await self._found(followup_id, lock=True)
        precondition.check(row.version)
        changes = {name: value for name, value in patch.changes().items() if getattr(row, name) != value}
        if not changes:
            return self._shown(row)
        _refuse_forbidden(row, changes, self.unit.now)
        if changes.get("owner_id") is not None:
            await self.workspace.require_members([changes["owner_id"]], "/owner_id")
        self._change(row, changes | self._consequences(changes), _event_type(changes))
        return self._shown(row)

    async def withdraw(self, origin: FollowupOrigin) -> None:
        """What opened a follow-up counts no more: if nobody has seen to that one yet, it is cancelled."""
        row = await self._opened_by(origin)
        if row is not None and row.state == "open" and row.contacted_at is None and row.outcome is None:
            changes = {"state": "cancelled", "outcome": WITHDRAWN}
            self._change(row, changes | self._consequences(changes), CLOSED)

    async def reinstate(self, origin: FollowupOrigin) -> None:
        """What opened a follow-up counts again: if that one was withdrawn, it is open again."""
        row = await self._opened_by(origin)
        if row is not None and (row.state, row.outcome) == ("cancelled", WITHDRAWN):
            changes = {"state": "open", "outcome": None}
            self._change(row, changes | self._consequences(changes), REOPENED)

    async def _opened_by(self, origin: FollowupOrigin) -> FollowupRow | None:
        key = (origin.kind, origin.id)
        return (await self.repository.of_origins([key], lock=True)).get(key)

    async def note_outreach(self, outreach: Sequence[Outreach]) -> None:
        """Sets `contacted_at` of the contacts' open follow-ups without one, by the first that came after."""
        rows = await self.repository.uncontacted({each.contact_id for each in outreach})
        for row in rows:
            after = [
                each.occurred_at
                for each in outreach
                if each.contact_id == row.contact_id and each.occurred_at >= row.opened_at
            ]
            if after:
                # A sender's clock may be ahead of ours.
                self._change(row, {"contacted_at": min(*after, self.unit.now)}, UPDATED)

    async def flag_overdue(self, most: int) -> int:
        """Tells of follow-ups whose due time has passed, each once for each due time; returns how many."""
        rows = await self.repository.unflagged(most)
        for row in rows:
            self._change(row, {"overdue_since": row.due_at}, OVERDUE)
        return len(rows)

    async def _rows(self, openings: Sequence[FollowupOpening]) -> Sequence[FollowupRow]:
        owners = await self.repository.contact_owners({opening.contact_id for opening in openings})
        wanted = {opening.owner_id for opening in openings if opening.owner_id is not None}
        active = await self.workspace.members_among(wanted)
        return [
            self._row(opening, opening.owner_id if opening.owner_id in active else owners[opening.contact_id])
            for opening in openings
        ]

    def _row(self, opening: FollowupOpening, owner_id: UUID | None) -> FollowupRow:
        origin, now = opening.origin, self.unit.now
        return FollowupRow(
            workspace_id=self.unit.workspace_id,
            id=new_id(),
            contact_id=opening.contact_id,
            title=opening.title,
            note=opening.note,
            owner_id=owner_id,
            due_at=opening.due_at or now + DUE_AFTER,
            state="open",
            opened_at=now,
            origin_kind=origin.kind if origin else None,
            origin_id=origin.id if origin else None,
            origin_survey_id=origin.survey_id if origin else None,
            created_at=now,
            updated_at=now,
            version=1,
        )

    async def _insert(self, rows: Sequence[FollowupRow]) -> set[UUID]:
        fresh = await self.repository.insert(rows)
        for row in rows:
            if row.id in fresh:
                self._tell(OPENED, row, None)
        return fresh

    async def _known(self, rows: Iterable[FollowupRow]) -> dict[OriginKey, FollowupRow]:
        keys = {_origin_key(row) for row in rows}
        return await self.repository.of_origins(keys) if keys else {}

    def _consequences(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """What else changes with these."""
        also: dict[str, Any] = {}
        if "state" in changes:
            also["closed_at"] = None if changes["state"] == "open" else self.unit.now
        if "due_at" in changes:
            also["overdue_since"] = None
        return also

    def _change(self, row: FollowupRow, changes: Mapping[str, Any], event_type: EventType) -> None:
        before = FollowupBefore.model_validate(row)
        for name, value in changes.items():
            setattr(row, name, value)
        row.version += 1
        row.updated_at = self.unit.now
        self._tell(event_type, row, before)

    def _tell(self, event_type: EventType, row: FollowupRow, before: FollowupBefore | None) -> None:
        changed = FollowupChanged(followup=self._shown(row), previous=before)
        emit(self.unit, event_type, changed, subject_id=row.contact_id)

    def _shown(self, row: FollowupRow) -> Followup:
        return Followup.of(row, self.unit.now)

    async def _found(self, followup_id: UUID, *, lock: bool = False) -> FollowupRow:
        row = await self.repository.get(followup_id, lock=lock)
        if row is None:
            raise unknown_followup()
        return row


def _origin_key(row: FollowupRow) -> OriginKey:
    return row.origin_kind, row.origin_id


def _origin_order(row: FollowupRow) -> tuple[str, str]:
    return row.origin_kind or "", str(row.origin_id)


def _refuse_forbidden(row: FollowupRow, changes: Mapping[str, Any], now: datetime) -> None:
    errors: list[FieldError] = []
    state, contacted_at = changes.get("state"), changes.get("contacted_at")
    if state not in (None, "open") and row.state != "open":
        detail = f"cannot be changed from {row.state} to {state}: open it again first"
        errors.append(FieldError("/state", detail, "status_change"))
    if contacted_at is not None and contacted_at < row.opened_at:
        errors.append(FieldError("/contacted_at", "must not lie before opened_at", "before_opening"))
    if contacted_at is not None and contacted_at > now:
        errors.append(FieldError("/contacted_at", "must not lie in the future", "in_the_future"))
    Invalid.refuse_any(errors)


def _event_type(changes: Mapping[str, Any]) -> EventType:
    if "state" not in changes:
        return UPDATED
    return REOPENED if changes["state"] == "open" else CLOSED
