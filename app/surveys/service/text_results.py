"""What the free answers to a survey are about: read in a unit of work, worked out in a thread after it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.kit.database import Unit
from app.kit.errors import Invalid
from app.surveys.models.surveys import SurveyRow
from app.surveys.repository.grouping import answer_text
from app.surveys.repository.results import GivenText, ResultsRepository
from app.surveys.repository.surveys import SurveyRepository
from app.surveys.schemas.themes import (
    QuestionThemes,
    SentimentSummary,
    SurveyThemes,
    TextTheme,
    ThemeExample,
    ThemeSentiment,
    ThemeWord,
)
from app.surveys.service.languages import in_language
from app.surveys.service.question_results import AskedQuestion, asked_questions
from app.surveys.service.results_query import ResultsFilter
from app.surveys.service.scoring import SCALES, Band, band
from app.surveys.service.sentiment import Sentiment, sentiment_of
from app.surveys.service.surveys import SurveyService
from app.surveys.service.themes import LEAST_ANSWERS, Answer, Theme, themes
from app.surveys.service.withholding import Withholding

MOST_ANSWERS = 20_000
MOST_CHARACTERS = 2_000_000
_LABELS = ("positive", "neutral", "negative", "unknown")

# The work is bound to one core as it is: more threads at once would only slow each other and the event loop.
_one_at_a_time = asyncio.Semaphore(1)


@dataclass(frozen=True, slots=True)
class ThemesQuery:
    """Which answers: `question` and `band` are None for all."""

    filter: ResultsFilter
    question: str | None = None
    band: Band | None = None
    limit: int = 20


@dataclass(frozen=True, slots=True)
class GivenTexts:
    """The answers to one question that were read, of `count` that match."""

    question: AskedQuestion
    count: int
    texts: Sequence[GivenText]
    withholding: Withholding


@dataclass(frozen=True, slots=True)
class TextReading:
    """Everything that the themes of a survey are worked out from."""

    survey_id: UUID
    default_locale: str
    limit: int
    minimum: int | None
    questions: Sequence[GivenTexts]


class TextReader:
    """Reads free answers to surveys of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = ResultsRepository(unit)

    async def read(self, survey_id: UUID, query: ThemesQuery) -> TextReading:
        """Raises `NotFound`, and `Invalid` for a question or band that the survey does not have."""
        query.filter.check()
        survey = await SurveyService(self.unit).found(survey_id)
        newest = survey.questions_version
        versions = await SurveyRepository(self.unit).versions_before(survey.id, newest + 1, newest)
        wanted = _wanted(asked_questions(versions), query.question)
        scores = _scores(survey, query.band)
        read = [await self._texts(survey, query, each, scores, len(wanted)) for each in wanted]
        minimum = Withholding(anonymous=survey.anonymous).minimum
        return TextReading(survey.id, survey.default_locale, query.limit, minimum, read)

    async def _texts(
        self,
        survey: SurveyRow,
        query: ThemesQuery,
        question: AskedQuestion,
        scores: range | None,
        shared_by: int,
    ) -> GivenTexts:
        text = answer_text(question.key, question.told_apart_by)
        selection = query.filter.selection(survey)
        limit = MOST_ANSWERS // shared_by
        count, texts = await self.repository.texts(selection, text, scores, limit=limit)
        withholding = Withholding(anonymous=False)
        if survey.anonymous:
            everybody, _ = await self.repository.texts(ResultsFilter().selection(survey), text, None, limit=0)
            withholding = Withholding.of(count, everybody - count)
        return GivenTexts(question, count, _cut(texts, MOST_CHARACTERS // shared_by), withholding)


async def survey_themes(reading: TextReading) -> SurveyThemes:
    """The themes of what was read. Takes seconds for many answers, and no database connection."""
    async with _one_at_a_time:
        questions = await asyncio.to_thread(lambda: [_themes(each, reading) for each in reading.questions])
    return SurveyThemes(survey_id=reading.survey_id, questions=questions, suppressed_below=reading.minimum)


def _wanted(questions: Sequence[AskedQuestion], key: str | None) -> list[AskedQuestion]:
    texts = [each for each in questions if each.type == "text" and key in (None, each.key)]
    if not texts and key is not None:
        raise Invalid.at("?question", "The survey has no text question of that key.", "unknown_question")
    return texts


def _scores(survey: SurveyRow, wanted: Band | None) -> range | None:
    if wanted is None:
        return None
    type = None if survey.type == "custom" else survey.type
    values = [value for value in SCALES[type].values if band(type, value) == wanted] if type else []
    if not values:
        raise Invalid.at("?band", "Scores of this survey have no such band.", "unknown_band")
    return range(values[0], values[-1] + 1)


def _cut(texts: Sequence[GivenText], characters: int) -> Sequence[GivenText]:
    for place, each in enumerate(texts):
        characters -= len(each.text)
        if characters < 0:
            return texts[:place]
    return texts


def _themes(given: GivenTexts, reading: TextReading) -> QuestionThemes:
    hides = given.withholding.withholds(given.count)
    return QuestionThemes(
        key=given.question.key,
        text=in_language(given.question.text, (), reading.default_locale),
        answers=None if hides else given.count,
        answers_read=None if hides or given.withholding.withholds(len(given.texts)) else len(given.texts),
        sentiment=_sentiments(given),
        themes=[] if hides else [_theme(each, given) for each in _shown(given, reading)],
    )


def _shown(given: GivenTexts, reading: TextReading) -> list[Theme]:
    """Of an anonymous survey neither themes of a few answers, nor those that all but a few mention."""
    answers = [Answer(each.response_id, each.text, each.score, each.locale) for each in given.texts]
    least = reading.minimum or LEAST_ANSWERS
    found = themes(answers, None, least=least, most=reading.limit)
    return [each for each in found if not given.withholding.withholds(len(answers) - each.count)]


def _sentiments(given: GivenTexts) -> SentimentSummary:
    counts: Counter[str] = Counter(
        sentiment_of(each.text, each.locale).label or "unknown" for each in given.texts
    )
    hidden = given.withholding.hidden({(label,): counts[label] for label in _LABELS})
    return SentimentSummary(**{label: None if (label,) in hidden else counts[label] for label in _LABELS})


def _theme(theme: Theme, given: GivenTexts) -> TextTheme:
    anonymous = given.withholding.anonymous
    return TextTheme(
        term=theme.term,
        count=theme.count,
        share=theme.share,
        mean_score=None if given.withholding.withholds(theme.scored) else theme.mean_score,
        sentiment=_sentiment(theme.sentiment),
        examples=[
            ThemeExample(response_id=None if anonymous else each.id, excerpt=each.excerpt)
            for each in theme.examples
        ],
    )


def _sentiment(sentiment: Sentiment) -> ThemeSentiment:
    words: list[Any] = [ThemeWord(word=each.word, weight=round(each.weight, 6)) for each in sentiment.words]
    value = None if sentiment.value is None else round(sentiment.value, 6)
    return ThemeSentiment(value=value, label=sentiment.label, reason=sentiment.reason, words=words)
