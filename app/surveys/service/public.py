"""The public door: a visitor with a token reads the questions in their language, and answers.

An invitation is held before its response is looked at, so that of any number of submissions at once one is
taken and the others meet a spent token.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from app.kit.database import Database, Unit
from app.kit.errors import Invalid
from app.kit.ids import new_id
from app.kit.rate_limit import RateLimiter
from app.surveys.errors import already_answered, unknown_survey_link, unknown_version
from app.surveys.models.records import OpenedInvitation, ResponseRecord, SurveyFacts
from app.surveys.repository.public import (
    GrownInvitation,
    Opened,
    PublicRepository,
    TokenHolder,
    find_token,
)
from app.surveys.repository.responses import ResponseRepository
from app.surveys.schemas.public import PublicAnswer, PublicAnswered, PublicSurvey
from app.surveys.service.keeping import (
    QUESTIONNAIRES,
    Draft,
    ResponseKeeper,
    nobodys,
    refuse_incomplete,
    score_of,
)
from app.surveys.service.languages import in_language
from app.surveys.service.links import hash_of, new_token
from app.surveys.service.questionnaire import Questionnaire, Walk
from app.surveys.service.timing import Calendar, is_open


class PublicDoor:
    """Tells visitors by their tokens. Those that lead nowhere count against the address they come from."""

    def __init__(self, database: Database, limiter: RateLimiter, strangers: RateLimiter) -> None:
        self._database = database
        self._limiter = limiter
        self._strangers = strangers

    async def admit(self, token: str, address: str) -> tuple[TokenHolder, dict[str, str]]:
        """Whose token it is, and the headers that tell of its budget.

        Raises what `lead_nowhere` does, and `RateLimited` for an address that asks too often with this token.
        """
        token_hash = hash_of(token)
        async with self._database.raw() as connection:
            holder = await find_token(connection, token_hash)
        if holder is None:
            self.lead_nowhere(address)
        allowance = self._limiter.check(("survey-token", token_hash, address))
        allowance.enforce("There were too many requests with this link. Try again later.")
        return holder, allowance.headers()

    def lead_nowhere(self, address: str) -> NoReturn:
        """Raises `UnknownSurveyLink`, or `RateLimited` for an address with too many such tokens; who comes
        from there with a right one is let in nevertheless."""
        guesses = self._strangers.check(("survey-tokens", address))
        guesses.enforce("Too many wrong links have come from this address.")
        raise unknown_survey_link()


class PublicService:
    """What a visitor with a token may do, in a unit of the token's workspace.

    `is_traceless`: of the answer that was given nothing may be kept that leads to its invitation.
    """

    def __init__(self, unit: Unit, holder: TokenHolder) -> None:
        self.unit = unit
        self.is_traceless = False
        self.repository = PublicRepository(unit, holder)
        self.responses = ResponseRepository(unit)

    async def show(self, languages: Sequence[str], *, opens: bool) -> PublicSurvey:
        """The survey for a visitor who wants these languages, best first; whether that opens it is noted.
        Raises `UnknownSurveyLink`."""
        invitation, survey, _ = self._alive(await self.repository.open())
        is_over = invitation.is_spent or await self._answered_by_another(invitation, survey)
        held = None if is_over else await self._saved(invitation, survey)
        number = held.questions_version if held else survey.questions_version
        questionnaire = await self._questionnaire(survey, number)
        # Of an anonymous survey nobody may see when somebody came.
        if opens and invitation.id is not None and not (invitation.opened or survey.anonymous):
            await self.repository.note_opened()
        wanted = [*languages, invitation.locale] if invitation.locale else languages
        locale, questions = questionnaire.localised(wanted, survey.default_locale)
        words = await self.repository.words(survey.id)
        return PublicSurvey(
            state="completed" if is_over else "new" if held is None else "partial",
            type=survey.type,
            title=in_language(words["title"], wanted, survey.default_locale),
            introduction=_words(words["introduction"], wanted, survey),
            thanks=_words(words["thanks"], wanted, survey),
            locale=locale,
            anonymous=survey.anonymous,
            questions_version=number,
            questions=questions,
            answers=held.answers if held else {},
        )

    async def answer(self, said: PublicAnswer) -> PublicAnswered:
        """Saves or completes the visitor's response.

        Raises `UnknownSurveyLink`, `AlreadyAnswered`, and `Invalid` naming each wrong answer.
        """
        opened = await self.repository.open_frozen() or await self.repository.open_held()
        visit = Visit(self.unit, *self._alive(opened))
        self.is_traceless = visit.survey.anonymous and visit.invitation.id is not None
        if visit.invitation.is_spent or await self._answered_by_another(
            visit.invitation, visit.survey, lock=True
        ):
            raise already_answered()
        if visit.survey.anonymous and not said.complete:
            detail = "must be true: an anonymous survey keeps nothing before the end"
            raise Invalid.at("/complete", detail, "anonymous_partial")
        held = await self._saved(visit.invitation, visit.survey)
        number = _number(said, held, visit.survey)
        questionnaire = await self._questionnaire(visit.survey, number)
        answers = questionnaire.merged(held.answers if held else {}, said.answers)
        walk = questionnaire.walk(answers)
        record = visit.record(said, held, number, answers)
        if not said.complete:
            # Nothing said begins nothing: it would count as started, and be good for the days of grace.
            token = await self._save(visit, record, is_new=held is None) if held or answers else None
            return _partial(walk, answers, token)
        refuse_incomplete(walk)
        # Not before: whoever has the tokens of others would learn from it who has answered.
        if visit.invitation.answered:
            raise already_answered()
        scored = record._replace(state="completed", score=score_of(questionnaire, answers))
        await self._complete(visit, Draft(scored, visit.survey, questionnaire, visit.invitation.id), held)
        return PublicAnswered(state="completed", next=None, missing=[], token=None)

    async def _complete(self, visit: "Visit", draft: Draft, held: ResponseRecord | None) -> None:
        keeper = ResponseKeeper(self.unit, visit.calendar)
        if held is None:
            await keeper.keep([draft])
        else:
            await keeper.finish(draft)

    async def _save(self, visit: "Visit", record: ResponseRecord, *, is_new: bool) -> str | None:
        """The token to go on with, of a first save by an open link."""
        token = None
        if is_new and visit.invitation.id is None:
            token = new_token()
            grown = visit.grown(token, record)
            await self.repository.invite(grown)
            record = record._replace(invitation_id=grown.id)
        elif is_new:
            await self.repository.note_started()
        if is_new:
            await self.responses.insert([record], ())
            await self._freeze(visit.survey)
        else:
            await self.responses.replace(record)
        return token

    async def _freeze(self, survey: SurveyFacts) -> None:
        if not survey.is_frozen:
            await self.responses.freeze([(survey.id, survey.questions_version)])

    async def _answered_by_another(
        self, invitation: OpenedInvitation, survey: SurveyFacts, *, lock: bool = False
    ) -> bool:
        """Whether the contact, who is asked until they answer, has answered otherwise since. `lock` waits for
        whoever is about to, in a statement of its own: what they leave is seen by the next one alone."""
        if survey.recontact_rule != "until_response" or survey.anonymous:
            return False
        if invitation.id is None or invitation.contact_id is None or invitation.is_test:
            return False
        if lock:
            await self.repository.hold_answers(survey.id, invitation.contact_id)
        return bool(await self.responses.answered_since([invitation.id]))

    async def _saved(self, invitation: OpenedInvitation, survey: SurveyFacts) -> ResponseRecord | None:
        """What was saved before by this token. It is read after the invitation was held: not with it."""
        if invitation.id is None or not invitation.started or survey.anonymous:
            return None
        return await self.responses.of_invitation(invitation.id)

    async def _questionnaire(self, survey: SurveyFacts, number: int) -> Questionnaire:
        version = (survey.id, number)
        found = await QUESTIONNAIRES.of(self.responses, self.unit.workspace_id, {version: survey})
        if version not in found:
            raise unknown_version()
        return found[version]

    def _alive(self, opened: Opened | None) -> Opened:
        """Raises `UnknownSurveyLink` for whatever takes no answer, always the same."""
        if opened is None or not (opened.invitation.works and is_open(opened.survey, self.unit.now)):
            raise unknown_survey_link()
        invitation, grace = opened.invitation, timedelta(hours=opened.survey.grace_hours)
        until = invitation.expires_at
        if until is not None and not invitation.is_spent:
            until += grace if invitation.started else timedelta()
            if until <= self.unit.now:
                raise unknown_survey_link()
        return opened


class Visit:
    """One visitor's call: what their token led to, and the rows that come of it."""

    def __init__(self, unit: Unit, invitation: OpenedInvitation, survey: SurveyFacts, timezone: str) -> None:
        self.unit = unit
        self.invitation = invitation
        self.survey = survey
        self.calendar = Calendar(ZoneInfo(timezone), unit.now)

    def record(
        self, said: PublicAnswer, held: ResponseRecord | None, number: int, answers: dict[str, Any]
    ) -> ResponseRecord:
        """The response with these answers, as far as it has come: partial."""
        now, today = self.unit.now, self.calendar.today
        if held is not None:
            return held._replace(
                answers=answers,
                locale=said.locale or held.locale,
                answered_at=now,
                answered_on=today,
                version=held.version + 1,
            )
        invitation, survey = self.invitation, self.survey
        fresh = ResponseRecord(
            id=new_id(),
            survey_id=survey.id,
            questions_version=number,
            iteration=self._iteration,
            contact_id=invitation.contact_id,
            invitation_id=invitation.id,
            link_id=invitation.link_id,
            channel=invitation.channel,
            locale=said.locale or invitation.locale,
            source=None,
            external_id=None,
            state="partial",
            answers=answers,
            score_type=None if survey.type == "custom" else survey.type,
            score=None,
            is_test=invitation.is_test,
            settled=True,
            started_at=now,
            answered_at=now,
            answered_on=today,
            version=1,
        )
        return nobodys(fresh, locale=said.locale) if survey.anonymous else fresh

    def grown(self, token: str, record: ResponseRecord) -> GrownInvitation:
        """The invitation by which a visitor of an open link goes on."""
        assert self.invitation.link_id is not None
        return GrownInvitation(
            id=new_id(),
            survey_id=self.survey.id,
            iteration=record.iteration,
            link_id=self.invitation.link_id,
            channel=record.channel,
            locale=record.locale,
            token_hash=hash_of(token),
            is_test=record.is_test,
            created_at=self.unit.now,
            expires_at=self.unit.now + timedelta(days=self.survey.invitation_days),
        )

    @property
    def _iteration(self) -> int:
        """Of an anonymous one that of the day: the last ones who were asked in another would be known."""
        asked_in = None if self.survey.anonymous else self.invitation.iteration
        return asked_in or self.calendar.iteration(self.survey, self.unit.now)


def _number(said: PublicAnswer, held: ResponseRecord | None, survey: SurveyFacts) -> int:
    """The version of the questions that are answered. Raises `Invalid` for another than was begun with."""
    if held is None:
        return said.questions_version or survey.questions_version
    if said.questions_version not in (None, held.questions_version):
        detail = f"must be {held.questions_version}, with which this response was begun"
        raise Invalid.at("/questions_version", detail, "other_version")
    return held.questions_version


def _partial(walk: Walk, answers: Mapping[str, Any], token: str | None) -> PublicAnswered:
    unanswered = (key for key in walk.path if key not in answers)
    return PublicAnswered(
        state="partial", next=next(unanswered, None), missing=list(walk.missing), token=token
    )


def _words(text: Any, wanted: Sequence[str], survey: SurveyFacts) -> str | None:
    return None if text is None else in_language(text, wanted, survey.default_locale)
