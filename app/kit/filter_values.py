"""What the value of a predicate must be, by the type of its field."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from app.kit.errors import FieldError
from app.kit.filters import Operator
from app.kit.schemas import Day, Instant

FieldType = Literal["text", "number", "boolean", "timestamp", "date", "uuid", "choice", "text_list"]

_ORDERED: Final[tuple[Operator, ...]] = ("eq", "ne", "lt", "lte", "gt", "gte", "between")
_NAMED: Final[tuple[Operator, ...]] = ("eq", "ne", "in", "not_in")

TYPE_OPERATORS: Final[Mapping[FieldType, tuple[Operator, ...]]] = {
    "text": (*_NAMED, "contains", "starts_with", "exists"),
    "number": (*_ORDERED, "in", "not_in", "exists"),
    "boolean": ("eq", "ne", "exists"),
    "timestamp": (*_ORDERED, "within_last", "exists"),
    "date": (*_ORDERED, "within_last", "exists"),
    "uuid": (*_NAMED, "exists"),
    "choice": (*_NAMED, "exists"),
    "text_list": ("contains", "in", "not_in", "exists"),
}
"""The operators that a field takes, by its type."""


class WrongValue(Exception):
    """A value does not suit its field. Pointers are relative to the value: `""` or `/2`."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(errors[0].detail)
        self.errors = tuple(errors)

    @classmethod
    def because(cls, detail: str, code: str = "wrong_type") -> "WrongValue":
        return cls([FieldError("", detail, code)])


@dataclass(frozen=True, slots=True)
class ValueReader:
    """Reads the values for one field: JSON in, what the database driver takes out."""

    type: FieldType
    choices: tuple[str, ...]
    fold: bool
    now: datetime

    def read(self, operator: Operator, value: object) -> Any:
        """The typed value: a bool for `exists`, a list for `in` and `not_in`, a pair for `between` and
        `within_last` (which is thereby a `between`), one value otherwise. Raises `WrongValue`."""
        match operator:
            case "exists":
                return _boolean(value)
            case "in" | "not_in":
                return self.each(_list(value))
            case "between":
                return self.range(_list(value))
            case "within_last":
                return self.period(value)
        return self.one(value)

    def one(self, value: object) -> Any:
        if self.type == "choice" and self.choices and value not in self.choices:
            raise WrongValue.because(f"Must be one of: {', '.join(self.choices)}.", "unknown_choice")
        typed = _READERS[self.type](value)
        return typed.lower() if self.fold else typed

    def each(self, values: Sequence[object]) -> list[Any]:
        typed, errors = [], []
        for index, value in enumerate(values):
            try:
                typed.append(self.one(value))
            except WrongValue as wrong:
                errors += [FieldError(f"/{index}", error.detail, error.code) for error in wrong.errors]
        if errors:
            raise WrongValue(errors)
        return typed

    def range(self, values: Sequence[object]) -> tuple[Any, Any]:
        if len(values) != 2:
            raise WrongValue.because("Must be a list of two values: the lower and the upper bound.")
        lower, upper = self.each(values)
        if lower > upper:
            raise WrongValue.because("The lower bound must not lie above the upper.", "out_of_range")
        return lower, upper

    def period(self, value: object) -> tuple[Any, Any]:
        length = _duration(value, "hdw" if self.type == "timestamp" else "dw")
        if self.type == "date":
            return (self.now - length).date(), self.now.date()
        return self.now.astimezone(UTC) - length, self.now.astimezone(UTC)


_LONGEST_PERIOD: Final = timedelta(days=36_525)
_DURATION: Final = re.compile(r"([0-9]{1,6})([hdw])")
_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _duration(value: object, units: str) -> timedelta:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[2] not in units:
        raise WrongValue.because(f"Must be a count and a unit of {', '.join(units)}, such as 30d.")
    length = int(match[1]) * _UNITS[match[2]]
    if not timedelta() < length <= _LONGEST_PERIOD:
        raise WrongValue.because("Must be longer than nothing and at most 100 years.", "out_of_range")
    return length


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise WrongValue.because("This operator takes a list of values.")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise WrongValue.because("Must be a string.")
    return value


def _number(value: object) -> Decimal:
    """A float's shortest spelling is what stood in the JSON; its binary value is not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongValue.because("Must be a number.")
    return Decimal(repr(value))


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise WrongValue.because("Must be true or false.")
    return value


def _uuid(value: object) -> UUID:
    if not (isinstance(value, str) and _UUID.fullmatch(value)):
        raise WrongValue.because("Must be a UUID.")
    return UUID(value)


def _reader_of(shape: Any) -> Callable[[object], Any]:
    """Instants and days are read by the same rules as in every other request."""
    adapter = TypeAdapter[Any](shape)

    def read(value: object) -> Any:
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            code = "out_of_range" if first["type"] == "out_of_range" else "wrong_type"
            raise WrongValue.because(first["msg"][:1].upper() + first["msg"][1:] + ".", code) from None

    return read


_READERS: Final[Mapping[FieldType, Callable[[object], Any]]] = {
    "text": _text,
    "number": _number,
    "boolean": _boolean,
    "timestamp": _reader_of(Instant),
    "date": _reader_of(Day),
    "uuid": _uuid,
    "choice": _text,
    "text_list": _text,
}
