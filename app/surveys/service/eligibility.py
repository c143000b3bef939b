"""Who may be asked, and why not."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from app.contacts.models import Channel
from app.contacts.service.consents import ConsentService
from app.contacts.service.matching import ContactMatcher
from app.contacts.service.suppressions import SuppressionService
from app.kit.database import Unit
from app.kit.errors import Invalid
from app.kit.filters import parse_filter
from app.surveys.models.surveys import FrequencyRuleRow, SurveyRow
from app.surveys.repository.frequency import FrequencyRepository, Limit
from app.surveys.repository.invitations import History, InvitationRepository
from app.surveys.schemas.invitations import SkipReason
from app.surveys.service.timing import Calendar

PURPOSE = "surveys"
"""The purpose of consent that surveys ask for."""


class Verdict(NamedTuple):
    """Why a contact is not asked; `detail` says it to people."""

    reason: SkipReason
    detail: str


Verdicts = dict[UUID, Verdict]
_Check = Callable[[list[UUID]], Awaitable[Verdicts]]

DUPLICATE = Verdict("duplicate", "It was named before in this request.")
_UNKNOWN = Verdict("unknown_contact", "There is no such contact in this workspace.")
_ARCHIVED = Verdict("archived_contact", "The contact is archived.")
_DENIED = Verdict("no_consent", "The contact has denied consent to surveys on this channel.")
_NOT_GRANTED = Verdict("no_consent", "The contact has not granted consent to surveys on this channel.")
_SUPPRESSED = Verdict("suppressed", "The contact's address is on the suppression list.")
_OUTSIDE = Verdict("outside_audience", "The contact does not match the survey's audience.")
_ANSWERED = Verdict("already_answered", "The contact has answered in this iteration.")
_ASKED_ONCE = Verdict("recontact", "The contact was asked in this iteration, and is asked once.")
_PENDING = Verdict(
    "recontact", "The contact has an invitation to this anonymous survey that may still count."
)


def in_order(
    contact_ids: Sequence[UUID], verdicts: Mapping[UUID, Verdict]
) -> Iterator[tuple[UUID, Verdict | None]]:
    """Each mention with its verdict; the second one of a contact that is there is a duplicate."""
    seen: set[UUID] = set()
    for contact_id in contact_ids:
        verdict = verdicts.get(contact_id)
        if contact_id in seen and verdict not in (_UNKNOWN, _ARCHIVED):
            verdict = DUPLICATE
        seen.add(contact_id)
        yield contact_id, verdict


class EligibilityService:
    """Judges contacts, in a fixed number of queries however many they are.

    What it finds holds for as long as nobody else asks: who is about to ask locks the contacts first.
    """

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.matcher = ContactMatcher(unit)
        self.frequency = FrequencyRepository(unit)
        self.invitations = InvitationRepository(unit)

    async def verdicts(
        self,
        survey: SurveyRow,
        contact_ids: Collection[UUID],
        channel: Channel | None,
        *,
        is_test: bool = False,
    ) -> Verdicts:
        """Of those who are not asked, the first reason. Without a `channel` it is the survey's.

        A test is asked whatever has been before.
        """
        return await _first(self._checks(survey, channel or survey.channel, is_test), contact_ids)

    async def hindrances(
        self, survey: SurveyRow, contact_ids: Collection[UUID], channel: Channel | None
    ) -> Verdicts:
        """Why those of the contacts who must not be written to must not, whatever they were asked before."""
        return await _first(self._permission(survey, channel), contact_ids)

    def _checks(self, survey: SurveyRow, channel: Channel | None, is_test: bool) -> Iterator[_Check]:
        yield from self._permission(survey, channel)
        yield lambda ids: self._audience(ids, survey)
        if not is_test:
            yield lambda ids: self._recontact(ids, survey)
            yield self._frequency

    def _permission(self, survey: SurveyRow, channel: Channel | None) -> Iterator[_Check]:
        yield self._standing
        yield lambda ids: self._consent(ids, channel, required=survey.consent_required)
        yield lambda ids: self._suppression(ids, channel)

    async def _standing(self, ids: list[UUID]) -> Verdicts:
        states = await self.matcher.states(ids)
        unknown = {each: _UNKNOWN for each in ids if each not in states}
        return unknown | {each: _ARCHIVED for each, state in states.items() if state.is_archived}

    async def _consent(self, ids: list[UUID], channel: Channel | None, *, required: bool) -> Verdicts:
        consents = ConsentService(self.unit)
        refused = dict.fromkeys(await consents.denied(ids, PURPOSE, channel), _DENIED)
        if not required:
            return refused
        granted = await consents.granted(ids, PURPOSE, channel)
        return {each: _NOT_GRANTED for each in ids if each not in granted} | refused

    async def _suppression(self, ids: list[UUID], channel: Channel | None) -> Verdicts:
        return dict.fromkeys(await SuppressionService(self.unit).suppressed(ids, channel), _SUPPRESSED)

    async def _audience(self, ids: list[UUID], survey: SurveyRow) -> Verdicts:
        if survey.audience is None:
            return {}
        wanted = parse_filter(survey.audience)
        try:
            inside = set(await self.matcher.matching(wanted, among=ids, limit=len(ids)))
        except Invalid:
            # An attribute that the audience asks for is gone: better to ask nobody than everybody.
            inside = set()
        return {each: _OUTSIDE for each in ids if each not in inside}

    async def _recontact(self, ids: list[UUID], survey: SurveyRow) -> Verdicts:
        calendar = await Calendar.of(self.unit)
        iteration = calendar.iteration(survey, self.unit.now)
        histories = await self.invitations.histories(ids, survey.id, iteration)
        judged = {each: _by_history(survey, history, self.unit.now) for each, history in histories.items()}
        return {each: verdict for each, verdict in judged.items() if verdict is not None}

    async def _frequency(self, ids: list[UUID]) -> Verdicts:
        terms = [term for rule in await self.frequency.every() for term in _terms(rule)]
        if not terms:
            return {}
        limits = [Limit(term.most, self.unit.now - term.within) for term in terms]
        until: dict[UUID, tuple[datetime, str]] = {}
        for reached in await self.frequency.reached(ids, limits):
            term = terms[reached.place]
            held = (reached.at + term.within, term.rule)
            until[reached.contact_id] = max(held, until.get(reached.contact_id, held))
        return {
            each: Verdict("contact_frequency", f"The rule “{rule}” holds until {_text(at)}.")
            for each, (at, rule) in until.items()
        }


async def _first(checks: Iterable[_Check], contact_ids: Collection[UUID]) -> Verdicts:
    """The verdict of the first check that has one."""
    verdicts: Verdicts = {}
    for check in checks:
        rest = [each for each in dict.fromkeys(contact_ids) if each not in verdicts]
        if rest:
            verdicts |= await check(rest)
    return verdicts


class _Term(NamedTuple):
    """At most so many invitations within so long: what either half of a rule comes to."""

    rule: str
    most: int
    within: timedelta


def _terms(rule: FrequencyRuleRow) -> Iterator[_Term]:
    """In absolute hours: a timedelta added to a UTC instant knows nothing of summer time."""
    if rule.max_invitations is not None and rule.window_hours is not None:
        yield _Term(rule.name, rule.max_invitations, timedelta(hours=rule.window_hours))
    if rule.min_gap_hours is not None:
        yield _Term(rule.name, 1, timedelta(hours=rule.min_gap_hours))


def _by_history(survey: SurveyRow, history: History, now: datetime) -> Verdict | None:
    """What the survey's own rule on asking again says."""
    if survey.recontact_rule == "always":
        return None
    if survey.recontact_rule == "recurring":
        return _by_days(history, timedelta(days=survey.recontact_days or 0), now)
    # Who answered an anonymous survey is told no earlier here than anywhere else.
    if history.answered_at is not None or (survey.anonymous and history.spent):
        return _ANSWERED
    if survey.recontact_rule == "once":
        return _ASKED_ONCE if history.asked_at is not None else None
    return _PENDING if survey.anonymous and history.pending else None


def _by_days(history: History, gap: timedelta, now: datetime) -> Verdict | None:
    last = max((at for at in (history.asked_at, history.answered_at) if at is not None), default=None)
    if last is None or last <= now - gap:
        return None
    return Verdict("recontact", f"The survey's rule on asking again holds until {_text(last + gap)}.")


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
