"""The words of a text, and what is known of the language they are in. No network, no model: word lists only.

Stop words (such as "the" and "and") come from the package stop-words. Languages go by the first part of their
tag: `de` for `de-AT`.
"""

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from unicodedata import normalize

from stop_words import LANGUAGE_MAPPING, get_stop_words

ENGLISH = "en"

# The English list is a wide one: it holds words that customers mean something by.
_MEANT_BY_CUSTOMERS = {
    "bill", "bills", "call", "calls", "computer", "cost", "costs", "detail", "details", "help",
    "helped", "helpful", "home", "homepage", "information", "line", "member", "members", "open",
    "opened", "opening", "order", "ordered", "ordering", "orders", "page", "pages", "part", "parts",
    "place", "places", "problem", "problems", "quick", "quickly", "room", "rooms", "section", "site",
    "sites", "state", "system", "test", "text", "webpage", "website", "work", "worked", "working",
    "works",
}  # fmt: skip

_SAY_LITTLE = {
    ENGLISH: {"bit", "bits", "lot", "lots"},
    # The German list is a narrow one. Words that are English ones too stay out: languages are told by these.
    "de": {
        "allerdings", "bereits", "bisher", "bitte", "dabei", "dafür", "dagegen", "danach", "daran", "darauf",
        "darin", "darüber", "davon", "davor", "eben", "ebenso", "eher", "eigentlich", "endlich", "etwa",
        "ganz", "gar", "geht", "gehen", "gerne", "gibt", "gleich", "hätte", "hätten", "immer", "immerhin",
        "inzwischen", "irgendwie", "jedoch", "kam", "kamen", "kommen", "kommt", "lassen", "leider", "lässt",
        "letzte", "letzten", "letzter", "letztes", "macht", "gemacht", "mehr", "mehrere", "mehrmals", "meist",
        "meistens", "möchte", "neben", "nie", "niemals", "niemand", "oft", "schon", "seit", "seitdem",
        "sobald", "sogar", "solange", "somit", "sowohl", "statt", "trotz", "trotzdem", "überhaupt",
        "übrigens", "viele", "vielen", "vieler", "vieles", "vielleicht", "völlig", "vorher", "wäre", "wären",
        "wegen", "wenig", "weniger", "wenigstens", "wirklich", "worden", "wurde", "wurden", "ziemlich",
        "zudem", "zuerst", "zuletzt", "zurück", "zusammen",
    },
}  # fmt: skip

# Letters and digits with single apostrophes inside; both halves consume, so a match never has to be retried.
WORD = r"[^\W_]+(?:['’ʼ][^\W_]+)*"
"""The pattern of a word."""

_WORDS = re.compile(WORD)
_LONGEST = 100
_APOSTROPHES = str.maketrans("’ʼ", "''")


def words(text: str) -> Iterator[str]:
    """The words of a text in their order, spelled as `normal` does."""
    return map(normal, _WORDS.findall(text))


def normal(word: str) -> str:
    """Without differences of case, width and apostrophe, and without an English 's at its end.

    What is too long for a word is cut: one character may unfold to eighteen.
    """
    if not word.isascii():
        word = normalize("NFKC", word[:_LONGEST]).translate(_APOSTROPHES)
    return word.lower().removesuffix("'s")


def language_of(locale: str) -> str:
    """The language of a tag: `no` and `nn` count as `nb`, of which there are lists."""
    language = locale.replace("_", "-").partition("-")[0].lower()
    return "nb" if language in ("no", "nn") else language


def stop_words_of(language: str) -> frozenset[str]:
    """The words that say nothing by themselves; none for a language without a list."""
    return _stop_words(language) if language in LANGUAGE_MAPPING else frozenset()


def looks_like(said: Iterable[str]) -> Counter[str]:
    """For each language, how many of the words are stop words of it."""
    return Counter(language for word in said for language in _languages().get(word, ()))


# Only when they are asked for: most processes never read an answer.
@functools.cache
def _stop_words(language: str) -> frozenset[str]:
    found = frozenset(normal(word) for word in get_stop_words(language, cache=False))
    found |= _SAY_LITTLE.get(language, set())
    return found - _MEANT_BY_CUSTOMERS if language == ENGLISH else found


@functools.cache
def _languages() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for language in LANGUAGE_MAPPING:
        for word in _stop_words(language):
            found[word] = (*found.get(word, ()), language)
    return found
