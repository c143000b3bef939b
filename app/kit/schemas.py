"""The parents of every request and answer, made so that the OpenAPI document suits generated clients.

Requests refuse unknown fields, answers list every field as required, and a patch tells "absent" from
"null" by the `MISSING` sentinel, which leaves nothing nullable that is not.
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

FIRST_YEAR, LAST_YEAR = 1900, 2200


class Input(BaseModel):
    """A request body, or a part of one. Fields it does not know are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Patch(Input):
    """A JSON merge patch (RFC 7396): what is absent stays, `null` clears, a list is replaced whole."""

    def changes(self) -> dict[str, Any]:
        """Only the fields that the caller sent, as Python values."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Output(BaseModel):
    """An answer. Every field is there each time, so each is `required` in the schema."""

    model_config = ConfigDict(from_attributes=True, json_schema_serialization_defaults_required=True)


Item = TypeVar("Item")


class Page(Output, Generic[Item]):
    """One page of a list. `next_cursor` is null on the last page."""

    items: list[Item] = Field(description="The rows of this page.")
    next_cursor: str | None = Field(
        description="Hand it back as `cursor` for the next page; null at the end."
    )


_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _instant_text(value: object) -> object:
    """Pydantic would also read Unix times, digits in quotes and dates without a clock time."""
    if isinstance(value, str) and not _INSTANT.fullmatch(value):
        raise PydanticCustomError(
            "instant", "must be an RFC 3339 instant with an offset, such as 2026-01-31T09:00:00Z"
        )
    return _no_number(value)


def _day_text(value: object) -> object:
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise PydanticCustomError("day", "must be a calendar day such as 2026-01-31")
    return _no_number(value)


def _no_number(value: object) -> object:
    if isinstance(value, int | float | bytes):
        raise PydanticCustomError("not_text", "must be a string")
    return value


def _instant_in_range(instant: datetime) -> datetime:
    """Years at the edge overflow when the offset is applied, so they are refused before that."""
    if not FIRST_YEAR <= instant.year < LAST_YEAR:
        raise PydanticCustomError("out_of_range", "must lie between the years 1900 and 2200")
    return instant.astimezone(UTC)


def _day_in_range(day: date) -> date:
    if not FIRST_YEAR <= day.year < LAST_YEAR:
        raise PydanticCustomError("out_of_range", "must lie between the years 1900 and 2200")
    return day


_YEAR = "(19|20|21)[0-9]{2}"
_DATE = f"{_YEAR}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"

Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_instant_text),
    AfterValidator(_instant_in_range),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^{_DATE}[Tt]{_TIME}$"}),
]
"""An instant in a request: RFC 3339 with an offset, 1900 to 2200, turned to UTC."""

Day = Annotated[
    date,
    BeforeValidator(_day_text),
    AfterValidator(_day_in_range),
    WithJsonSchema({"type": "string", "format": "date", "pattern": f"^{_DATE}$"}),
]
"""A calendar day in a request, 1900 to 2200."""

Flag = Annotated[bool, Strict()]
"""A boolean that is one: `"yes"` and `1` are refused."""

Whole = Annotated[int, Strict()]
"""A whole number that is one: `"5"`, `5.0` and `true` are refused."""

# White space as Unicode has it: `\S` means something else in each language that reads a pattern.
_NO_SPACE = r"[^\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"

NOT_BLANK = Field(json_schema_extra={"pattern": _NO_SPACE})
"""What the contract says of a text whose surrounding white space is removed: something must be left of it."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), NOT_BLANK]
"""A short human text of 1 to 200 characters, surrounding white space removed."""

LongText = Annotated[str, StringConstraints(max_length=10_000)]

AnyLanguageTag = Annotated[
    str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
]
"""A BCP 47 tag such as `de-AT`, in any case of letters, since that makes no other language."""


def usual_letters(tag: str) -> str:
    """The tag as BCP 47 recommends to write it, so that the same language is the same text: `zh-Hant-TW`."""
    first, *others = tag.lower().split("-")
    return "-".join([first, *map(_subtag, others)])


def _subtag(lowered: str) -> str:
    is_region, is_script = len(lowered) == 2, len(lowered) == 4 and lowered.isalpha()
    return lowered.upper() if is_region else lowered.title() if is_script else lowered


LanguageTag = Annotated[AnyLanguageTag, AfterValidator(usual_letters)]
"""A BCP 47 tag in a request, turned to the usual letters."""

Key = Annotated[
    str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$")
]
"""A machine's name for something: letters, digits and `_ . : -`."""


def _rounded(value: Decimal | float | None) -> float | None:
    """The one place where exact numbers are rounded: to 6 decimals, on their way out."""
    return None if value is None else round(float(value), 6)


Number = Annotated[Decimal, PlainSerializer(_rounded, return_type=float)]
"""An exact NUMERIC inside, a JSON number of at most 6 decimals outside."""

OptionalNumber = Annotated[Decimal | None, PlainSerializer(_rounded, return_type=float | None)]
"""As `Number`, or null when there is nothing to compute it from."""
