"""The partners' door: completed responses of other systems, many in a fixed number of statements.

Locks are taken in one order by every door, so that nobody waits in a circle: surveys whose questions could
still be replaced, identities of contacts to be made, invitations, and what the keeper takes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from app.contacts.service.resolving import ContactResolver, Reference
from app.kit.clock import MOST_AHEAD
from app.kit.database import Unit
from app.kit.errors import FieldError, Invalid, Problem
from app.kit.ids import new_id
from app.surveys.errors import ResponseExists, SurveyNotOpen, UnknownSurvey, unknown_version
from app.surveys.models.records import ResponseRecord, SurveyFacts
from app.surveys.repository.responses import Asked, ForeignKey, OpenInvitation, ResponseRepository
from app.surveys.schemas.responses import PartnerResponse
from app.surveys.service.keeping import (
    QUESTIONNAIRES,
    Draft,
    ResponseKeeper,
    nobodys,
    refuse_incomplete,
    score_of,
)
from app.surveys.service.questionnaire import Questionnaire
from app.surveys.service.timing import Calendar

_Version = tuple[UUID, int]


class Recorded(NamedTuple):
    """What an item did: its response is new, or was recorded before."""

    response: ResponseRecord
    status: Literal["created", "unchanged"]


class ResponseRecorder:
    """Records items in order: a later one sees what an earlier one of its source and external id did."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = ResponseRepository(unit)
        self.known: dict[ForeignKey, ResponseRecord] = {}
        self.surveys: Mapping[UUID, SurveyFacts] = {}
        self.questionnaires: Mapping[_Version, Questionnaire] = {}
        self.results: dict[int, Recorded | Problem] = {}

    async def record(self, items: Sequence[PartnerResponse | Problem]) -> list[Recorded | Problem]:
        """What each item did, or why it was refused."""
        self.results = {place: item for place, item in enumerate(items) if isinstance(item, Problem)}
        said = {place: item for place, item in enumerate(items) if isinstance(item, PartnerResponse)}
        if said:
            self.calendar = await Calendar.of(self.unit)
            self.known = await self.repository.by_key(
                list(dict.fromkeys(key for item in said.values() if (key := _key(item)) is not None))
            )
            await self._load(said)
            drafts = await self._drafts(said)
            await self._keep(drafts, said)
        return [self.results[place] for place in range(len(items))]

    async def _load(self, said: Mapping[int, PartnerResponse]) -> None:
        ids = {item.survey_id for item in said.values()}
        self.surveys = await self.repository.facts(ids)
        changeable = [survey.id for survey in self.surveys.values() if not survey.is_frozen]
        if changeable:
            await self.repository.hold_surveys(changeable)
            self.surveys |= await self.repository.facts(changeable)
        wanted = {
            (survey.id, self._number(item, survey)): survey
            for item in said.values()
            if (survey := self.surveys.get(item.survey_id)) is not None
        }
        self.questionnaires = await QUESTIONNAIRES.of(self.repository, self.unit.workspace_id, wanted)

    async def _drafts(self, said: Mapping[int, PartnerResponse]) -> dict[int, Draft]:
        """The sound items by their places, each with its contact; the others become results."""
        drafts: dict[int, Draft] = {}
        for place, item in said.items():
            try:
                drafts[place] = self._draft(item)
            except Problem as problem:
                self.results[place] = problem
        named = [place for place in drafts if said[place].contact_id or said[place].contact]
        contacts = await ContactResolver(self.unit).resolve(
            [self._reference(said[place], drafts[place]) for place in named]
        )
        for place, contact in zip(named, contacts, strict=True):
            if isinstance(contact, Problem):
                self.results[place] = contact
                del drafts[place]
            else:
                record = drafts[place].record._replace(contact_id=contact)
                drafts[place] = drafts[place]._replace(record=record)
        return drafts

    def _reference(self, item: PartnerResponse, draft: Draft) -> Reference:
        return Reference(item.contact_id, item.contact, "", draft.record.answered_at or self.unit.now)

    def _draft(self, item: PartnerResponse) -> Draft:
        """Raises the problem of an item that is not sound."""
        survey = self.surveys.get(item.survey_id)
        if survey is None:
            detail = "is not a survey of this workspace"
            error = FieldError("/survey_id", detail, "unknown_survey")
            raise UnknownSurvey("The survey is unknown.", errors=[error])
        Invalid.refuse_any(_errors(item, survey, self.unit.now))
        if self._before(item) is None:
            _refuse_unless_open(survey, item.answered_at or self.unit.now)
        number = self._number(item, survey)
        questionnaire = self.questionnaires.get((survey.id, number))
        if questionnaire is None:
            raise unknown_version()
        answers = questionnaire.merged({}, item.answers)
        refuse_incomplete(questionnaire.walk(answers))
        record = self._record(item, survey, number, answers, score_of(questionnaire, answers))
        return Draft(record, survey, questionnaire, None)

    def _before(self, item: PartnerResponse) -> ResponseRecord | None:
        """What the item's source and external id stand for already. Whoever sends it again may do so late."""
        key = _key(item)
        held = None if key is None else self.known.get(key)
        return held if held is not None and held.survey_id == item.survey_id else None

    def _number(self, item: PartnerResponse, survey: SurveyFacts) -> int:
        """The version of the questions that the item answers."""
        held = self._before(item)
        return item.questions_version or (survey if held is None else held).questions_version

    def _record(
        self,
        item: PartnerResponse,
        survey: SurveyFacts,
        number: int,
        answers: dict[str, Any],
        score: int | None,
    ) -> ResponseRecord:
        """The response as it is kept, still without its contact."""
        answered_at = item.answered_at or self.unit.now
        record = ResponseRecord(
            id=new_id(),
            survey_id=survey.id,
            questions_version=number,
            iteration=self.calendar.iteration(survey, answered_at),
            contact_id=None,
            invitation_id=None,
            link_id=None,
            channel=item.channel,
            locale=item.locale,
            source=item.source,
            external_id=item.external_id,
            state="completed",
            answers=answers,
            score_type=None if survey.type == "custom" else survey.type,
            score=score,
            is_test=item.test,
            settled=True,
            started_at=answered_at,
            answered_at=answered_at,
            answered_on=self.calendar.day(answered_at),
            version=1,
        )
        return nobodys(record, locale=item.locale) if survey.anonymous else record

    async def _keep(self, drafts: dict[int, Draft], said: Mapping[int, PartnerResponse]) -> None:
        """Writes the first of each source and external id, and compares the others with what is there."""
        places, known = _places_by_key(drafts), self.known
        firsts = {key: drafts[each[0]] for key, each in places.items() if key not in known}
        fresh = await self._insert([firsts[key] for key in sorted(firsts, key=_key_order)])
        taken = [
            key for key, draft in firsts.items() if isinstance(key, tuple) and draft.record.id not in fresh
        ]
        known |= await self.repository.by_key(taken)
        for key, each in places.items():
            held = known.get(key) if isinstance(key, tuple) else None
            if held is None:
                held = fresh[firsts[key].record.id]
                self.results[each[0]] = Recorded(held, "created")
                each = each[1:]
            for place in each:
                self.results[place] = _again(held, drafts[place].record, said[place])

    async def _insert(self, drafts: Sequence[Draft]) -> dict[UUID, ResponseRecord]:
        """Those that were written, by their ids, each with the invitation it has spent."""
        if not drafts:
            return {}
        spending = await self._spending(drafts)
        fresh = await ResponseKeeper(self.unit, self.calendar).keep(spending)
        return {draft.record.id: draft.record for draft in spending if draft.record.id in fresh}

    async def _spending(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Each with an open invitation of its contact, which only one response can spend."""
        until: dict[Asked, datetime] = {}
        for draft in drafts:
            asked, answered_at = _asked(draft.record), draft.record.answered_at
            if asked is not None and answered_at is not None:
                until[asked] = max(answered_at, until.get(asked, answered_at))
        invitations = await self.repository.open_invitations(until)
        return [_spending(draft, invitations) for draft in drafts]


def _spending(draft: Draft, invitations: Mapping[Asked, list[OpenInvitation]]) -> Draft:
    """The draft with the latest invitation that was there when it was answered, taken from the others.

    A partial response that was begun by it stays what it is, for it may have been somebody else's.
    """
    record = draft.record
    asked = _asked(record)
    if asked is None or record.answered_at is None:
        return draft
    waiting = invitations.get(asked, [])
    for invitation in waiting:
        if invitation.created_at <= record.answered_at:
            waiting.remove(invitation)
            named = record._replace(invitation_id=None if invitation.started else invitation.id)
            return draft._replace(record=named, invitation_id=invitation.id)
    return draft


def _asked(record: ResponseRecord) -> Asked | None:
    """What the response has in common with an invitation that it may spend; None where nobody knows whose."""
    if record.contact_id is None:
        return None
    return Asked(record.survey_id, record.contact_id, record.is_test, record.iteration)


def _key(item: PartnerResponse) -> ForeignKey | None:
    return None if item.source is None or item.external_id is None else (item.source, item.external_id)


_Place = ForeignKey | int


def _places_by_key(drafts: Mapping[int, Draft]) -> dict[_Place, list[int]]:
    """Places by source and external id; one without these has a place of its own."""
    places: dict[_Place, list[int]] = {}
    for place, draft in drafts.items():
        record = draft.record
        keyed = record.source is not None and record.external_id is not None
        places.setdefault((record.source, record.external_id) if keyed else place, []).append(place)  # type: ignore[arg-type]
    return places


def _key_order(key: _Place) -> tuple[str, str, int]:
    return (*key, 0) if isinstance(key, tuple) else ("", "", key)


def _errors(item: PartnerResponse, survey: SurveyFacts, now: datetime) -> list[FieldError]:
    errors = []
    if item.contact_id is not None and item.contact is not None:
        errors.append(FieldError("/contact", "must not be there together with contact_id", "one_contact"))
    if item.external_id is not None and item.source is None:
        errors.append(FieldError("/source", "is needed where there is an external_id", "missing"))
    if item.answered_at is not None and item.answered_at > now + MOST_AHEAD:
        errors.append(FieldError("/answered_at", "must lie at most one day in the future", "in_the_future"))
    if survey.anonymous:
        for name in ("contact_id", "contact", "source", "external_id"):
            if getattr(item, name) is not None:
                detail = "must be absent: the survey is anonymous"
                errors.append(FieldError(f"/{name}", detail, "anonymous"))
    return errors


def _refuse_unless_open(survey: SurveyFacts, answered_at: datetime) -> None:
    """A closed survey still takes what was answered before it closed, however late it comes."""
    if survey.state not in ("open", "closed"):
        raise SurveyNotOpen("The survey is not open: it takes no responses yet.")
    if survey.over_at is not None and answered_at >= survey.over_at:
        raise SurveyNotOpen("The survey is closed: only responses from before it closed are taken.")


def _again(held: ResponseRecord, said: ResponseRecord, item: PartnerResponse) -> Recorded | Problem:
    """The same content is no news. What an item leaves open cannot differ; whether it is a test may."""
    same = (
        held.survey_id == said.survey_id
        and held.contact_id == said.contact_id
        and held.answers == said.answers
        and (held.channel, held.locale) == (said.channel, said.locale)
        and (item.answered_at is None or held.answered_at == item.answered_at)
        and (item.questions_version is None or held.questions_version == item.questions_version)
    )
    if same:
        return Recorded(held, "unchanged")
    return ResponseExists(
        "A response with this source and external_id was recorded with other content.",
        extensions={"existing_id": str(held.id)},
    )
