"""The SQL of invitations and open links."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, not_, select

from app.kit.database import Unit
from app.kit.pages import PageRequest, Sorting, SortKey
from app.surveys.models.invitations import SurveyInvitationRow, SurveyLinkRow
from app.surveys.models.surveys import SurveyRow

INVITATION_SORTING = Sorting(
    SurveyInvitationRow.id,
    {"created_at": SortKey(SurveyInvitationRow.created_at, "instant")},
    default="-created_at",
)
LINK_SORTING = Sorting(
    SurveyLinkRow.id, {"created_at": SortKey(SurveyLinkRow.created_at, "instant")}, default="-created_at"
)


@dataclass(frozen=True, slots=True)
class InvitationListing:
    """The filters of the list of invitations; None where one is not used."""

    contact_id: UUID | None = None
    answered: bool | None = None
    delivery: str | None = None
    iteration: int | None = None
    test: bool | None = None

    def conditions(self) -> Iterable[ColumnElement[bool]]:
        same = (
            (SurveyInvitationRow.contact_id, self.contact_id),
            (SurveyInvitationRow.delivery, self.delivery),
            (SurveyInvitationRow.iteration, self.iteration),
            (SurveyInvitationRow.is_test, self.test),
        )
        yield from (column == value for column, value in same if value is not None)
        if self.answered is not None:
            shown = and_(SurveyInvitationRow.answered, SurveyInvitationRow.settled)
            yield shown if self.answered else not_(shown)


class NewInvitation(NamedTuple):
    """What differs between the invitations of one request."""

    id: UUID
    contact_id: UUID
    locale: str | None
    token_hash: bytes
    token_sealed: str


class Asking(NamedTuple):
    """What is the same for all invitations of one request."""

    survey_id: UUID
    iteration: int
    channel: str | None
    origin: str
    is_test: bool
    next_reminder_at: datetime | None
    created_at: datetime
    expires_at: datetime


class History(NamedTuple):
    """What has been between a survey and a contact in an iteration, tests apart.

    `asked_at`: the last ask that did not bounce. `spent`: an invitation was answered, and that may be shown.
    `pending`: there is an invitation of which nobody may know yet whether it was answered, or one that still
    can be. `answered_at`: the last completed response that names the contact.
    """

    asked_at: datetime | None
    spent: bool
    pending: bool
    answered_at: datetime | None


class InvitationRepository:
    """Reads and writes the invitations and links of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._session = unit.session
        self._workspace_id = unit.workspace_id

    async def add_many(self, asking: Asking, new: Sequence[NewInvitation]) -> None:
        columns = [list(column) for column in zip(*new, strict=True)]
        await self._unit.connection.execute(_INSERT, self._workspace_id, *asking, *columns)

    async def get(
        self, survey_id: UUID, invitation_id: UUID, *, lock: bool = False
    ) -> SurveyInvitationRow | None:
        statement = select(SurveyInvitationRow).where(
            SurveyInvitationRow.workspace_id == self._workspace_id,
            SurveyInvitationRow.survey_id == survey_id,
            SurveyInvitationRow.id == invitation_id,
        )
        if lock:
            statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
        return (await self._session.execute(statement)).scalar_one_or_none()

    async def page(
        self, survey_id: UUID, page: PageRequest, listing: InvitationListing
    ) -> Sequence[SurveyInvitationRow]:
        statement = select(SurveyInvitationRow).where(
            SurveyInvitationRow.workspace_id == self._workspace_id,
            SurveyInvitationRow.survey_id == survey_id,
            *listing.conditions(),
        )
        return (await self._session.execute(page.apply(statement))).scalars().all()

    async def surveys_to_remind(self, limit: int) -> set[UUID]:
        """The surveys of the first so many invitations whose reminder is due, to be held before these."""
        statement = select(SurveyInvitationRow.survey_id).where(self._is_due).order_by(*_BY_REMINDER)
        return set((await self._session.execute(statement.limit(limit))).scalars())

    async def to_remind(self, survey_ids: Collection[UUID], limit: int) -> Sequence[SurveyInvitationRow]:
        """The first so many invitations to these surveys whose reminder is due, locked; those somebody else
        holds are left to them."""
        statement = (
            select(SurveyInvitationRow)
            .where(self._is_due, SurveyInvitationRow.survey_id.in_(list(survey_ids)))
            .order_by(*_BY_REMINDER)
            .limit(limit)
            .with_for_update(key_share=True, skip_locked=True)
        )
        return (await self._session.execute(statement)).scalars().all()

    @property
    def _is_due(self) -> ColumnElement[bool]:
        return and_(
            SurveyInvitationRow.workspace_id == self._workspace_id,
            SurveyInvitationRow.next_reminder_at <= self._unit.now,
        )

    async def remind_anew(self, survey: SurveyRow) -> None:
        """Lets the open invitations of a survey be reminded of as it says now; held ones are left to their
        holders, who see to that or are about to answer."""
        await self._unit.connection.execute(
            _REMIND_ANEW,
            self._workspace_id,
            survey.id,
            timedelta(hours=survey.reminder_gap_hours),
            survey.reminders_max,
            self._unit.now,
        )

    async def histories(
        self, contact_ids: Collection[UUID], survey_id: UUID, iteration: int
    ) -> dict[UUID, History]:
        """What has been with each of the contacts, in one query."""
        rows = await self._unit.connection.fetch(
            _HISTORIES, self._workspace_id, list(contact_ids), survey_id, iteration, self._unit.now
        )
        return {
            row["id"]: History(row["asked_at"], bool(row["spent"]), bool(row["pending"]), row["answered_at"])
            for row in rows
        }

    async def add_link(self, row: SurveyLinkRow) -> None:
        self._session.add(row)
        await self._session.flush()

    async def link(self, survey_id: UUID, link_id: UUID, *, lock: bool = False) -> SurveyLinkRow | None:
        statement = select(SurveyLinkRow).where(
            SurveyLinkRow.workspace_id == self._workspace_id,
            SurveyLinkRow.survey_id == survey_id,
            SurveyLinkRow.id == link_id,
        )
        if lock:
            statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
        return (await self._session.execute(statement)).scalar_one_or_none()

    async def links(self, survey_id: UUID, page: PageRequest) -> Sequence[SurveyLinkRow]:
        statement = select(SurveyLinkRow).where(
            SurveyLinkRow.workspace_id == self._workspace_id, SurveyLinkRow.survey_id == survey_id
        )
        return (await self._session.execute(page.apply(statement))).scalars().all()


_BY_REMINDER = (SurveyInvitationRow.next_reminder_at, SurveyInvitationRow.id)

_INSERT = """
    INSERT INTO survey_invitations (
        workspace_id, survey_id, iteration, channel, origin, is_test, next_reminder_at, created_at,
        expires_at, id, contact_id, locale, token_hash, token_sealed, delivery, opened, started, answered,
        settled, reminders_sent, version
    )
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, new.*, 'sent', false, false, false, true, 0, 1
    FROM unnest($10::uuid[], $11::uuid[], $12::text[], $13::bytea[], $14::text[]) AS new
"""

_REMIND_ANEW = """
    UPDATE survey_invitations AS invitation
    SET next_reminder_at = CASE
        WHEN reminders_sent < $4 AND greatest(last_reminded_at, created_at) + $3 < expires_at
        THEN greatest(last_reminded_at, created_at) + $3
    END
    FROM (
        SELECT id FROM survey_invitations
        WHERE workspace_id = $1 AND survey_id = $2 AND contact_id IS NOT NULL AND NOT (answered AND settled)
            AND delivery = 'sent' AND expires_at > $5
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS waiting
    WHERE invitation.workspace_id = $1 AND invitation.id = waiting.id
"""

_HISTORIES = """
    SELECT wanted.id, asked.asked_at, asked.spent, asked.pending, answered.answered_at
    FROM unnest($2::uuid[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT max(created_at) FILTER (WHERE delivery <> 'bounced') AS asked_at,
            bool_or(answered AND settled) AS spent,
            bool_or(NOT settled OR (NOT answered AND delivery = 'sent' AND expires_at > $5)) AS pending
        FROM survey_invitations
        WHERE workspace_id = $1 AND contact_id = wanted.id AND survey_id = $3 AND iteration = $4
            AND NOT is_test
    ) AS asked
    CROSS JOIN LATERAL (
        SELECT max(answered_at) AS answered_at FROM survey_responses
        WHERE workspace_id = $1 AND contact_id = wanted.id AND survey_id = $3 AND iteration = $4
            AND state = 'completed' AND NOT is_test
    ) AS answered
"""
