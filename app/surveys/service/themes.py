"""What free answers are about: words and pairs of words that several people use, counted once per answer.

Each answer is read in its own language: the one that it is said to be in, unless its words speak for another.
Words are one theme when their stems are (delivery, deliveries); it goes by the form that most answers have.
Stop words are no themes and stand in no pair, nor does a pair reach across punctuation. A pair that explains
most uses of one of its words takes that word's place. The same answers always give the same themes.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

import Stemmer
from stop_words import LANGUAGE_MAPPING

from app.surveys.service.sentiment import Sentiment, combined, sentiment_of
from app.surveys.service.wording import WORD, language_of, looks_like, normal, stop_words_of, words

LEAST_ANSWERS = 2
MOST_THEMES = 50
MOST_EXAMPLES = 3
EXCERPT = 160
_LONGEST_WORD = 40
_MOST_READ_FOR_FORMS = 50
_CLEARLY = 2

# What is neither word nor space nor hyphen parts two words, and so does the end of a line.
_PIECES = re.compile(rf"{WORD}|[^\w\s-]|\n")

Stems = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A text with the score that came with it, and the language tag that it is said to be in, if any."""

    id: UUID
    text: str = field(repr=False)
    score: int | None = None
    locale: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """Where an answer mentions the theme: up to 160 characters of it, ellipses included."""

    id: UUID
    excerpt: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Theme:
    """A word or two that `count` answers mention, which is `share` (0..1) of all that were given.

    `mean_score` is that of the `scored` answers that mention it and have one. `sentiment` is the mean of all
    theirs.
    """

    term: str
    count: int
    share: Decimal
    scored: int
    mean_score: Decimal | None
    sentiment: Sentiment
    examples: Sequence[Example]


def themes(
    answers: Sequence[Answer], locale: str | None, *, least: int = LEAST_ANSWERS, most: int = MOST_THEMES
) -> list[Theme]:
    """The themes of at least `least` answers, the most frequent first, `most` at the most.

    `locale` is the language of the answers that do not say; None judges by their words. In a language without
    a stemmer, forms of a word stay apart; in one that writes without spaces, only what punctuation sets apart
    is found.
    """
    told = [_Told(answer, reader) for answer, reader in zip(answers, _readers(answers, locale), strict=True)]
    all_counts = Counter(stems for each in told for stems in each.themes())
    counts = {stems: count for stems, count in all_counts.items() if count >= least}
    ranked = sorted(_unexplained(counts), key=lambda stems: (-counts[stems], -len(stems), stems))
    found = _mentioned(ranked[:most], told)
    terms, sentiments = _terms(found, told), _Sentiments(answers, locale)
    return [
        Theme(
            term=terms[stems],
            count=len(places),
            share=Decimal(len(places)) / len(answers),
            scored=sum(answers[place].score is not None for place in places),
            mean_score=_mean([answers[place].score for place in places]),
            sentiment=sentiments.of(places),
            examples=[_example(told[place], stems) for place in places[:MOST_EXAMPLES]],
        )
        for stems, places in found.items()
    ]


class _Reader:
    """Reads texts of one language. Remembers the stems of words, for most words come again."""

    def __init__(self, language: str) -> None:
        name = LANGUAGE_MAPPING.get(language)
        self._stemmer = Stemmer.Stemmer(name) if name in Stemmer.algorithms() else None
        self._stop_words = stop_words_of(language)
        self._stems: dict[str, str | None] = {}

    def themes_in(self, text: str) -> set[Stems]:
        """The stems of every word that could be a theme, and of every pair of them."""
        stems = list(map(self.stem, _PIECES.findall(text)))
        pairs = {(a, b) for a, b in pairwise(stems) if a is not None and b is not None and a != b}
        return {(stem,) for stem in stems if stem is not None} | pairs

    def mentions(self, text: str, width: int) -> Iterator[tuple[Stems, list[re.Match[str]]]]:
        """Where the text has themes of so many words."""
        pieces = list(_PIECES.finditer(text))
        for place in range(len(pieces) - width + 1):
            window = pieces[place : place + width]
            stems = [self.stem(piece.group()) for piece in window]
            yield tuple(stem for stem in stems if stem is not None), window

    def stem(self, piece: str) -> str | None:
        """None for what is no theme: stop words, punctuation, single letters, numbers, overlong strings."""
        if piece not in self._stems:
            word = normal(piece)
            says_nothing = word in self._stop_words or not 1 < len(word) <= _LONGEST_WORD or word.isnumeric()
            self._stems[piece] = None if says_nothing else self._stemmed(word)
        return self._stems[piece]

    def _stemmed(self, word: str) -> str:
        return str(self._stemmer.stemWord(word)) if self._stemmer else word


class _Told(NamedTuple):
    """An answer and who can read it."""

    answer: Answer
    reader: _Reader

    def themes(self) -> set[Stems]:
        return self.reader.themes_in(self.answer.text)

    def mentions(self, stems: Stems) -> Iterator[list[re.Match[str]]]:
        """Where the answer has the theme."""
        found = self.reader.mentions(self.answer.text, len(stems))
        return (window for mentioned, window in found if mentioned == stems)


class _Sentiments:
    """The sentiments of answers, each worked out once and only if a theme needs it."""

    def __init__(self, answers: Sequence[Answer], locale: str | None) -> None:
        self._answers, self._locale = answers, locale
        self._known: dict[int, Sentiment] = {}

    def of(self, places: Sequence[int]) -> Sentiment:
        for place in places:
            if place not in self._known:
                answer = self._answers[place]
                self._known[place] = sentiment_of(answer.text, answer.locale or self._locale)
        return combined([self._known[place] for place in places])


def _readers(answers: Sequence[Answer], locale: str | None) -> list[_Reader]:
    """A reader for each answer, one and the same for all of a language."""
    votes = [looks_like(words(answer.text)) for answer in answers]
    together: Counter[str] = Counter()
    for each in votes:
        together.update(each)
    readers: dict[str, _Reader] = {}
    found = []
    for answer, each in zip(answers, votes, strict=True):
        language = _spoken(each, together, answer.locale or locale)
        if language not in readers:
            readers[language] = _Reader(language)
        found.append(readers[language])
    return found


def _spoken(votes: Mapping[str, int], together: Mapping[str, int], said: str | None) -> str:
    """The language that most words speak for; with too few of them, the one said, or that of most answers."""

    def heard(language: str) -> tuple[int, int, str]:
        return votes.get(language, 0), together[language], language

    most = max(together, key=heard, default="")
    if said is None:
        return most
    language = language_of(said)
    ahead = votes.get(most, 0) - votes.get(language, 0)
    return most if ahead >= _CLEARLY and stop_words_of(language) else language


def _mentioned(wanted: Sequence[Stems], told: Sequence[_Told]) -> dict[Stems, list[int]]:
    """For each theme the places of the answers that mention it."""
    mentioned: dict[Stems, list[int]] = {stems: [] for stems in wanted}
    for place, each in enumerate(told):
        for stems in mentioned.keys() & each.themes():
            mentioned[stems].append(place)
    return mentioned


def _unexplained(counts: Mapping[Stems, int]) -> list[Stems]:
    """The themes without the words that one pair explains more than half of."""
    pairs = [stems for stems in counts if len(stems) == 2]
    explained = {(stem,) for pair in pairs for stem in pair if 2 * counts[pair] > counts[(stem,)]}
    return [stems for stems in counts if stems not in explained]


def _terms(found: Mapping[Stems, Sequence[int]], told: Sequence[_Told]) -> dict[Stems, str]:
    """The most common form of each theme in the first answers with it; among equals, the alphabet's first."""
    terms = {}
    for stems, places in found.items():
        forms = Counter(
            " ".join(normal(piece.group()) for piece in window)
            for place in places[:_MOST_READ_FOR_FORMS]
            for window in told[place].mentions(stems)
        )
        terms[stems] = min(forms, key=lambda form: (-forms[form], form))
    return terms


def _mean(scores: Sequence[int | None]) -> Decimal | None:
    given = [score for score in scores if score is not None]
    return Decimal(sum(given)) / len(given) if given else None


def _example(told: _Told, stems: Stems) -> Example:
    """The text around the first mention, its white space evened out."""
    text, window = told.answer.text, next(told.mentions(stems))
    begin, end = window[0].start(), window[-1].end()
    room = max(0, EXCERPT - 2 - (end - begin))
    start = max(0, min(begin - room // 2, len(text) - (end - begin) - room))
    stop = end + room - (begin - start)
    cut = " ".join(text[start:stop].split())
    return Example(told.answer.id, f"{'…' * (start > 0)}{cut}{'…' * (stop < len(text))}"[:EXCERPT])
