"""Texts that stand for all others under predicates that name parts of texts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.surveys.service.branching import Predicate, folded


def texts(longest: int, about: Sequence[Predicate]) -> Iterator[str | None]:
    """Texts of every class that the predicates make, none of them blank or longer than that.

    First those that come to mind; then by going through all texts, letter by letter and shortest first,
    passing over each that the predicates can't tell from an earlier one, now and however it goes on. A None
    is such.
    """
    named = _Named.by(about)
    for guess in named.guesses():
        yield guess if guess.strip() and len(guess) <= longest else None
    states = {named.state("")}
    front = [""]
    for _ in range(longest):
        longer = []
        for text in front:
            for letter in named.alphabet:
                state = named.state(text + letter)
                is_new = state not in states
                if is_new:
                    states.add(state)
                    longer.append(text + letter)
                yield text + letter if is_new and (text + letter).strip() else None
        front = longer


@dataclass(frozen=True, slots=True)
class _Named:
    """What the predicates name: whole texts, and folded beginnings and parts; and the letters that matter."""

    whole: tuple[str, ...]
    beginnings: tuple[str, ...]
    parts: tuple[str, ...]
    alphabet: tuple[str, ...]

    @classmethod
    def by(cls, about: Sequence[Predicate]) -> "_Named":
        whole: dict[str, None] = {}
        found: dict[str, dict[str, None]] = {"starts_with": {}, "contains": {}}
        for predicate in about:
            if predicate.operator in found:
                found[predicate.operator][predicate.value] = None
            elif predicate.operator != "exists":
                value = predicate.value
                whole |= dict.fromkeys(sorted(value) if isinstance(value, frozenset) else (value,))
        beginnings, parts = tuple(found["starts_with"]), tuple(found["contains"])
        return cls(tuple(whole), beginnings, parts, _alphabet(tuple(whole), (*beginnings, *parts)))

    def guesses(self) -> Iterator[str]:
        """Every text named, none of them, and all parts after each beginning."""
        yield self.alphabet[-1]
        yield from (*self.whole, *self.beginnings, *self.parts)
        for beginning in self.beginnings:
            yield from (beginning + part for part in self.parts)
        for beginning in self.beginnings or ("",):
            yield self.alphabet[-1].join((beginning, *self.parts))

    def state(self, text: str) -> tuple[object, ...]:
        """All that matters of a text for what holds of it and of every longer one."""
        plain = folded(text)
        return (
            text if any(each.startswith(text) for each in self.whole) else None,
            plain if any(each.startswith(plain) for each in self.beginnings) else None,
            tuple(plain.startswith(each) for each in self.beginnings),
            tuple(each in plain for each in self.parts),
            self._open_end(plain),
            bool(text.strip()),
        )

    def _open_end(self, plain: str) -> str:
        """The longest end of the text that some part may still begin with."""
        most = max(map(len, self.parts), default=0)
        for start in range(max(len(plain) - most, 0), len(plain)):
            if any(part.startswith(plain[start:]) for part in self.parts):
                return plain[start:]
        return ""


def _alphabet(whole: Sequence[str], plain: Sequence[str]) -> tuple[str, ...]:
    """The letters that are named, in both cases where whole texts are told apart, and one that is not."""
    letters = dict.fromkeys("".join((*whole, *plain)))
    if whole:
        letters |= dict.fromkeys(
            other
            for letter in "".join(plain)
            if len(other := letter.upper()) == 1 and folded(other) == letter
        )
    named = {folded(letter) for letter in letters}
    free = next(letter for letter in map(chr, range(ord("a"), 0x3000)) if folded(letter) not in named)
    return (*letters, free)
