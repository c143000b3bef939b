"""SQL of surveys and the versions of their questions."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select

from app.kit.database import Unit
from app.kit.pages import PageRequest, Sorting, SortKey
from app.surveys.models.surveys import SurveyRow, SurveyState, SurveyVersionRow

SORTING = Sorting(
    SurveyRow.id,
    {
        "created_at": SortKey(SurveyRow.created_at, "instant"),
        "updated_at": SortKey(SurveyRow.updated_at, "instant"),
    },
    default="-created_at",
)


class SurveyRepository:
    """The surveys of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._session = unit.session
        self._workspace_id = unit.workspace_id
        self._now = unit.now

    async def get(self, survey_id: UUID, *, lock: bool = False) -> SurveyRow | None:
        """`lock` holds it against other changes until the unit ends."""
        statement = select(SurveyRow).where(
            SurveyRow.workspace_id == self._workspace_id, SurveyRow.id == survey_id
        )
        if lock:
            statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
        return (await self._session.execute(statement)).scalar_one_or_none()

    async def some(self, survey_ids: Collection[UUID]) -> dict[UUID, SurveyRow]:
        statement = select(SurveyRow).where(
            SurveyRow.workspace_id == self._workspace_id, SurveyRow.id.in_(list(survey_ids))
        )
        return {row.id: row for row in (await self._session.execute(statement)).scalars()}

    async def held(self, survey_ids: Collection[UUID]) -> dict[UUID, SurveyRow]:
        """As they are now, and stay until the unit ends; many may hold a survey at once."""
        statement = (
            select(SurveyRow)
            .where(SurveyRow.workspace_id == self._workspace_id, SurveyRow.id.in_(list(survey_ids)))
            .order_by(SurveyRow.id)
            .with_for_update(read=True)
            .execution_options(populate_existing=True)
        )
        return {row.id: row for row in (await self._session.execute(statement)).scalars()}

    async def page(
        self, page: PageRequest, *, state: str | None, type: str | None, include_archived: bool
    ) -> Sequence[SurveyRow]:
        statement = select(SurveyRow).where(SurveyRow.workspace_id == self._workspace_id)
        if state is not None:
            statement = statement.where(SurveyRow.state == state)
        if type is not None:
            statement = statement.where(SurveyRow.type == type)
        if not include_archived:
            statement = statement.where(SurveyRow.archived_at.is_(None))
        return (await self._session.execute(page.apply(statement))).scalars().all()

    async def turning(self, limit: int) -> Sequence[SurveyRow]:
        """Surveys whose time has come, locked; those somebody else holds are left to them."""
        statement = (
            select(SurveyRow)
            .where(SurveyRow.workspace_id == self._workspace_id, SurveyRow.turn_at <= self._now)
            .order_by(SurveyRow.turn_at, SurveyRow.id)
            .limit(limit)
            .with_for_update(key_share=True, skip_locked=True)
        )
        return (await self._session.execute(statement)).scalars().all()

    async def with_triggers(self, states: Sequence[SurveyState]) -> Sequence[SurveyRow]:
        """Surveys in one of these states that ask after a touchpoint."""
        statement = select(SurveyRow).where(
            SurveyRow.workspace_id == self._workspace_id,
            SurveyRow.state.in_(states),
            SurveyRow.archived_at.is_(None),
            SurveyRow.triggers != [],
        )
        return (await self._session.execute(statement)).scalars().all()

    async def add(self, survey: SurveyRow, version: SurveyVersionRow) -> None:
        self._session.add(survey)
        await self._session.flush()
        await self.add_version(version)

    async def add_version(self, version: SurveyVersionRow) -> None:
        self._session.add(version)
        await self._session.flush()

    async def version(self, survey_id: UUID, number: int) -> SurveyVersionRow:
        statement = select(SurveyVersionRow).where(
            SurveyVersionRow.workspace_id == self._workspace_id,
            SurveyVersionRow.survey_id == survey_id,
            SurveyVersionRow.number == number,
        )
        return (await self._session.execute(statement)).scalar_one()

    async def versions(self, surveys: Sequence[SurveyRow]) -> dict[UUID, SurveyVersionRow]:
        """The present version of each survey."""
        wanted = {row.id: row.questions_version for row in surveys}
        statement = select(SurveyVersionRow).where(
            SurveyVersionRow.workspace_id == self._workspace_id,
            SurveyVersionRow.survey_id.in_(list(wanted)),
        )
        found = (await self._session.execute(statement)).scalars()
        return {row.survey_id: row for row in found if row.number == wanted[row.survey_id]}

    async def versions_before(self, survey_id: UUID, number: int, limit: int) -> Sequence[SurveyVersionRow]:
        """The versions of a survey below a number, newest first."""
        statement = (
            select(SurveyVersionRow)
            .where(
                SurveyVersionRow.workspace_id == self._workspace_id,
                SurveyVersionRow.survey_id == survey_id,
                SurveyVersionRow.number < number,
            )
            .order_by(SurveyVersionRow.number.desc())
            .limit(limit)
        )
        return (await self._session.execute(statement)).scalars().all()
