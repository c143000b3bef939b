"""The SQL of results: what completed responses add up to, counted in as few passes over them as it takes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import JSONB

from app.contacts.models import AttributeDefinitionRow, ContactRow
from app.kit.database import Unit
from app.kit.filter_sql import Attribute, AttributeType
from app.surveys.models.invitations import SurveyInvitationRow
from app.surveys.models.responses import SurveyResponseRow
from app.surveys.repository.grouping import GroupField, elements_of

MOST_GROUPS = 1_000
LONGEST_READ = 1_000
_TOTALS_AT_ONCE = 1_000
_TRENDS: Final[Mapping[str, sa.ColumnElement[str]]] = {
    grain: sa.literal_column(f"'{grain}'") for grain in ("day", "week", "month", "quarter")
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which responses: local days [start, end), and exact values; None where one is not used. `settled_only`
    counts who took part in an anonymous survey as far as that may be told; the responses count at once, as
    they are listed at once."""

    survey_id: UUID
    start: date | None = None
    end: date | None = None
    iteration: int | None = None
    questions_version: int | None = None
    channel: str | None = None
    locale: str | None = None
    settled_only: bool = False


class ScoreCount(NamedTuple):
    """How many responses to a version gave a score in a period: its first day, or an iteration."""

    version: int
    period: date | int | None
    score: int | None
    responses: int


class Total(NamedTuple):
    """An aggregate over responses, and how those of parts make that of the whole."""

    column: sa.ColumnElement[Any]
    of: Callable[[Iterable[Any]], Any] = sum

    def fold(self, parts: Iterable[Any]) -> Any:
        """The total of the whole; None if every part has none."""
        given = [part for part in parts if part is not None]
        return self.of(given) if given else None


class GroupCounts(NamedTuple):
    """How many responses of a group gave each score, None for those without one."""

    values: tuple[Any, ...]
    counts: Mapping[int | None, int]


class GivenText(NamedTuple):
    """A free answer, cut to what is read of it."""

    response_id: UUID
    text: str
    score: int | None
    locale: str | None


class Participation(NamedTuple):
    """How far invitations got."""

    invited: int
    opened: int
    started: int
    completed: int


_MANY = 20_000
_UP_TO_MANY = """
    SELECT count(*) FROM (
        SELECT FROM survey_responses WHERE workspace_id = $1 AND survey_id = $2 LIMIT $3
    ) AS found
"""
# Each core hashes its part: sorting all rows before they are grouped would take longer than all the rest, and
# a scan of the table would read the rows of every workspace.
_BY_ALL_CORES = """
    SET LOCAL parallel_setup_cost = 0;
    SET LOCAL parallel_tuple_cost = 0.01;
    SET LOCAL min_parallel_table_scan_size = 0;
    SET LOCAL min_parallel_index_scan_size = 0;
    SET LOCAL enable_sort = off;
    SET LOCAL enable_seqscan = off
"""


class ResultsRepository:
    """Counts the responses of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._session = unit.session
        self._workspace_id = unit.workspace_id

    async def prepare(self, survey_id: UUID) -> None:
        """For the rest of the unit: memory to hash as many contacts as there may be, and all cores if there
        are many responses, since PostgreSQL does not know that this workspace has more than others."""
        connection = self._unit.connection
        await connection.execute("SET LOCAL work_mem = '64MB'")
        if await connection.fetchval(_UP_TO_MANY, self._workspace_id, survey_id, _MANY) == _MANY:
            await connection.execute(_BY_ALL_CORES)

    async def scores(
        self, selection: Selection, trend: str | None = None, totals: Sequence[Total] = ()
    ) -> tuple[list[ScoreCount], list[Any]]:
        """How the scores are spread, and the totals over all responses, None for one of no values.

        One pass does both, as a rule: there are surveys with more totals than a statement has columns.
        """
        found, *others = [
            (await self._session.execute(self._by_score(selection, trend, some))).all()
            for some in (_chunks(totals))
        ]
        columns = [column for rows in (found, *others) for column in list(zip(*rows, strict=True))[4:]]
        folded = [total.fold(column) for total, column in zip(totals, columns, strict=False)]
        return [ScoreCount(*row[:4]) for row in found], folded or [None] * len(totals)

    async def total(self, selection: Selection) -> int:
        counted = select(func.count()).select_from(SurveyResponseRow).where(*self._selected(selection))
        return (await self._session.execute(counted)).scalar_one()

    async def groups(
        self, selection: Selection, fields: Sequence[GroupField]
    ) -> tuple[list[GroupCounts], int]:
        """The largest groups, at most `MOST_GROUPS`, largest first; and how many there are."""
        labelled = _labelled(fields)
        people = self._people([each for each in labelled if each.field.of_contact])
        columns = [
            people.c[each.name] if people is not None and each.field.of_contact else each.column
            for each in labelled
        ]
        responses = (
            select(*columns, SurveyResponseRow.score.label("score"))
            .select_from(self._joined(people, fields))
            .where(*self._selected(selection))
            .subquery()
        )
        by_score = (
            select(*responses.c, func.count().label("count")).group_by(*responses.c).subquery("by_score")
        )
        keys = [by_score.c[each.name] for each in labelled]
        size = func.sum(by_score.c.count)
        grouped = (
            select(
                *keys, func.array_agg(by_score.c.score), func.array_agg(by_score.c.count), func.count().over()
            )
            .group_by(*keys)
            .order_by(size.desc(), *(key.asc().nulls_last() for key in keys))
            .limit(MOST_GROUPS)
        )
        rows = (await self._session.execute(grouped)).all()
        found = [GroupCounts(tuple(row[:-3]), dict(zip(row[-3], row[-2], strict=True))) for row in rows]
        return found, rows[0][-1] if rows else 0

    async def combinations(
        self, selection: Selection, texts: Sequence[sa.ColumnElement[str]]
    ) -> list[tuple[list[str], int]]:
        """How many responses have each combination of the values, '' where there is none.

        As one text they are one key to the planner, who takes several for more groups than there are rows.
        The values are keys, numbers and lists of keys: no bar is in any.
        """
        together = func.concat_ws("|", *(func.coalesce(text, "") for text in texts))
        combined = select(together.label("combined")).where(*self._selected(selection)).subquery()
        counted = select(combined.c.combined, func.count()).group_by(combined.c.combined)
        rows = await self._session.execute(counted)
        return [(combination.split("|"), count) for combination, count in rows]

    async def choices(self, selection: Selection, chosen: sa.ColumnElement[Any]) -> dict[str | None, int]:
        """How many responses have each element of a JSON array; None counts those that have an array."""
        lists = (
            select(sa.cast(chosen, sa.Text()).label("chosen")).where(*self._selected(selection)).subquery()
        )
        combined = (
            select(lists.c.chosen, func.count().label("count"))
            .where(lists.c.chosen.is_not(None))
            .group_by(lists.c.chosen)
            .cte("combined")
        )
        each = elements_of(sa.cast(combined.c.chosen, JSONB()))
        size = func.sum(combined.c.count)
        apart = select(each.c.element, size).join_from(combined, each, sa.true()).group_by(each.c.element)
        whole = select(sa.null().label("element"), size)
        rows = (await self._session.execute(apart.union_all(whole))).all()
        return {element: int(count or 0) for element, count in rows}

    async def texts(
        self, selection: Selection, text: sa.ColumnElement[str], scores: range | None, *, limit: int
    ) -> tuple[int, list[GivenText]]:
        """How many responses have the text, and the latest of them; only those with one of the scores."""
        row = SurveyResponseRow
        conditions = [*self._selected(selection), text.is_not(None)]
        if scores is not None:
            conditions.append(row.score.between(scores.start, scores.stop - 1))
        counted = select(func.count()).select_from(row).where(*conditions)
        latest = (
            select(row.id, func.left(text, LONGEST_READ), row.score, row.locale)
            .where(*conditions)
            .order_by(row.answered_on.desc(), row.id.desc())
            .limit(limit)
        )
        found = [GivenText(*each) for each in await self._session.execute(latest)]
        return (await self._session.execute(counted)).scalar_one(), found

    async def participation(self, selection: Selection, created: tuple[Any, Any]) -> Participation:
        """Of invitations made in [from, to), two instants or None. Open links invite nobody."""
        row = SurveyInvitationRow
        answered = row.answered & row.settled if selection.settled_only else row.answered
        started = row.started | answered
        counts = (
            func.count(),
            func.count().filter(row.opened | started),
            func.count().filter(started),
            func.count().filter(answered),
        )
        begins, ends = created
        conditions = [
            row.workspace_id == self._workspace_id,
            row.survey_id == selection.survey_id,
            row.is_test.is_(False),
            row.delivery == "sent",
            row.origin != "link",
        ]
        for column, value in ((row.iteration, selection.iteration), (row.channel, selection.channel)):
            if value is not None:
                conditions.append(column == value)
        if begins is not None:
            conditions.append(row.created_at >= begins)
        if ends is not None:
            conditions.append(row.created_at < ends)
        found = (await self._session.execute(select(*counts).where(*conditions))).one()
        return Participation(*found)

    async def attributes(self) -> dict[str, Attribute]:
        """The workspace's own attributes of contacts, by key."""
        row = AttributeDefinitionRow
        defined = select(row.key, row.type, row.options).where(row.workspace_id == self._workspace_id)
        return {
            key: Attribute(cast(AttributeType, type), tuple(options or ()))
            for key, type, options in await self._session.execute(defined)
        }

    def _by_score(self, selection: Selection, trend: str | None, totals: Sequence[Total]) -> sa.Select[Any]:
        row = SurveyResponseRow
        keys: list[sa.ColumnElement[Any]] = [row.questions_version.expression, row.score.expression]
        period = _period(trend)
        if trend is not None:
            keys.append(period)
        columns = (
            row.questions_version,
            period,
            row.score,
            func.count(),
            *(total.column for total in totals),
        )
        return select(*columns).where(*self._selected(selection)).group_by(*keys)

    def _people(self, labelled: Sequence["_Labelled"]) -> sa.Subquery | None:
        """Contacts and their values of these fields. What comes out of JSON is worked out once for each of
        them, and not once more for each of their responses."""
        if not labelled:
            return None
        source: sa.FromClause = ContactRow.__table__
        for each in labelled:
            if each.field.rows is not None:
                source = source.outerjoin(each.field.rows, sa.true())
        found = select(ContactRow.id, *(each.column for each in labelled)).select_from(source)
        return found.where(ContactRow.workspace_id == self._workspace_id).subquery("people")

    def _joined(self, people: sa.Subquery | None, fields: Sequence[GroupField]) -> sa.FromClause:
        joined: sa.FromClause = SurveyResponseRow.__table__
        if people is not None:
            joined = joined.outerjoin(people, people.c.id == SurveyResponseRow.contact_id)
        for field in fields:
            if field.rows is not None and not field.of_contact:
                joined = joined.outerjoin(field.rows, sa.true())
        return joined

    def _selected(self, selection: Selection) -> list[sa.ColumnElement[bool]]:
        row = SurveyResponseRow
        conditions = [
            row.workspace_id == self._workspace_id,
            row.survey_id == selection.survey_id,
            row.state == "completed",
            row.is_test.is_(False),
        ]
        if selection.start is not None:
            conditions.append(row.answered_on >= selection.start)
        if selection.end is not None:
            conditions.append(row.answered_on < selection.end)
        for column, value in (
            (row.iteration, selection.iteration),
            (row.questions_version, selection.questions_version),
            (row.channel, selection.channel),
            (row.locale, selection.locale),
        ):
            if value is not None:
                conditions.append(column == value)
        return conditions


class _Labelled(NamedTuple):
    """A field and the name of its column."""

    name: str
    field: GroupField

    @property
    def column(self) -> sa.Label[Any]:
        return self.field.column.label(self.name)


def _labelled(fields: Sequence[GroupField]) -> list[_Labelled]:
    return [_Labelled(f"field_{place}", field) for place, field in enumerate(fields)]


def _period(trend: str | None) -> sa.ColumnElement[Any]:
    if trend is None:
        return sa.null()
    if trend == "iteration":
        return SurveyResponseRow.iteration.expression
    day = sa.cast(SurveyResponseRow.answered_on, sa.DateTime())
    return sa.cast(func.date_trunc(_TRENDS[trend], day), sa.Date())


def _chunks(totals: Sequence[Total]) -> Iterator[Sequence[Total]]:
    yield totals[:_TOTALS_AT_ONCE]
    for start in range(_TOTALS_AT_ONCE, len(totals), _TOTALS_AT_ONCE):
        yield totals[start : start + _TOTALS_AT_ONCE]
