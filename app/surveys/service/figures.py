"""From counts to the figures of an answer."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, cast

from app.surveys.models.surveys import SurveyType
from app.surveys.schemas.results import BandFigures, ResultsRate
from app.surveys.service.scoring import SCALES, Rate, Tally, rate
from app.surveys.service.withholding import Withholding

Counts = Mapping[int | None, int]
"""How many responses gave each score; None stands for those without one."""


def tally_of(survey_type: SurveyType, counts: Counts) -> tuple[Tally | None, int]:
    """The answers with a score and how many they are; of a `custom` survey no tally, and all responses."""
    if survey_type == "custom":
        return None, sum(counts.values())
    given = {score: count for score, count in counts.items() if score is not None}
    tally = Tally(survey_type, given)
    return tally, tally.n


def added(rows: Iterable[tuple[int | None, int]]) -> dict[int | None, int]:
    """Counts by score, added up."""
    counts: dict[int | None, int] = {}
    for score, count in rows:
        counts[score] = counts.get(score, 0) + count
    return counts


def figures(tally: Tally | None, n: int) -> dict[str, Any]:
    """The fields of `ScoreFigures`."""
    if tally is None:
        return no_figures() | {"n": n}
    low, high = tally.interval() or (None, None)
    return {"n": n, "score": tally.score, "ci_low": low, "ci_high": high, "mean": tally.mean}


def no_figures() -> dict[str, Any]:
    """The fields of `ScoreFigures` where all of them are withheld."""
    return dict.fromkeys(("n", "score", "ci_low", "ci_high", "mean"))


def band_figures(tally: Tally, withholding: Withholding) -> list[BandFigures]:
    """From the worst band to the best."""
    counts = zip(SCALES[tally.type].bands, (tally.negative, tally.neutral, tally.positive), strict=True)
    found = []
    for name, count in withholding.distribution(dict(counts)).items():
        share = Decimal(count) / tally.n if count is not None and tally.n else None
        found.append(BandFigures(band=name, count=count, share=share))
    return found


def rate_figures(successes: int | None, trials: int | None) -> ResultsRate | None:
    """None without trials, or where either number is withheld."""
    if successes is None or not trials:
        return None
    found = cast(Rate, rate(successes, trials))
    return ResultsRate(
        value=found.value, numerator=successes, denominator=trials, ci_low=found.low, ci_high=found.high
    )
