"""Keyset pages: no ceiling, and stable while rows are added, changed and removed.

A cursor holds the sort value and id of the last row seen, and a fingerprint of the query it belongs to;
handed to another query it is refused instead of giving a page that makes no sense.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeVar
from uuid import UUID

import orjson
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Select, UnaryExpression, and_, or_, tuple_

from app.kit.errors import Invalid

Row = TypeVar("Row")

MOST_ROWS = 500
DEFAULT_ROWS = 50


class PageBody(BaseModel):
    """The paging part of a search body."""

    limit: int = Field(default=DEFAULT_ROWS, ge=1, le=MOST_ROWS, description="How many rows a page may have.")
    cursor: str | None = Field(
        default=None,
        max_length=2000,
        description="`next_cursor` of the page before; only for the same query.",
    )


@dataclass(frozen=True, slots=True)
class SortKey:
    """A column that a list may be sorted by, and how its values look in a cursor."""

    column: Any
    kind: Literal["instant", "day", "text", "number"]
    nullable: bool = False


class Sorting:
    """What a list may be sorted by. `default` is such as `-created_at`; the id is always the tie-break."""

    def __init__(self, id_column: Any, keys: Mapping[str, SortKey], default: str) -> None:
        self.id_column = id_column
        self.keys = dict(keys)
        self.default = default

    @property
    def choices(self) -> list[str]:
        return [sign + name for name in self.keys for sign in ("", "-")]

    def parse(self, sort: str | None, pointer: str = "?sort") -> "Order":
        """Raises `Invalid` for a name that is not a key."""
        text = self.default if sort is None else sort
        key = self.keys.get(text.removeprefix("-"))
        if key is None:
            known = ", ".join(self.keys)
            raise Invalid.at(
                pointer, f"must be one of {known}, with - before it for descending", "unknown_sort"
            )
        return Order(text, key, self.id_column, descending=text.startswith("-"))


@dataclass(frozen=True, slots=True)
class Order:
    """One chosen order."""

    text: str
    key: SortKey
    id_column: Any
    descending: bool

    @property
    def name(self) -> str:
        """What the rows are sorted by."""
        return self.text.removeprefix("-")

    def order_by(self) -> list[UnaryExpression[Any]]:
        column, row_id = self.key.column, self.id_column
        if self.descending:
            first, second = column.desc(), row_id.desc()
        else:
            first, second = column.asc(), row_id.asc()
        return [first.nulls_last() if self.key.nullable else first, second]

    def after(self, value: Any, row_id: Any) -> ColumnElement[bool]:
        """The rows that come after the row with this sort value and id, which may be bound parameters.

        Nulls come last either way.
        """
        column, ids = self.key.column, self.id_column
        if not self.key.nullable:
            here, there = tuple_(column, ids), tuple_(value, row_id)
            return here < there if self.descending else here > there
        later_id = ids < row_id if self.descending else ids > row_id
        if value is None:
            return and_(column.is_(None), later_id)
        later = column < value if self.descending else column > value
        return or_(later, and_(column == value, later_id), column.is_(None))


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What page is wanted. `query` is whatever else decides which rows the list holds: filters and flags."""

    order: Order
    limit: int = DEFAULT_ROWS
    cursor: str | None = None
    query: Any = None
    pointer: str = "?cursor"

    def apply(self, statement: Select[Row]) -> Select[Row]:
        """Orders the statement and cuts it to the page, with one row more to see whether another follows."""
        position = self.position()
        if position is not None:
            statement = statement.where(self.order.after(*position))
        return statement.order_by(*self.order.order_by()).limit(self.limit + 1)

    def position(self) -> tuple[Any, UUID] | None:
        """Sort value and id of the row that the page comes after; None for the first page.

        Raises `Invalid` for a cursor that is none, or belongs to another query.
        """
        return None if self.cursor is None else self._position(self.cursor)

    def cut(
        self, rows: Sequence[Any], value_of: Callable[[Any], tuple[Any, UUID]] | None = None
    ) -> tuple[Sequence[Any], str | None]:
        """The page's rows and the cursor for the next page.

        `value_of` gives a row's sort value and id where these are not its attributes of those names.
        """
        if len(rows) <= self.limit:
            return rows, None
        last = rows[self.limit - 1]
        value, row_id = value_of(last) if value_of else (getattr(last, self.order.name), last.id)
        return rows[: self.limit], self._cursor(value, row_id)

    def _cursor(self, value: Any, row_id: UUID) -> str:
        packed = orjson.dumps([_as_text(value), str(row_id), self._fingerprint()])
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    def _position(self, cursor: str) -> tuple[Any, UUID]:
        try:
            packed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            value, row_id, fingerprint = orjson.loads(packed)
            position = (_from_text(value, self.order.key), UUID(row_id))
        except (ValueError, TypeError, AttributeError, InvalidOperation, OverflowError):
            raise Invalid.at(self.pointer, "is not a cursor of this list", "invalid_cursor") from None
        if fingerprint != self._fingerprint():
            raise Invalid.at(
                self.pointer, "belongs to another query: start again without it", "invalid_cursor"
            )
        return position

    def _fingerprint(self) -> str:
        packed = orjson.dumps([self.order.text, self.query], option=orjson.OPT_SORT_KEYS, default=str)
        return hashlib.blake2b(packed, digest_size=9).hexdigest()


def _as_text(value: Any) -> str | None:
    if value is None:
        return None
    return value.isoformat() if isinstance(value, date) else str(value)


def _from_text(text: Any, key: SortKey) -> Any:
    if text is None:
        if not key.nullable:
            raise ValueError("this order has no nulls")
        return None
    if not isinstance(text, str) or "\x00" in text:
        raise ValueError("not a sort value")
    if key.kind == "instant":
        return datetime.fromisoformat(text).astimezone(UTC)
    if key.kind == "day":
        return date.fromisoformat(text)
    return Decimal(text) if key.kind == "number" else text
