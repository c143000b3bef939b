"""Which questions make a sound survey."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.kit.errors import FieldError, Invalid
from app.kit.filters import parse_filter
from app.surveys.schemas.questions import (
    MOST_QUESTIONS,
    SCORE_RANGES,
    WIDEST_RATING,
    QuestionInput,
    SurveyType,
)
from app.surveys.service.answers import Asked
from app.surveys.service.branching import ConditionReader
from app.surveys.service.reachability import Reachability, TooComplex

Stored = Mapping[str, Any]


def checked(
    questions: Sequence[QuestionInput], survey_type: SurveyType, pointer: str = "/questions"
) -> list[dict[str, Any]]:
    """The questions as they are stored: plain JSON, every default filled in, absent fields left out.

    Raises `Invalid` naming each wrong place below `pointer`, at most 20. What can be reached is asked only of
    questions that make sense one by one.
    """
    if len(questions) > MOST_QUESTIONS:
        raise Invalid.at(pointer, f"A survey has at most {MOST_QUESTIONS} questions.", "too_many")
    stored = [_stored(question) for question in questions]
    asked, errors = _with_conditions(stored, pointer)
    errors = [
        *_score_errors(stored, survey_type, pointer),
        *_duplicates(stored, pointer, "question"),
        *(error for index, each in enumerate(stored) for error in _errors(each, f"{pointer}/{index}")),
        *errors,
    ]
    Invalid.refuse_any(errors)
    Invalid.refuse_any(list(_unreachable(asked, pointer)))
    return stored


def _stored(question: QuestionInput) -> dict[str, Any]:
    shape = question.model_dump(mode="json", exclude_none=True)
    shape["required"] = question.type in SCORE_RANGES if question.required is None else question.required
    for bound in ("min", "max"):
        number = shape.get(bound)
        if isinstance(number, float) and number.is_integer():
            shape[bound] = int(number)
    return shape


def _with_conditions(stored: Sequence[Stored], pointer: str) -> tuple[list[Asked], list[FieldError]]:
    asked = []
    reader = ConditionReader({each["key"] for each in stored})
    for index, each in enumerate(stored):
        node = parse_filter(each["show_if"]) if "show_if" in each else None
        asked.append(Asked.of(each, reader.read(node, f"{pointer}/{index}/show_if") if node else None))
        reader.pass_by(each)
    return asked, reader.errors


def _score_errors(stored: Sequence[Stored], survey_type: SurveyType, pointer: str) -> Iterator[FieldError]:
    if survey_type == "custom":
        return
    places = [index for index, each in enumerate(stored) if each["type"] == survey_type]
    detail = f"A survey of type {survey_type} has exactly one question of that type."
    if not places:
        yield FieldError(pointer, detail, "score_question")
    for index in places[1:]:
        yield FieldError(f"{pointer}/{index}/type", detail, "score_question")


def _duplicates(things: Sequence[Stored], pointer: str, noun: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, each in enumerate(things):
        if each["key"] in seen:
            yield FieldError(
                f"{pointer}/{index}/key", f"An earlier {noun} has the same key.", f"duplicate_{noun}"
            )
        seen.add(each["key"])


def _errors(question: Stored, pointer: str) -> Iterator[FieldError]:
    """What is wrong within one question."""
    yield from _duplicates(question.get("choices", ()), f"{pointer}/choices", "choice")
    yield from _range_errors(question, pointer)
    yield from _count_errors(question, pointer)


def _range_errors(question: Stored, pointer: str) -> Iterator[FieldError]:
    low, high = question.get("min"), question.get("max")
    if low is None or high is None:
        return
    if question["type"] == "rating" and not 1 <= high - low <= WIDEST_RATING:
        detail = f"Must lie above min, by at most {WIDEST_RATING}."
        yield FieldError(f"{pointer}/max", detail, "out_of_range")
    elif low > high:
        yield FieldError(f"{pointer}/max", "Must not lie below min.", "out_of_range")


def _count_errors(question: Stored, pointer: str) -> Iterator[FieldError]:
    count = len(question.get("choices", ()))
    fewest, most = question.get("min_choices", 1), question.get("max_choices", count)
    for name, value in (("min_choices", fewest), ("max_choices", most)):
        if value > count and name in question:
            yield FieldError(f"{pointer}/{name}", f"There are only {count} choices.", "out_of_range")
    if fewest > most and "max_choices" in question:
        yield FieldError(f"{pointer}/max_choices", "Must not lie below min_choices.", "out_of_range")


def _unreachable(asked: Sequence[Asked], pointer: str) -> Iterator[FieldError]:
    reachability = Reachability(asked)
    for index, question in enumerate(asked):
        place = f"{pointer}/{index}/show_if"
        try:
            if not reachability.can_be_asked(question):
                yield FieldError(place, "No answers to the earlier questions lead here.", "unreachable")
        except TooComplex:
            detail = "The conditions are too complex to tell whether any answers lead here; simplify them."
            yield FieldError(place, detail, "too_complex")
            return
