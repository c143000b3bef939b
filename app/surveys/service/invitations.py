"""Use cases of authors who ask contacts, and of mailers that tell what became of it."""

from collections.abc import Sequence
from uuid import UUID

from app.contacts.service.matching import ContactMatcher
from app.contacts.service.stats import ContactStats
from app.kit.database import Unit
from app.kit.errors import Invalid, NotFound
from app.kit.filters import Filter
from app.kit.outbox import emit
from app.kit.pages import PageRequest
from app.kit.preconditions import Precondition
from app.surveys.errors import SurveyNotOpen
from app.surveys.events import INVITATION_CHANGED
from app.surveys.models.invitations import Delivery, SurveyInvitationRow
from app.surveys.models.surveys import SurveyRow
from app.surveys.repository.invitations import InvitationListing, InvitationRepository
from app.surveys.repository.planned import Plan, PlannedListing, PlannedRepository
from app.surveys.repository.surveys import SurveyRepository
from app.surveys.schemas.invitations import (
    MOST_AT_ONCE,
    PlannedInvitation,
    PlannedInvitationPage,
    SurveyEligibilities,
    SurveyEligibility,
    SurveyEligibilityCheck,
    SurveyInvitation,
    SurveyInvitationBefore,
    SurveyInvitationChanged,
    SurveyInvitationPage,
    SurveyInvitationPatch,
    SurveyInvitationResult,
    SurveyInvitationResults,
    SurveyInvitationsCreate,
)
from app.surveys.service.eligibility import EligibilityService, in_order
from app.surveys.service.inviting import Invited, Inviter, Skipped, reminder_after
from app.surveys.service.links import Links
from app.surveys.service.planning import plan_matching
from app.surveys.service.surveys import SurveyService
from app.surveys.service.timing import is_open


class InvitationService:
    """The invitations of one survey. Every method raises `NotFound` where there is no such survey."""

    def __init__(self, unit: Unit, survey_id: UUID) -> None:
        self.unit = unit
        self.survey_id = survey_id
        self.repository = InvitationRepository(unit)

    async def create(self, wanted: SurveyInvitationsCreate, links: Links) -> SurveyInvitationResults:
        """Asks contacts, or plans to. Raises `Invalid` and `SurveyNotOpen`."""
        if (wanted.contact_ids is None) == (wanted.filter is None):
            raise Invalid.at("", "needs exactly one of contact_ids and filter", "one_selection")
        survey = await self._survey()
        self._refuse_closed(survey)
        if wanted.contact_ids is not None:
            return await self._ask(wanted, wanted.contact_ids, links)
        ids = await self._few(wanted.filter)
        if ids is not None:
            return await self._ask(wanted, ids, links)
        plan = Plan(survey.id, "request", wanted.channel, wanted.locale, wanted.test)
        return SurveyInvitationResults(items=[], planned=await plan_matching(self.unit, plan, wanted.filter))

    async def judge(self, wanted: SurveyEligibilityCheck) -> SurveyEligibilities:
        """Who would be asked now. Changes nothing, and looks at no more than who is named."""
        survey = await self._survey()
        verdicts = await EligibilityService(self.unit).verdicts(survey, wanted.contact_ids, wanted.channel)
        items = [
            SurveyEligibility(
                contact_id=contact_id,
                eligible=verdict is None,
                reason=verdict and verdict.reason,
                detail=verdict and verdict.detail,
            )
            for contact_id, verdict in in_order(wanted.contact_ids, verdicts)
        ]
        return SurveyEligibilities(items=items)

    async def list(self, page: PageRequest, listing: InvitationListing) -> SurveyInvitationPage:
        survey = await self._survey()
        rows = await self.repository.page(self.survey_id, page, listing)
        kept, cursor = page.cut(rows)
        items = [SurveyInvitation.of(row, anonymous=survey.anonymous) for row in kept]
        return SurveyInvitationPage(items=items, next_cursor=cursor)

    async def get(self, invitation_id: UUID) -> SurveyInvitation:
        survey = await self._survey()
        return SurveyInvitation.of(await self._row(invitation_id), anonymous=survey.anonymous)

    async def update(
        self, invitation_id: UUID, patch: SurveyInvitationPatch, precondition: Precondition
    ) -> SurveyInvitation:
        """Raises `Invalid` for one that was revoked: its link was said to be dead."""
        survey = await self._survey()
        row = await self._row(invitation_id, lock=True)
        precondition.check(row.version)
        delivery = patch.changes().get("delivery", row.delivery)
        if delivery != row.delivery:
            if row.delivery == "revoked":
                raise Invalid.at("/delivery", "of a revoked invitation stays as it is", "status_change")
            self._deliver(survey, row, delivery)
        return SurveyInvitation.of(row, anonymous=survey.anonymous)

    async def planned(self, page: PageRequest, listing: PlannedListing) -> PlannedInvitationPage:
        """What is planned, and what became of it."""
        await self._survey()
        rows = await PlannedRepository(self.unit).page(self.survey_id, page, listing)
        kept, cursor = page.cut(rows)
        return PlannedInvitationPage(items=[PlannedInvitation.of(row) for row in kept], next_cursor=cursor)

    async def _ask(
        self, wanted: SurveyInvitationsCreate, ids: Sequence[UUID], links: Links
    ) -> SurveyInvitationResults:
        # One may have to wait for the contacts, and the survey be closed meanwhile.
        await ContactStats(self.unit).lock(ids)
        survey = (await SurveyRepository(self.unit).held([self.survey_id]))[self.survey_id]
        self._refuse_closed(survey)
        results = await Inviter(self.unit, links).invite(
            survey,
            ids,
            channel=wanted.channel,
            locale=wanted.locale,
            origin="request",
            is_test=wanted.test,
        )
        return SurveyInvitationResults(items=[_item(each) for each in results], planned=0)

    def _refuse_closed(self, survey: SurveyRow) -> None:
        if not is_open(survey, self.unit.now):
            raise SurveyNotOpen("Only an open survey asks anybody.")

    async def _few(self, filter: Filter | None) -> Sequence[UUID] | None:
        """Who matches, if that can be seen to in one request."""
        matcher = ContactMatcher(self.unit)
        if filter is not None:
            await matcher.check(filter, "/filter")
        ids = await matcher.matching(filter, limit=MOST_AT_ONCE + 1)
        return ids if len(ids) <= MOST_AT_ONCE else None

    def _deliver(self, survey: SurveyRow, row: SurveyInvitationRow, delivery: Delivery) -> None:
        before = _before(row)
        row.delivery = delivery
        row.next_reminder_at = None
        is_known_to_have_answered = row.answered and row.settled
        if delivery == "sent" and not is_known_to_have_answered and row.reminders_sent < survey.reminders_max:
            row.next_reminder_at = reminder_after(survey, self.unit.now, row.expires_at)
        _change(self.unit, row, before, anonymous=survey.anonymous)

    async def _survey(self) -> SurveyRow:
        return await SurveyService(self.unit).found(self.survey_id)

    async def _row(self, invitation_id: UUID, *, lock: bool = False) -> SurveyInvitationRow:
        row = await self.repository.get(self.survey_id, invitation_id, lock=lock)
        if row is None:
            raise NotFound("There is no such invitation to this survey.")
        return row


async def held_invitation(
    unit: Unit, survey_id: UUID, invitation_id: UUID | None
) -> SurveyInvitationRow | None:
    """The invitation that a response names, held until the unit ends; None if it names none."""
    if invitation_id is None:
        return None
    return await InvitationRepository(unit).get(survey_id, invitation_id, lock=True)


def flag_invitation(unit: Unit, row: SurveyInvitationRow, *, test: bool) -> None:
    """Makes a held invitation a test, or none, as the response is that it was answered by."""
    if row.is_test == test:
        return
    before = _before(row)
    row.is_test = test
    # A response to an anonymous survey names no invitation.
    _change(unit, row, before, anonymous=False)


def _before(row: SurveyInvitationRow) -> SurveyInvitationBefore:
    return SurveyInvitationBefore(delivery=row.delivery, test=row.is_test)


def _change(unit: Unit, row: SurveyInvitationRow, before: SurveyInvitationBefore, *, anonymous: bool) -> None:
    """Notes that it changed, and tells of it."""
    row.version += 1
    changed = SurveyInvitationChanged.model_construct(
        invitation=SurveyInvitation.of(row, anonymous=anonymous), previous=before
    )
    emit(unit, INVITATION_CHANGED, changed, subject_id=row.contact_id)


def _item(result: Invited | Skipped) -> SurveyInvitationResult:
    if isinstance(result, Invited):
        return SurveyInvitationResult.model_construct(**result._asdict(), skipped=None)
    return SurveyInvitationResult.model_construct(
        contact_id=result.contact_id,
        invitation_id=None,
        token=None,
        url=None,
        channel=None,
        expires_at=None,
        skipped=result.reason,
    )
