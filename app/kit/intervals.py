"""95 % intervals for shares, for means of −1, 0 and +1, and for the differences of two of either.

Decimals all through, with the 28 digits of the default context and no rounding. Each method is one that keeps
its promise on small samples, where the textbook's ±1.96·s/√n has no width at all once everybody agrees:

- a share: E. B. Wilson's score interval (1927), "method 3" of Newcombe (1998), Statistics in Medicine 17:857;
- a difference of shares: the hybrid of two Wilson intervals, "method 10" of Newcombe (1998), ibid. 17:873;
- a mean of −1, 0 and +1 (as is the net promoter score): adjusted Wald, three answers added that are spread
  ¾, 1½, ¾; Bonett & Price (2012) for paired proportions, for this use Rocks (2016), The American Statistician
  70(4):365, and Lewis & Sauro (2021).
"""

import math
from dataclasses import dataclass
from decimal import Decimal

Z95 = Decimal("1.959963984540054")
"""How many standard errors lie on either side of the middle of a 95 % interval."""

ZERO, ONE, TWO = Decimal(0), Decimal(1), Decimal(2)
_ADDED_ANSWERS, _ADDED_SQUARES = Decimal(3), Decimal("1.5")
_Z_DIGITS = Decimal("1e-15")

Interval = tuple[Decimal, Decimal]


@dataclass(frozen=True, slots=True)
class Difference:
    """How far apart two samples are, second minus first: interval, and two-sided p-value of "not at all".

    The p-value belongs to the interval: it is under 0.05 exactly when the interval leaves out 0.
    """

    value: Decimal
    low: Decimal
    high: Decimal
    p_value: Decimal

    @property
    def is_significant(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Signs:
    """`n` answers worth −1, 0 or +1: their sum, and how many are not 0 (the sum of their squares)."""

    n: int
    total: int
    squares: int

    @property
    def mean(self) -> Decimal:
        """The mean as observed. `n` is positive."""
        return Decimal(self.total) / self.n

    @property
    def adjusted_mean(self) -> Decimal:
        """The mean with three answers added, which pull it towards 0."""
        return self.total / (self.n + _ADDED_ANSWERS)

    @property
    def adjusted_square_error(self) -> Decimal:
        """The square of the adjusted mean's standard error."""
        n = self.n + _ADDED_ANSWERS
        return ((self.squares + _ADDED_SQUARES) / n - self.adjusted_mean**2) / n


def wilson(successes: Decimal | int, trials: Decimal | int, z: Decimal = Z95) -> Interval:
    """The Wilson score interval of a share, 95 % unless told otherwise. `trials` is positive."""
    trials = Decimal(trials)
    share, square = successes / trials, z * z
    middle = share + square / (2 * trials)
    spread = z * (share * (ONE - share) / trials + square / (4 * trials * trials)).sqrt()
    scale = ONE + square / trials
    return max(ZERO, (middle - spread) / scale), min(ONE, (middle + spread) / scale)


def adjusted_wald(signs: Signs) -> Interval:
    """The interval of a mean of −1, 0 and +1, within −1..1. `signs.n` is positive.

    It always holds the observed mean: that of one single promoter or detractor would lie just outside.
    """
    reach = Z95 * signs.adjusted_square_error.sqrt()
    low, high = signs.adjusted_mean - reach, signs.adjusted_mean + reach
    return max(-ONE, min(low, signs.mean)), min(ONE, max(high, signs.mean))


def difference_of_shares(first: tuple[int, int], second: tuple[int, int]) -> Difference:
    """Newcombe's hybrid score interval of second − first, each (successes, trials) with positive trials.

    The p-value is that of the z test which this interval inverts: its standard error is taken at the Wilson
    limits that face each other. The pooled z test would contradict the interval now and then.
    """
    value = Decimal(second[0]) / second[1] - Decimal(first[0]) / first[1]
    low = max(-ONE, value - _reach(second, first, Z95))
    high = min(ONE, value + _reach(first, second, Z95))
    lower, upper = (first, second) if value >= 0 else (second, first)
    return Difference(value, low, high, two_sided(_steps_to_zero(lower, upper, abs(value))))


def difference_of_signs(first: Signs, second: Signs) -> Difference:
    """The interval of second mean − first mean, within −2..2, from the adjusted means. No `n` is 0.

    It is widened to hold the observed difference, if need be. Where the adjustment alone turns the sign of
    the difference (one answer beside very many), nothing observed speaks against equality: the p-value is 1.
    """
    value, adjusted = second.mean - first.mean, second.adjusted_mean - first.adjusted_mean
    error = (first.adjusted_square_error + second.adjusted_square_error).sqrt()
    low = max(-TWO, min(adjusted - Z95 * error, value))
    high = min(TWO, max(adjusted + Z95 * error, value))
    return Difference(value, low, high, two_sided(abs(adjusted) / error) if value * adjusted > 0 else ONE)


def two_sided(z: Decimal) -> Decimal:
    """How often chance alone takes a normal variable `z` or more standard errors away from its mean."""
    return Decimal(math.erfc(float(z) / math.sqrt(2)))


def _reach(falling: tuple[int, int], rising: tuple[int, int], z: Decimal) -> Decimal:
    """How far two shares may approach: one falls to its lower limit, the other rises to its upper one."""
    down = Decimal(falling[0]) / falling[1] - wilson(*falling, z)[0]
    up = wilson(*rising, z)[1] - Decimal(rising[0]) / rising[1]
    return (down * down + up * up).sqrt()


def _steps_to_zero(lower: tuple[int, int], upper: tuple[int, int], distance: Decimal) -> Decimal:
    """The z at which the interval's limit just touches 0: the reach grows with z, beyond any distance."""
    if not distance:
        return ZERO
    least, most = ZERO, ONE
    while _reach(upper, lower, most) < distance:
        least, most = most, most * 2
    while most - least > _Z_DIGITS * most:
        middle = (least + most) / 2
        least, most = (middle, most) if _reach(upper, lower, middle) < distance else (least, middle)
    return least
