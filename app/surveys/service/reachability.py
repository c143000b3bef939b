"""Whether any answers lead to a question: an exact search, over classes of answers and not over answers.

Two answers are of one class where every predicate in play holds for both or for neither. Questions are gone
through in order, as a visitor does: one that is shown is answered by each class in turn, or left out if it
is optional; one that is hidden has no answer. A condition that is settled by some answers spares the others,
and a state that led nowhere is not tried again.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from app.surveys.service.answer_classes import representatives
from app.surveys.service.answers import Asked
from app.surveys.service.branching import Condition, Predicate, predicates, truth

MOST_EFFORT: Final = 300_000
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
        self._outcomes: dict[tuple[object, ...], tuple[list[Outcome], bool]] = {}

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
    ) -> tuple[list[Outcome], bool]:
        """The classes of answers to the question, and whether these are all."""
        key = (question.key, about, most)
        if key not in self._outcomes:
            self._outcomes[key] = self._classes(question, about, most)
        return self._outcomes[key]

    def _classes(
        self, question: Asked, about: tuple[Predicate, ...], most: int
    ) -> tuple[list[Outcome], bool]:
        found: dict[Outcome, None] = {}
        answers = representatives(question, about)
        cost = _length_of_texts(question, about) // 64
        for answer in islice(answers, most):
            self.spend(cost + (1 if answer is None else len(about)))
            if answer is not None:
                found[tuple(predicate.holds(answer) for predicate in about)] = None
        return list(found), next(answers, _END) is _END

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


class _Search:
    """The search for answers to the needed questions under which the goal holds."""

    def __init__(self, survey: Reachability, goal: Condition, needed: Sequence[Asked], most: int) -> None:
        places = {question.key: place for place, question in enumerate(needed)}
        about: list[list[Predicate]] = [[] for _ in needed]
        live: list[list[Predicate]] = [[] for _ in (*needed, goal)]
        for used_at, condition in enumerate((*(each.condition for each in needed), goal)):
            for predicate in predicates(condition) if condition else ():
                answered_at = places[predicate.question]
                about[answered_at].append(predicate)
                for place in range(answered_at + 1, used_at + 1):
                    live[place].append(predicate)
        self._survey = survey
        self._goal = goal
        self._needed = needed
        self._most = most
        self._about = [tuple(some) for some in about]
        self._live = live
        self._cost = _size(goal)
        self._known: dict[Predicate, bool] = {}
        self._dead: set[tuple[int, Outcome]] = set()
        self.is_exhaustive = True

    def leads_on(self, at: int = 0) -> bool:
        """Whether the goal can be reached from the answers to the questions before `at`."""
        self._survey.spend(self._cost + len(self._live[at]))
        verdict = truth(self._goal, self._known.get)
        if verdict is not None:
            return verdict
        # Of all that is known, only what is still to be used tells one state from another.
        state = (at, tuple(self._known[predicate] for predicate in self._live[at]))
        if state in self._dead:
            return False
        about = self._about[at]
        for outcome in self._outcomes(self._needed[at], about):
            self._survey.spend(len(about))
            self._known.update(zip(about, outcome, strict=True))
            if self.leads_on(at + 1):
                return True
        for predicate in about:
            self._known.pop(predicate, None)
        self._dead.add(state)
        return False

    def _outcomes(self, question: Asked, about: tuple[Predicate, ...]) -> list[Outcome]:
        """The classes of what can become of the question now: its answers, or none."""
        none = tuple(predicate.holds(None) for predicate in about)
        if question.condition:
            self._survey.spend(_size(question.condition))
            if not truth(question.condition, self._known.get):
                return [none]
        answers, are_all = self._survey.outcomes(question, about, self._most)
        self.is_exhaustive = self.is_exhaustive and are_all
        return answers if question.required else [*answers, none]


def _length_of_texts(question: Asked, about: Sequence[Predicate]) -> int:
    """How many letters are named: going through texts takes time by these."""
    if question.type != "text":
        return 0
    values = [predicate.value for predicate in about if predicate.operator != "exists"]
    return sum(len(value) if isinstance(value, str) else sum(map(len, value)) for value in values)


def _size(condition: Condition) -> int:
    return sum(1 for _ in predicates(condition))
