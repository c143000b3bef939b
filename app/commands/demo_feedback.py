"""The demo's surveys: opened when its year began, asked and answered morning by morning, and followed up."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from app.commands.demo_opinions import Ask, Care, Opinion, Opinions
from app.commands.demo_words import TOPICS
from app.commands.demo_world import SOURCE, Person
from app.commands.progress import Advance
from app.contacts.schemas.consents import ConsentCreate
from app.contacts.schemas.suppressions import SuppressionCreate
from app.contacts.service.consents import ConsentService
from app.contacts.service.suppressions import SuppressionService
from app.followups.schemas import FollowupOrigin, FollowupPatch
from app.followups.service import FollowupOpening, FollowupService
from app.kit.database import Unit
from app.kit.outbox import flush_events
from app.kit.preconditions import Precondition
from app.kit.resources import Resources
from app.surveys.schemas.invitations import SurveyInvitationsCreate
from app.surveys.schemas.responses import PartnerResponse
from app.surveys.schemas.surveys import SurveyCreate
from app.surveys.service.invitations import InvitationService
from app.surveys.service.links import Links
from app.surveys.service.recording import Recorded, ResponseRecorder
from app.surveys.service.reminding import ReminderService
from app.surveys.service.surveys import SurveyService

RECOMMENDING = {
    "title": {"en": "Would you recommend us?", "de": "Würden Sie uns empfehlen?"},
    "type": "nps",
    "questions": [
        {
            "key": "score",
            "type": "nps",
            "text": {
                "en": "How likely are you to recommend us?",
                "de": "Wie wahrscheinlich ist es, dass Sie uns weiterempfehlen?",
            },
        },
        {"key": "why", "type": "text", "text": {"en": "Why this number?", "de": "Warum diese Zahl?"}},
        {
            "key": "went_wrong",
            "type": "single_choice",
            "text": {
                "en": "What should we do better first?",
                "de": "Was sollen wir zuerst besser machen?",
            },
            "choices": [{"key": topic.key, "text": topic.name} for topic in TOPICS],
            "show_if": {"field": "score", "op": "lte", "value": 6},
        },
    ],
    "thanks": {"en": "Thank you!", "de": "Vielen Dank!"},
    "channel": "email",
    "recontact_rule": "recurring",
    "recontact_days": 90,
    "reminders_max": 1,
    "triggers": [{"kind": "purchase", "delay_hours": 7 * 24, "sample_percent": 80}],
}
JUDGING_HELP = {
    "title": {"en": "How did we help?", "de": "Wie war unsere Hilfe?"},
    "type": "csat",
    "questions": [
        {
            "key": "satisfaction",
            "type": "csat",
            "text": {
                "en": "How satisfied are you with the help you got?",
                "de": "Wie zufrieden sind Sie mit unserer Hilfe?",
            },
        },
        {
            "key": "solved",
            "type": "boolean",
            "text": {"en": "Is your question answered?", "de": "Ist Ihre Frage beantwortet?"},
        },
        {
            "key": "comment",
            "type": "text",
            "text": {
                "en": "What else would you like to tell us?",
                "de": "Was möchten Sie uns noch sagen?",
            },
        },
    ],
    "channel": "email",
    "recontact_rule": "recurring",
    "recontact_days": 30,
    "triggers": [{"kind": "support_resolved", "delay_hours": 24}],
}
MORNINGS_AT_ONCE = 20
REMINDERS_AT_ONCE = 500
OVERDUE_AT_ONCE = 500
REASONS = ("bounced", "bounced", "unsubscribed", "complained")


class _Due(NamedTuple):
    """When somebody is going to do something about a follow-up."""

    moment: datetime
    followup_id: UUID
    care: Care


class Feedback:
    """Puts opinions into a workspace whose contacts are in the order of the people.

    The touchpoints must have been handed to all consumers before: a survey asks for every touchpoint since
    it was opened, and an outbound message counts as the answer to a follow-up that was open by then.
    """

    def __init__(
        self, resources: Resources, workspace_id: UUID, opinions: Opinions, contacts: Sequence[UUID]
    ) -> None:
        self._database = resources.database
        self._links = Links.of(resources)
        self._workspace_id = workspace_id
        self._opinions = opinions
        self._contacts = contacts
        self._surveys: dict[str, UUID] = {}
        self._due: list[_Due] = []

    async def open_surveys(self, moment: datetime) -> UUID:
        """Both surveys, open since that moment; returns the one that asks for recommendation."""
        async with self._unit() as unit:
            await _travel(unit, moment)
            service = SurveyService(unit)
            for wish in (RECOMMENDING, JUDGING_HELP):
                survey = await service.create(SurveyCreate.model_validate(wish))
                await service.open(survey.id)
                self._surveys[survey.type] = survey.id
        return self._surveys["nps"]

    async def tell(self, advance: Advance) -> int:
        """Asks, records the answers as they came, and sees to the follow-ups they open; returns how many
        answers came."""
        mornings = self._opinions.mornings()
        for start in range(0, len(mornings), MORNINGS_AT_ONCE):
            portion = mornings[start : start + MORNINGS_AT_ONCE]
            async with self._unit() as unit:
                present = unit.now
                for morning in portion:
                    await self._live_until(unit, morning.at)
                    await self._record(unit, morning.told)
                    await self._ask(unit, morning.asked)
                if start + MORNINGS_AT_ONCE >= len(mornings):
                    await self._live_until(unit, present)
            advance(sum(len(morning.told) for morning in portion))
        return len(self._opinions.told)

    async def respect_wishes(self, people: Sequence[Person]) -> None:
        """Some contacts said that they may be asked or must not be, some addresses are out of use."""
        async with self._unit() as unit:
            for place in self._opinions.agreeing:
                await self._say(unit, people[place], place, state="granted", source="checkout form")
            for place in self._opinions.objecting:
                await self._say(unit, people[place], place, state="denied", source="link in an email")
            suppressions = SuppressionService(unit)
            for number, place in enumerate(self._opinions.unreachable):
                address, reason = (
                    people[place].contact["emails"][0]["address"],
                    REASONS[number % len(REASONS)],
                )
                await suppressions.add(SuppressionCreate.model_validate({"email": address, "reason": reason}))

    async def _say(self, unit: Unit, person: Person, place: int, **wish: Any) -> None:
        wish |= {"purpose": "surveys", "at": person.contact["acquired_at"]}
        await ConsentService(unit).record(self._contacts[place], ConsentCreate.model_validate(wish))

    async def _ask(self, unit: Unit, asked: Sequence[Ask]) -> None:
        for survey, survey_id in self._surveys.items():
            ids = [self._contacts[ask.person] for ask in asked if ask.survey == survey]
            if ids:
                wanted = SurveyInvitationsCreate(contact_ids=ids)
                results = await InvitationService(unit, survey_id).create(wanted, self._links)
                assert not any(item.skipped for item in results.items), "the demo bothers nobody"

    async def _record(self, unit: Unit, opinions: Sequence[Opinion]) -> None:
        results = await ResponseRecorder(unit).record([self._response(opinion) for opinion in opinions])
        cared = [
            (opinion.care, self._opened_by(opinion, _kept(result)))
            for opinion, result in zip(opinions, results, strict=True)
            if opinion.care is not None
        ]
        # Recording has opened them: asked for again by their origin, they come as they are.
        followups = await FollowupService(unit).open_many([opening for _, opening in cared])
        for (care, _), followup in zip(cared, followups, strict=True):
            moments = [moment for moment in (care.contacted_at, care.closed_at) if moment is not None]
            self._due += [_Due(moment, followup.id, care) for moment in moments]
        self._due.sort(key=lambda due: due.moment)

    def _response(self, opinion: Opinion) -> PartnerResponse:
        return PartnerResponse(
            survey_id=self._surveys[opinion.survey],
            contact_id=self._contacts[opinion.person],
            answers=opinion.answers,
            answered_at=opinion.answered_at,
            channel="email",
            locale=opinion.locale,
            source=SOURCE,
            external_id=f"A-{opinion.person:05d}-{opinion.answered_at:%Y%m%d}",
        )

    def _opened_by(self, opinion: Opinion, recorded: Recorded) -> FollowupOpening:
        response = recorded.response
        origin = FollowupOrigin(kind="survey_response", id=response.id, survey_id=response.survey_id)
        return FollowupOpening(self._contacts[opinion.person], "An answer to act upon", origin=origin)

    async def _live_until(self, unit: Unit, until: datetime) -> None:
        """Sees to follow-ups, each when somebody did; what is overdue by then is told of, and who has not
        answered is reminded."""
        done = [due for due in self._due if due.moment <= until]
        self._due = self._due[len(done) :]
        service = FollowupService(unit)
        for moment, followup_id, care in done:
            await _travel(unit, moment)
            patch = FollowupPatch.model_validate(_change(moment, care))
            await service.update(followup_id, patch, Precondition(None))
        await _travel(unit, until)
        await service.flag_overdue(OVERDUE_AT_ONCE)
        await ReminderService(unit, self._links).remind(REMINDERS_AT_ONCE)

    def _unit(self) -> AbstractAsyncContextManager[Unit]:
        return self._database.unit(self._workspace_id, actor="demo")


async def _travel(unit: Unit, moment: datetime) -> None:
    """Makes that moment the unit's present: what it does from here on was done then, as its events tell."""
    await unit.session.flush()
    await flush_events(unit)
    unit.now = moment


def _change(moment: datetime, care: Care) -> dict[str, Any]:
    if moment == care.contacted_at:
        return {"contacted_at": moment}
    return {"state": care.state, "outcome": care.outcome, "root_cause": care.root_cause}


def _kept(result: Any) -> Recorded:
    assert isinstance(result, Recorded), f"the demo's own answers are sound: {result}"
    return result
