"""Reminding contacts of what they have not answered."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog

from app.contacts.service.matching import ContactMatcher, ContactState
from app.kit.database import Unit
from app.kit.errors import Unavailable
from app.kit.outbox import emit_raw
from app.surveys.events import REMINDER_DUE
from app.surveys.models.invitations import SurveyInvitationRow
from app.surveys.models.surveys import SurveyRow
from app.surveys.repository.invitations import InvitationRepository
from app.surveys.repository.responses import ResponseRepository
from app.surveys.repository.surveys import SurveyRepository
from app.surveys.service.eligibility import EligibilityService
from app.surveys.service.inviting import ask_json, reminder_after
from app.surveys.service.links import Links
from app.surveys.service.timing import is_open

log = structlog.get_logger()

REMIND_JOB = "surveys.remind"


class ReminderService:
    """Tells of reminders that are due, each once."""

    def __init__(self, unit: Unit, links: Links) -> None:
        self.unit = unit
        self.links = links
        self.repository = InvitationRepository(unit)

    async def remind(self, most: int) -> int:
        """Sees to at most so many invitations; returns how many there were.

        Rules on frequency do not hold for reminders. Who may not be written to now, or whose survey is
        closed, or whose token no key opens just now, is looked at again when the next reminder would be due:
        the others must not wait for a key that may never come back.
        """
        # Surveys before invitations, as every door has them: who answers may hold one and want the other.
        due = await self.repository.surveys_to_remind(most)
        surveys = await SurveyRepository(self.unit).held(due)
        rows = await self.repository.to_remind(due, most)
        answered = await self._answered_otherwise(rows, surveys)
        waiting = [
            row for row in rows if row.id not in answered and not self._is_over(row, surveys[row.survey_id])
        ]
        reachable = await self._reachable(waiting, surveys)
        for row in rows:
            row.next_reminder_at = None
        for row in waiting:
            self._see_to(row, surveys[row.survey_id], reachable.get(row.id))
        await self.unit.session.flush()
        return len(rows)

    async def _answered_otherwise(
        self, rows: Sequence[SurveyInvitationRow], surveys: Mapping[UUID, SurveyRow]
    ) -> set[UUID]:
        """Invitations of contacts who are asked until they answer, and have."""
        asked = [row.id for row in rows if surveys[row.survey_id].recontact_rule == "until_response"]
        return await ResponseRepository(self.unit).answered_since(asked) if asked else set()

    def _is_over(self, row: SurveyInvitationRow, survey: SurveyRow) -> bool:
        """Whose anonymous answer is not settled is reminded as others are: being left out would tell."""
        return (
            (row.answered and row.settled)
            or row.delivery != "sent"
            or row.contact_id is None
            or row.token_sealed is None
            or row.expires_at <= self.unit.now
            or row.reminders_sent >= survey.reminders_max
            or survey.archived_at is not None
        )

    async def _reachable(
        self, rows: Sequence[SurveyInvitationRow], surveys: Mapping[UUID, SurveyRow]
    ) -> dict[UUID, ContactState]:
        """The contacts who may be written to, by their invitations."""
        alike: dict[tuple[UUID, Any], list[Any]] = defaultdict(list)
        for row in rows:
            alike[row.survey_id, row.channel].append(row)
        reachable: dict[UUID, ContactState] = {}
        states = await ContactMatcher(self.unit).states([row.contact_id for row in rows if row.contact_id])
        for (survey_id, channel), some in alike.items():
            ids = {row.contact_id for row in some}
            hindered = await EligibilityService(self.unit).hindrances(surveys[survey_id], ids, channel)
            reachable |= {row.id: states[row.contact_id] for row in some if row.contact_id not in hindered}
        return reachable

    def _see_to(self, row: SurveyInvitationRow, survey: SurveyRow, state: ContactState | None) -> None:
        """Reminds, if the contact can be reached now, and says when to look again."""
        if state is not None and is_open(survey, self.unit.now) and (token := self._token(row)) is not None:
            self._remind(row, survey, state, token)
        if row.reminders_sent < survey.reminders_max:
            row.next_reminder_at = reminder_after(survey, self.unit.now, row.expires_at)

    def _token(self, row: SurveyInvitationRow) -> str | None:
        assert row.token_sealed is not None
        try:
            return self.links.reopened(row.token_sealed)
        except Unavailable:
            log.warning("surveys.reminder_unreadable", invitation_id=str(row.id))
            return None

    def _remind(self, row: SurveyInvitationRow, survey: SurveyRow, state: ContactState, token: str) -> None:
        row.reminders_sent += 1
        row.last_reminded_at = self.unit.now
        row.version += 1
        told = ask_json(
            survey,
            state,
            invitation_id=row.id,
            contact_id=row.contact_id,
            locale=row.locale or state.locale,
            channel=row.channel,
            url=self.links.url(survey, token),
            iteration=row.iteration,
            test=row.is_test,
            reminders_sent=row.reminders_sent,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )
        emit_raw(self.unit, REMINDER_DUE, told, subject_id=row.contact_id)
