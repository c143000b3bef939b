"""What was answered to each question, over the versions that ask it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import JSONB

from app.kit.filter_sql import Attribute, AttributeType, FilterField, FilterFields, json_attributes
from app.kit.filters import Operator, parse_filter
from app.surveys.models.responses import SurveyResponseRow
from app.surveys.models.surveys import SurveyVersionRow
from app.surveys.repository.grouping import answer_number, answer_text, choices, is_answered, of_versions
from app.surveys.repository.results import ResultsRepository, ScoreCount, Selection, Total
from app.surveys.schemas.questions import SCORE_RANGES, QuestionType

SCORES: Final = tuple(SCORE_RANGES)
NUMBERS: Final = (*SCORES, "rating", "number")
_MOST_COMBINATIONS = 4_000
_MOST_CHOICES_TOGETHER = 10
COUNTED: Final = (*SCORES, "rating", "single_choice", "boolean")
"""Types whose answers are one of a few values."""


@dataclass(slots=True)
class AskedQuestion:
    """One question over versions: the same key and type. `text` is as last worded.

    `optional` are the stored questions up to it, of each version in which it may stay without an answer.
    """

    key: str
    type: QuestionType
    text: Any
    versions: list[int] = field(default_factory=list)
    values: dict[str, None] = field(default_factory=dict)
    optional: dict[int, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    is_conditional: bool = False
    key_has_other_types: bool = False

    @property
    def told_apart_by(self) -> Sequence[int]:
        """The versions to read, where others use the key for a question of another type."""
        return self.versions if self.key_has_other_types else ()


@dataclass(slots=True)
class AnswerCounts:
    """How a question was answered. `values` has every value that could be given; None where they are free."""

    question: AskedQuestion
    n: int = 0
    skipped: int = 0
    not_reached: int = 0
    values: dict[str, int] | None = None
    mean: Decimal | None = None
    min: Any = None
    max: Any = None


def asked_questions(versions: Iterable[SurveyVersionRow]) -> list[AskedQuestion]:
    """The questions in the order of the newest version, then those that only older ones have."""
    found: dict[tuple[str, str], AskedQuestion] = {}
    for version in sorted(versions, key=lambda row: row.number, reverse=True):
        for place, stored in enumerate(version.questions):
            kind = (stored["key"], stored["type"])
            question = found.setdefault(kind, AskedQuestion(*kind, text=stored["text"]))
            question.versions.insert(0, version.number)
            question.values |= dict.fromkeys(_values(stored))
            question.is_conditional |= "show_if" in stored
            if not stored["required"]:
                question.optional[version.number] = version.questions[: place + 1]
    uses: dict[str, int] = defaultdict(int)
    for key, _ in found:
        uses[key] += 1
    for question in found.values():
        question.key_has_other_types = uses[question.key] > 1
    return list(found.values())


def _values(stored: Mapping[str, Any]) -> list[str]:
    match stored["type"]:
        case "nps" | "csat" | "ces":
            low, high = SCORE_RANGES[stored["type"]]
            return [str(value) for value in range(low, high + 1)]
        case "rating":
            return [str(value) for value in range(stored["min"], stored["max"] + 1)]
        case "boolean":
            return ["true", "false"]
    return [choice["key"] for choice in stored.get("choices", ())]


class QuestionCounter:
    """Counts the answers to all questions of a survey at once."""

    def __init__(self, questions: Sequence[AskedQuestion], survey_type: str, now: datetime) -> None:
        self._counted = [AnswerCounts(each) for each in questions]
        self._survey_type = survey_type
        self._now = now

    def totals(self) -> list[Total]:
        """What has to be counted over all responses beside their scores."""
        return [
            total
            for counts in self._counted
            for total in (*_open_totals(counts.question), *self._skipped(counts.question))
        ]

    async def count(
        self,
        repository: ResultsRepository,
        selection: Selection,
        scores: Sequence[ScoreCount],
        totals: Sequence[Any],
    ) -> list[AnswerCounts]:
        """Scores and totals are those of the same selection."""
        self._read_scores(scores)
        for some in _bundles([each for each in self._counted if self._is_counted(each.question)]):
            await _count_together(some, repository, selection)
        for counts in self._counted:
            if _is_wide(counts.question):
                chosen = choices(counts.question.key, counts.question.told_apart_by)
                given = await repository.choices(selection, chosen)
                _fill(counts, given, given[None])
        self._read_totals(iter(totals), scores)
        return self._counted

    def _is_counted(self, question: AskedQuestion) -> bool:
        is_closed = question.type in COUNTED and question.type != self._survey_type
        return is_closed or (question.type == "multi_choice" and not _is_wide(question))

    def _read_scores(self, scores: Sequence[ScoreCount]) -> None:
        for counts in self._counted:
            if counts.question.type == self._survey_type:
                given: dict[str | None, int] = defaultdict(int)
                for row in scores:
                    if row.score is not None and row.version in counts.question.versions:
                        given[str(row.score)] += row.responses
                _fill(counts, given, sum(given.values()))

    def _read_totals(self, totals: Iterator[Any], scores: Sequence[ScoreCount]) -> None:
        responses: dict[int, int] = defaultdict(int)
        for row in scores:
            responses[row.version] += row.responses
        for counts in self._counted:
            question = counts.question
            asked = sum(responses[version] for version in question.versions)
            _read_open(counts, totals)
            counts.skipped = asked - counts.n
            if question.is_conditional:
                counts.skipped = sum(next(totals) or 0 for _ in question.optional)
                counts.not_reached = asked - counts.n - counts.skipped

    def _skipped(self, question: AskedQuestion) -> list[Total]:
        """The responses to each version that were led to the question and do not answer it."""
        if not question.is_conditional:
            return []
        unanswered = sa.not_(is_answered(question.key))
        return [
            Total(func.count().filter(of_versions([version]), unanswered, self._condition(questions)))
            for version, questions in question.optional.items()
        ]

    def _condition(self, questions: Sequence[Mapping[str, Any]]) -> sa.ColumnElement[bool]:
        """The condition of the last of these questions over stored answers, which hold none off the path."""
        *earlier, question = questions
        if "show_if" not in question:
            return sa.true()
        lists = [_list_field(each["key"]) for each in earlier if each["type"] == "multi_choice"]
        others = {
            each["key"]: Attribute(_ATTRIBUTE_TYPES[each["type"]])
            for each in earlier
            if each["type"] != "multi_choice"
        }
        fields = FilterFields(*lists, family=json_attributes(SurveyResponseRow.answers, others, prefix=""))
        return fields.to_sql(parse_filter(question["show_if"]), now=self._now)


_ATTRIBUTE_TYPES: Final[Mapping[str, AttributeType]] = {
    **dict.fromkeys(NUMBERS, "number"),
    "single_choice": "select",
    "text": "text",
    "boolean": "boolean",
    "date": "date",
}


def _list_field(key: str) -> FilterField:
    chosen = choices(key)

    def condition(operator: Operator, value: Any) -> sa.ColumnElement[bool]:
        if operator == "exists":
            return chosen.is_not(None)
        wanted = value if operator == "in" else [value]
        return sa.or_(*(chosen.op("@>")(sa.bindparam(None, [one], JSONB(), unique=True)) for one in wanted))

    return FilterField(key, "text_list", condition=condition)


def _open_totals(question: AskedQuestion) -> list[Total]:
    key, versions = question.key, question.told_apart_by
    match question.type:
        case "text":
            return [Total(func.count().filter(is_answered(key, versions)))]
        case "date":
            text = answer_text(key, versions)
            return [Total(func.count(text)), Total(func.min(text), min), Total(func.max(text), max)]
        case "number":
            number = answer_number(key, versions)
            least, most = Total(func.min(number), min), Total(func.max(number), max)
            return [Total(func.count(number)), least, most, Total(func.sum(number))]
    return []


def _read_open(counts: AnswerCounts, totals: Iterator[Any]) -> None:
    match counts.question.type:
        case "text":
            counts.n = next(totals) or 0
        case "date":
            counts.n, least, most = next(totals) or 0, next(totals), next(totals)
            counts.min, counts.max = least and date.fromisoformat(least), most and date.fromisoformat(most)
        case "number":
            counts.n, counts.min, counts.max, total = next(totals) or 0, *(next(totals) for _ in range(3))
            counts.mean = total / counts.n if counts.n else None


def _is_wide(question: AskedQuestion) -> bool:
    """Whether there are more sets of its choices than one wants to read one by one."""
    return question.type == "multi_choice" and len(question.values) > _MOST_CHOICES_TOGETHER


def _bundles(counted: Iterable[AnswerCounts]) -> Iterator[list[AnswerCounts]]:
    """Questions whose answers are counted together, in one pass: few enough combinations of them exist."""
    bundle: list[AnswerCounts] = []
    combinations = 1
    for counts in counted:
        question = counts.question
        size = len(question.values)
        own = 2**size if question.type == "multi_choice" else size + 1
        if bundle and combinations * own > _MOST_COMBINATIONS:
            yield bundle
            bundle, combinations = [], 1
        bundle.append(counts)
        combinations *= own
    if bundle:
        yield bundle


async def _count_together(
    bundle: Sequence[AnswerCounts], repository: ResultsRepository, selection: Selection
) -> None:
    given: list[dict[str | None, int]] = [defaultdict(int) for _ in bundle]
    answered = [0] * len(bundle)
    texts = [answer_text(each.question.key, each.question.told_apart_by) for each in bundle]
    for combination, responses in await repository.combinations(selection, texts):
        for place, (counts, value) in enumerate(zip(bundle, combination, strict=True)):
            if value:
                answered[place] += responses
                several = counts.question.type == "multi_choice"
                for one in orjson.loads(value) if several else (value,):
                    given[place][one] += responses
    for counts, values, n in zip(bundle, given, answered, strict=True):
        _fill(counts, values, n)


def _fill(counts: AnswerCounts, given: Mapping[str | None, int], n: int) -> None:
    counts.n = n
    values = counts.question.values
    ordered = sorted(values, key=int) if counts.question.type in NUMBERS else values
    counts.values = {value: given.get(value, 0) for value in ordered}
    if counts.question.type in NUMBERS and n:
        total = sum(int(value) * count for value, count in counts.values.items())
        counts.mean = Decimal(total) / n
