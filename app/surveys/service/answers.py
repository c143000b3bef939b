"""One answer: what each type of question takes, and what a condition compares."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from app.kit.errors import FieldError
from app.kit.filter_values import ValueReader, WrongValue
from app.surveys.schemas.questions import LARGEST_NUMBER, SCORE_RANGES, QuestionType
from app.surveys.service.branching import Condition, Words


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a survey, ready to be asked. `shape` is its stored form."""

    key: str
    type: QuestionType
    required: bool
    shape: Mapping[str, Any]
    choices: tuple[str, ...]
    condition: Condition | None

    @classmethod
    def of(cls, stored: Mapping[str, Any], condition: Condition | None) -> "Asked":
        """From the stored form and its condition, which was read before."""
        choices = tuple(choice["key"] for choice in stored.get("choices", ()))
        return cls(stored["key"], stored["type"], stored["required"], stored, choices, condition)

    @property
    def bounds(self) -> tuple[Any, Any]:
        """The lowest and the highest answer as they are stored; None where there is no limit."""
        return SCORE_RANGES.get(self.type) or (self.shape.get("min"), self.shape.get("max"))

    @property
    def counts(self) -> tuple[int, int]:
        """How many choices an answer has, at least and at most."""
        fewest, most = self.shape.get("min_choices", 1), self.shape.get("max_choices", len(self.choices))
        return fewest, most


class WrongAnswer(Exception):
    """A value does not answer its question. `error` has a pointer relative to the value: `""` or `/2`."""

    def __init__(self, detail: str, code: str, pointer: str = "") -> None:
        super().__init__(detail)
        self.error = FieldError(pointer, detail, code)


def read_answer(question: Asked, value: object) -> Any:
    """The answer as it is stored, exactly as it came; None for null and for what amounts to it, a blank text
    and an empty list. Raises `WrongAnswer`."""
    return None if value is None else _READERS[question.type](question, value)


def typed(question: Asked, answer: Any) -> Any:
    """What conditions compare: a Decimal for a number, a date for a day, `Words` for a text."""
    match question.type:
        case "nps" | "csat" | "ces" | "rating" | "number":
            return Decimal(repr(answer))
        case "date":
            return date.fromisoformat(answer)
        case "text":
            return Words(answer)
    return answer


def _whole(question: Asked, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongAnswer("Must be a whole number.", "wrong_type")
    _check_range(question, value)
    return value


def _number(question: Asked, value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongAnswer("Must be a number.", "wrong_type")
    if not -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
        raise WrongAnswer("Must lie between -10^15 and 10^15.", "out_of_range")
    _check_range(question, value)
    return value


def _day(question: Asked, value: object) -> str:
    try:
        day: date = _DAYS.one(value)
    except WrongValue as wrong:
        raise WrongAnswer(wrong.errors[0].detail, wrong.errors[0].code) from None
    _check_range(question, day.isoformat())
    return day.isoformat()


def _check_range(question: Asked, value: Any) -> None:
    """Days of four-digit years compare as their texts do."""
    low, high = question.bounds
    if low is not None and value < low:
        raise WrongAnswer(f"Must be at least {low}.", "out_of_range")
    if high is not None and value > high:
        raise WrongAnswer(f"Must be at most {high}.", "out_of_range")


def _boolean(_question: Asked, value: object) -> bool:
    if not isinstance(value, bool):
        raise WrongAnswer("Must be true or false.", "wrong_type")
    return value


def _text(question: Asked, value: object) -> str | None:
    if not isinstance(value, str):
        raise WrongAnswer("Must be a string.", "wrong_type")
    most = question.shape["max_length"]
    if len(value) > most:
        raise WrongAnswer(f"Must have at most {most} characters.", "too_long")
    if _BAD_TEXT.search(value):
        raise WrongAnswer("Texts hold no NUL characters and no lone surrogates.", "bad_text")
    return value if value.strip() else None


def _choice(question: Asked, value: object, pointer: str = "") -> str:
    if not isinstance(value, str):
        raise WrongAnswer("Must be the key of a choice.", "wrong_type", pointer)
    if value not in question.choices:
        raise WrongAnswer("The question has no choice of that key.", "unknown_choice", pointer)
    return value


def _selection(question: Asked, value: object) -> list[str] | None:
    if not isinstance(value, list):
        raise WrongAnswer("Must be a list of keys of choices.", "wrong_type")
    fewest, most = question.counts
    if len(value) > most:
        raise WrongAnswer(f"Must have at most {most} choices.", "too_many")
    keys = [_choice(question, each, f"/{index}") for index, each in enumerate(value)]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            raise WrongAnswer("This choice is in the list already.", "duplicate_choice", f"/{index}")
    if keys and len(keys) < fewest:
        raise WrongAnswer(f"Must have at least {fewest} choices.", "too_few")
    return keys or None


_BAD_TEXT: Final = re.compile("[\\0\\ud800-\\udfff]")
_DAYS: Final = ValueReader("date", (), False, datetime(2000, 1, 1, tzinfo=UTC))

_READERS: Final[Mapping[QuestionType, Callable[[Asked, object], Any]]] = {
    "nps": _whole,
    "csat": _whole,
    "ces": _whole,
    "rating": _whole,
    "single_choice": _choice,
    "multi_choice": _selection,
    "text": _text,
    "boolean": _boolean,
    "number": _number,
    "date": _day,
}
