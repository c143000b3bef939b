"""Shapes of the public door: what a visitor is asked, and says."""

from typing import Literal

from pydantic import Field

from app.kit.schemas import Flag, Input, LanguageTag, Output
from app.surveys.schemas.questions import SURVEY_TYPE, PublicQuestion, SurveyType
from app.surveys.schemas.responses import Answers, GivenAnswers, QuestionsVersion

VisitState = Literal["new", "partial", "completed"]

_MISSING = "The keys of required questions on the path that have no answer yet."


class PublicSurvey(Output):
    """A survey in the visitor's language, and how far its visitor has come."""

    state: VisitState = Field(
        description="`new`, or `partial` and to be continued; `completed` takes nothing more. Of an "
        "anonymous survey it stays `new` until five have answered: nobody can find out by a link who has."
    )
    type: SurveyType = Field(description=SURVEY_TYPE)
    title: str = Field(description="What it is called.")
    introduction: str | None = Field(description="What to read before the questions.")
    thanks: str | None = Field(description="What to read after the last question.")
    locale: str = Field(description="The language of the texts, as in `Content-Language`.")
    anonymous: bool = Field(
        description="Whether nobody can tell who answered; then nothing can be saved before the end."
    )
    questions_version: int = Field(description="The version of the questions.")
    questions: list[PublicQuestion] = Field(
        description="All questions, in order; each is asked only where its `show_if` holds."
    )
    answers: GivenAnswers = Field(description="What this visitor has saved; empty unless `partial`.")


class PublicAnswer(Input):
    """What a visitor says: some answers more, or all that is left."""

    answers: Answers = Field(
        description="Answers by the keys of their questions, on top of those saved before; null clears one."
    )
    complete: Flag = Field(description="Whether the visitor has come to the end; false saves for later.")
    locale: LanguageTag | None = Field(default=None, description="The language the visitor answers in.")
    questions_version: QuestionsVersion | None = Field(
        default=None,
        description="The version of the questions that the visitor has read, so that no answer is taken for "
        "one to questions that have changed meanwhile. If null, the one that the response was begun with, "
        "else the present one.",
    )


class PublicAnswered(Output):
    """What became of a visitor's answers."""

    state: Literal["partial", "completed"] = Field(
        description="`partial`: saved for later. `completed`: heard, which spends an invitation's token."
    )
    next: str | None = Field(description="The next question on the path without an answer; null at the end.")
    missing: list[str] = Field(description=_MISSING)
    token: str | None = Field(
        description="What to go on with after the first save of an answer by an open link, shown this once; "
        "else null."
    )
