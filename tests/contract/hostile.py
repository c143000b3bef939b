"""Hostile input by hand: bodies that are no JSON, or mean two things, and values that break things."""

import gzip
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

CANARY = "canary-9f3c"
MEGABYTE = 1024 * 1024
LARGEST_BODY = 8 * MEGABYTE
JSON = "application/json"


@dataclass(frozen=True)
class Attack:
    """A body that no operation takes, with the headers it comes with."""

    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def many_keys(count: int) -> bytes:
    return b"{" + b",".join(b'"%s%d":1' % (CANARY.encode(), number) for number in range(count)) + b"}"


ATTACKS: Mapping[str, Attack] = {
    "no JSON": Attack(f"{{{CANARY}".encode()),
    "an open string": Attack(f'{{"name": "{CANARY}'.encode()),
    "two documents": Attack(b'{} {"a": 1}'),
    "a list": Attack(f'["{CANARY}"]'.encode()),
    "null": Attack(b"null"),
    "a number": Attack(b"7"),
    "a text": Attack(f'"{CANARY}"'.encode()),
    "bad UTF-8": Attack(b'{"' + CANARY.encode() + b'\xff": 1}'),
    "overlong UTF-8": Attack(b'{"a": "\xc0\x80' + CANARY.encode() + b'"}'),
    "UTF-16": Attack('{"a": 1}'.encode("utf-16")),
    "a byte order mark": Attack(b"\xef\xbb\xbf" + b'{"a": 1}'),
    "a key twice": Attack(f'{{"{CANARY}": 1, "{CANARY}": 2}}'.encode()),
    "NUL in a value": Attack(f'{{"a": "{CANARY}\\u0000"}}'.encode()),
    "NUL in a key": Attack(f'{{"{CANARY}\\u0000": 1}}'.encode()),
    "a bare NUL": Attack(b'{"a": "\0"}'),
    "a lone surrogate": Attack(f'{{"a": "{CANARY}\\ud800"}}'.encode()),
    "a lone surrogate in a key": Attack(f'{{"{CANARY}\\udc00": 1}}'.encode()),
    "NaN": Attack(b'{"a": NaN}'),
    "Infinity": Attack(b'{"a": -Infinity}'),
    "an overflowing float": Attack(b'{"a": 1e400}'),
    "an endless integer": Attack(b'{"a": ' + b"9" * 5000 + b"}"),
    "a hundred thousand brackets": Attack(b"[" * 100_000),
    "deep objects": Attack(b'{"a":' * 900 + b"1" + b"}" * 900),
    "a hundred thousand keys": Attack(many_keys(100_000)),
    "a few unknown keys": Attack(many_keys(50)),
    "no media type": Attack(b"{}", ""),
    "plain text": Attack(CANARY.encode(), "text/plain"),
    "a form": Attack(f"name={CANARY}".encode(), "application/x-www-form-urlencoded"),
    "another charset": Attack(b"{}", "application/json; charset=utf-16"),
    "XML": Attack(f"<a>{CANARY}</a>".encode(), "application/xml"),
    "gzip": Attack(gzip.compress(b"{}"), JSON, {"Content-Encoding": "gzip"}),
    "brotli": Attack(b"\x0b\x02\x80{}\x03", JSON, {"Content-Encoding": "br"}),
    "too large by its length": Attack(b" " * (LARGEST_BODY + 1)),
}

VALUES: Mapping[str, object] = {
    "null": None,
    "a boolean": True,
    "zero": 0,
    "a negative number": -1,
    "a large integer": 2**63,
    "a larger integer": 10**30,
    "a small fraction": 1e-300,
    "a large float": 1e300,
    "an empty text": "",
    "spaces": "   ",
    "a long text": CANARY * 2000,
    "control characters": f"{CANARY}\x01\x1b[31m\r\n",
    "a noncharacter": f"{CANARY}\uffff\U0010ffff",
    "bidirectional text": f"{CANARY}\u202e\u2066",
    "SQL": f"{CANARY}'; DROP TABLE contacts; --",
    "a LIKE pattern": f"%_\\{CANARY}",
    "a template": f"{{{{{CANARY}}}}} ${{{CANARY}}} %s %n",
    "an instant without an offset": "2026-01-31T09:00:00",
    "an instant before 1900": "1899-12-31T23:59:59Z",
    "the first instant there is": "0001-01-01T00:00:00+14:00",
    "the last instant there is": "9999-12-31T23:59:59-12:00",
    "a leap second": "2026-06-30T23:59:60Z",
    "hour 24": "2026-01-31T24:00:00Z",
    "infinity": "infinity",
    "a day that is not": "2026-02-29",
    "not a number": "NaN",
    "an Arabic digit": "\u0661",
    "an empty list": [],
    "a list of lists": [[[CANARY]]],
    "an empty object": {},
    "an object": {CANARY: {CANARY: CANARY}},
}
"""What may be fine in one place and must be refused in another, and must never break anything."""

QUERIES: Mapping[str, str] = {
    "an unknown parameter": f"{CANARY}=1",
    "NUL": f"{CANARY}=%00",
    "bad UTF-8": f"{CANARY}=%ff%fe",
    "a surrogate": f"{CANARY}=%ed%a0%80",
    "a parameter twice": "limit=1&limit=2",
    "a huge limit": "limit=" + "1" + "0" * 20,
    "a negative limit": "limit=-1",
    "a fractional limit": "limit=1.5",
    "an underscored limit": "limit=1_0",
    "a limit that is a word": f"limit={CANARY}",
    "a garbage cursor": f"cursor={CANARY}",
    "a cursor that is JSON": "cursor=WzEsMiwzXQ",
    "a cursor of NUL": "cursor=WyJcdTAwMDAiLCJhIiwiYiJd",
    "a cursor of an unknown type": "cursor=W3sieCI6MX0sW10sbnVsbF0",
    "a cursor with a huge number": "cursor=WyIxZTk5OTk5OTk5OSIsICIwIiwgIjAiXQ",
    "an unknown sort": f"sort={CANARY}",
    "two sorts in one": "sort=created_at,id",
    "SQL in a sort": "sort=created_at;DROP%20TABLE%20contacts",
    "a long query": "cursor=" + CANARY * 700,
}

IDS: Mapping[str, str] = {
    "a word": CANARY,
    "a number": "1",
    "NUL": f"{CANARY}%00",
    "bad UTF-8": "%ff",
    "an encoded slash": "..%2F..%2Fetc%2Fpasswd",
    "braces": "%7B01890a5d-ac96-774b-bcce-b302099a8057%7D",
    "a URN": "urn:uuid:01890a5d-ac96-774b-bcce-b302099a805",
    "one digit too many": "01890a5d-ac96-774b-bcce-b302099a80570",
    "a long word": CANARY * 500,
    "Arabic digits": "%D9%A1" * 36,
}

HEADERS: Mapping[str, tuple[str, bytes]] = {
    "a huge Idempotency-Key": ("Idempotency-Key", b"k" * 4000),
    "an Idempotency-Key that is no text": ("Idempotency-Key", b"\xff\xfe"),
    "an empty Idempotency-Key": ("Idempotency-Key", b""),
    "a strange If-Match": ("If-Match", b'"' + CANARY.encode() + b'", W/, ,,"'),
    "a huge If-Match": ("If-Match", b'"9"' * 1000),
    "an If-Match that is no text": ("If-Match", b"\xff"),
    "a strange If-None-Match": ("If-None-Match", b"\xff" * 2000),
    "two schemes of authorization": ("Authorization", b"Bearer Bearer Basic"),
    "an authorization that is no text": ("Authorization", b"Bearer \xff\xfe"),
    "a huge authorization": ("Authorization", b"Bearer " + b"r" * 4000),
    "a strange request id": ("X-Request-Id", CANARY.encode() + b"\xff" * 100),
}


async def in_chunks(size: int) -> AsyncIterator[bytes]:
    """A body that does not say how long it is."""
    for _ in range(0, size, MEGABYTE):
        yield b" " * MEGABYTE
