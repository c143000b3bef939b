"""What every door ends in: completed responses are written, and everything that follows from them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from app.kit.database import Unit
from app.kit.errors import FieldError, Invalid
from app.kit.ids import random_id
from app.kit.strict_json import pointer_token
from app.surveys.models.records import ResponseRecord, SurveyFacts
from app.surveys.repository.responses import ResponseRepository, Spent
from app.surveys.service.contact_scores import ContactScores
from app.surveys.service.loop import close_the_loop
from app.surveys.service.questionnaire import Questionnaire, Walk
from app.surveys.service.settling import SettlingService
from app.surveys.service.telling import tell_received
from app.surveys.service.timing import Calendar

MOST_KEPT = 2_000


class Draft(NamedTuple):
    """A completed response that is to be kept. `invitation_id` is the invitation that it spends; the record
    of an anonymous one does not name it."""

    record: ResponseRecord
    survey: SurveyFacts
    questionnaire: Questionnaire
    invitation_id: UUID | None

    @property
    def version(self) -> tuple[UUID, int]:
        return self.record.survey_id, self.record.questions_version

    @property
    def spent(self) -> Spent | None:
        if self.invitation_id is None:
            return None
        return Spent(self.invitation_id, self.record.id, self.record.answered_at)


class ResponseKeeper:
    """Keeps responses in a unit's workspace. Their invitations must be held, and so must be the surveys whose
    questions could still be replaced."""

    def __init__(self, unit: Unit, calendar: Calendar) -> None:
        self.unit = unit
        self.calendar = calendar
        self.repository = ResponseRepository(unit)

    async def keep(self, drafts: Sequence[Draft]) -> set[UUID]:
        """Writes those whose source and external id is free; returns their ids."""
        spent = [draft.spent for draft in drafts if draft.spent is not None]
        fresh = await self.repository.insert([draft.record for draft in drafts], spent)
        await self._conclude([draft for draft in drafts if draft.record.id in fresh])
        return fresh

    async def finish(self, draft: Draft) -> None:
        """Completes a response that was partial."""
        assert draft.spent is not None
        await self.repository.replace(draft.record)
        await self.repository.spend(draft.spent)
        await self._conclude([draft])

    async def _conclude(self, kept: Sequence[Draft]) -> None:
        changeable = {draft.version for draft in kept if not draft.survey.is_frozen}
        if changeable:
            await self.repository.freeze(changeable)
        await ContactScores(self.unit).note(draft.record for draft in kept)
        await close_the_loop(self.unit, [draft[:3] for draft in kept])
        for draft in kept:
            if not draft.survey.anonymous:
                spent = draft.invitation_id
                tell_received(self.unit, draft.record, draft.survey, self.calendar, spent_invitation_id=spent)
        # Last, since it takes the survey's row from everybody else who answers it.
        for survey_id in sorted({draft.survey.id for draft in kept if draft.survey.anonymous}):
            await SettlingService(self.unit).wait(survey_id, self.calendar)


class Questionnaires:
    """The questionnaires of versions that never change again, kept by the process: reading one takes longer
    than answering it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[UUID, UUID, int], Questionnaire] = {}

    async def of(
        self,
        repository: ResponseRepository,
        workspace_id: UUID,
        wanted: Mapping[tuple[UUID, int], SurveyFacts],
    ) -> dict[tuple[UUID, int], Questionnaire]:
        """The questionnaires of versions, by survey and number; those that do not exist are left out."""
        found = {}
        for version in wanted:
            known = self._kept.get((workspace_id, *version))
            if known is not None:
                found[version] = known
        unknown = [version for version in wanted if version not in found]
        if unknown:
            stored = await repository.questions(unknown)
            for version, questions in stored.items():
                survey = wanted[version]
                found[version] = Questionnaire.read(questions, survey.type)
                if survey.is_frozen or version[1] < survey.questions_version:
                    self._keep((workspace_id, *version), found[version])
        return found

    def _keep(self, key: tuple[UUID, UUID, int], questionnaire: Questionnaire) -> None:
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[key] = questionnaire


QUESTIONNAIRES = Questionnaires()


def nobodys(record: ResponseRecord, *, locale: str | None) -> ResponseRecord:
    """The response without anything that leads to whoever gave it. A channel or a language that the
    invitation had might: one that only they were asked in."""
    return record._replace(
        id=random_id(),
        contact_id=None,
        invitation_id=None,
        link_id=None,
        channel=None,
        locale=locale,
        settled=False,
        started_at=None,
        answered_at=None,
    )


def score_of(questionnaire: Questionnaire, answers: Mapping[str, Any]) -> int | None:
    """The answer to the question that the score is computed from."""
    return None if questionnaire.score_key is None else answers.get(questionnaire.score_key)


def refuse_incomplete(walk: Walk) -> None:
    """Raises `Invalid` naming each required question on the path without an answer."""
    if not walk.complete:
        raise Invalid(_said(walk.missing), errors=[_missing(key) for key in walk.missing])


def _said(missing: Collection[str]) -> str:
    count = len(missing)
    return "A question needs an answer." if count == 1 else f"{count} questions need an answer."


def _missing(key: str) -> FieldError:
    return FieldError(f"/answers/{pointer_token(key)}", "This question needs an answer.", "missing")
