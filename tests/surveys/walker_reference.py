"""What a survey asks, said as plainly as possible: over the JSON of its questions and answers.

Questions are taken in order. One without a condition is asked. One with a condition is asked where it holds
over the answers to the questions that were asked before it; an answer to any other does not count.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, combinations
from typing import Any

from tests.kit.filter_reference import matches

Json = Mapping[str, Any]

NEVER = datetime(1900, 1, 1, tzinfo=UTC)
FILTER_TYPES = {
    **dict.fromkeys(("nps", "csat", "ces", "rating", "number"), "number"),
    "single_choice": "choice",
    "multi_choice": "text_list",
    "text": "text",
    "boolean": "boolean",
    "date": "date",
}


def path_of(questions: Sequence[Json], answers: Json) -> list[str]:
    """The keys of the questions that are asked."""
    types = {question["key"]: FILTER_TYPES[question["type"]] for question in questions}
    asked: list[str] = []
    for question in questions:
        counting = {key: answers.get(key) if key in asked else None for key in types}
        if "show_if" not in question or matches(question["show_if"], counting, types, NEVER):
            asked.append(question["key"])
    return asked


def missing_of(questions: Sequence[Json], answers: Json) -> list[str]:
    """The keys of those that are asked and must be answered, and are not."""
    required = {question["key"] for question in questions if question["required"]}
    return [key for key in path_of(questions, answers) if key in required and key not in answers]


def every_answer_set(questions: Sequence[Json], texts: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Every way to go through small questions, leaving out what may be left out.

    `texts` stand for all texts.
    """
    yield from _ways_on(questions, 0, {}, texts)


def _ways_on(
    questions: Sequence[Json], at: int, answers: dict[str, Any], texts: Sequence[str]
) -> Iterator[dict[str, Any]]:
    if at == len(questions):
        yield answers
        return
    question = questions[at]
    is_asked = question["key"] in path_of(questions[: at + 1], answers)
    if not is_asked or not question["required"]:
        yield from _ways_on(questions, at + 1, answers, texts)
    for answer in _every_answer(question, texts) if is_asked else ():
        yield from _ways_on(questions, at + 1, {**answers, question["key"]: answer}, texts)


def _every_answer(question: Json, texts: Sequence[str]) -> list[Any]:
    keys = [choice["key"] for choice in question.get("choices", ())]
    match question["type"]:
        case "nps":
            return list(range(11))
        case "csat":
            return list(range(1, 6))
        case "rating":
            return list(range(question["min"], question["max"] + 1))
        case "number":
            low, high = question["min"], question["max"]
            return [low + step / 2 for step in range(int(high - low) * 2 + 1)]
        case "date":
            first, last = int(question["min"][-2:]), int(question["max"][-2:])
            return [f"2026-03-{day:02}" for day in range(first, last + 1)]
        case "boolean":
            return [True, False]
        case "single_choice":
            return keys
        case "multi_choice":
            sizes = range(question.get("min_choices", 1), question.get("max_choices", len(keys)) + 1)
            return [list(some) for some in chain(*(combinations(keys, size) for size in sizes))]
        case "text":
            return [text for text in texts if len(text) <= question["max_length"]]
    raise AssertionError(question["type"])
