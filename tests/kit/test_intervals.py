"""Intervals against the tables of the papers they come from, and against what any interval owes."""

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.intervals import (
    Z95,
    Difference,
    Signs,
    adjusted_wald,
    difference_of_shares,
    difference_of_signs,
    two_sided,
    wilson,
)

SLACK = Decimal("1e-20")


def rounded(*numbers: Decimal) -> tuple[float, ...]:
    return tuple(round(float(number), 4) for number in numbers)


@st.composite
def shares(draw: st.DrawFn) -> tuple[int, int]:
    trials = draw(st.one_of(st.integers(1, 12), st.integers(1, 10**7)))
    return draw(st.integers(0, trials)), trials


@st.composite
def signs(draw: st.DrawFn) -> Signs:
    most = draw(st.sampled_from([2, 10, 10**6]))
    up, none, down = (draw(st.integers(0, most)) for _ in range(3))
    return Signs(up + none + down + 1, up - down, up + down)


@pytest.mark.parametrize(
    ("successes", "trials", "expected"),
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
        (29, 29, (0.8830, 1.0)),
    ],
)
def test_wilson_gives_the_numbers_of_newcombe(
    successes: int, trials: int, expected: tuple[float, float]
) -> None:
    """R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3; the last by symmetry."""
    assert rounded(*wilson(successes, trials)) == expected


@given(shares())
def test_wilson_limits_are_where_the_share_lies_z_standard_errors_away(share: tuple[int, int]) -> None:
    """The definition: (p - L)^2 n = z^2 L (1 - L)."""
    successes, trials = share
    for limit in wilson(successes, trials):
        distance = (Decimal(successes) / trials - limit) ** 2 * trials
        assert abs(distance - Z95**2 * limit * (1 - limit)) < Decimal("1e-12")


@given(shares())
def test_wilson_holds_the_share_and_mirrors(share: tuple[int, int]) -> None:
    successes, trials = share
    low, high = wilson(successes, trials)
    assert 0 <= low <= Decimal(successes) / trials + SLACK
    assert Decimal(successes) / trials - SLACK <= high <= 1
    other_low, other_high = wilson(trials - successes, trials)
    assert abs(1 - other_high - low) < SLACK
    assert abs(1 - other_low - high) < SLACK


@given(shares(), st.integers(2, 50))
def test_more_of_the_same_answers_narrow_wilson(share: tuple[int, int], times: int) -> None:
    few, many = wilson(*share), wilson(share[0] * times, share[1] * times)
    assert many[1] - many[0] < few[1] - few[0]


@pytest.mark.parametrize(
    ("larger", "smaller", "expected"),
    [
        ((56, 70), (48, 80), (0.2, 0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.6, 0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.5714, 0.0582, 0.8062)),
        ((5, 56), (0, 29), (0.0893, -0.0381, 0.1926)),
        ((0, 10), (0, 20), (0.0, -0.1611, 0.2775)),
        ((0, 10), (0, 10), (0.0, -0.2775, 0.2775)),
        ((10, 10), (0, 20), (1.0, 0.6791, 1.0)),
        ((10, 10), (0, 10), (1.0, 0.6075, 1.0)),
    ],
)
def test_differences_of_shares_give_the_numbers_of_newcombe(
    larger: tuple[int, int], smaller: tuple[int, int], expected: tuple[float, float, float]
) -> None:
    """R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890, table II, contrasts (a) to (h), method 10."""
    found = difference_of_shares(smaller, larger)
    assert rounded(found.value, found.low, found.high) == expected


@given(shares(), shares())
def test_swapping_the_samples_turns_the_difference_of_shares_around(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    there, back = difference_of_shares(first, second), difference_of_shares(second, first)
    assert (there.value, there.low, there.high) == (-back.value, -back.high, -back.low)
    assert there.p_value == back.p_value


@given(shares(), shares())
def test_interval_and_p_value_of_shares_never_contradict_each_other(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    check_agreement(difference_of_shares(first, second))


@given(signs(), signs())
def test_interval_and_p_value_of_signs_never_contradict_each_other(first: Signs, second: Signs) -> None:
    check_agreement(difference_of_signs(first, second))


def check_agreement(found: Difference) -> None:
    assert found.low <= found.value <= found.high
    assert 0 <= found.p_value <= 1
    if abs(found.p_value - Decimal("0.05")) > Decimal("1e-9"):
        assert (found.p_value < Decimal("0.05")) is found.is_significant


def test_one_promoter_beside_a_million_proves_nothing() -> None:
    """Adjusted, the single one counts as 0.25 and the crowd as 0.99, though the crowd is the less content."""
    crowd = Signs(1_000_000, 990_000, 990_000)
    found = difference_of_signs(Signs(1, 1, 1), crowd)
    assert (found.value, found.p_value, found.is_significant) == (Decimal("-0.01"), 1, False)


@pytest.mark.parametrize(
    ("promoters", "passives", "detractors"), [(5, 0, 0), (19, 8, 9), (0, 7, 0), (1, 1, 1), (140, 60, 100)]
)
def test_adjusted_wald_is_the_plain_one_with_three_answers_more(
    promoters: int, passives: int, detractors: int
) -> None:
    """B. Rocks, The American Statistician 70 (2016) 365-372; J. Lewis & J. Sauro, MeasuringU, 2021-01-05.

    Add 3/4 to promoters and to detractors, 3 to n; then the variance of a difference of two shares of one
    sample, p + d - (p - d)^2, over n. Computed here in fractions.
    """
    n = promoters + passives + detractors
    p, d = (Fraction(4 * each + 3, 4 * (n + 3)) for each in (promoters, detractors))
    reach = 1.959963984540054 * math.sqrt((p + d - (p - d) ** 2) / (n + 3))
    low, high = adjusted_wald(Signs(n, promoters - detractors, promoters + detractors))
    assert float(low) == pytest.approx(max(-1, float(p - d) - reach))
    assert float(high) == pytest.approx(min(1, float(p - d) + reach))


@given(signs())
def test_adjusted_wald_holds_the_mean_has_width_and_mirrors(each: Signs) -> None:
    low, high = adjusted_wald(each)
    assert -1 <= low <= each.mean <= high <= 1
    assert low < high
    assert adjusted_wald(Signs(each.n, -each.total, each.squares)) == (-high, -low)


@given(signs(), st.integers(2, 50))
def test_more_of_the_same_answers_narrow_adjusted_wald(each: Signs, times: int) -> None:
    low, high = adjusted_wald(each)
    many = adjusted_wald(Signs(each.n * times, each.total * times, each.squares * times))
    assert many[1] - many[0] < high - low


@pytest.mark.parametrize(("z", "p"), [("0", 1.0), ("1.959963984540054", 0.05), ("2.575829303548901", 0.01)])
def test_two_sided_p_values_of_the_normal_table(z: str, p: float) -> None:
    assert float(two_sided(Decimal(z))) == pytest.approx(p, abs=1e-12)
