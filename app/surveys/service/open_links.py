"""Use cases over open links, by which anybody may answer."""

from uuid import UUID

from app.kit.database import Unit
from app.kit.errors import Invalid, NotFound
from app.kit.ids import new_id
from app.kit.pages import PageRequest
from app.kit.preconditions import Precondition
from app.surveys.models.invitations import SurveyLinkRow
from app.surveys.repository.invitations import InvitationRepository
from app.surveys.schemas.invitations import SurveyLink, SurveyLinkCreate, SurveyLinkPage, SurveyLinkWithToken
from app.surveys.service.links import Links
from app.surveys.service.surveys import SurveyService


class OpenLinkService:
    """The open links of one survey. Every method raises `NotFound` where there is no such survey."""

    def __init__(self, unit: Unit, survey_id: UUID) -> None:
        self.unit = unit
        self.survey_id = survey_id
        self.repository = InvitationRepository(unit)

    async def create(self, new: SurveyLinkCreate, links: Links) -> SurveyLinkWithToken:
        """A link to a survey in any state; it works while the survey is open."""
        if new.expires_at is not None and new.expires_at <= self.unit.now:
            raise Invalid.at("/expires_at", "must lie in the future", "in_the_past")
        survey = await SurveyService(self.unit).found(self.survey_id)
        token = links.fresh()
        row = SurveyLinkRow(
            workspace_id=self.unit.workspace_id,
            id=new_id(),
            survey_id=survey.id,
            name=new.name,
            channel=new.channel,
            token_hash=token.hash,
            is_test=new.test,
            expires_at=new.expires_at,
            revoked_at=None,
            created_at=self.unit.now,
            version=1,
        )
        await self.repository.add_link(row)
        return SurveyLinkWithToken.shown(row, token.text, links.url(survey, token.text))

    async def list(self, page: PageRequest) -> SurveyLinkPage:
        await SurveyService(self.unit).found(self.survey_id)
        rows = await self.repository.links(self.survey_id, page)
        kept, cursor = page.cut(rows)
        return SurveyLinkPage(items=[SurveyLink.of(row) for row in kept], next_cursor=cursor)

    async def get(self, link_id: UUID) -> SurveyLink:
        return SurveyLink.of(await self._row(link_id))

    async def revoke(self, link_id: UUID, precondition: Precondition) -> None:
        """The link works no more; what it brought stays. Revoking twice keeps the first instant."""
        row = await self._row(link_id, lock=True)
        precondition.check(row.version)
        if row.revoked_at is None:
            row.revoked_at = self.unit.now
            row.version += 1

    async def _row(self, link_id: UUID, *, lock: bool = False) -> SurveyLinkRow:
        row = await self.repository.link(self.survey_id, link_id, lock=lock)
        if row is None:
            raise NotFound("There is no such link to this survey.")
        return row
