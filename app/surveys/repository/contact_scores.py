"""SQL of the last scores of contacts, and the fields by which contacts are filtered because of surveys.

`CONTACT_FIELDS` is registered with the fields of contacts where all rooms are wired together.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, get_args
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import func, select

from app.contacts.models import ContactRow
from app.kit.database import Unit
from app.kit.filter_sql import FilterField, compare
from app.kit.filters import Operator
from app.kit.hot import to_json
from app.kit.tenancy import CURRENT_WORKSPACE
from app.kit.turns import take_turn
from app.surveys.models.invitations import SurveyInvitationRow
from app.surveys.models.responses import ContactScoreRow, SurveyResponseRow
from app.surveys.schemas.questions import ScoreType


class ContactScore(NamedTuple):
    """The score a response gave."""

    contact_id: UUID
    type: str
    score: int
    answered_at: datetime
    response_id: UUID


class ContactScoreRepository:
    """The last scores of the contacts of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._connection = unit.connection
        self._workspace_id = unit.workspace_id

    async def note(self, scores: Sequence[ContactScore]) -> None:
        """Keeps those that are later than what is known; one for each contact and type, in their order."""
        rows = to_json([score._asdict() for score in scores]).decode()
        await self._connection.execute(_NOTE, self._workspace_id, rows)

    async def recompute(self, contact_id: UUID, type: str) -> None:
        """Makes it what the responses say. Whoever notes one meanwhile waits, and then compares with this.

        One at a time: what two found latest at once, each beside what the other has changed, would stay.
        """
        await take_turn(self._unit, f"score/{contact_id}/{type}")
        await self._connection.execute(_FORGET, self._workspace_id, contact_id, type)
        await self._connection.execute(_LATEST, self._workspace_id, contact_id, type)


_COLUMNS: Final = "contact_id, type, score, answered_at, response_id"
_UNLESS_OLDER: Final = """
    ON CONFLICT (workspace_id, contact_id, type) DO UPDATE SET
        score = excluded.score, answered_at = excluded.answered_at, response_id = excluded.response_id
    WHERE (excluded.answered_at, excluded.response_id) > (known.answered_at, known.response_id)
"""
_NOTE: Final = f"""
    INSERT INTO survey_contact_scores AS known (workspace_id, {_COLUMNS})
    SELECT $1, {_COLUMNS} FROM json_to_recordset($2::json) AS sent (
        contact_id uuid, type text, score smallint, answered_at timestamptz, response_id uuid
    )
    {_UNLESS_OLDER}
"""
_FORGET: Final = """
    DELETE FROM survey_contact_scores WHERE workspace_id = $1 AND contact_id = $2 AND type = $3
"""
_LATEST: Final = f"""
    INSERT INTO survey_contact_scores AS known (workspace_id, {_COLUMNS})
    SELECT workspace_id, contact_id, score_type, score, answered_at, id FROM survey_responses
    WHERE workspace_id = $1 AND contact_id = $2 AND score_type = $3 AND state = 'completed'
        AND NOT is_test AND score IS NOT NULL
    ORDER BY answered_at DESC, id DESC LIMIT 1
    {_UNLESS_OLDER}
"""

# Inside a subquery the workspace cannot be named by a parameter, since the fields are made once at import.
_CURRENT: Final = sa.literal_column(CURRENT_WORKSPACE, sa.Uuid())
_BEYOND_ANY_SCORE: Final = 1_000


def _score_fields(type: ScoreType) -> Iterator[FilterField]:
    row = ContactScoreRow
    of_type = (row.workspace_id == _CURRENT, row.type == type)

    def by_score(operator: Operator, value: Any) -> sa.ColumnElement[bool]:
        return _contact_in(row.contact_id, *of_type, _compare_whole(row.score, operator, value))

    def by_time(operator: Operator, value: Any) -> sa.ColumnElement[bool]:
        return _contact_in(row.contact_id, *of_type, compare(row.answered_at, "timestamp", operator, value))

    for name, kind, column, condition in (
        ("last_score", "number", row.score, by_score),
        ("last_answered_at", "timestamp", row.answered_at, by_time),
    ):
        own = select(column).where(*of_type, row.contact_id == ContactRow.id).scalar_subquery()
        yield FilterField(f"surveys.{type}.{name}", kind, own, condition)  # type: ignore[arg-type]


def _contact_in(contact_id: Any, *conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return ContactRow.id.in_(select(contact_id).where(*conditions))


def _compare_whole(column: Any, operator: Operator, value: Any) -> sa.ColumnElement[bool]:
    """A column of whole numbers with any number: compared as a NUMERIC it would use no index."""
    match operator:
        case "exists":
            return sa.true()
        case "in":
            wholes = [int(each) for each in value if each == each.to_integral_value()]
            return column.in_([_clamped(each) for each in wholes])  # type: ignore[no-any-return]
        case "between":
            return sa.and_(column >= _clamped(math.ceil(value[0])), column <= _clamped(math.floor(value[1])))
        case "lt":
            return column < _clamped(math.ceil(value))  # type: ignore[no-any-return]
        case "lte":
            return column <= _clamped(math.floor(value))  # type: ignore[no-any-return]
        case "gt":
            return column > _clamped(math.floor(value))  # type: ignore[no-any-return]
        case "gte":
            return column >= _clamped(math.ceil(value))  # type: ignore[no-any-return]
    return _compare_whole(column, "in", [value])


def _clamped(value: int) -> int:
    """What is beyond any score stays so, and fits into the column's type."""
    return max(-1, min(value, _BEYOND_ANY_SCORE))


_INVITED: Final = (
    SurveyInvitationRow.workspace_id == _CURRENT,
    SurveyInvitationRow.contact_id.is_not(None),
    SurveyInvitationRow.is_test.is_(False),
)
_ANSWERED: Final = (
    SurveyResponseRow.workspace_id == _CURRENT,
    SurveyResponseRow.contact_id.is_not(None),
    SurveyResponseRow.state == "completed",
    SurveyResponseRow.is_test.is_(False),
)


_LAST_INVITED: Final = (
    select(func.max(SurveyInvitationRow.created_at))
    .where(*_INVITED, SurveyInvitationRow.contact_id == ContactRow.id)
    .scalar_subquery()
)


def _invited(operator: Operator, value: Any) -> sa.ColumnElement[bool] | None:
    """Found by any invitation, which is the last one unless it has an upper bound that the last is beyond."""
    if operator in ("lt", "lte"):
        return None
    some = compare(SurveyInvitationRow.created_at, "timestamp", operator, value)
    found = _contact_in(SurveyInvitationRow.contact_id, *_INVITED, some)
    if operator in ("gt", "gte", "exists"):
        return found
    return sa.and_(found, compare(_LAST_INVITED, "timestamp", operator, value))


def _response_count(operator: Operator, value: Any) -> sa.ColumnElement[bool] | None:
    """Only those with at least one response can be found by their responses."""
    at_least_one = (operator == "gte" and value > 0) or (operator == "gt" and value >= 0)
    if not at_least_one:
        return None
    counts = compare(func.count(), "number", operator, Decimal(value))
    answered = select(SurveyResponseRow.contact_id).where(*_ANSWERED)
    return ContactRow.id.in_(answered.group_by(SurveyResponseRow.contact_id).having(counts))


CONTACT_FIELDS: Final[tuple[FilterField, ...]] = (
    *(field for type in get_args(ScoreType) for field in _score_fields(type)),
    FilterField("surveys.last_invited_at", "timestamp", _LAST_INVITED, _invited),
    FilterField(
        "surveys.response_count",
        "number",
        select(func.count())
        .select_from(SurveyResponseRow)
        .where(*_ANSWERED, SurveyResponseRow.contact_id == ContactRow.id)
        .scalar_subquery(),
        _response_count,
    ),
)
"""What is known of a contact by surveys, for filters over contacts. Tests count for none of it."""
