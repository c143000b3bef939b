"""Query parameters and headers that many operations take."""

from typing import Annotated, Any

from fastapi import Header, Query
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from app.kit.pages import MOST_ROWS, Sorting


def _digits(text: object) -> object:
    """Pydantic would also read `1_0` and `+5`, which other parsers of a query do not."""
    if isinstance(text, str) and not (text.isascii() and text.removeprefix("-").isdigit()):
        raise PydanticCustomError("int_parsing", "must be a whole number")
    return text


DIGITS = BeforeValidator(_digits)
"""For a whole number in a query: written in digits. It stands last, or the bounds would miss the contract."""

Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="How many rows a page may have."), DIGITS]
Cursor = Annotated[
    str | None,
    Query(max_length=2000, description="`next_cursor` of the page before; only for the very same query."),
]


def sort_by(sorting: Sorting) -> Any:
    """The `sort` of a list."""
    return Query(
        description=f"Order of the list, `{sorting.default}` if absent.",
        max_length=100,
        json_schema_extra={"enum": sorting.choices},
    )


Atomic = Annotated[bool, Query(description="All or nothing: one bad item refuses the whole batch.")]
DryRun = Annotated[bool, Query(description="Says what would happen and changes nothing.")]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r'^("[ -~]{1,255}"|[!#-~]([ -~]{0,253}[!-~])?)$',
        description="Same key and same body: the stored answer, for 24 hours. Another body: 422.",
    ),
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=1000,
        description="The `ETag` that the change is based on; a stale one is 412.",
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        max_length=1000,
        description="An `ETag` you have: 304 when it is still current.",
    ),
]
