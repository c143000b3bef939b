"""What a filter means, said as plainly as possible: over Python dicts, one row at a time.

The values of a field are a list: none where it is missing, one for most fields, many for child rows
and lists.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

Types = Mapping[str, str]
"""Field name to type; "folded_text" for text that is compared lower-cased."""


def matches(node: Any, row: Mapping[str, Any], types: Types, now: datetime) -> bool:
    """Whether the filter, as JSON, holds for the row."""
    match node:
        case {"and": parts}:
            return all(matches(part, row, types, now) for part in parts)
        case {"or": parts}:
            return any(matches(part, row, types, now) for part in parts)
        case {"not": part}:
            return not matches(part, row, types, now)
    type = types[node["field"]]
    return _holds(node["op"], node["value"], _present(row, node["field"], type), type, now)


def _present(row: Mapping[str, Any], name: str, type: str) -> Sequence[Any]:
    if name.startswith("attributes."):
        value = (row["attributes"] or {}).get(name.removeprefix("attributes."))
        return [value] if _is_json(value, type) else []
    value = row[name]
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _is_json(value: object, type: str) -> bool:
    match type:
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "date":
            return isinstance(value, str) and _is_day(value)
    return isinstance(value, str)


def _is_day(text: str) -> bool:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return False
    return day.isoformat() == text and 1900 <= day.year < 2200


def _holds(op: str, value: Any, present: Sequence[Any], type: str, now: datetime) -> bool:
    match op:
        case "ne":
            return not _holds("eq", value, present, type, now)
        case "not_in":
            return not _holds("in", value, present, type, now)
        case "exists":
            return bool(present) is value
    return any(_compares(op, _typed(one, type), value, type, now) for one in present)


def _compares(op: str, one: Any, value: Any, type: str, now: datetime) -> bool:
    match op:
        case "in":
            return any(one == _typed(each, type) for each in value)
        case "between":
            return bool(_typed(value[0], type) <= one <= _typed(value[1], type))
        case "within_last":
            return _within(one, value, now)
    wanted = _typed(value, type)
    match op:
        case "eq":
            return bool(one == wanted)
        case "contains":
            return bool(one == wanted) if type == "text_list" else _caseless(wanted) in _caseless(one)
        case "starts_with":
            return _caseless(one).startswith(_caseless(wanted))
        case "lt":
            return bool(one < wanted)
        case "lte":
            return bool(one <= wanted)
        case "gt":
            return bool(one > wanted)
        case "gte":
            return bool(one >= wanted)
    raise AssertionError(op)


def _within(one: date, value: str, now: datetime) -> bool:
    count, unit = int(value[:-1]), value[-1]
    length = timedelta(hours=count * {"h": 1, "d": 24, "w": 168}[unit])
    if isinstance(one, datetime):
        return now - length <= one <= now
    return now.date() - length <= one <= now.date()


def _typed(value: Any, type: str) -> Any:
    if not isinstance(value, str):
        return Decimal(str(value)) if type == "number" else value
    match type:
        case "timestamp":
            return datetime.fromisoformat(value).astimezone(UTC)
        case "date":
            return date.fromisoformat(value)
        case "uuid":
            return UUID(value)
        case "folded_text":
            return value.lower()
    return value


def _caseless(text: str) -> str:
    """Letter by letter, as PostgreSQL does it: no final sigma, and one letter stays one letter."""
    return "".join(letter.lower()[0] for letter in text)
