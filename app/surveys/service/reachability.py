"""Whether any answers lead to a question: an exact search, over classes of answers and not over answers.

Two answers are of one class where every predicate in play holds for both or for neither. Questions are gone
through in order, as a visitor does: one that is shown is answered by each class in turn, or left out if it
is optional; one that is hidden has no answer. A condition that is settled by some answers spares the others,
and a state that led nowhere is not tried again.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

from app.surveys.service.answer_classes import representatives
from app.surveys.service.answers import Asked
from app.surveys.service.branching import Condition, Predicate, predicates, truth

MOST_EFFORT: Final = 400_000
"""Predicates judged, for a whole survey: some tenths of a second."""
FEW_REPRESENTATIVES: Final = 200
MANY_REPRESENTATIVES: Final = 20_000

Outcome = tuple[bool, ...]
"""Which of the predicates about a question hold, in their order."""


class TooComplex(Exception):
    """The search would take longer than anybody should wait."""


class Reachability:
    """Of the questions of one survey, whose conditions are sound one by one."""

    def __init__(self, questions: Sequence[Asked]) -> None:
        self._questions = questions
        self._effort = MOST_EFFORT
        self._outcomes: dict[tuple[object, ...], tuple[dict[int, Outcome], bool]] = {}

    def can_be_asked(self, question: Asked) -> bool:
        """Whether some answers lead to it. Raises `TooComplex`."""
        if question.condition is None:
            return True
        needed = self._needed(question.condition)
        for most in (FEW_REPRESENTATIVES, MANY_REPRESENTATIVES):
            search = _Search(self, question.condition, needed, most)
            if search.leads_on():
                return True
            if search.is_exhaustive:
                return False
        raise TooComplex

    def spend(self, effort: int) -> None:
        """Counts what is done. Raises `TooComplex` once it is too much."""
        self._effort -= effort
        if self._effort < 0:
            raise TooComplex

    def outcomes(
        self, question: Asked, about: tuple[Predicate, ...], most: int
    ) -> tuple[dict[int, Outcome], bool]:
        """The classes of answers to the question, numbered, and whether these are all."""
        key = (question.key, about, most)
        if key not in self._outcomes:
            self._outcomes[key] = self._classes(question, about, most)
        return self._outcomes[key]

    def _classes(
        self, question: Asked, about: tuple[Predicate, ...], most: int
    ) -> tuple[dict[int, Outcome], bool]:
        found: dict[Outcome, None] = {}
        answers = representatives(question, about)
        cost = _length_of_texts(question, about) // 64
        for answer in islice(answers, most):
            self.spend(cost + (1 if answer is None else len(about)))
            if answer is not None:
                found[tuple(predicate.holds(answer) for predicate in about)] = None
        return dict(enumerate(found)), next(answers, _END) is _END

    def _needed(self, condition: Condition) -> list[Asked]:
        """The questions that the condition depends on, by way of others too, in order."""
        keys = {predicate.question for predicate in predicates(condition)}
        needed = []
        for question in reversed(self._questions):
            if question.key in keys:
                needed.append(question)
                above = predicates(question.condition) if question.condition else ()
                keys |= {predicate.question for predicate in above}
        return needed[::-1]


_END: Final = object()
NO_ANSWER: Final = -1


class _Search:
    """The search for answers to the needed questions under which the goal holds."""

    def __init__(self, survey: Reachability, goal: Condition, needed: Sequence[Asked], most: int) -> None:
        self._survey = survey
        self._goal = goal
        self._needed = needed
        self._most = most
        self._cost = _size(goal)
        self._costs = [_size(each.condition) for each in needed]
        self._about, self._live = self._uses()
        self._known: dict[Predicate, bool] = {}
        self._became: list[int] = []
        self._dead: set[tuple[int, ...]] = set()
        self.is_exhaustive = True

    def _uses(self) -> tuple[list[tuple[Predicate, ...]], list[list[int]]]:
        """For each question the predicates about it, and for each place in the order the places of the
        questions before it that are still to be looked at."""
        places = {question.key: place for place, question in enumerate(self._needed)}
        about: list[dict[Predicate, None]] = [{} for _ in self._needed]
        last_use = [0] * len(self._needed)
        for used_at, condition in enumerate((*(each.condition for each in self._needed), self._goal)):
            for predicate in predicates(condition) if condition else ():
                about[places[predicate.question]][predicate] = None
                last_use[places[predicate.question]] = used_at
        self._survey.spend(sum(map(len, about)) // 4)
        live: list[list[int]] = [[] for _ in (*self._needed, self._goal)]
        for place, used_at in enumerate(last_use):
            for at in range(place + 1, used_at + 1):
                live[at].append(place)
        return [tuple(some) for some in about], live

    def leads_on(self, at: int = 0) -> bool:
        """Whether the goal can be reached from the answers to the questions before `at`."""
        self._survey.spend(self._cost)
        verdict = truth(self._goal, self._known.get)
        if verdict is not None:
            return verdict
        # Of all that was answered, only what is still to be looked at tells one state from another.
        state = (at, *(self._became[place] for place in self._live[at]))
        if state in self._dead:
            return False
        about = self._about[at]
        for number, outcome in self._outcomes(at, about).items():
            self._survey.spend(len(about))
            self._known.update(zip(about, outcome, strict=True))
            self._became.append(number)
            if self.leads_on(at + 1):
                return True
            self._became.pop()
        for predicate in about:
            self._known.pop(predicate, None)
        self._dead.add(state)
        return False

    def _outcomes(self, at: int, about: tuple[Predicate, ...]) -> Mapping[int, Outcome]:
        """The classes of what can become of the question now, numbered: its answers, or none."""
        question = self._needed[at]
        none = tuple(predicate.holds(None) for predicate in about)
        if question.condition:
            self._survey.spend(self._costs[at])
            if not truth(question.condition, self._known.get):
                return {NO_ANSWER: none}
        answers, are_all = self._survey.outcomes(question, about, self._most)
        self.is_exhaustive = self.is_exhaustive and are_all
        return answers if question.required else {**answers, NO_ANSWER: none}


def _length_of_texts(question: Asked, about: Sequence[Predicate]) -> int:
    """How many letters are named: going through texts takes time by these."""
    if question.type != "text":
        return 0
    values = [predicate.value for predicate in about if predicate.operator != "exists"]
    return sum(len(value) if isinstance(value, str) else sum(map(len, value)) for value in values)


def _size(condition: Condition | None) -> int:
    return sum(1 for _ in predicates(condition)) if condition else 0
