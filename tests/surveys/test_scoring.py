"""Scores of survey answers, without a database."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.surveys.models.surveys import ScoreType
from app.surveys.service.scoring import SCALES, Band, Tally, band, compare, is_detractor, rate

TYPES: tuple[ScoreType, ...] = ("nps", "csat", "ces")


@st.composite
def tallies(draw: st.DrawFn, type: ScoreType) -> Tally:
    values = list(SCALES[type].values)
    return Tally(type, draw(st.dictionaries(st.sampled_from(values), st.integers(0, 200))))


def nps(promoters: int, passives: int, detractors: int) -> Tally:
    return Tally("nps", {10: promoters, 7: passives, 0: detractors})


@pytest.mark.parametrize(
    ("type", "bands"),
    [
        ("nps", ["detractor"] * 7 + ["passive"] * 2 + ["promoter"] * 2),
        ("csat", ["dissatisfied"] * 2 + ["neutral"] + ["satisfied"] * 2),
        ("ces", ["hard"] * 3 + ["neutral"] + ["easy"] * 3),
    ],
)
def test_every_value_has_its_band(type: ScoreType, bands: list[Band]) -> None:
    assert [band(type, value) for value in SCALES[type].values] == bands


@pytest.mark.parametrize(("type", "threshold"), [("nps", 6), ("csat", 2), ("ces", 3)])
def test_up_to_a_threshold_somebody_should_call(type: ScoreType, threshold: int) -> None:
    assert [value for value in SCALES[type].values if is_detractor(type, value)] == [
        value for value in SCALES[type].values if value <= threshold
    ]


@pytest.mark.parametrize(
    ("tally", "score", "mean"),
    [
        (Tally("nps", {10: 3, 9: 2, 8: 3, 6: 1, 0: 1}), Decimal(30), Decimal("7.8")),
        (Tally("nps", {7: 4}), Decimal(0), Decimal(7)),
        (Tally("csat", {5: 1, 4: 1, 3: 1, 1: 1}), Decimal(50), Decimal("3.25")),
        (Tally("ces", {7: 1, 5: 1, 4: 1, 3: 1, 1: 1}), Decimal(40), Decimal(4)),
    ],
)
def test_scores_by_hand(tally: Tally, score: Decimal, mean: Decimal) -> None:
    assert (tally.score, tally.mean) == (score, mean)


def test_a_third_is_not_rounded() -> None:
    assert Tally("csat", {5: 1, 1: 2}).score == Decimal(100) / 3


@pytest.mark.parametrize("type", TYPES)
def test_of_no_answers_nothing_can_be_told(type: ScoreType) -> None:
    tally = Tally(type, {})
    assert (tally.n, tally.score, tally.mean, tally.interval()) == (0, None, None, None)
    assert tally.distribution == dict.fromkeys(SCALES[type].values, 0)
    assert compare(tally, Tally(type, {5: 9})) is None
    assert compare(Tally(type, {5: 9}), tally) is None
    assert rate(0, 0) is None


@pytest.mark.parametrize(
    ("type", "counts"), [("nps", {11: 1}), ("csat", {0: 1}), ("ces", {8: 1}), ("nps", {3: -1})]
)
def test_what_is_off_the_scale_is_refused(type: ScoreType, counts: dict[int, int]) -> None:
    with pytest.raises(ValueError, match=type):
        Tally(type, counts)


@given(st.sampled_from(TYPES).flatmap(tallies))
def test_bands_and_distribution_add_up(tally: Tally) -> None:
    assert sum(tally.distribution.values()) == tally.n
    assert list(tally.distribution) == list(SCALES[tally.type].values)
    assert tally.positive + tally.neutral + tally.negative == tally.n
    assert min(tally.positive, tally.neutral, tally.negative) >= 0


@given(st.sampled_from(TYPES).flatmap(tallies))
def test_the_interval_holds_the_score_on_the_scale(tally: Tally) -> None:
    interval = tally.interval()
    if interval is None or tally.score is None:
        assert tally.n == 0
        return
    low, high = interval
    slack = Decimal("1e-18")
    assert (-100 if tally.type == "nps" else 0) <= low <= tally.score + slack
    assert tally.score - slack <= high <= 100
    assert low < high


def test_five_promoters_leave_room_for_doubt() -> None:
    """5.75 and 0.75 of 8: 62.5 ± 45.0, cut at 100."""
    low, high = nps(5, 0, 0).interval() or (None, None)
    assert (round(low or 0, 2), high) == (Decimal("17.49"), 100)


def test_one_promoter_tells_next_to_nothing() -> None:
    low, high = nps(1, 0, 0).interval() or (None, None)
    assert (round(low or 0, 2), high) == (Decimal("-48.50"), 100)


def test_csat_has_the_interval_of_wilson() -> None:
    """Newcombe 1998, 17:857: 15 of 148 is 0.0624 to 0.1605."""
    low, high = Tally("csat", {4: 10, 5: 5, 1: 133}).interval() or (0, 0)
    assert (round(low, 2), round(high, 2)) == (Decimal("6.24"), Decimal("16.05"))


def test_a_rate_is_a_fraction() -> None:
    found = rate(15, 148)
    assert found is not None
    assert [round(number, 4) for number in found] == [Decimal(n) for n in ("0.1014", "0.0624", "0.1605")]


def test_fifteen_points_between_two_hundred_answers_each_may_be_chance() -> None:
    found = compare(nps(100, 40, 60), nps(115, 40, 45))
    assert found is not None
    assert (found.difference, found.significant) == (15, False)
    assert found.ci_low < 0 < found.ci_high
    assert round(found.p_value, 3) == Decimal("0.079")


def test_fifteen_points_between_a_thousand_answers_each_are_not() -> None:
    found = compare(nps(500, 200, 300), nps(575, 200, 225))
    assert found is not None
    assert (found.difference, found.significant) == (15, True)
    assert found.p_value < Decimal("0.001")


def test_a_fall_is_a_negative_difference() -> None:
    found = compare(Tally("csat", {5: 56, 1: 14}), Tally("csat", {5: 48, 1: 32}))
    assert found is not None
    assert [round(number, 2) for number in (found.difference, found.ci_low, found.ci_high)] == [
        Decimal(number) for number in ("-20", "-33.39", "-5.24")
    ]
    assert found.significant


def test_single_answers_prove_nothing() -> None:
    found = compare(nps(0, 0, 1), nps(1, 0, 0))
    assert found is not None
    assert (found.difference, found.significant) == (200, False)


@given(st.sampled_from(TYPES).flatmap(tallies))
def test_a_score_does_not_differ_from_itself(tally: Tally) -> None:
    found = compare(tally, tally)
    if found is not None:
        assert (found.difference, found.p_value, found.significant) == (0, 1, False)


def test_two_types_have_no_difference() -> None:
    with pytest.raises(ValueError, match="two types"):
        compare(nps(1, 1, 1), Tally("csat", {5: 1}))
