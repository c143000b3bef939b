"""Shows who has answered an anonymous survey without showing who answered what.

An answer leaves the invitation and the response as rows of one transaction, whose number the database keeps
with them (`xmin`). Settling writes a whole lot of both anew in one other transaction, in the order of ids,
which know nothing of answering, and only then shows the invitations as answered. Fewer than a lot are never
shown, however long they wait: beside the only response of a day, the only one who took part is known. Of
these the responses alone are written anew, when their day is over or there is a lot of responses.

Nor is anybody told of a response before: the event's place among others, and the instants at which it is
delivered, would say when it was given.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app.kit.database import Unit
from app.kit.jobs import enqueue
from app.kit.outbox import emit
from app.surveys.events import PARTICIPATION_SETTLED
from app.surveys.models.records import ResponseRecord
from app.surveys.repository.responses import ResponseRepository
from app.surveys.repository.settling import SettledInvitation, SettlingRepository
from app.surveys.schemas.responses import SurveyParticipationSettled
from app.surveys.service.telling import tell_received
from app.surveys.service.timing import Calendar

SETTLE_JOB: Final = "surveys.settle"
LOT: Final = 5
"""So many invitations at least are settled together. Tests are none of them: their responses say so, and with
four of them the fifth would be alone."""


class SettlingService:
    """Settles the answered invitations to anonymous surveys of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = SettlingRepository(unit)
        self.responses = ResponseRepository(unit)

    async def wait(self, survey_id: UUID, calendar: Calendar) -> None:
        """An answer was given: something is to be settled when there is a lot, and when the day is over."""
        if await self.repository.note(survey_id, calendar.end_of_today, LOT):
            enqueue(self.unit, SETTLE_JOB, survey_id)

    async def due(self) -> list[UUID]:
        """The surveys of which responses are to be settled because the day is over."""
        return list(await self.repository.due())

    async def settle(self, survey_id: UUID) -> None:
        """Settles the invitations if they are a lot, and the responses if these are one; else those of days
        that are over, and the others wait for the end of theirs."""
        if not await self.repository.hold(survey_id):
            return
        calendar = await Calendar.of(self.unit)
        invitations = await self.repository.invitations(survey_id)
        waiting = await self.responses.unsettled(survey_id)
        shown = invitations if _is_lot(invitations) else []
        told = (
            waiting if _is_lot(waiting) else [each for each in waiting if each.answered_on < calendar.today]
        )
        rest_at = calendar.end_of_today if len(told) < len(waiting) else None
        await self.repository.settle(
            survey_id, [each.id for each in told], [each.id for each in shown], rest_at
        )
        await self._tell(calendar, survey_id, told, shown)

    async def _tell(
        self,
        calendar: Calendar,
        survey_id: UUID,
        responses: Sequence[ResponseRecord],
        shown: Sequence[SettledInvitation],
    ) -> None:
        if not responses and not shown:
            return
        survey = (await self.responses.facts([survey_id]))[survey_id]
        for response in responses:
            tell_received(self.unit, response, survey, calendar)
        if shown:
            days = sorted({calendar.day(each.created_at) for each in shown})
            settled = SurveyParticipationSettled(survey_id=survey_id, invited_on=days, answered=len(shown))
            emit(self.unit, PARTICIPATION_SETTLED, settled)


def _is_lot(rows: Sequence[SettledInvitation] | Sequence[ResponseRecord]) -> bool:
    return sum(not row.is_test for row in rows) >= LOT
