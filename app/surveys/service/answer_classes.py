"""Answers to a question that stand for all others: at least one of each class, and each of them possible.

Two answers are of one class where the same predicates hold. The order is from the likely to the rare, so
that a search that stops early has tried the likely ones.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import combinations, pairwise
from typing import Any

from app.kit.schemas import FIRST_YEAR, LAST_YEAR
from app.surveys.schemas.questions import LARGEST_NUMBER
from app.surveys.service.answers import Asked
from app.surveys.service.branching import Predicate, Words
from app.surveys.service.text_classes import texts


def representatives(question: Asked, about: Sequence[Predicate]) -> Iterator[Any]:
    """Typed answers of every class that the predicates make. A None stands for effort that found nothing."""
    match question.type:
        case "boolean":
            return iter((True, False))
        case "single_choice":
            return iter(question.choices)
        case "multi_choice":
            return _selections(question, about)
        case "text":
            found = texts(question.shape["max_length"], about)
            return (None if text is None else Words(text) for text in found)
        case "number":
            return _numbers(question, _constants(about))
        case "date":
            return _days(question, _constants(about))
    low, high = question.bounds
    return (Decimal(value) for value in range(low, high + 1))


def _constants(about: Sequence[Predicate]) -> Iterator[Any]:
    for predicate in about:
        if predicate.operator != "exists":
            value = predicate.value
            yield from value if isinstance(value, tuple | frozenset) else (value,)


def _numbers(question: Asked, constants: Iterator[Decimal]) -> Iterator[Decimal]:
    """The bounds, what the predicates name, and a number between each two of these.

    Answers are what a float can be, so between two floats that are neighbours there is none.
    """
    low, high = question.bounds
    lowest = Decimal(-LARGEST_NUMBER if low is None else repr(low))
    highest = Decimal(LARGEST_NUMBER if high is None else repr(high))
    named = sorted({lowest, highest, *(each for each in constants if lowest < each < highest)})
    yield from named
    for below, above in pairwise(named):
        between = Decimal(repr((float(below) + float(above)) / 2))
        if below < between < above:
            yield between


def _days(question: Asked, constants: Iterator[date]) -> Iterator[date]:
    """The bounds, what the predicates name, and the days around it."""
    low, high = question.bounds
    first = date.fromisoformat(low) if low else date(FIRST_YEAR, 1, 1)
    last = date.fromisoformat(high) if high else date(LAST_YEAR - 1, 12, 31)
    around = {day + timedelta(days=days) for day in constants for days in (-1, 0, 1)}
    yield from sorted({first, last, *(day for day in around if first < day < last)})


def _selections(question: Asked, about: Sequence[Predicate]) -> Iterator[tuple[str, ...] | None]:
    """Choices that the same predicates name are alike: what counts is from which of these groups some are
    taken, and that the number taken is allowed."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for choice in question.choices:
        role = tuple(index for index, predicate in enumerate(about) if _names(predicate, choice))
        groups.setdefault(role, []).append(choice)
    for size in range(1, len(groups) + 1):
        for taken in combinations(groups.values(), size):
            yield _selection(taken, *question.counts)


def _names(predicate: Predicate, choice: str) -> bool:
    value = predicate.value
    return choice in value if isinstance(value, frozenset) else choice == value


def _selection(taken: Sequence[list[str]], fewest: int, most: int) -> tuple[str, ...] | None:
    """One of each group, and more of them up to the number needed; None where that can't be."""
    firsts = [group[0] for group in taken]
    others = [choice for group in taken for choice in group[1:]]
    chosen = (*firsts, *others[: max(fewest - len(firsts), 0)])
    return chosen if fewest <= len(chosen) <= most else None
