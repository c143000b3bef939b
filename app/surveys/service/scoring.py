"""What score answers add up to: bands, the score of a set with its interval, rates, comparisons.

Arithmetic only. Scores run −100..100 (nps) and 0..100 (csat, ces), rates 0..1. Nothing is rounded here, and
what cannot be told from no answers at all is None, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from app.kit.intervals import (
    Difference,
    Interval,
    Signs,
    adjusted_wald,
    difference_of_shares,
    difference_of_signs,
    wilson,
)
from app.surveys.models.surveys import ScoreType

Band = Literal[
    "promoter", "passive", "detractor", "satisfied", "neutral", "dissatisfied", "easy", "hard"
]  # fmt: skip
HUNDRED = Decimal(100)


class Scale(NamedTuple):
    """The values a type's answers may have, and where its bands begin and end."""

    values: range
    negative_to: int
    positive_from: int
    bands: tuple[Band, Band, Band]
    """From negative to positive."""


SCALES: Mapping[ScoreType, Scale] = {
    "nps": Scale(range(0, 11), 6, 9, ("detractor", "passive", "promoter")),
    "csat": Scale(range(1, 6), 2, 4, ("dissatisfied", "neutral", "satisfied")),
    "ces": Scale(range(1, 8), 3, 5, ("hard", "neutral", "easy")),
}


class Rate(NamedTuple):
    """A share of trials as a fraction 0..1 with its 95 % Wilson interval."""

    value: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a score moved, in its own points: after − before, its 95 % interval, and how likely by chance.

    `significant` is true exactly when the interval leaves out 0, which is when `p_value` is under 0.05.
    """

    difference: Decimal
    ci_low: Decimal
    ci_high: Decimal
    p_value: Decimal
    significant: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """How many answers gave each value. ValueError for a value off the scale or a count below 0."""

    type: ScoreType
    counts: Mapping[int, int]
    n: int = field(init=False)
    """How many answers there are."""
    positive: int = field(init=False)
    """Promoters, the satisfied, or those who found it easy."""
    negative: int = field(init=False)
    """Detractors, the dissatisfied, or those who found it hard."""

    def __post_init__(self) -> None:
        scale = SCALES[self.type]
        sums = {"n": 0, "positive": 0, "negative": 0}
        for value, count in self.counts.items():
            if value not in scale.values or count < 0:
                raise ValueError(f"not counts of {self.type} answers")
            sums["n"] += count
            sums["positive"] += count if value >= scale.positive_from else 0
            sums["negative"] += count if value <= scale.negative_to else 0
        for name, total in sums.items():
            object.__setattr__(self, name, total)

    @property
    def distribution(self) -> dict[int, int]:
        """Every value of the scale in order, those that nobody gave with 0."""
        return {value: self.counts.get(value, 0) for value in SCALES[self.type].values}

    @property
    def neutral(self) -> int:
        """Passives, or those in the middle."""
        return self.n - self.positive - self.negative

    @property
    def mean(self) -> Decimal | None:
        """The mean of the values given, on the answers' own scale."""
        n = self.n
        return Decimal(sum(value * count for value, count in self.counts.items())) / n if n else None

    @property
    def score(self) -> Decimal | None:
        """nps: per cent positive less per cent negative. csat and ces: per cent positive."""
        n = self.n
        points = self.positive - self.negative if self.type == "nps" else self.positive
        return HUNDRED * points / n if n else None

    def interval(self) -> Interval | None:
        """The score's 95 % interval: adjusted Wald for nps, Wilson for csat and ces."""
        if not self.n:
            return None
        low, high = adjusted_wald(self.signs) if self.type == "nps" else wilson(self.positive, self.n)
        return HUNDRED * low, HUNDRED * high

    @property
    def signs(self) -> Signs:
        """The answers as −1, 0 and +1 by their bands."""
        return Signs(self.n, self.positive - self.negative, self.positive + self.negative)


def band(type: ScoreType, score: int) -> Band:
    """nps promoter, passive, detractor; csat satisfied, neutral, dissatisfied; ces easy, neutral, hard."""
    scale = SCALES[type]
    negative, neutral, positive = scale.bands
    if score >= scale.positive_from:
        return positive
    return negative if score <= scale.negative_to else neutral


def is_detractor(type: ScoreType, score: int) -> bool:
    """Whether somebody should call: nps up to 6, csat up to 2, ces up to 3."""
    return score <= SCALES[type].negative_to


def rate(successes: int, trials: int) -> Rate | None:
    """Such as answered of invited. None without trials."""
    return Rate(Decimal(successes) / trials, *wilson(successes, trials)) if trials else None


def compare(before: Tally, after: Tally) -> Comparison | None:
    """Whether the score moved more than chance moves it. None without answers on either side.

    ValueError for two types: their scores are not the same thing.
    """
    if before.type != after.type:
        raise ValueError("scores of two types cannot be compared")
    if not before.n or not after.n:
        return None
    moved = _difference(before, after)
    return Comparison(
        difference=HUNDRED * moved.value,
        ci_low=HUNDRED * moved.low,
        ci_high=HUNDRED * moved.high,
        p_value=moved.p_value,
        significant=moved.is_significant,
    )


def _difference(before: Tally, after: Tally) -> Difference:
    if before.type == "nps":
        return difference_of_signs(before.signs, after.signs)
    return difference_of_shares((before.positive, before.n), (after.positive, after.n))
