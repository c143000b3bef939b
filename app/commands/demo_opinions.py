"""What the people of the demo's year think of the shop: it follows from what they went through.

As `demo_world`, it is the same for the same people and the same last day, whoever runs it.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any, Literal

from app.commands.demo_words import TOPICS, Topic, complaint, half_hearted, praise
from app.commands.demo_world import SEED, ZONE, Person

REST = timedelta(days=90)
"""Nobody is bothered again before that."""
MORNING = time(6, 30)
"""When, on working days, the tool that asks sends its mails, and hands over the answers that have come."""
SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Asking:
    """After which touchpoint people are asked, how long after it, how large a share of them, and how many of
    those answer."""

    survey: Literal["nps", "csat"]
    kind: str
    delay: timedelta
    sampled: float
    answering: float


ASKINGS = (
    Asking("nps", "purchase", timedelta(days=7), 0.8, 0.52),
    Asking("csat", "support_resolved", timedelta(hours=24), 1.0, 0.65),
)


@dataclass(frozen=True, slots=True)
class Ask:
    """The person at a place among the people is asked for an opinion."""

    person: int
    survey: Literal["nps", "csat"]
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Care:
    """What a follow-up comes to. What has not happened yet is None."""

    contacted_at: datetime | None
    closed_at: datetime | None
    state: Literal["done", "cancelled"]
    outcome: str
    root_cause: str


@dataclass(frozen=True, slots=True)
class Opinion:
    """The answers of the person at a place among the people; `care` where it is one to act upon."""

    person: int
    survey: Literal["nps", "csat"]
    answered_at: datetime
    told_at: datetime
    locale: str
    answers: dict[str, Any]
    care: Care | None


@dataclass(frozen=True, slots=True)
class Experience:
    """What somebody has been through up to some moment."""

    orders: int
    has_returned: bool
    is_waiting: bool
    days_to_solve: float


@dataclass(frozen=True, slots=True)
class Morning:
    """What the tool that asks and collects does in one go."""

    at: datetime
    told: list[Opinion] = field(default_factory=list)
    asked: list[Ask] = field(default_factory=list)


class Opinions:
    """The opinions that people were asked for and have told up to the instant `now`, and who wants to be left
    alone."""

    def __init__(self, now: datetime, people: Sequence[Person]) -> None:
        self._now = now
        self._people = people
        self._random = random.Random(SEED + 1)  # noqa: S311  (a story, not a secret)
        self.asked: list[Ask] = []
        told = (each for place, person in enumerate(people) for each in self._of(place, person))
        self.told = sorted(told, key=lambda opinion: (opinion.answered_at, opinion.person))
        speaking, asked = ({each.person for each in some} for some in (self.told, self.asked))
        silent = [place for place in range(len(people)) if place not in asked]
        self._random.shuffle(silent)
        few = -(-len(people) // 60)
        self.objecting = silent[:few]
        self.unreachable = silent[few : 2 * few]
        self.agreeing = sorted(speaking)[: 2 * few]

    def mornings(self) -> list[Morning]:
        """The mornings on which there was something to do, in their order."""
        mornings: dict[datetime, Morning] = {}
        for opinion in self.told:
            mornings.setdefault(opinion.told_at, Morning(opinion.told_at)).told.append(opinion)
        for ask in self.asked:
            mornings.setdefault(ask.asked_at, Morning(ask.asked_at)).asked.append(ask)
        return [mornings[at] for at in sorted(mornings)]

    def _of(self, place: int, person: Person) -> Iterator[Opinion]:
        temper = self._random.gauss(0, 0.9)
        language = "en" if person.contact["locale"].startswith("en") else "de"
        last: datetime | None = None
        for asked_at, asking in sorted(self._moments(person), key=lambda moment: moment[0]):
            if asked_at > self._now or (last is not None and asked_at - last < REST):
                continue
            self.asked.append(Ask(place, asking.survey, asked_at))
            last = answered_at = asked_at + timedelta(minutes=1 + int(self._random.expovariate(1 / 1_000)))
            if self._random.random() >= asking.answering or answered_at > self._now:
                continue
            past = _experience(person, answered_at)
            topic = self._topic(past)
            if asking.survey == "nps":
                answers = self._recommends(past, temper, language, topic, answered_at)
            else:
                answers = self._judges_help(past, temper, language, topic)
            told_at = min(_next_working_morning(answered_at), self._now)
            care = self._care(told_at, topic) if _is_bad(answers) else None
            locale = person.contact["locale"]
            yield Opinion(place, asking.survey, answered_at, told_at, locale, answers, care)

    def _moments(self, person: Person) -> Iterator[tuple[datetime, Asking]]:
        """When they would be asked for what, were there no rest in between."""
        for touchpoint in person.touchpoints:
            for asking in ASKINGS:
                if touchpoint["kind"] == asking.kind and self._random.random() < asking.sampled:
                    yield _next_working_morning(_occurred(touchpoint) + asking.delay), asking

    def _recommends(
        self, past: Experience, temper: float, language: str, topic: Topic, at: datetime
    ) -> dict[str, Any]:
        mood = 8.2 + temper + self._random.gauss(0, 1.3) + 0.2 * min(past.orders - 1, 6)
        mood -= 3.4 * past.has_returned + 2.8 * past.is_waiting
        # In the weeks before Christmas the parcels are late.
        mood -= 0.5 * (at.month in (11, 12))
        score = max(0, min(10, round(mood)))
        answers: dict[str, Any] = {"score": score}
        if score <= 6:
            answers["went_wrong"] = topic.key
        self._comment(answers, "why", language, topic, 0 if score <= 6 else 1 if score <= 8 else 2)
        return answers

    def _judges_help(self, past: Experience, temper: float, language: str, topic: Topic) -> dict[str, Any]:
        mood = 4.6 + 0.5 * temper + self._random.gauss(0, 0.7) - 0.35 * past.days_to_solve
        mood -= 0.9 * past.has_returned + 1.2 * past.is_waiting
        score = max(1, min(5, round(mood)))
        answers: dict[str, Any] = {"satisfaction": score, "solved": score >= 3 or self._random.random() < 0.3}
        if self._random.random() < 0.7:
            topic = next(each for each in TOPICS if each.key == "support")
        self._comment(answers, "comment", language, topic, 0 if score <= 2 else 1 if score == 3 else 2)
        return answers

    def _comment(self, answers: dict[str, Any], key: str, language: str, topic: Topic, pleasure: int) -> None:
        """Adds some words; who is let down has more to say."""
        if self._random.random() < (0.85, 0.6, 0.5)[pleasure]:
            answers[key] = (complaint, half_hearted, praise)[pleasure](self._random, language, topic)

    def _topic(self, past: Experience) -> Topic:
        weights = {"delivery": 4, "quality": 3, "price": 2, "support": 1, "ordering": 2}
        if past.has_returned:
            weights |= {"quality": 12}
        if past.is_waiting:
            weights |= {"support": 20}
        return self._random.choices(TOPICS, [weights[topic.key] for topic in TOPICS])[0]

    def _care(self, opened_at: datetime, topic: Topic) -> Care | None:
        """One in fourteen is forgotten; the others hear from somebody within a few days."""
        if self._random.random() < 0.07:
            return None
        contacted_at = opened_at + timedelta(minutes=60 + int(self._random.expovariate(1 / 1_600)))
        closed_at = contacted_at + timedelta(hours=self._random.choice((1, 3, 24, 48, 96, 240)))
        in_vain = self._random.random() < 0.08
        return Care(
            contacted_at=contacted_at if contacted_at <= self._now else None,
            closed_at=closed_at if closed_at <= self._now else None,
            state="cancelled" if in_vain else "done",
            outcome="Did not want to talk." if in_vain else self._random.choice(topic.outcomes),
            root_cause=topic.cause,
        )


def _experience(person: Person, until: datetime) -> Experience:
    past = [each for each in person.touchpoints if _occurred(each) <= until]
    returned = [_occurred(each) for each in past if each["kind"] == "refund"]
    asked = sorted(_occurred(each) for each in past if each["kind"] == "support_case")
    solved = sorted(_occurred(each) for each in past if each["kind"] == "support_resolved")
    took = solved[-1] - asked[len(solved) - 1] if solved and len(asked) >= len(solved) else timedelta()
    return Experience(
        orders=sum(each["kind"] == "purchase" for each in past),
        has_returned=bool(returned) and until - max(returned) < timedelta(days=120),
        is_waiting=len(asked) > len(solved),
        days_to_solve=max(took, timedelta()) / timedelta(days=1),
    )


def _occurred(touchpoint: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(touchpoint["occurred_at"])


def _next_working_morning(moment: datetime) -> datetime:
    day = moment.astimezone(ZONE).date() + timedelta(days=1)
    while day.weekday() >= SATURDAY:
        day += timedelta(days=1)
    return datetime.combine(day, MORNING, ZONE).astimezone(moment.tzinfo)


def _is_bad(answers: dict[str, Any]) -> bool:
    """Whether the surveys' own rules open a follow-up."""
    return bool(answers.get("score", 10) <= 6 or answers.get("satisfaction", 5) <= 2)
