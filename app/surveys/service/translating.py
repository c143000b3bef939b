"""Changes to the texts of a survey, language by language."""

from collections.abc import Mapping
from typing import Any, Final

from app.kit.errors import FieldError, Invalid
from app.kit.schemas import usual_letters
from app.surveys.models.surveys import SurveyRow
from app.surveys.schemas.texts import MOST_LOCALES

_TEXTS: Final[tuple[str, ...]] = ("title", "introduction", "thanks")


def changed_texts(row: SurveyRow, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The texts among the changes, as they are to be stored. Raises `Invalid` with every one that would
    be left with no language, or have too many."""
    texts = {name: _merged(getattr(row, name), changes[name]) for name in _TEXTS if name in changes}
    Invalid.refuse_any([error for name, text in texts.items() if (error := _error(text, f"/{name}"))])
    return texts


def _merged(text: Any, change: Any) -> Any:
    """As RFC 7396 has it: what is no object gives way to one, and null removes."""
    if not isinstance(change, dict):
        return change
    known = {usual_letters(tag): words for tag, words in text.items()} if isinstance(text, dict) else {}
    return {tag: words for tag, words in (known | change).items() if words is not None}


def _error(text: Any, pointer: str) -> FieldError | None:
    if not isinstance(text, dict):
        return None
    if not text:
        return FieldError(pointer, "must be left with one language at least", "too_few")
    if len(text) > MOST_LOCALES:
        return FieldError(pointer, f"must be in {MOST_LOCALES} languages at most", "too_many")
    return None
