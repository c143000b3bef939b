"""Whether a text sounds content, and by which words: a lexicon and six rules, all of which can be shown.

The lexicon is VADER's (C. J. Hutto & E. Gilbert, ICWSM 2014): English words and emoji, each rated by ten
people from −4 to 4. It comes with the package nltk-vader-sentiment, whose constants are used too. The rules:

- the first word after a negation (up to three words before it) counts the other way round, and somewhat less;
- what customers expect ("work", "arrived") counts only after a negation, and then against;
- "too" counts against before a word without a rating, such as "long" or "many";
- "very" and its like strengthen, "slightly" and its like weaken, the less the further away;
- within a sentence, what stands before "but" counts half, what follows it one and a half;
- the sum s becomes s / √(s² + 15), which lies between −1 and 1.

Of a text in any other language nothing is claimed.
"""

import functools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from vader.constants import (
    BOOSTER_DICT,
    BUT_AFTER,
    BUT_BEFORE,
    DECAY_THREE,
    DECAY_TWO,
    DEFAULT_ALPHA,
    N_SCALAR,
    NEGATE,
)
from vader.data.curated import ADDITIONS, OVERRIDES
from vader.data.emoji import EMOJI
from vader.data.lexicon import LEXICON

from app.surveys.service.wording import ENGLISH, WORD, language_of, looks_like, normal

Label = Literal["positive", "neutral", "negative"]
Silence = Literal["unsupported_language", "other_language", "no_known_word"]

# VADER was made for social media, and has no opinion on what customers wait and pay for.
_OF_CUSTOMERS = {
    "delay": -1.3, "delayed": -1.4, "delays": -1.3, "expensive": -1.3, "overpriced": -1.9, "pricey": -1.1,
    "late": -1.2, "slow": -1.4, "slower": -1.3, "slowly": -1.2, "confusing": -1.4, "unclear": -1.2,
    "complicated": -1.2, "cumbersome": -1.5, "clunky": -1.4, "outdated": -1.3, "lacking": -1.2,
    "bug": -1.3, "bugs": -1.4, "buggy": -1.7, "crashes": -1.7, "crashed": -1.7, "crashing": -1.7,
    "glitch": -1.3, "glitches": -1.3, "glitchy": -1.5, "laggy": -1.5, "issue": -1.0, "issues": -1.0,
    "outage": -1.3, "outages": -1.3, "downtime": -1.3, "inconsistent": -1.3, "unreliable": -1.8,
    "unusable": -2.2, "nightmare": -2.3, "unhelpful": -1.8, "unresponsive": -1.6, "fast": 1.4, "faster": 1.3,
    "quick": 1.3, "quickly": 1.2, "prompt": 1.3, "promptly": 1.3, "affordable": 1.4, "intuitive": 1.5,
    "responsive": 1.4, "seamless": 1.6, "smooth": 1.4, "smoothly": 1.4, "simple": 1.1, "convenient": 1.6,
    "reliable": 1.6, "knowledgeable": 1.5, "works": 1.0,
}  # fmt: skip

# What they name without praise or blame: the help desk, a program, a wish.
_TOPICS = {
    "alert", "alerts", "care", "excel", "hope", "improve", "interest", "number", "please", "security",
    "share", "solution", "solutions", "support", "supported", "supporting", "supports", "want", "wanted",
    "wants", "wish",
}  # fmt: skip

_EXPECTED = {
    "answer", "answered", "answers", "arrive", "arrived", "connect", "connects", "deliver", "delivered",
    "find", "finds", "fix", "fixed", "got", "load", "loaded", "loads", "log", "login", "open", "opens",
    "picks", "receive", "received", "reply", "replied", "respond", "responded", "responds", "told",
    "understand", "work", "worked", "working",
}  # fmt: skip
_EXPECTATION = 1.5
_EXCESSIVE = {
    "big", "complex", "few", "heavy", "high", "large", "little", "long", "loud", "low", "many", "much",
    "often", "short", "small",
}  # fmt: skip
_EXCESS = -1.3

_NEGATIONS = NEGATE | {"no", "nobody"}
_DECAY = (1.0, DECAY_TWO, DECAY_THREE)
_LEAST = 0.05
_MOST_WORDS = 10

_SENTENCE_END = re.compile(r"[.!?\n]+")


class Weight(NamedTuple):
    """A word and what it added in all, negation and emphasis included."""

    word: str
    weight: float


@dataclass(frozen=True, slots=True)
class Sentiment:
    """How content a text sounds, −1..1, and the words that say so, the weightiest first.

    Without a value and a label there is a `reason`: the text is said to be in a language that the lexicon
    does not have, reads as if it were in one, or holds no word that is known at all.
    """

    value: float | None
    label: Label | None
    reason: Silence | None
    words: Sequence[Weight] = field(default=(), repr=False)


def sentiment_of(text: str, locale: str | None) -> Sentiment:
    """The sentiment of one text. `locale` is the language it is said to be in, None if nobody said."""
    if locale is not None and language_of(locale) != ENGLISH:
        return Sentiment(None, None, "unsupported_language")
    sentences = [_tokens(sentence) for sentence in _SENTENCE_END.split(text)]
    silence = _silence([token for sentence in sentences for token in sentence])
    if silence:
        return Sentiment(None, None, silence)
    found = [weight for sentence in sentences for weight in _weights(sentence)]
    total = math.fsum(each.weight for each in found)
    return _sentiment(total / math.sqrt(total * total + DEFAULT_ALPHA), _summed(found))


def combined(sentiments: Sequence[Sentiment]) -> Sentiment:
    """What several texts sound like together: the mean of those with a value, and their ten main words."""
    values = [each.value for each in sentiments if each.value is not None]
    if not values:
        reasons = Counter(each.reason for each in sentiments)
        return Sentiment(None, None, max(reasons, key=lambda reason: (reasons[reason], reason), default=None))
    found = _summed(word for each in sentiments for word in each.words)
    return _sentiment(math.fsum(values) / len(values), found[:_MOST_WORDS])


def _sentiment(value: float, found: Sequence[Weight]) -> Sentiment:
    label: Label = "positive" if value >= _LEAST else "negative" if value <= -_LEAST else "neutral"
    return Sentiment(value, label, None, found)


def _summed(found: Iterable[Weight]) -> list[Weight]:
    """Each word once with all its weight. The sums do not depend on the order in which words came."""
    weights: dict[str, list[float]] = defaultdict(list)
    for word, weight in found:
        weights[word].append(weight)
    sums = [Weight(word, math.fsum(each)) for word, each in weights.items()]
    return sorted(sums, key=lambda each: (-abs(each.weight), each.word))


def _silence(tokens: Sequence[str]) -> Silence | None:
    """Why nothing can be said. "Die Lieferung war gut" is not about death and war, whatever its label."""
    votes = looks_like(tokens)
    if any(count > votes[ENGLISH] for count in votes.values()):
        return "other_language"
    known = votes[ENGLISH] or any(token in _ratings() for token in tokens)
    return None if known else "no_known_word"


def _tokens(sentence: str) -> list[str]:
    """Words, emoji and emoticons."""
    pieces = map(normal, _piece().findall(sentence))
    return [piece for piece in pieces if piece[0].isalnum() or piece in _ratings()]


def _weights(tokens: Sequence[str]) -> Iterator[Weight]:
    turn = tokens.index("but") if "but" in tokens else None
    for place, token in enumerate(tokens):
        weight = _weight(tokens, place)
        if turn is not None:
            weight *= BUT_BEFORE if place < turn else BUT_AFTER
        if weight:
            yield Weight(token, weight)


def _weight(tokens: Sequence[str], place: int) -> float:
    """What a word adds, but for the turn that a sentence takes with "but"."""
    word, before = tokens[place], tokens[max(0, place - 3) : place]
    if word == "too":
        return _in_context(_EXCESS, before) if {*tokens[place + 1 : place + 2]} & _EXCESSIVE else 0.0
    if word in _EXPECTED:
        return min(_in_context(_EXPECTATION, before), 0.0)
    if not _is_rated(word) or _only_negates(tokens, place):
        return 0.0
    return _in_context(_ratings()[word], before, is_most=_is_most(word, before))


def _is_rated(word: str) -> bool:
    return word in _ratings() and word not in BOOSTER_DICT


def _is_most(word: str, before: Sequence[str]) -> bool:
    """ "Couldn't be happier" is as happy as can be."""
    *_, first, second, third = ("", "", "", *before)
    cannot = second in ("couldn't", "couldnt", "can't", "cant", "cannot") or (first, second) == (
        "could",
        "not",
    )
    return third == "be" and cannot and (word.endswith("er") or word == "worse")


def _in_context(weight: float, before: Sequence[str], *, is_most: bool = False) -> float:
    """The weight as the up to three words before it leave it, the nearest one first.

    A negation reaches up to the first rated word, and on to the next after "or".
    """
    is_reached = not is_most
    for decay, word in zip(_DECAY, reversed(before), strict=False):
        if word not in _ratings():
            weight += math.copysign(BOOSTER_DICT.get(word, 0.0) * decay, BOOSTER_DICT.get(word, 0.0) * weight)
        if word in _NEGATIONS:
            weight *= N_SCALAR if is_reached else 1.0
        elif _is_rated(word) and before[-1] not in ("or", "nor"):
            is_reached = False
    return weight


def _only_negates(tokens: Sequence[str], place: int) -> bool:
    """ "No" counts by itself, but not before a word that it turns."""
    return tokens[place] == "no" and place + 1 < len(tokens) and tokens[place + 1] in _ratings()


# Made when the first text is read: most processes never read one.
@functools.cache
def _ratings() -> dict[str, float]:
    """The weights of words, emoticons and emoji."""
    words = {**LEXICON, **_OF_CUSTOMERS, **ADDITIONS, **OVERRIDES}
    return {word: weight for word, weight in words.items() if word not in _TOPICS} | _emoji()


@functools.cache
def _piece() -> re.Pattern[str]:
    """A word, an emoticon that stands alone, or any other character."""
    longest_first = sorted(LEXICON, key=len, reverse=True)
    emoticons = "|".join(re.escape(key) for key in longest_first if not key[0].isalnum())
    return re.compile(rf"{WORD}|(?<!\S)(?:{emoticons})(?!\S)|[^\w\s]", re.IGNORECASE)


def _emoji() -> dict[str, float]:
    """What the words of an emoji's name add up to, for emoji of one character, colour mark aside."""
    named = {emoji.removesuffix("\ufe0f"): name.split() for emoji, name in EMOJI.items()}
    sums = {emoji: math.fsum(LEXICON.get(word, 0.0) for word in name) for emoji, name in named.items()}
    return {emoji: weight for emoji, weight in sums.items() if len(emoji) == 1 and weight}
