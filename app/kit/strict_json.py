"""JSON as Rapport takes it: one meaning for every reader, and nothing a text column cannot hold.

`read_json` refuses what parsers disagree on (duplicate keys, NaN, huge numbers, lone surrogates) and what
would hurt further in (NUL characters, deep or wide trees). It costs about twice a bare parse: the tree comes
from the fastest parser at hand, and the questions it cannot answer are asked of the bytes, at memory speed.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import orjson

from app.kit.errors import FieldError, Malformed

DEEPEST = 32
MOST_NODES = 200_000
MOST_CONTAINERS = 100_000
MOST_MEMBERS = 1_000
MOST_ELEMENTS = 10_000
MOST_DIGITS = 40

_CONTAINERS = frozenset((dict, list))
_DIGITS_TO_D = bytes(ord("d") if chr(code) in "0123456789" else ord(" ") for code in range(256))
# The shortest run of digits that an integer outside 64 bits, or a number of too many digits, must have.
_SUSPICIOUS_RUN = b"d" * 19
_LONG_NUMBER = re.compile(rb"[0-9]{%d,}|[0-9.]{%d,}" % (MOST_DIGITS + 1, MOST_DIGITS + 2))
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# Naming the place means reading again in Python; above this many bytes the reason alone must do.
_LARGEST_TO_LOCATE = 64 * 1024


class MalformedJson(Malformed):
    """The body is not JSON that has exactly one meaning."""

    slug = "malformed-json"
    title = "The body is not acceptable JSON"


def read_json(body: bytes) -> Any:
    """The parsed body.

    Integers keep every digit, other numbers are floats. Raises `MalformedJson` naming the reason, and for
    bodies up to 64 KiB the JSON pointer of a duplicate key or NUL character.
    """
    _check_containers(body)
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _malformed(f"The body is not valid JSON: {error.msg} ({place}).", "invalid_json") from None
    _check_shape(body, tree)
    _check_duplicates(body, tree)
    _check_nul(body, tree)
    return _with_exact_integers(body, tree)


def _check_containers(body: bytes) -> None:
    """Before the parse, since a megabyte of brackets costs far more to build than to count."""
    if _brackets(body) > MOST_CONTAINERS and _brackets(_outside_strings(body)) > MOST_CONTAINERS:
        raise _malformed(f"The body holds more than {MOST_CONTAINERS} arrays and objects.", "too_many_values")


def _brackets(text: bytes) -> int:
    return text.count(b"{") + text.count(b"[")


def _outside_strings(body: bytes) -> bytes:
    """JSON without its strings: once escaped quotes are gone, every other piece between quotes is outside."""
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(plain.split(b'"')[::2])


def _check_shape(body: bytes, tree: Any) -> None:
    if _brackets(body) <= DEEPEST and body.count(b":") <= MOST_MEMBERS and body.count(b",") < MOST_ELEMENTS:
        return
    level, depth, nodes = [tree], 0, 0
    while level := [node for node in level if type(node) in _CONTAINERS]:
        depth += 1
        nodes += sum(map(len, level))
        _check_level(level, depth, nodes)
        level = [child for node in level for child in (node.values() if type(node) is dict else node)]


def _check_level(level: list[Any], depth: int, nodes: int) -> None:
    if depth > DEEPEST:
        raise _malformed(f"The body is nested more than {DEEPEST} levels deep.", "too_deep")
    if nodes > MOST_NODES:
        raise _malformed(f"The body holds more than {MOST_NODES} values.", "too_many_values")
    for node in level:
        if len(node) <= MOST_MEMBERS:
            continue
        if type(node) is dict:
            raise _malformed(f"An object has more than {MOST_MEMBERS} members.", "too_many_members")
        if len(node) > MOST_ELEMENTS:
            raise _malformed(f"An array has more than {MOST_ELEMENTS} elements.", "too_many_elements")


def _check_duplicates(body: bytes, tree: Any) -> None:
    """A member that a later twin has overwritten takes its colon with it when the tree is written again."""
    colon_may_be_escaped = b"\\u003" in body
    if not colon_may_be_escaped and body.count(b":") == orjson.dumps(tree).count(b":"):
        return
    twins: list[_Duplicate] = []
    marked = json.loads(body, object_pairs_hook=lambda pairs: _object_or_mark(pairs, twins))
    if twins:
        pointer = _locate(body, marked, lambda node: isinstance(node, _Duplicate))
        raise _malformed("An object has the same key twice.", "duplicate_key", pointer)


class _Duplicate:
    """Stands in the tree where an object had the same key twice."""


def _object_or_mark(pairs: list[tuple[str, Any]], twins: list[_Duplicate]) -> Any:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    twins.append(_Duplicate())
    return twins[-1]


def _check_nul(body: bytes, tree: Any) -> None:
    if b"\\u0000" in body and _NUL_ESCAPE.search(body):
        pointer = _locate(body, tree, lambda node: isinstance(node, str) and "\0" in node)
        raise _malformed("A string holds a NUL character.", "nul_character", pointer)


def _with_exact_integers(body: bytes, tree: Any) -> Any:
    """The fast parser makes floats of integers outside 64 bits; the slow one keeps them."""
    if _SUSPICIOUS_RUN not in body.translate(_DIGITS_TO_D):
        return tree
    if _LONG_NUMBER.search(_outside_strings(body)):
        raise _malformed(f"A number has more than {MOST_DIGITS} digits.", "too_many_digits")
    return json.loads(body)


def _locate(body: bytes, tree: Any, wrong: Callable[[Any], bool]) -> str:
    return (_find(tree, wrong) or "") if len(body) <= _LARGEST_TO_LOCATE else ""


def _find(node: Any, wrong: Callable[[Any], bool]) -> str | None:
    """The pointer of the first wrong node below and including `node`; a wrong key is its object's fault."""
    if wrong(node):
        return ""
    if not isinstance(node, dict | list):
        return None
    if isinstance(node, dict) and any(map(wrong, node)):
        return ""
    members = node.items() if isinstance(node, dict) else enumerate(node)
    for key, child in members:
        if (below := _find(child, wrong)) is not None:
            return f"/{pointer_token(key)}{below}"
    return None


def pointer_token(key: str | int) -> str:
    """One step of a JSON pointer, escaped; a key comes from the client, so it is cut at 100 characters."""
    return str(key)[:100].replace("~", "~0").replace("/", "~1")


def _malformed(detail: str, code: str, pointer: str = "") -> MalformedJson:
    return MalformedJson(detail, errors=[FieldError(pointer, detail, code)])
