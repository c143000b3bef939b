"""What responses can be grouped by, as SQL over a response and its contact."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from app.contacts.models import ContactRow
from app.kit.filter_sql import Attribute, json_attributes
from app.surveys.models.responses import SurveyResponseRow

CONTACT_COLUMNS: Final[Mapping[str, sa.SQLColumnExpression[Any]]] = {
    "owner_id": ContactRow.owner_id,
    "lifecycle_stage": ContactRow.lifecycle_stage,
    "company": ContactRow.company,
    "job_title": ContactRow.job_title,
    "locale": ContactRow.locale,
    "timezone": ContactRow.timezone,
    "acquisition_channel": ContactRow.acquisition_channel,
    "acquisition_campaign": ContactRow.acquisition_campaign,
}
RESPONSE_COLUMNS: Final[Mapping[str, sa.SQLColumnExpression[Any]]] = {
    "channel": SurveyResponseRow.channel,
    "iteration": SurveyResponseRow.iteration,
    "questions_version": SurveyResponseRow.questions_version,
    "response_locale": SurveyResponseRow.locale,
}


@dataclass(frozen=True, slots=True)
class GroupField:
    """One field to group by. `rows` is where `column` comes from when a response may have several values, and
    then it counts in the group of each."""

    name: str
    column: sa.SQLColumnExpression[Any]
    of_contact: bool = False
    rows: sa.FromClause | None = None


def contact_field(name: str) -> GroupField:
    """A column of the contact."""
    return GroupField(name, CONTACT_COLUMNS[name], of_contact=True)


def response_field(name: str) -> GroupField:
    """A column of the response."""
    return GroupField(name, RESPONSE_COLUMNS[name])


def tags_field(name: str) -> GroupField:
    """Each tag of the contact."""
    rows = _rows(sa.func.unnest(ContactRow.tags))
    return GroupField(name, rows.c.element, of_contact=True, rows=rows)


def attribute_field(name: str, key: str, attribute: Attribute) -> GroupField:
    """One of the workspace's own attributes of contacts."""
    found = json_attributes(ContactRow.attributes, {key: attribute}).find(key)
    if found.column is None:
        raise TypeError("an attribute of a contact has a column")
    return GroupField(name, found.column, of_contact=True)


def answer_field(name: str, key: str, versions: Sequence[int]) -> GroupField:
    """The answer to a question, as text."""
    return GroupField(name, answer_text(key, versions))


def choices_field(name: str, key: str, versions: Sequence[int]) -> GroupField:
    """Each choice in the answer to a question."""
    rows = elements_of(choices(key, versions))
    return GroupField(name, rows.c.element, rows=rows)


def elements_of(chosen: sa.ColumnElement[Any]) -> sa.FromClause:
    """The elements of a JSON array of texts as rows with one column, `element`."""
    return _rows(sa.func.jsonb_array_elements_text(chosen))


def _rows(function: sa.Function[Any]) -> sa.FromClause:
    values = cast(sa.TableValuedAlias, function.table_valued("element").lateral())
    return values.render_derived()


def answer_text(key: str, versions: Sequence[int] = ()) -> sa.ColumnElement[str]:
    """The answer as text, NULL without one; only of those versions, if any are named."""
    name = sa.bindparam(None, key, sa.Text(), unique=True)
    text: sa.ColumnElement[str] = SurveyResponseRow.answers.op("->>", return_type=sa.Text())(name)
    return sa.case((of_versions(versions), text)) if versions else text


def is_answered(key: str, versions: Sequence[int] = ()) -> sa.ColumnElement[bool]:
    """Whether there is an answer, which is not read; only of those versions, if any are named."""
    name = sa.bindparam(None, key, sa.Text(), unique=True)
    has_answer = SurveyResponseRow.answers.op("?", return_type=sa.Boolean())(name)
    return sa.and_(of_versions(versions), has_answer) if versions else has_answer


def answer_number(key: str, versions: Sequence[int] = ()) -> sa.ColumnElement[Decimal]:
    """The answer as a number, NULL without one; only of those versions, if any are named."""
    return sa.cast(answer_text(key, versions), sa.Numeric())


def choices(key: str, versions: Sequence[int] = ()) -> sa.ColumnElement[Any]:
    """The chosen keys as a JSON array, NULL without one; only of those versions, if any are named."""
    chosen = _answer(key)
    is_list = sa.func.jsonb_typeof(chosen) == "array"
    return sa.case((sa.and_(is_list, of_versions(versions)) if versions else is_list, chosen))


def of_versions(versions: Sequence[int]) -> sa.ColumnElement[bool]:
    """Whether the response is one to these versions."""
    wanted = sa.bindparam(None, list(versions), sa.ARRAY(sa.Integer()), unique=True)
    return SurveyResponseRow.questions_version == sa.any_(wanted)


def _answer(key: str) -> sa.ColumnElement[Any]:
    name = sa.bindparam(None, key, sa.Text(), unique=True)
    return SurveyResponseRow.answers.op("->", return_type=JSONB())(name)
