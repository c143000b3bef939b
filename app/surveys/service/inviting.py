"""Asking contacts: each invitation is a row, a token, and an event for whoever writes to them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from app.contacts.models import Channel
from app.contacts.service.matching import ContactMatcher, ContactState
from app.kit.database import Unit
from app.kit.hot import to_json
from app.kit.ids import new_id
from app.kit.outbox import emit_raw
from app.surveys.events import INVITATION_CREATED
from app.surveys.models.invitations import Origin
from app.surveys.models.surveys import SurveyRow
from app.surveys.repository.invitations import Asking, InvitationRepository, NewInvitation
from app.surveys.schemas.invitations import SkipReason
from app.surveys.service.eligibility import EligibilityService, in_order
from app.surveys.service.links import Links, Token
from app.surveys.service.timing import Calendar


class Invited(NamedTuple):
    """A contact was asked. The token is in no other place in the clear."""

    contact_id: UUID
    invitation_id: UUID
    token: str
    url: str
    channel: str | None
    expires_at: datetime


class Skipped(NamedTuple):
    """A contact was not asked."""

    contact_id: UUID
    reason: SkipReason


class Inviter:
    """Asks contacts, each if and only if it is eligible at that moment."""

    def __init__(self, unit: Unit, links: Links) -> None:
        self.unit = unit
        self.links = links
        self.repository = InvitationRepository(unit)

    async def invite(
        self,
        survey: SurveyRow,
        contact_ids: Sequence[UUID],
        *,
        channel: Channel | None,
        locale: str | None,
        origin: Origin,
        is_test: bool,
    ) -> list[Invited | Skipped]:
        """What became of each contact, in order. Without a `channel` it is the survey's.

        The caller has locked the contacts, so that two who ask at once, even in different surveys, see what
        the other has asked; and held the survey after them, which is open.
        """
        wanted = channel or survey.channel
        verdicts = await EligibilityService(self.unit).verdicts(survey, contact_ids, wanted, is_test=is_test)
        mentions = list(in_order(contact_ids, verdicts))
        asking = await self._asking(survey, wanted, origin, is_test)
        invited = await self._ask(
            survey, asking, [each for each, verdict in mentions if verdict is None], locale
        )
        return [
            invited[each] if verdict is None else Skipped(each, verdict.reason) for each, verdict in mentions
        ]

    async def _asking(self, survey: SurveyRow, channel: str | None, origin: Origin, is_test: bool) -> Asking:
        calendar = await Calendar.of(self.unit)
        now = self.unit.now
        expires_at = now + timedelta(days=survey.invitation_days)
        return Asking(
            survey_id=survey.id,
            iteration=calendar.iteration(survey, now),
            channel=channel,
            origin=origin,
            is_test=is_test,
            next_reminder_at=reminder_after(survey, now, expires_at) if survey.reminders_max else None,
            created_at=now,
            expires_at=expires_at,
        )

    async def _ask(
        self, survey: SurveyRow, asking: Asking, contact_ids: Sequence[UUID], locale: str | None
    ) -> dict[UUID, Invited]:
        if not contact_ids:
            return {}
        states = await ContactMatcher(self.unit).states(contact_ids)
        invited, rows = {}, []
        for contact_id in contact_ids:
            state, token, invitation_id = states[contact_id], self.links.fresh(), new_id()
            spoken = locale or state.locale
            rows.append(NewInvitation(invitation_id, contact_id, spoken, token.hash, token.sealed))
            invited[contact_id] = self._invited(survey, asking, contact_id, invitation_id, token)
            told = _told(survey, asking, invited[contact_id], state, spoken)
            emit_raw(self.unit, INVITATION_CREATED, told, subject_id=contact_id)
        await self.repository.add_many(asking, rows)
        return invited

    def _invited(
        self, survey: SurveyRow, asking: Asking, contact_id: UUID, invitation_id: UUID, token: Token
    ) -> Invited:
        url = self.links.url(survey, token.text)
        return Invited(contact_id, invitation_id, token.text, url, asking.channel, asking.expires_at)


def reminder_after(survey: SurveyRow, last: datetime, expires_at: datetime) -> datetime | None:
    """When to remind next after an ask or a reminder; None when the invitation will be over by then."""
    due_at = last + timedelta(hours=survey.reminder_gap_hours)
    return due_at if due_at < expires_at else None


def ask_json(survey: SurveyRow, state: ContactState, **rest: Any) -> bytes:
    """`SurveyAsk` as JSON: a batch makes a thousand, and models would take most of the time."""
    told = {
        "survey": {"id": survey.id, "title": survey.title, "type": survey.type},
        "email": state.email,
        "phone": state.phone,
    } | rest
    return to_json(told)


def _told(
    survey: SurveyRow, asking: Asking, invited: Invited, state: ContactState, locale: str | None
) -> bytes:
    return ask_json(
        survey,
        state,
        invitation_id=invited.invitation_id,
        contact_id=invited.contact_id,
        locale=locale,
        channel=invited.channel,
        url=invited.url,
        iteration=asking.iteration,
        test=asking.is_test,
        reminders_sent=0,
        created_at=asking.created_at,
        expires_at=asking.expires_at,
    )
