"""Is this goal SMART? Five letters, each a score and the checks behind it. Arithmetic only.

S, M, R and T score the share of their checks that are met. A grades the probability of reaching the target: 0
at no chance, 0.3 at 0.1 (below: unrealistic), 0.8 at 0.3 (below: a stretch), 1 from 0.5 to 0.9, falling to
0.5 at certainty (above 0.9: not ambitious), straight lines between. A letter that cannot be judged scores
None and stays out of the overall mean: A without enough history, M and A of an objective, which has no metric
by intent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

from app.goals.schemas import Direction, SmartCode, SmartVerdict
from app.goals.service.forecast import FEWEST_POINTS

DEEPEST = 5
SHORTEST_DAYS, LONGEST_DAYS = 7, 730
FEWEST_REVIEWS = 3
SMART_FROM, NEEDS_WORK_FROM, LETTER_FROM = Decimal("0.8"), Decimal("0.5"), Decimal("0.5")
UNREALISTIC_BELOW, STRETCH_BELOW, NOT_AMBITIOUS_ABOVE = Decimal("0.1"), Decimal("0.3"), Decimal("0.9")

_UPWARD: tuple[Direction, ...] = ("increase", "stay_above")
_STEADY: tuple[Direction, ...] = ("stay_above", "stay_below")
_ATTAINABILITY = [
    (Decimal(chance), Decimal(score))
    for chance, score in [
        ("0", "0"),
        ("0.1", "0.3"),
        ("0.3", "0.8"),
        ("0.5", "1"),
        ("0.9", "1"),
        ("1", "0.5"),
    ]
]


@dataclass(frozen=True, slots=True)
class Reason:
    """One check: what was looked at, whether it is met, and what was found."""

    code: SmartCode
    met: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter: `score` 0..1, None when it cannot be judged."""

    score: Decimal | None
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Assessment:
    """The five letters, the mean of those that are known, and what it comes to."""

    specific: Letter
    measurable: Letter
    attainable: Letter
    relevant: Letter
    time_bound: Letter
    score: Decimal
    verdict: SmartVerdict


@dataclass(frozen=True, slots=True)
class Step:
    """A milestone: how far by when."""

    due_on: date
    threshold: Decimal


@dataclass(frozen=True, slots=True)
class Promise:
    """What a goal wants of its metric and when: all that two goals need to contradict each other."""

    title: str
    metric_key: str | None
    segment_id: UUID | None
    direction: Direction | None
    target: Decimal | None
    starts_on: date
    due_on: date


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything an assessment looks at.

    `review_days` is at least 1. `refresh_days`: days between two new values of what the goal is judged by (1
    for totals, the grain's length for period values, the usual gap for typed-in metrics), None if it has
    none. `ancestors`: whether each goal above this one is an objective, nearest first. `others`: the live
    goals it may contradict, itself not among them. `probability` and `history_points` come from the forecast.
    """

    promise: Promise
    description: str | None
    has_owner: bool
    metric_known: bool
    baseline: Decimal | None
    baseline_from_snapshot: bool
    refresh_days: int | None
    review_days: int
    steps: Sequence[Step]
    ancestors: Sequence[bool]
    others: Sequence[Promise]
    impact: int | None
    feasibility: int | None
    probability: Decimal | None
    history_points: int

    @property
    def is_objective(self) -> bool:
        """A goal with neither metric nor target: the vision that others align to."""
        return self.promise.metric_key is None and self.promise.target is None


def assess(facts: Facts) -> Assessment:
    """The SMART assessment of a goal or a draft."""
    letters = (_specific(facts), _measurable(facts), _attainable(facts), _relevant(facts), _time_bound(facts))
    known = [letter.score for letter in letters if letter.score is not None]
    score = sum(known, Decimal(0)) / len(known)
    return Assessment(*letters, score=score, verdict=_verdict(score, min(known)))


def attainability(probability: Decimal) -> Decimal:
    """The score of letter A at a probability 0..1."""
    for (left, low), (right, high) in pairwise(_ATTAINABILITY):
        if probability <= right:
            return low + (high - low) * (probability - left) / (right - left)
    return _ATTAINABILITY[-1][1]


def contradicts(one: Promise, other: Promise) -> bool:
    """Whether the two pull the same metric of the same segment in opposite directions at the same time.

    Two bounds may leave a corridor, and a bound may lie beyond the other's target: those live together.
    """
    if one.metric_key is None or (one.metric_key, one.segment_id) != (other.metric_key, other.segment_id):
        return False
    if one.direction is None or other.direction is None:
        return False
    if one.due_on < other.starts_on or other.due_on < one.starts_on:
        return False
    return _opposed(one, other) if one.direction in _UPWARD else _opposed(other, one)


def _opposed(up: Promise, down: Promise) -> bool:
    if up.direction not in _UPWARD or down.direction in _UPWARD:
        return False
    if up.direction not in _STEADY and down.direction not in _STEADY:
        return True
    return up.target is not None and down.target is not None and up.target > down.target


def _specific(facts: Facts) -> Letter:
    promise = facts.promise
    words = len(promise.title.split())
    checks = [
        Reason("title", words >= 2, f"The title has {_count(words, 'word')}; say what is done to what."),
        _either("owner", facts.has_owner, "The goal has an owner.", "Nobody owns the goal."),
        _one_metric(facts),
    ]
    if not facts.is_objective:
        checks.append(_direction(promise.direction))
    return _share([*checks, _scope(facts)])


def _one_metric(facts: Facts) -> Reason:
    if facts.is_objective:
        return Reason("one_metric", True, "An objective needs no metric.")
    return _either(
        "one_metric",
        facts.promise.metric_key is not None,
        f"The goal is about {facts.promise.metric_key}.",
        "The goal has a target but no metric that it could be read from.",
    )


def _direction(direction: Direction | None) -> Reason:
    return _either(
        "direction", direction is not None, f"The direction is {direction}.", "No direction is given."
    )


def _scope(facts: Facts) -> Reason:
    stated = facts.promise.segment_id is not None or bool((facts.description or "").strip())
    return _either(
        "scope",
        stated,
        "A segment or a description says whom it is about.",
        "Neither a segment nor a description says whom it is about.",
    )


def _measurable(facts: Facts) -> Letter:
    if facts.is_objective:
        return Letter(None, ())
    key = facts.promise.metric_key
    return _share(
        [
            _either(
                "metric_known", facts.metric_known, f"The metric {key} exists.", f"There is no metric {key}."
            ),
            _either(
                "baseline_from_snapshot",
                facts.baseline is not None and facts.baseline_from_snapshot,
                "The baseline comes from the metric itself.",
                "The baseline was typed in." if facts.baseline is not None else "There is no baseline.",
            ),
            _target_side(facts.promise, facts.baseline),
            _refresh(facts),
        ]
    )


def _target_side(promise: Promise, baseline: Decimal | None) -> Reason:
    target, direction = promise.target, promise.direction
    if target is None or baseline is None or direction is None:
        return Reason("target_side", False, "Direction, baseline and target are needed to compare them.")
    upward, steady = direction in _UPWARD, direction in _STEADY
    if steady:
        met = baseline >= target if upward else baseline <= target
    else:
        met = target > baseline if upward else target < baseline
    start, end = _figure(baseline), _figure(target)
    asked = f"{direction} {end} from {start}" if steady else f"{direction} from {start} to {end}"
    return _either(
        "target_side", met, f"{asked} is a way to go.", f"{asked}: the target is on the wrong side."
    )


def _refresh(facts: Facts) -> Reason:
    if facts.refresh_days is None:
        return Reason("refresh_fits_reviews", False, "The metric has no values that are refreshed.")
    new, review = _count(facts.refresh_days, "day"), _count(facts.review_days, "day")
    met = facts.refresh_days <= facts.review_days
    return Reason("refresh_fits_reviews", met, f"A new value every {new}, a review every {review}.")


def _attainable(facts: Facts) -> Letter:
    if facts.is_objective:
        return Letter(None, ())
    chance = facts.probability
    if chance is None:
        periods = _count(facts.history_points, "complete period")
        found = f"{periods} of history; {FEWEST_POINTS} are needed to say."
        return Letter(None, (Reason("unknown", False, found),))
    code, met = _attainability_code(chance, facts.promise.direction)
    score = Decimal(1) if code == "attainable" and chance > NOT_AMBITIOUS_ABOVE else attainability(chance)
    detail = f"By its history the target is reached with a probability of {chance:.2f}."
    return Letter(score, (Reason(code, met, detail),))


def _attainability_code(chance: Decimal, direction: Direction | None) -> tuple[SmartCode, bool]:
    """A bound that is almost sure to hold is as it should be: only a change can lack ambition."""
    if chance < UNREALISTIC_BELOW:
        return "unrealistic", False
    if chance < STRETCH_BELOW:
        return "stretch", True
    if chance > NOT_AMBITIOUS_ABOVE and direction not in _STEADY:
        return "not_ambitious", False
    return "attainable", True


def _relevant(facts: Facts) -> Letter:
    return _share([_aligned(facts), _no_contradiction(facts), _rated(facts)])


def _aligned(facts: Facts) -> Reason:
    if facts.is_objective:
        return Reason("aligned", True, "It is an objective itself.")
    return _either(
        "aligned",
        any(facts.ancestors[:DEEPEST]),
        "The goal serves an objective.",
        f"No objective stands among the {DEEPEST} goals above it."
        if facts.ancestors
        else "It has no parent.",
    )


def _no_contradiction(facts: Facts) -> Reason:
    rivals = [other.title for other in facts.others if contradicts(facts.promise, other)]
    return _either(
        "no_contradiction",
        not rivals,
        "No other goal pulls the other way.",
        f"{_count(len(rivals), 'goal')} pulling the other way, such as “{rivals[0] if rivals else ''}”.",
    )


def _rated(facts: Facts) -> Reason:
    given = facts.impact is not None and facts.feasibility is not None
    return _either("rated", given, "Impact and feasibility are given.", "Impact or feasibility is not given.")


def _time_bound(facts: Facts) -> Letter:
    start, due = facts.promise.starts_on, facts.promise.due_on
    days = (due - start).days
    reviews = max(days, 0) // facts.review_days
    checks = [
        Reason("start_before_due", days > 0, f"From {start} to {due}."),
        Reason(
            "length",
            SHORTEST_DAYS <= days <= LONGEST_DAYS,
            f"It is due {_count(days, 'day')} after its start; "
            f"{SHORTEST_DAYS} to {LONGEST_DAYS} are sensible.",
        ),
        Reason(
            "reviews_fit", reviews >= FEWEST_REVIEWS, f"{_count(reviews, 'review')} fit in; 3 are needed."
        ),
    ]
    return _share(checks + (_steps_checked(facts) if facts.steps else []))


def _steps_checked(facts: Facts) -> list[Reason]:
    start, due = facts.promise.starts_on, facts.promise.due_on
    outside = sum(not start <= step.due_on <= due for step in facts.steps)
    return [
        Reason(
            "milestones_inside", not outside, f"{_count(outside, 'milestone')} outside the goal's window."
        ),
        _either(
            "milestones_ordered",
            _in_order(facts.steps, facts.promise.direction),
            "Each milestone asks at least as much as the one before.",
            "A later milestone asks less than an earlier one.",
        ),
    ]


def _in_order(steps: Iterable[Step], direction: Direction | None) -> bool:
    by_date = sorted(steps, key=lambda step: step.due_on)
    sign = 1 if direction is None or direction in _UPWARD else -1
    return all(sign * one.threshold <= sign * other.threshold for one, other in pairwise(by_date))


def _verdict(score: Decimal, weakest: Decimal) -> SmartVerdict:
    if score >= SMART_FROM and weakest >= LETTER_FROM:
        return "smart"
    return "needs_work" if score >= NEEDS_WORK_FROM else "weak"


def _share(reasons: Sequence[Reason]) -> Letter:
    return Letter(Decimal(sum(reason.met for reason in reasons)) / len(reasons), tuple(reasons))


def _either(code: SmartCode, met: bool, yes: str, no: str) -> Reason:
    return Reason(code, met, yes if met else no)


def _figure(value: Decimal) -> str:
    return f"{round(value, 6).normalize():f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if abs(number) == 1 else f"{number} {noun}s"
