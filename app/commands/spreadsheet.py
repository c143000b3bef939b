"""A spreadsheet's rows as touchpoints: which column means what, and what is wrong with a row.

Nothing here talks to the database, and no row is kept once it is read.
"""

import csv
import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TextIO, get_args
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from app.commands.console import Failure
from app.kit.batches import field_errors
from app.kit.money import MINOR_UNITS, money_text
from app.touchpoints.schemas import Kind, TouchpointCreate

KINDS = frozenset(get_args(Kind))
DELIMITERS = ",;\t|"

_NUMBER = re.compile(r"-?([0-9]+|[0-9]{1,3}([ ,'’][0-9]{3})+)([.][0-9]+)?")


class BadRow(Exception):
    """A row that cannot become a touchpoint; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the file: the number of its first line, its cells, and why it is bad if it is."""

    number: int
    cells: Sequence[str]
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the columns mean. `columns` maps one of `options.FIELDS` to the name of its column."""

    columns: Mapping[str, str]
    source: str
    currency: str
    zone: ZoneInfo
    kind: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    channel: str = "other"
    date_format: str | None = None
    decimal_comma: bool = False


class Sheet:
    """An open CSV file with a header."""

    def __init__(self, file: TextIO, delimiter: str | None = None) -> None:
        """Reads the header; picks the likeliest delimiter if not told. Raises `Failure` without a header."""
        if delimiter is not None and len(delimiter) != 1:
            raise Failure("--delimiter: must be one character.")
        try:
            first = file.readline()
            file.seek(0)
            likeliest = max(DELIMITERS, key=first.count)
            self._reader = csv.reader(file, delimiter=delimiter or likeliest, strict=True)
            self.header = [name.strip() for name in next(self._reader)]
        except (StopIteration, csv.Error):
            raise Failure("The file has no header line that names its columns.") from None
        except UnicodeDecodeError as error:
            raise _wrong_encoding(0, error) from None

    def __iter__(self) -> Iterator[Line]:
        """Every row that is not empty. Raises `Failure` where the text is not in the encoding."""
        while True:
            start = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Line(start, [], f"not readable as CSV: {error}")
                continue
            except UnicodeDecodeError as error:
                raise _wrong_encoding(start - 1, error) from None
            if any(cell.strip() for cell in cells):
                yield Line(start, cells, self._fault(cells))

    def _fault(self, cells: Sequence[str]) -> str | None:
        if len(cells) == len(self.header):
            return None
        return f"has {len(cells)} cells, the header has {len(self.header)}"


class RowReader:
    """Turns lines into touchpoints. Counts identical rows, so that each gets an id of its own.

    A row without an id column is known by its content and by how many rows like it came before it in the
    file: the same file read again names every row as it did the first time. The count takes some 100 bytes
    a row.
    """

    def __init__(self, meaning: Meaning, header: Sequence[str]) -> None:
        """Raises `Failure` when a mapped column is not there, or there twice."""
        self._meaning = meaning
        self._places = {name: _place(column, header) for name, column in meaning.columns.items()}
        self._seen: dict[bytes, int] = {}

    def touchpoint(self, line: Line) -> TouchpointCreate:
        """Raises `BadRow`."""
        if line.fault is not None:
            raise BadRow(line.fault)
        cells = {name: line.cells[place].strip() for name, place in self._places.items()}
        external_id = cells.get("external_id") or self._own_id(cells)
        try:
            return TouchpointCreate.model_validate(self._content(cells) | {"external_id": external_id})
        except ValidationError as error:
            wrong = field_errors(error)[0]
            raise BadRow(f"{wrong.pointer.strip('/').replace('/', '.')}: {wrong.detail}") from None

    def _content(self, cells: Mapping[str, str]) -> dict[str, Any]:
        meaning = self._meaning
        content: dict[str, Any] = {
            "contact": _contact(cells, meaning.source),
            "occurred_at": _instant(cells["occurred_at"], meaning),
            "kind": _kind(cells.get("kind"), meaning),
            "channel": (cells.get("channel") or meaning.channel).lower(),
            "value": _value(cells.get("value", ""), meaning),
            "source": meaning.source,
        }
        for name in ("direction", "stage"):
            if cells.get(name):
                content[name] = cells[name].lower()
        for name in ("campaign", "summary"):
            if cells.get(name):
                content[name] = cells[name]
        return content

    def _own_id(self, cells: Mapping[str, str]) -> str:
        text = "\0".join(f"{name}\0{cells[name]}" for name in sorted(cells))
        digest = hashlib.blake2b(text.encode(), digest_size=16)
        before = self._seen.get(digest.digest(), 0)
        self._seen[digest.digest()] = before + 1
        return f"row-{digest.hexdigest()}-{before + 1}"


def _wrong_encoding(line: int, error: UnicodeDecodeError) -> Failure:
    return Failure(
        f"After line {line} the text is not {error.encoding}: name its encoding, such as --encoding cp1252."
    )


def _place(column: str, header: Sequence[str]) -> int:
    count = header.count(column)
    if count == 0:
        raise Failure(f"There is no column {column!r}. The columns are: {', '.join(header)}.")
    if count > 1:
        raise Failure(f"There are {count} columns {column!r}: give each a name of its own.")
    return header.index(column)


def _contact(cells: Mapping[str, str], source: str) -> dict[str, Any]:
    if cells.get("contact"):
        return {"external_id": {"source": source, "id": cells["contact"]}}
    if cells.get("email"):
        return {"email": cells["email"]}
    raise BadRow("contact: is empty")


def _instant(text: str, meaning: Meaning) -> str:
    try:
        if meaning.date_format is None:
            moment = datetime.fromisoformat(text)
        else:
            moment = datetime.strptime(text, meaning.date_format)
    except ValueError:
        wanted = meaning.date_format or "an ISO 8601 date or time; see --date-format"
        raise BadRow(f"occurred_at: is not {wanted}" if text else "occurred_at: is empty") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=meaning.zone)
    return moment.isoformat()


def _kind(cell: str | None, meaning: Meaning) -> str:
    if cell is None:
        return meaning.kind or "custom"
    kind = meaning.kinds.get(cell.casefold(), cell.lower()) if cell else meaning.kind
    if kind is None or kind not in KINDS:
        raise BadRow(f"kind: {cell!r} means nothing; say what it means by --kind-map {cell or 'X'}=purchase")
    return kind


def _value(text: str, meaning: Meaning) -> dict[str, str] | None:
    if not text:
        return None
    smallest = Decimal(1).scaleb(-MINOR_UNITS[meaning.currency])
    try:
        amount = Decimal(_digits(text, meaning))
        if amount != amount.quantize(smallest):
            raise BadRow(f"value: has more decimals than {meaning.currency}; see --decimal-comma")
    except InvalidOperation:
        raise BadRow("value: is not a number; see --decimal-comma") from None
    return {"amount": money_text(amount, meaning.currency), "currency": meaning.currency}


def _digits(text: str, meaning: Meaning) -> str:
    """The number without currency and thousands separators, a point before its decimals."""
    bare = text.replace(meaning.currency, "")
    bare = "".join(" " if c.isspace() else c for c in bare if unicodedata.category(c) != "Sc").strip()
    if meaning.decimal_comma:
        bare = bare.translate(str.maketrans(",.", ".,"))
    return re.sub("[ ,'’]", "", bare) if _NUMBER.fullmatch(bare) else "not a number"
