from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.goals.schemas import Direction, SmartCode
from app.goals.service.smart import Facts, Letter, Promise, Step, assess, attainability, contradicts

D = Decimal
SEGMENT = UUID(int=7)
START = date(2026, 1, 1)

PROMISE = Promise("Cut the churn", "churn_rate", SEGMENT, "decrease", D("0.05"), START, date(2026, 6, 30))
GOOD = Facts(
    promise=PROMISE,
    description="Paying customers in Europe",
    has_owner=True,
    metric_known=True,
    baseline=D("0.08"),
    baseline_from_snapshot=True,
    refresh_days=1,
    review_days=30,
    steps=(Step(date(2026, 3, 1), D("0.07")), Step(date(2026, 5, 1), D("0.06"))),
    ancestors=(False, True),
    others=(),
    impact=4,
    feasibility=3,
    probability=D("0.6"),
    history_points=12,
)
OBJECTIVE = replace(
    GOOD,
    promise=replace(PROMISE, title="Customers stay", metric_key=None, direction=None, target=None),
    metric_known=False,
    baseline=None,
    baseline_from_snapshot=False,
    refresh_days=None,
    steps=(),
    ancestors=(),
    probability=None,
    history_points=0,
)
INCREASE = replace(PROMISE, title="Raise it", direction="increase", target=D("0.9"))


def promising(**changes: object) -> Facts:
    return replace(GOOD, promise=replace(PROMISE, **changes))  # type: ignore[arg-type]


def unmet(letter: Letter) -> list[SmartCode]:
    return [reason.code for reason in letter.reasons if not reason.met]


def test_a_good_goal_is_smart_in_every_letter() -> None:
    assessment = assess(GOOD)
    letters = [
        assessment.specific,
        assessment.measurable,
        assessment.attainable,
        assessment.relevant,
        assessment.time_bound,
    ]
    assert [letter.score for letter in letters] == [1, 1, 1, 1, 1]
    assert (assessment.score, assessment.verdict) == (D(1), "smart")
    assert all(reason.met and reason.detail for letter in letters for reason in letter.reasons)


# S


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (promising(title="Churn"), "title"),
        (replace(GOOD, has_owner=False), "owner"),
        (promising(metric_key=None), "one_metric"),
        (promising(direction=None), "direction"),
        (replace(promising(segment_id=None), description="  "), "scope"),
    ],
)
def test_each_missing_part_costs_a_fifth_of_s(facts: Facts, code: SmartCode) -> None:
    specific = assess(facts).specific
    assert unmet(specific) == [code]
    assert specific.score == D("0.8")


def test_a_description_is_scope_enough() -> None:
    assert unmet(assess(promising(segment_id=None)).specific) == []


# M


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (replace(GOOD, metric_known=False), "metric_known"),
        (replace(GOOD, baseline_from_snapshot=False), "baseline_from_snapshot"),
        (promising(target=D("0.09")), "target_side"),
        (promising(target=D("0.08")), "target_side"),
        (replace(GOOD, refresh_days=31), "refresh_fits_reviews"),
        (replace(GOOD, refresh_days=None), "refresh_fits_reviews"),
    ],
)
def test_each_missing_part_costs_a_quarter_of_m(facts: Facts, code: SmartCode) -> None:
    measurable = assess(facts).measurable
    assert unmet(measurable) == [code]
    assert measurable.score == D("0.75")


def test_without_a_baseline_the_target_has_no_side() -> None:
    facts = replace(GOOD, baseline=None)
    assert unmet(assess(facts).measurable) == ["baseline_from_snapshot", "target_side"]


@pytest.mark.parametrize(
    ("direction", "baseline", "met"),
    [
        ("increase", "39", True),
        ("increase", "40", False),
        ("increase", "41", False),
        ("decrease", "41", True),
        ("decrease", "40", False),
        ("stay_above", "40", True),
        ("stay_above", "41", True),
        ("stay_above", "39", False),
        ("stay_below", "40", True),
        ("stay_below", "41", False),
    ],
)
def test_the_side_of_a_target_of_40(direction: Direction, baseline: str, met: bool) -> None:
    facts = replace(promising(direction=direction, target=D(40)), baseline=D(baseline), steps=())
    assert ("target_side" not in unmet(assess(facts).measurable)) is met


# A


@pytest.mark.parametrize(
    ("probability", "score", "code", "met"),
    [
        ("0", "0", "unrealistic", False),
        ("0.05", "0.15", "unrealistic", False),
        ("0.1", "0.3", "stretch", True),
        ("0.2", "0.55", "stretch", True),
        ("0.3", "0.8", "attainable", True),
        ("0.4", "0.9", "attainable", True),
        ("0.9", "1", "attainable", True),
        ("0.95", "0.75", "not_ambitious", False),
        ("1", "0.5", "not_ambitious", False),
    ],
)
def test_the_grades_of_a(probability: str, score: str, code: SmartCode, met: bool) -> None:
    letter = assess(replace(GOOD, probability=D(probability))).attainable
    assert letter.score == D(score)
    assert [(reason.code, reason.met) for reason in letter.reasons] == [(code, met)]


def test_a_bound_that_is_sure_to_hold_lacks_no_ambition() -> None:
    letter = assess(replace(promising(direction="stay_below"), probability=D("0.99"))).attainable
    assert (letter.score, letter.reasons[0].code) == (D(1), "attainable")


def test_without_history_a_is_unknown_and_out_of_the_mean() -> None:
    """S M R T are 1: the mean of four known letters is 1."""
    assessment = assess(replace(GOOD, probability=None, history_points=5))
    assert assessment.attainable.score is None
    assert [reason.code for reason in assessment.attainable.reasons] == ["unknown"]
    assert (assessment.score, assessment.verdict) == (D(1), "smart")


@given(st.decimals(0, 1, places=6))
def test_the_grade_stays_within_0_and_1(probability: Decimal) -> None:
    assert 0 <= attainability(probability) <= 1


@given(st.decimals(0, D("0.9"), places=6), st.decimals(0, D("0.9"), places=6))
def test_up_to_ambition_a_better_chance_never_scores_worse(one: Decimal, other: Decimal) -> None:
    low, high = sorted([one, other])
    assert attainability(low) <= attainability(high)


# R


def test_each_missing_part_costs_a_third_of_r() -> None:
    for facts, code in [
        (replace(GOOD, ancestors=()), "aligned"),
        (replace(GOOD, ancestors=(False, False)), "aligned"),
        (replace(GOOD, others=(INCREASE,)), "no_contradiction"),
        (replace(GOOD, impact=None), "rated"),
        (replace(GOOD, feasibility=None), "rated"),
    ]:
        relevant = assess(facts).relevant
        assert unmet(relevant) == [code]
        assert relevant.score == D(2) / 3


def test_an_objective_counts_up_to_five_levels_above() -> None:
    assert unmet(assess(replace(GOOD, ancestors=(False,) * 4 + (True,))).relevant) == []
    assert unmet(assess(replace(GOOD, ancestors=(False,) * 5 + (True,))).relevant) == ["aligned"]


def test_the_contradicting_goal_is_named() -> None:
    reasons = assess(replace(GOOD, others=(INCREASE,))).relevant.reasons
    assert "Raise it" in next(reason.detail for reason in reasons if reason.code == "no_contradiction")


@pytest.mark.parametrize(
    "changes",
    [
        {"metric_key": "net_revenue"},
        {"segment_id": None},
        {"direction": "decrease"},
        {"direction": None},
        {"starts_on": date(2026, 7, 1), "due_on": date(2026, 12, 31)},
    ],
)
def test_goals_that_differ_enough_do_not_contradict(changes: dict[str, object]) -> None:
    assert not contradicts(PROMISE, replace(INCREASE, **changes))  # type: ignore[arg-type]


def test_goals_that_share_a_single_day_overlap() -> None:
    assert contradicts(PROMISE, replace(INCREASE, starts_on=PROMISE.due_on, due_on=date(2026, 12, 31)))


@pytest.mark.parametrize(
    ("up", "down", "expected"),
    [
        (("increase", 10), ("decrease", 20), True),
        (("stay_above", 10), ("stay_below", 20), False),
        (("stay_above", 20), ("stay_below", 10), True),
        (("increase", 10), ("stay_below", 20), False),
        (("increase", 30), ("stay_below", 20), True),
        (("stay_above", 5), ("decrease", 8), False),
        (("stay_above", 9), ("decrease", 8), True),
        (("increase", 10), ("stay_above", 20), False),
    ],
)
def test_bounds_may_leave_room(
    up: tuple[Direction, int], down: tuple[Direction, int], expected: bool
) -> None:
    one, other = (replace(PROMISE, direction=way, target=D(target)) for way, target in (up, down))
    assert contradicts(one, other) is contradicts(other, one) is expected


# T


@pytest.mark.parametrize(
    ("days", "codes"),
    [
        (-1, ["start_before_due", "length", "reviews_fit"]),
        (0, ["start_before_due", "length", "reviews_fit"]),
        (6, ["length"]),
        (7, []),
        (730, []),
        (731, ["length"]),
    ],
)
def test_a_goal_takes_7_to_730_days(days: int, codes: list[SmartCode]) -> None:
    facts = replace(promising(due_on=START + timedelta(days=days)), steps=(), review_days=1)
    assert unmet(assess(facts).time_bound) == codes


def test_three_reviews_must_fit() -> None:
    """Weekly: on days 7, 14 and 21 after the start."""
    twenty, twenty_one = (promising(due_on=START + timedelta(days=days)) for days in (20, 21))
    for facts, codes in [(twenty, ["reviews_fit"]), (twenty_one, [])]:
        assert unmet(assess(replace(facts, review_days=7, steps=())).time_bound) == codes


def test_milestones_lie_in_the_window_with_its_edges() -> None:
    edges = (Step(START, D("0.07")), Step(PROMISE.due_on, D("0.05")))
    assert unmet(assess(replace(GOOD, steps=edges)).time_bound) == []
    late = (Step(date(2026, 7, 1), D("0.05")),)
    assert unmet(assess(replace(GOOD, steps=late)).time_bound) == ["milestones_inside"]


def test_milestones_ask_more_as_time_goes_by() -> None:
    steps = (Step(date(2026, 3, 1), D("0.06")), Step(date(2026, 5, 1), D("0.07")))
    assert unmet(assess(replace(GOOD, steps=steps)).time_bound) == ["milestones_ordered"]
    upward = replace(promising(direction="increase", target=D("0.9")), steps=steps)
    assert unmet(assess(upward).time_bound) == []


def test_the_order_in_which_milestones_are_listed_does_not_matter() -> None:
    assert unmet(assess(replace(GOOD, steps=GOOD.steps[::-1])).time_bound) == []


def test_a_goal_without_milestones_is_not_judged_by_them() -> None:
    codes = [reason.code for reason in assess(replace(GOOD, steps=())).time_bound.reasons]
    assert codes == ["start_before_due", "length", "reviews_fit"]


# The whole


def test_an_objective_is_judged_without_metric_and_chance() -> None:
    assessment = assess(OBJECTIVE)
    assert assessment.measurable == assessment.attainable == Letter(None, ())
    assert unmet(assessment.specific) == unmet(assessment.relevant) == unmet(assessment.time_bound) == []
    assert (assessment.score, assessment.verdict) == (D(1), "smart")


def test_the_score_is_the_mean_of_the_known_letters() -> None:
    """S 0.8, M 0.75, A 0.55, R 1, T 1: 4.1 / 5 = 0.82."""
    facts = replace(GOOD, has_owner=False, baseline_from_snapshot=False, probability=D("0.2"))
    assessment = assess(facts)
    assert (assessment.score, assessment.verdict) == (D("0.82"), "smart")


def test_one_poor_letter_keeps_a_goal_from_being_smart() -> None:
    """Only A fails, at a chance of nothing: 4 / 5 = 0.8."""
    assessment = assess(replace(GOOD, probability=D(0)))
    assert (assessment.score, assessment.verdict) == (D("0.8"), "needs_work")


def test_a_wish_is_weak() -> None:
    """S 1/5 (direction), M 1/4 (metric known), R 1/3 (no contradiction), T 1/3 (start before due)."""
    wish = Facts(
        promise=Promise("Growth", None, None, "increase", D(5), START, START + timedelta(days=2)),
        description=None,
        has_owner=False,
        metric_known=True,
        baseline=None,
        baseline_from_snapshot=False,
        refresh_days=None,
        review_days=7,
        steps=(),
        ancestors=(),
        others=(),
        impact=None,
        feasibility=None,
        probability=None,
        history_points=0,
    )
    assessment = assess(wish)
    assert assessment.score == (D("0.2") + D("0.25") + D(1) / 3 + D(1) / 3) / 4
    assert assessment.verdict == "weak"
