"""By what results can be broken down, and the groups that come out of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.kit.errors import FieldError, Invalid
from app.kit.filter_sql import Attribute
from app.surveys.models.surveys import SurveyRow, SurveyType
from app.surveys.repository.grouping import (
    CONTACT_COLUMNS,
    RESPONSE_COLUMNS,
    GroupField,
    answer_field,
    attribute_field,
    choices_field,
    contact_field,
    response_field,
    tags_field,
)
from app.surveys.repository.results import MOST_GROUPS, GroupCounts
from app.surveys.schemas.results import GroupFigures, GroupValue
from app.surveys.service.figures import figures, no_figures, tally_of
from app.surveys.service.question_results import COUNTED, NUMBERS, AskedQuestion
from app.surveys.service.withholding import Withholding

MOST_FIELDS = 2
POINTER = "?group_by"


@dataclass(frozen=True, slots=True)
class Grouping:
    """A field to group by, and how its values are read."""

    field: GroupField
    read: Callable[[Any], GroupValue]


class GroupFields:
    """The fields that a survey's responses can be grouped by."""

    def __init__(
        self, survey: SurveyRow, questions: Sequence[AskedQuestion], attributes: Mapping[str, Attribute]
    ) -> None:
        self._anonymous = survey.anonymous
        self._of_response: dict[str, Callable[[], Grouping]] = {}
        self._kept_back: dict[str, str | None] = dict.fromkeys(RESPONSE_COLUMNS)
        self._of_contact: dict[str, Callable[[], Grouping]] = {}
        for name in RESPONSE_COLUMNS:
            self._of_response[name] = _maker(response_field, name)
        for question in reversed(questions):
            if question.type in COUNTED or question.type == "multi_choice":
                self._of_response[f"answers.{question.key}"] = _answers(question)
                self._kept_back[f"answers.{question.key}"] = _why_kept_back(question)
        for name in CONTACT_COLUMNS:
            self._of_contact[name] = _maker(contact_field, name)
        self._of_contact["tags"] = _maker(tags_field, "tags")
        for key, attribute in attributes.items():
            self._of_contact[f"attributes.{key}"] = _maker(
                attribute_field, f"attributes.{key}", key, attribute
            )

    def find(self, names: Sequence[str]) -> list[Grouping]:
        """The fields of those names. Raises `Invalid` with every wrong one."""
        if len(set(names)) < len(names):
            raise Invalid.at(POINTER, "names a field twice", "repeated")
        errors = [FieldError(POINTER, *why) for name in names if (why := self._why_not(name))]
        if errors:
            raise Invalid(f"The results cannot be grouped so: {errors[0].detail}", errors=errors)
        return [(self._of_response.get(name) or self._of_contact[name])() for name in names]

    def _why_not(self, name: str) -> tuple[str, str] | None:
        if name in self._of_response:
            return (why, "anonymous") if self._anonymous and (why := self._kept_back[name]) else None
        if self._anonymous:
            of_contact = name in self._of_contact or name.startswith("attributes.")
            return (_ANONYMOUS, "anonymous") if of_contact else _unknown(self._of_response)
        return None if name in self._of_contact else _unknown([*self._of_response, *self._of_contact])


_ANONYMOUS = "Responses to an anonymous survey have no contact."
_ANONYMOUS_SEVERAL = "A response counts in several groups here, which an anonymous survey does not publish."
_ANONYMOUS_SCALE = "Of scores and ratings an anonymous survey shows their distribution, without their groups."


def _why_kept_back(question: AskedQuestion) -> str | None:
    """Why an anonymous survey is not grouped so. Of a scale groups would show what its distribution hides."""
    if question.type == "multi_choice":
        return _ANONYMOUS_SEVERAL
    return _ANONYMOUS_SCALE if question.type in NUMBERS else None


def breakdown(
    groups: Sequence[GroupCounts],
    groupings: Sequence[Grouping],
    survey_type: SurveyType,
    withholding: Withholding,
) -> list[GroupFigures]:
    """The figures of each group. Groups of an anonymous survey are all there: `check_size` saw to it."""
    names = [grouping.field.name for grouping in groupings]
    tallied = [(group.values, *tally_of(survey_type, group.counts)) for group in groups]
    hidden = withholding.hidden({values: n for values, _, n in tallied})
    found = []
    for values, tally, n in tallied:
        read = [grouping.read(value) for grouping, value in zip(groupings, values, strict=True)]
        shown = no_figures() if values in hidden else figures(tally, n)
        group = dict(zip(names, read, strict=True))
        found.append(GroupFigures(**shown, group=group, suppressed=values in hidden))
    return found


def check_size(groups: int, withholding: Withholding) -> None:
    """Raises `Invalid` for more groups of an anonymous survey than are listed: hiding takes them all."""
    if withholding.anonymous and groups > MOST_GROUPS:
        detail = f"An anonymous survey shows at most {MOST_GROUPS} groups, and these fields make {groups}."
        raise Invalid(detail, errors=[FieldError(POINTER, detail, "too_many_groups")])


def _unknown(known: Iterable[str]) -> tuple[str, str]:
    return f"There is no such field. Known: {', '.join(known)}.", "unknown_field"


def _maker(make: Callable[..., GroupField], *arguments: Any) -> Callable[[], Grouping]:
    return lambda: Grouping(make(*arguments), _plain)


def _answers(question: AskedQuestion) -> Callable[[], Grouping]:
    name = f"answers.{question.key}"
    if question.type == "multi_choice":
        return lambda: Grouping(choices_field(name, question.key, question.told_apart_by), _plain)
    return lambda: Grouping(answer_field(name, question.key, question.told_apart_by), _reader(question.type))


def _reader(type: str) -> Callable[[Any], GroupValue]:
    if type in NUMBERS:
        return lambda text: None if text is None else int(text)
    if type == "boolean":
        return lambda text: None if text is None else text == "true"
    return _plain


def _plain(value: Any) -> GroupValue:
    match value:
        case None | bool() | int() | str():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case date():
            return value.isoformat()
        case UUID():
            return str(value)
    return str(value)
