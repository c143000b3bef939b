"""Shapes of texts for people, in one language or several."""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from typing_extensions import TypeAliasType

from app.kit.schemas import NOT_BLANK, AnyLanguageTag, usual_letters

MOST_LOCALES: Final = 50

_OneText = Annotated[str, StringConstraints(min_length=1, max_length=2_000, strip_whitespace=True), NOT_BLANK]


def _any_tag(schema: dict[str, Any]) -> None:
    """The same in other words: generators of clients give a map by `additionalProperties` alone a type."""
    ((tag, text),) = schema.pop("patternProperties").items()
    schema["propertyNames"]["pattern"] = tag
    schema["additionalProperties"] = text


_Translations = Annotated[
    dict[AnyLanguageTag, _OneText],
    Field(min_length=1, max_length=MOST_LOCALES, json_schema_extra=_any_tag),
]

_ChangedTranslations = Annotated[
    dict[AnyLanguageTag, _OneText | None],
    Field(max_length=2 * MOST_LOCALES, json_schema_extra=_any_tag),
]


def _kind_of_text(text: object) -> str:
    return "by_locale" if isinstance(text, dict) else "one_text"


LocalText = TypeAliasType(
    "LocalText",
    Annotated[
        Annotated[_OneText, Tag("one_text")] | Annotated[_Translations, Tag("by_locale")],
        Discriminator(_kind_of_text),
        Field(
            title="LocalText",
            description="A text for people: one for everybody, or one for each language by its tag. A "
            "visitor gets the one of the language asked for, else of its parent (`de` for `de-CH`), else of "
            "the survey's default locale, else any.",
            examples=[{"en": "Why?", "de": "Warum?"}],
        ),
    ],
)


def _in_usual_letters(text: Any) -> Any:
    """By language: with its tags in the usual letters, each of which may stand there once."""
    if not isinstance(text, dict):
        return text
    usual: dict[str, Any] = {}
    twice: list[InitErrorDetails] = []
    for said, words in text.items():
        tag = usual_letters(said)
        if tag in usual:
            twice.append(InitErrorDetails(type=_SAME_TAG, loc=(said,), input=said))
        usual[tag] = words
    if twice:
        raise ValidationError.from_exception_data("LocalText", twice, hide_input=True)
    return usual


_SAME_TAG = PydanticCustomError("duplicate_locale", "The same tag stands here in other letters already.")

LocalTextInput = Annotated[LocalText, AfterValidator(_in_usual_letters)]
"""A `LocalText` in a request. One that is read again is not judged: it was taken as it is."""

LocalTextPatch = TypeAliasType(
    "LocalTextPatch",
    Annotated[
        Annotated[_OneText, Tag("one_text")] | Annotated[_ChangedTranslations, Tag("by_locale")],
        Discriminator(_kind_of_text),
        Field(
            title="LocalTextPatch",
            description="A change to a text for people. By language it is merged into what there is: a "
            "language that is absent stays, null removes it, and one at least must be left. One text for "
            "everybody takes the place of all there is, and gives way to texts by language.",
            examples=[{"en": "Why?"}],
        ),
        AfterValidator(_in_usual_letters),
    ],
)
