"""Shapes of what the free answers to a survey are about."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from app.kit.schemas import Number, OptionalNumber, Output

_WITHHELD = "Null where an anonymous survey withholds it."


class ThemeExample(Output):
    """Where an answer mentions the theme."""

    response_id: UUID | None = Field(description="The response; null for an anonymous survey.")
    excerpt: str = Field(description="Up to 160 characters of the answer around the first mention.")


class ThemeWord(Output):
    """A word that says how content the answers sound."""

    word: str = Field(description="The word.")
    weight: float = Field(description="What it added in all, negation and emphasis included.")


class ThemeSentiment(Output):
    """How content the answers sound that mention a theme, and by which words."""

    value: float | None = Field(
        description="Mean over these answers, −1 to 1; null where nothing can be told."
    )
    label: Literal["positive", "neutral", "negative"] | None = Field(
        description="`positive` from 0.05, `negative` from −0.05 down; null as the value is."
    )
    reason: Literal["unsupported_language", "other_language", "no_known_word"] | None = Field(
        description="Why nothing can be told, null where something can. `unsupported_language`: the answers "
        "are marked as not English; `other_language`: they read so; `no_known_word`: the lexicon has none."
    )
    words: list[ThemeWord] = Field(description="The ten words that weigh most.")


class TextTheme(Output):
    """A word or a pair of words that several answers mention."""

    term: str = Field(description="The theme by its most common form.")
    count: int = Field(description="How many answers mention it.")
    share: Number = Field(description="Of the answers read, 0 to 1.")
    mean_score: OptionalNumber = Field(description="Mean score of the responses with these answers.")
    sentiment: ThemeSentiment = Field(description="How content these answers sound.")
    examples: list[ThemeExample] = Field(description="The latest answers that mention it, three at most.")


class SentimentSummary(Output):
    """How many answers sound how."""

    positive: int | None = Field(description=f"They sound content. {_WITHHELD}")
    neutral: int | None = Field(description=f"They sound neither content nor discontent. {_WITHHELD}")
    negative: int | None = Field(description=f"They sound discontent. {_WITHHELD}")
    unknown: int | None = Field(
        description=f"Nothing can be told: they are not English, or hold no word that is known. {_WITHHELD}"
    )


class QuestionThemes(Output):
    """What the answers to one text question are about."""

    key: str = Field(description="The question's key.")
    text: str = Field(description="The question in the survey's default locale, as last worded.")
    answers: int | None = Field(description=f"How many answers match. {_WITHHELD}")
    answers_read: int | None = Field(
        description="How many of them the themes and sentiments are of, the latest ones: 20,000 answers and "
        f"two million characters are read at most, shared evenly by the questions. {_WITHHELD}"
    )
    sentiment: SentimentSummary = Field(description="How the answers sound.")
    themes: list[TextTheme] = Field(description="The themes of at least two answers, most frequent first.")


class SurveyThemes(Output):
    """What the free answers to a survey are about. Of each the first 1,000 characters are read."""

    survey_id: UUID = Field(description="The survey.")
    questions: list[QuestionThemes] = Field(description="The text questions, in their order.")
    suppressed_below: int | None = Field(
        description="An anonymous survey publishes no theme of fewer answers than this; null for others."
    )
