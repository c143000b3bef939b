"""Which results are asked for, and whether that makes sense."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from app.kit.errors import FieldError, Invalid
from app.surveys.models.surveys import SurveyRow
from app.surveys.repository.results import Selection
from app.surveys.schemas.results import Trend


@dataclass(frozen=True, slots=True)
class ResultsFilter:
    """Which responses; None where a filter is not used. The window is local days [start, end)."""

    start: date | None = None
    end: date | None = None
    iteration: int | None = None
    questions_version: int | None = None
    channel: str | None = None
    locale: str | None = None

    def selection(self, survey: SurveyRow) -> Selection:
        """Those of the survey. Who took part in an anonymous one counts as far as that may be told."""
        return Selection(
            survey.id,
            self.start,
            self.end,
            self.iteration,
            self.questions_version,
            self.channel,
            self.locale,
            settled_only=survey.anonymous,
        )

    def check(self) -> None:
        """Raises `Invalid` for a window without a day."""
        Invalid.refuse_any([*self.wrong()])

    def wrong(self) -> Iterator[FieldError]:
        """Each wrong parameter."""
        if _is_empty(self.start, self.end):
            yield FieldError("?to", "It must lie after from.", "empty_range")


@dataclass(frozen=True, slots=True)
class ResultsQuery:
    """What is wanted of the responses that match. `compared` is the earlier window to compare with."""

    filter: ResultsFilter
    group_by: Sequence[str] = ()
    trend: Trend | None = None
    compare_start: date | None = None
    compare_end: date | None = None

    @property
    def compared(self) -> ResultsFilter | None:
        """The same filter over the earlier window."""
        if self.compare_start is None:
            return None
        return replace(self.filter, start=self.compare_start, end=self.compare_end)

    def check(self) -> None:
        """Raises `Invalid` with each wrong parameter."""
        Invalid.refuse_any([*self.filter.wrong(), *self._wrong_comparison()])

    def _wrong_comparison(self) -> Iterator[FieldError]:
        start, end = self.compare_start, self.compare_end
        if start is None and end is None:
            return
        if start is None or end is None:
            place = "compare_from" if start is None else "compare_to"
            yield FieldError(
                f"?{place}", "A comparison takes both compare_from and compare_to.", "incomplete"
            )
        elif self.filter.start is None or self.filter.end is None:
            yield FieldError("?compare_from", "A comparison takes from and to as well.", "incomplete")
        elif _is_empty(start, end):
            yield FieldError("?compare_to", "It must lie after compare_from.", "empty_range")
        elif end > self.filter.start:
            detail = "The window to compare with must end where the other one begins, or before."
            yield FieldError("?compare_to", detail, "overlap")


def _is_empty(start: date | None, end: date | None) -> bool:
    return start is not None and end is not None and start >= end
