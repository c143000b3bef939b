"""Shapes of the questions of a survey: as an author writes them, reads them, and as a visitor sees them."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, StringConstraints, TypeAdapter
from typing_extensions import TypeAliasType

from app.kit.filters import Filter
from app.kit.schemas import Day, Flag, Input, Key, Output, Whole
from app.surveys.models.surveys import ScoreType as ScoreType
from app.surveys.models.surveys import SurveyType as SurveyType
from app.surveys.schemas.texts import LocalText, LocalTextInput

SURVEY_TYPE: Final = (
    "What it measures: `nps` net promoter score, `csat` customer satisfaction, `ces` customer effort, or "
    "`custom`, which has no score of its own."
)

QuestionType = Literal[
    "nps", "csat", "ces", "rating", "single_choice", "multi_choice", "text", "boolean", "number", "date"
]

SCORE_RANGES: Final[Mapping[str, tuple[int, int]]] = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
"""The lowest and the highest answer to a question that a score is computed from."""

MOST_QUESTIONS: Final = 200
MOST_CHOICES: Final = 100
LONGEST_ANSWER: Final = 10_000
USUAL_ANSWER: Final = 2_000
WIDEST_RATING: Final = 100
LARGEST_RATING: Final = 1_000_000
LARGEST_NUMBER: Final = 10**15

QuestionKey = Annotated[
    str,
    StringConstraints(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9_:-]*$"),
    Field(examples=["reason"]),
]
"""The name of a question in answers and conditions: letters, digits and `_ : -`."""

_KEY = "Its name in answers and conditions, unique in the survey."
_TEXT = "What is asked."
_HELP = "A hint to be shown with it."
_SHOW_IF = (
    "Asked only where this holds; always if null. A `field` is the key of an earlier question, and a "
    "question that was not asked or not answered is missing. There is no `within_last`."
)
_CHOICES = "What there is to choose from, 2 to 100, in this order."
_LEAST = "The lowest answer."
_MOST = "The highest answer."
_FEWEST_CHOICES = "An answer has at least that many choices; 1 if null."
_MOST_CHOICES = "An answer has at most that many choices; all of them if null."
_LONGEST = "An answer has at most that many characters."


class QuestionChoiceInput(Input):
    """One choice of a question."""

    key: Key = Field(description="Its name in answers and conditions, unique in the question.")
    text: LocalTextInput = Field(description="What people read.")


class _QuestionInput(Input):
    key: QuestionKey = Field(description=_KEY)
    text: LocalTextInput = Field(description=_TEXT)
    help: LocalTextInput | None = Field(default=None, description=_HELP)
    required: Flag | None = Field(
        default=None,
        description="Whether it must be answered where it is asked. Null means so for `nps`, `csat` and "
        "`ces`, and not for the others.",
    )
    show_if: Filter | None = Field(default=None, description=_SHOW_IF)


class ScoreQuestionInput(_QuestionInput):
    """A question that a score is computed from. Answers: whole numbers, `nps` 0–10, `csat` 1–5, `ces` 1–7."""

    type: ScoreType = Field(description="Which score.")


class RatingQuestionInput(_QuestionInput):
    """A question answered by a whole number on a scale."""

    type: Literal["rating"] = Field(description="A scale.")
    min: Annotated[Whole, Field(ge=-LARGEST_RATING, le=LARGEST_RATING)] = Field(default=1, description=_LEAST)
    max: Annotated[Whole, Field(ge=-LARGEST_RATING, le=LARGEST_RATING)] = Field(
        default=5, description=f"{_MOST} Above `min`, by at most {WIDEST_RATING}."
    )


_ChoicesInput = Annotated[list[QuestionChoiceInput], Field(min_length=2, max_length=MOST_CHOICES)]
_CountOfChoices = Annotated[Whole, Field(ge=1, le=MOST_CHOICES)]


class SingleChoiceQuestionInput(_QuestionInput):
    """A question answered by the key of one choice."""

    type: Literal["single_choice"] = Field(description="One of several.")
    choices: _ChoicesInput = Field(description=_CHOICES)


class MultiChoiceQuestionInput(_QuestionInput):
    """A question answered by a list of keys of choices."""

    type: Literal["multi_choice"] = Field(description="Any of several.")
    choices: _ChoicesInput = Field(description=_CHOICES)
    min_choices: _CountOfChoices | None = Field(default=None, description=_FEWEST_CHOICES)
    max_choices: _CountOfChoices | None = Field(default=None, description=_MOST_CHOICES)


class TextQuestionInput(_QuestionInput):
    """A question answered in words. A blank answer is none."""

    type: Literal["text"] = Field(description="Words.")
    max_length: Annotated[Whole, Field(ge=1, le=LONGEST_ANSWER)] = Field(
        default=USUAL_ANSWER, description=_LONGEST
    )


class BooleanQuestionInput(_QuestionInput):
    """A question answered by true or false."""

    type: Literal["boolean"] = Field(description="Yes or no.")


_NumberBound = Annotated[float, Field(strict=True, ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]


class NumberQuestionInput(_QuestionInput):
    """A question answered by any number, up to 10^15 either way."""

    type: Literal["number"] = Field(description="A number.")
    min: _NumberBound | None = Field(default=None, description=_LEAST)
    max: _NumberBound | None = Field(default=None, description=_MOST)


class DateQuestionInput(_QuestionInput):
    """A question answered by a calendar day, 1900 to 2199."""

    type: Literal["date"] = Field(description="A day.")
    min: Day | None = Field(default=None, description="The earliest answer.")
    max: Day | None = Field(default=None, description="The latest answer.")


_INPUTS: Final[Mapping[str, type[_QuestionInput]]] = {
    **dict.fromkeys(SCORE_RANGES, ScoreQuestionInput),
    "rating": RatingQuestionInput,
    "single_choice": SingleChoiceQuestionInput,
    "multi_choice": MultiChoiceQuestionInput,
    "text": TextQuestionInput,
    "boolean": BooleanQuestionInput,
    "number": NumberQuestionInput,
    "date": DateQuestionInput,
}


def _of_its_type(data: object) -> object:
    """Read by the class of its type: Pydantic would put the type into each error's place, where `text` could
    be the field of that name as well."""
    shape = data.get("type") if isinstance(data, dict) else None
    found = _INPUTS.get(shape) if isinstance(shape, str) else None
    return found.model_validate(data) if found else data


QuestionInput = TypeAliasType(
    "QuestionInput",
    Annotated[
        ScoreQuestionInput
        | RatingQuestionInput
        | SingleChoiceQuestionInput
        | MultiChoiceQuestionInput
        | TextQuestionInput
        | BooleanQuestionInput
        | NumberQuestionInput
        | DateQuestionInput,
        Field(discriminator="type"),
        BeforeValidator(_of_its_type),
        Field(title="QuestionInput", description="One question; its `type` says which fields it takes."),
    ],
)

QuestionsInput = Annotated[list[QuestionInput], Field(min_length=1, max_length=MOST_QUESTIONS)]
"""All the questions of a survey, as a body declares them."""


class QuestionChoice(Output):
    """One choice of a question."""

    key: str = Field(description="Its name in answers and conditions.")
    text: LocalText = Field(description="What people read.")


class _Question(Output):
    key: str = Field(description=_KEY)
    text: LocalText = Field(description=_TEXT)
    help: LocalText | None = Field(default=None, description=_HELP)
    required: bool = Field(description="Whether it must be answered where it is asked.")
    show_if: Filter | None = Field(default=None, description=_SHOW_IF)


class ScoreQuestion(_Question):
    """A question that a score is computed from. Answers: whole numbers, `nps` 0–10, `csat` 1–5, `ces` 1–7."""

    type: ScoreType = Field(description="Which score.")


class RatingQuestion(_Question):
    """A question answered by a whole number on a scale."""

    type: Literal["rating"] = Field(description="A scale.")
    min: int = Field(description=_LEAST)
    max: int = Field(description=_MOST)


class SingleChoiceQuestion(_Question):
    """A question answered by the key of one choice."""

    type: Literal["single_choice"] = Field(description="One of several.")
    choices: list[QuestionChoice] = Field(description=_CHOICES)


class MultiChoiceQuestion(_Question):
    """A question answered by a list of keys of choices."""

    type: Literal["multi_choice"] = Field(description="Any of several.")
    choices: list[QuestionChoice] = Field(description=_CHOICES)
    min_choices: int | None = Field(default=None, description=_FEWEST_CHOICES)
    max_choices: int | None = Field(default=None, description=_MOST_CHOICES)


class TextQuestion(_Question):
    """A question answered in words. A blank answer is none."""

    type: Literal["text"] = Field(description="Words.")
    max_length: int = Field(description=_LONGEST)


class BooleanQuestion(_Question):
    """A question answered by true or false."""

    type: Literal["boolean"] = Field(description="Yes or no.")


class NumberQuestion(_Question):
    """A question answered by any number, up to 10^15 either way."""

    type: Literal["number"] = Field(description="A number.")
    min: float | None = Field(default=None, description=_LEAST)
    max: float | None = Field(default=None, description=_MOST)


class DateQuestion(_Question):
    """A question answered by a calendar day, 1900 to 2199."""

    type: Literal["date"] = Field(description="A day.")
    min: date | None = Field(default=None, description="The earliest answer.")
    max: date | None = Field(default=None, description="The latest answer.")


Question = TypeAliasType(
    "Question",
    Annotated[
        ScoreQuestion
        | RatingQuestion
        | SingleChoiceQuestion
        | MultiChoiceQuestion
        | TextQuestion
        | BooleanQuestion
        | NumberQuestion
        | DateQuestion,
        Field(discriminator="type"),
        Field(
            title="Question",
            description="One question; its `type` says which fields it has. It may be sent back as it is.",
        ),
    ],
)

_QUESTIONS: Final = TypeAdapter[list[Question]](list[Question])


def questions_of(stored: Sequence[Mapping[str, Any]]) -> list[Question]:
    """The answer for the questions of a survey, from their stored form."""
    return _QUESTIONS.validate_python(stored)


class PublicChoice(Output):
    """One choice, in the visitor's language."""

    key: str = Field(description="What an answer names it by.")
    text: str = Field(description="What to show.")


class PublicQuestion(Output):
    """One question, in the visitor's language. What its type has no use for is null."""

    key: str = Field(description="What an answer names it by.")
    type: QuestionType = Field(description="What kind of answer it takes.")
    text: str = Field(description="What to ask.")
    help: str | None = Field(description="A hint to show with it.")
    required: bool = Field(description="Whether it must be answered where it is asked.")
    choices: list[PublicChoice] | None = Field(description="What there is to choose from, in this order.")
    min: int | float | str | None = Field(
        description="The lowest answer: a number, or a day as a string for `date`; null for none."
    )
    max: int | float | str | None = Field(
        description="The highest answer: a number, or a day as a string for `date`; null for none."
    )
    min_choices: int | None = Field(description="How many choices an answer has at least.")
    max_choices: int | None = Field(description="How many choices an answer has at most.")
    max_length: int | None = Field(description="How many characters an answer has at most.")
    show_if: Filter | None = Field(
        description="Asked only where this holds over the answers to earlier questions; always if null."
    )
