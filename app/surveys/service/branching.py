"""Conditions over answers: the kit's filters, with keys of earlier questions as fields, judged in memory.

What they mean stands in `app.kit.filters`. Answers are *typed* here: Decimal for numbers of every kind, date,
bool, `Words` for texts, str for a choice and a list of these for several; None where there is no answer.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from app.kit.errors import FieldError
from app.kit.filter_values import TYPE_OPERATORS, FieldType, ValueReader, WrongValue
from app.kit.filters import Filter, FilterAnd, FilterNot, FilterOr, FilterPredicate, Operator


@dataclass(frozen=True, slots=True, eq=False)
class Predicate:
    """Compares the answer to one question with a typed value: a set for `in` and `not_in`, a pair for
    `between`, and folded for a part of a text. Equal ones of a survey are the same object."""

    question: str
    operator: Operator
    value: Any

    def holds(self, answer: Any) -> bool:
        """Whether it does for a typed answer, or for None."""
        match self.operator:
            case "exists":
                return (answer is not None) is self.value
            case "ne":
                return answer is None or bool(answer != self.value)
            case "not_in":
                return answer is None or not _is_in(answer, self.value)
        return answer is not None and _COMPARISONS[self.operator](answer, self.value)


@dataclass(frozen=True, slots=True)
class Every:
    """Holds where all parts do."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """Holds where a part does."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """Holds where its part does not."""

    part: "Condition"


Condition = Every | Some | Negation | Predicate

Judge = Callable[[Predicate], bool | None]
"""Whether a predicate holds, or None where that is not known yet."""


def truth(condition: Condition, judge: Judge) -> bool | None:
    """Whether the condition holds; None where it depends on a predicate that is not known yet."""
    match condition:
        case Predicate():
            return judge(condition)
        case Negation():
            inner = truth(condition.part, judge)
            return None if inner is None else not inner
        case Every():
            return _settled(condition.parts, judge, by=False)
    return _settled(condition.parts, judge, by=True)


def _settled(parts: Sequence[Condition], judge: Judge, *, by: bool) -> bool | None:
    """One part that is `by` settles it; without one, all have to be known."""
    verdict: bool | None = not by
    for part in parts:
        one = truth(part, judge)
        if one is by:
            return by
        if one is None:
            verdict = None
    return verdict


def predicates(condition: Condition) -> Iterator[Predicate]:
    """Every predicate of the condition."""
    match condition:
        case Predicate():
            yield condition
        case Negation():
            yield from predicates(condition.part)
        case Every() | Some():
            for part in condition.parts:
                yield from predicates(part)


class ConditionReader:
    """Reads the conditions of a survey, in order, and collects what is wrong.

    `keys` are those of all its questions, so that a later one can be told from one that is not there.
    """

    def __init__(self, keys: Collection[str]) -> None:
        self._keys = keys
        self._earlier: dict[str, Mapping[str, Any]] = {}
        self._predicates: dict[tuple[str, Operator, Any], Predicate] = {}
        self.errors: list[FieldError] = []

    def pass_by(self, question: Mapping[str, Any]) -> None:
        """From here on, conditions may name this question, in its stored form."""
        self._earlier.setdefault(question["key"], question)

    def read(self, node: Filter, pointer: str) -> Condition:
        """The condition, which means nothing once there are errors."""
        match node:
            case FilterNot():
                return Negation(self.read(node.not_, f"{pointer}/not"))
            case FilterAnd():
                return Every(self._parts(node.and_, f"{pointer}/and"))
            case FilterOr():
                return Some(self._parts(node.or_, f"{pointer}/or"))
        return self._predicate(node, pointer)

    def _parts(self, nodes: Sequence[Filter], pointer: str) -> tuple[Condition, ...]:
        return tuple(self.read(node, f"{pointer}/{index}") for index, node in enumerate(nodes))

    def _predicate(self, node: FilterPredicate, pointer: str) -> Condition:
        question = self._earlier.get(node.field)
        if question is None:
            return self._refuse(f"{pointer}/field", *self._why_not(node.field))
        operators = OPERATORS[question["type"]]
        if node.op not in operators:
            detail = f"Answers to this question take: {', '.join(operators)}."
            return self._refuse(f"{pointer}/op", detail, "unknown_operator")
        try:
            value = _reader(question).read(node.op, node.value)
        except WrongValue as wrong:
            for error in wrong.errors:
                self._refuse(f"{pointer}/value{error.pointer}", error.detail, error.code)
            return _NOTHING
        parts = (node.field, node.op, _comparable(question["type"], node.op, value))
        return self._predicates.setdefault(parts, Predicate(*parts))

    def _why_not(self, key: str) -> tuple[str, str]:
        if key in self._keys:
            return (
                "A question can only depend on earlier ones. This one comes later or is the question itself, "
                "which would be a circle: each would wait for the other's answer.",
                "circle",
            )
        return "The survey has no question of that key.", "unknown_question"

    def _refuse(self, pointer: str, detail: str, code: str) -> Condition:
        self.errors.append(FieldError(pointer, detail, code))
        return _NOTHING


_NOTHING: Final = Every(())

_FIELD_TYPES: Final[Mapping[str, FieldType]] = {
    "nps": "number",
    "csat": "number",
    "ces": "number",
    "rating": "number",
    "number": "number",
    "single_choice": "choice",
    "multi_choice": "text_list",
    "text": "text",
    "boolean": "boolean",
    "date": "date",
}

# A path that depended on the day it is looked at would change under answers that are given.
OPERATORS: Final[Mapping[str, tuple[Operator, ...]]] = {
    type: tuple(operator for operator in TYPE_OPERATORS[field] if operator != "within_last")
    for type, field in _FIELD_TYPES.items()
}
"""What a condition may ask of an answer, by the type of its question."""

_NO_CLOCK: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Only `within_last` would read it."""


def _reader(question: Mapping[str, Any]) -> ValueReader:
    """The elements of a list of choices are themselves choices."""
    keys = tuple(choice["key"] for choice in question.get("choices", ()))
    return ValueReader("choice" if keys else _FIELD_TYPES[question["type"]], keys, False, _NO_CLOCK)


def _comparable(type: str, operator: Operator, value: Any) -> Any:
    if isinstance(value, list):
        return frozenset(value)
    return folded(value) if type == "text" and operator in ("contains", "starts_with") else value


class Words(str):
    """A text with its folded form, which is made only once."""

    plain: str

    def __new__(cls, text: str) -> "Words":
        words = super().__new__(cls, text)
        words.plain = folded(text)
        return words


def folded(text: str) -> str:
    """Letter by letter, as PostgreSQL ignores case: one letter stays one letter."""
    return text.lower() if text.isascii() else "".join(letter.lower()[0] for letter in text)


def _contains(answer: Words | Sequence[str], value: str) -> bool:
    return value in answer.plain if isinstance(answer, Words) else value in answer


def _is_in(answer: Any, values: Collection[Any]) -> bool:
    return any(one in values for one in answer) if isinstance(answer, list | tuple) else answer in values


_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": lambda answer, value: answer == value,
    "lt": lambda answer, value: answer < value,
    "lte": lambda answer, value: answer <= value,
    "gt": lambda answer, value: answer > value,
    "gte": lambda answer, value: answer >= value,
    "between": lambda answer, value: value[0] <= answer <= value[1],
    "in": _is_in,
    "contains": _contains,
    "starts_with": lambda answer, value: answer.plain.startswith(value),
}
