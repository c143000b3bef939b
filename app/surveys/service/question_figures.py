"""What is shown of the answers to one question."""

from decimal import Decimal
from typing import Any, Final, cast

from app.surveys.schemas.questions import SCORE_RANGES, ScoreType
from app.surveys.schemas.results import QuestionFigures
from app.surveys.service.languages import in_language
from app.surveys.service.question_results import NUMBERS, AnswerCounts
from app.surveys.service.scoring import Tally
from app.surveys.service.withholding import Withholding

_NO_ANSWER: Final = (None,)


def question_figures(
    counts: AnswerCounts, responses: int, default_locale: str, withholding: Withholding, *, adds_up: bool
) -> QuestionFigures:
    """`responses` is how many completed ones there are in all, to whatever version.

    Not `adds_up`: that number is withheld, so it must not be the sum of what is shown either.
    """
    question = counts.question
    distribution, shows_n = _distribution(counts, responses, withholding)
    beside = (counts.skipped, counts.not_reached)
    shows_beside = adds_up and shows_n and not any(withholding.withholds(count) for count in beside)
    return QuestionFigures(
        key=question.key,
        type=question.type,
        text=in_language(question.text, (), default_locale),
        questions_versions=question.versions,
        n=counts.n if shows_n else None,
        skipped=counts.skipped if shows_beside else None,
        not_reached=counts.not_reached if shows_beside else None,
        distribution=distribution,
        **_numbers(counts, withholding),
    )


def _distribution(
    counts: AnswerCounts, responses: int, withholding: Withholding
) -> tuple[dict[str, int | None] | None, bool]:
    """The distribution, and whether `n` may be shown with it.

    Of few choices, those who gave no answer are one group more, as they are in a breakdown by the question.
    """
    unanswered = responses - counts.n
    shows_n = not (withholding.withholds(counts.n) or withholding.withholds(unanswered))
    if counts.values is None:
        return None, shows_n
    if withholding.withholds(counts.n):
        return dict.fromkeys(counts.values), False
    if counts.question.type in NUMBERS:
        return withholding.distribution(counts.values, unanswered), shows_n
    if counts.question.type == "multi_choice":
        return _chosen(counts, withholding), shows_n
    hidden = withholding.hidden({(value,): count for value, count in _cells(counts, unanswered).items()})
    shown = {value: None if (value,) in hidden else count for value, count in counts.values.items()}
    return shown, _NO_ANSWER not in hidden


def _cells(counts: AnswerCounts, unanswered: int) -> dict[str | None, int]:
    cells: dict[str | None, int] = {None: unanswered}
    cells.update(counts.values or {})
    return cells


def _chosen(counts: AnswerCounts, withholding: Withholding) -> dict[str, int | None]:
    """Who did not choose something is a group as much as who did."""
    return {
        value: None if withholding.withholds(count) or withholding.withholds(counts.n - count) else count
        for value, count in (counts.values or {}).items()
    }


def _numbers(counts: AnswerCounts, withholding: Withholding) -> dict[str, Any]:
    numbers: dict[str, Any] = dict.fromkeys(("mean", "score", "ci_low", "ci_high", "min", "max"))
    if withholding.withholds(counts.n):
        return numbers
    numbers["mean"] = counts.mean
    if counts.question.type in SCORE_RANGES and counts.n:
        tally = _tally(counts)
        numbers["score"] = tally.score
        numbers["ci_low"], numbers["ci_high"] = tally.interval() or (None, None)
    if not withholding.anonymous:
        numbers["min"], numbers["max"] = _plain(counts.min), _plain(counts.max)
    return numbers


def _tally(counts: AnswerCounts) -> Tally:
    given = {int(value): count for value, count in (counts.values or {}).items()}
    return Tally(cast(ScoreType, counts.question.type), given)


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value
