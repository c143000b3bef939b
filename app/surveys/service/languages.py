"""Which of several translations a visitor gets."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

MOST_LANGUAGES: Final = 20
_LONGEST_HEADER: Final = 2_000


def in_language(text: str | Mapping[str, str], wanted: Sequence[str], default_locale: str) -> str:
    """The text for a visitor who wants these languages, best first.

    One text for everybody is that one. Of translations: for each language wanted and then for the default the
    one of its tag, else of its parents (`zh-Hant-TW`, `zh-Hant`, `zh`), in any case of letters; else any.
    """
    return text if isinstance(text, str) else text[best_tag(text.keys(), wanted, default_locale)]


def best_tag(tags: Collection[str], wanted: Sequence[str], default_locale: str) -> str:
    """Of the tags there are, at least one, the one for a visitor who wants these languages."""
    known = {tag.lower(): tag for tag in sorted(tags, reverse=True)}
    for language in (*wanted, default_locale):
        for tag in _with_parents(language.lower()):
            if tag in known:
                return known[tag]
    # JSON objects have no order to go by, so the last resort has one of its own.
    return min(tags, key=lambda tag: (len(tag), tag))


def accept_language(header: str) -> list[str]:
    """The tags of an `Accept-Language` header, best first, at most 20; what is malformed is passed over."""
    weighed = []
    for part in header[:_LONGEST_HEADER].split(","):
        match = _RANGE.fullmatch(part.strip())
        quality = float(match["quality"] or 1) if match else 0.0
        if match and quality > 0:
            weighed.append((quality, match["tag"]))
    weighed.sort(key=lambda pair: -pair[0])
    return [tag for _, tag in weighed[:MOST_LANGUAGES]]


_RANGE: Final = re.compile(
    r"(?P<tag>[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,7})(?:\s*;\s*[qQ]=(?P<quality>0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?",
    re.ASCII,
)


def _with_parents(tag: str) -> Iterator[str]:
    while tag:
        yield tag
        tag = tag.rpartition("-")[0]
