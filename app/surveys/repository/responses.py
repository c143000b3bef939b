"""SQL of responses: what was answered, the invitations that were spent by it, the versions that were used."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import select

from app.kit.database import Unit
from app.kit.hot import to_json
from app.kit.pages import PageRequest, Sorting, SortKey
from app.surveys.models.records import ResponseRecord, SurveyFacts
from app.surveys.models.responses import SurveyResponseRow

SORTING = Sorting(
    SurveyResponseRow.id,
    {"answered_on": SortKey(SurveyResponseRow.answered_on, "day")},
    default="-answered_on",
)

ForeignKey = tuple[str, str]
"""Source and external id."""


class Spent(NamedTuple):
    """An invitation that a response spends. `answered_at` is None where nobody may know when."""

    invitation_id: UUID
    response_id: UUID
    answered_at: datetime | None


class Asked(NamedTuple):
    """What an invitation has in common with the responses that may spend it."""

    survey_id: UUID
    contact_id: UUID
    is_test: bool
    iteration: int


class OpenInvitation(NamedTuple):
    """An invitation that may be spent. `started`: a partial response belongs to it."""

    id: UUID
    started: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ResponseListing:
    """The filters of the list of responses; None where one is not used. `until` itself is out."""

    state: str | None = None
    contact_id: UUID | None = None
    test: bool | None = None
    score_from: int | None = None
    score_to: int | None = None
    since: date | None = None
    until: date | None = None
    iteration: int | None = None
    questions_version: int | None = None
    channel: str | None = None
    locale: str | None = None

    def conditions(self) -> Iterable[sa.ColumnElement[bool]]:
        row = SurveyResponseRow
        for column, value in (
            (row.state, self.state),
            (row.contact_id, self.contact_id),
            (row.is_test, self.test),
            (row.iteration, self.iteration),
            (row.questions_version, self.questions_version),
            (row.channel, self.channel),
            (row.locale, self.locale),
        ):
            if value is not None:
                yield column == value
        if self.score_from is not None:
            yield row.score >= self.score_from
        if self.score_to is not None:
            yield row.score <= self.score_to
        if self.since is not None:
            yield row.answered_on >= self.since
        if self.until is not None:
            yield row.answered_on < self.until


class ResponseRepository:
    """The responses of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._connection = unit.connection
        self._workspace_id = unit.workspace_id

    async def facts(self, survey_ids: Collection[UUID]) -> dict[UUID, SurveyFacts]:
        rows = await self._connection.fetch(_FACTS, self._workspace_id, list(survey_ids))
        return {row["id"]: SurveyFacts._make(row) for row in rows}

    async def hold_surveys(self, survey_ids: Collection[UUID]) -> None:
        """Keeps others from changing these surveys, and their questions, until the unit ends."""
        await self._connection.execute(_HOLD_SURVEYS, self._workspace_id, list(survey_ids))

    async def questions(self, versions: Sequence[tuple[UUID, int]]) -> dict[tuple[UUID, int], Any]:
        """The stored questions of versions, by survey and number."""
        rows = await self._connection.fetch(_QUESTIONS, self._workspace_id, *zip(*versions, strict=True))
        return {(row["survey_id"], row["number"]): row["questions"] for row in rows}

    async def freeze(self, versions: Collection[tuple[UUID, int]]) -> None:
        """Notes that these versions, and their surveys, have a response. The surveys must be held."""
        await self._connection.execute(_FREEZE, self._workspace_id, *zip(*sorted(versions), strict=True))

    async def insert(self, records: Sequence[ResponseRecord], spent: Sequence[Spent]) -> set[UUID]:
        """Writes the responses whose (source, external_id) is free, and spends their invitations; returns
        the ids of those written. Waits for whoever is about to take such a key: give them in its order."""
        rows = await self._connection.fetch(_INSERT, self._workspace_id, _json(records), _json(spent))
        return {row["id"] for row in rows}

    async def replace(self, record: ResponseRecord) -> None:
        """Writes a response that is held."""
        await self._connection.execute(_REPLACE, self._workspace_id, _json([record]))

    async def spend(self, spent: Spent) -> None:
        """Spends an invitation that is held."""
        await self._connection.execute(_SPEND_ONE, self._workspace_id, _json([spent]))

    async def by_key(self, keys: Sequence[ForeignKey]) -> dict[ForeignKey, ResponseRecord]:
        """The responses with these sources and external ids."""
        if not keys:
            return {}
        rows = await self._connection.fetch(_BY_KEY, self._workspace_id, *zip(*keys, strict=True))
        return {(row["source"], row["external_id"]): ResponseRecord._make(row) for row in rows}

    async def open_invitations(self, until: Mapping[Asked, datetime]) -> dict[Asked, list[OpenInvitation]]:
        """The open invitations that were made no later than given here, latest first, held."""
        if not until:
            return {}
        wanted = [(*asked, until[asked]) for asked in sorted(until)]
        rows = await self._connection.fetch(
            _OPEN_INVITATIONS, self._workspace_id, *zip(*wanted, strict=True), self._unit.now
        )
        found: dict[Asked, list[OpenInvitation]] = {}
        for *asked, invitation_id, started, created_at in rows:
            found.setdefault(Asked(*asked), []).append(OpenInvitation(invitation_id, started, created_at))
        return found

    async def answered_since(self, invitation_ids: Collection[UUID]) -> set[UUID]:
        """Those of the invitations, tests apart, whose contact has completed a response since they were made,
        in their iteration."""
        rows = await self._connection.fetch(_ANSWERED_SINCE, self._workspace_id, list(invitation_ids))
        return {row["id"] for row in rows}

    async def get(self, survey_id: UUID, response_id: UUID, *, lock: bool = False) -> ResponseRecord | None:
        statement = _LOCK_ONE if lock else _ONE
        row = await self._connection.fetchrow(statement, self._workspace_id, survey_id, response_id)
        return None if row is None else ResponseRecord._make(row)

    async def of_invitation(self, invitation_id: UUID) -> ResponseRecord | None:
        row = await self._connection.fetchrow(_OF_INVITATION, self._workspace_id, invitation_id)
        return None if row is None else ResponseRecord._make(row)

    async def unsettled(self, survey_id: UUID) -> Sequence[ResponseRecord]:
        """The responses to an anonymous survey that nobody was told of, in the order of their random ids."""
        rows = await self._connection.fetch(_UNSETTLED, self._workspace_id, survey_id)
        return [ResponseRecord._make(row) for row in rows]

    async def page(
        self, survey_id: UUID, page: PageRequest, listing: ResponseListing
    ) -> Sequence[ResponseRecord]:
        statement = _SELECT.where(
            SurveyResponseRow.workspace_id == self._workspace_id,
            SurveyResponseRow.survey_id == survey_id,
            *listing.conditions(),
        )
        return [ResponseRecord._make(row) for row in await self._unit.session.execute(page.apply(statement))]

    async def latest_of(
        self, contact_id: UUID, position: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[ResponseRecord]:
        """Completed ones of a contact, newest first, strictly before the position."""
        row = SurveyResponseRow
        statement = _SELECT.where(
            row.workspace_id == self._workspace_id, row.contact_id == contact_id, row.state == "completed"
        )
        if position is not None:
            statement = statement.where(sa.tuple_(row.answered_at, row.id) < sa.tuple_(*position))
        statement = statement.order_by(row.answered_at.desc(), row.id.desc()).limit(limit)
        return [ResponseRecord._make(found) for found in await self._unit.session.execute(statement)]


_COLUMNS: Final = {
    "id": "uuid",
    "survey_id": "uuid",
    "questions_version": "int",
    "iteration": "int",
    "contact_id": "uuid",
    "invitation_id": "uuid",
    "link_id": "uuid",
    "channel": "text",
    "locale": "text",
    "source": "text",
    "external_id": "text",
    "state": "text",
    "answers": "jsonb",
    "score_type": "text",
    "score": "smallint",
    "is_test": "boolean",
    "settled": "boolean",
    "started_at": "timestamptz",
    "answered_at": "timestamptz",
    "answered_on": "date",
    "version": "int",
}
"""The columns in the order of `ResponseRecord`, with their SQL types."""

_NAMES: Final = ", ".join(_COLUMNS)
_ROWS: Final = f"""
    json_to_recordset($2::json) AS sent ({", ".join(f"{name} {type}" for name, type in _COLUMNS.items())})
"""
_SELECT: Final = select(*(getattr(SurveyResponseRow, column) for column in _COLUMNS))

FACTS: Final = ", ".join(
    "v.answered AS is_frozen" if name == "is_frozen" else f"s.{name}" for name in SurveyFacts._fields
)
"""The columns of `SurveyFacts`, of a survey `s` and its present version `v`."""

_FACTS: Final = f"""
    SELECT {FACTS} FROM surveys s JOIN survey_versions v
        ON v.workspace_id = s.workspace_id AND v.survey_id = s.id AND v.number = s.questions_version
    WHERE s.workspace_id = $1 AND s.id = ANY($2::uuid[])
"""

_HOLD_SURVEYS: Final = """
    SELECT FROM surveys WHERE workspace_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""

_QUESTIONS: Final = """
    SELECT survey_id, number, questions FROM unnest($2::uuid[], $3::int[]) AS wanted (survey_id, number)
    JOIN survey_versions USING (survey_id, number) WHERE workspace_id = $1
"""

_FREEZE: Final = """
    WITH used AS (SELECT * FROM unnest($2::uuid[], $3::int[]) AS used (survey_id, number)), marked AS (
        UPDATE surveys SET answered = true
        WHERE workspace_id = $1 AND id IN (SELECT survey_id FROM used) AND NOT answered
    )
    UPDATE survey_versions SET answered = true FROM used
    WHERE workspace_id = $1 AND survey_versions.survey_id = used.survey_id
        AND survey_versions.number = used.number AND NOT answered
"""

_SPENT: Final = (
    "json_to_recordset({}::json) AS spent (invitation_id uuid, response_id uuid, answered_at timestamptz)"
)

# Of an anonymous survey nothing but the bare fact is noted until it is settled, not even in the version.
_SPEND: Final = """
    UPDATE survey_invitations AS asked SET
        answered = true,
        answered_at = spent.answered_at,
        settled = spent.answered_at IS NOT NULL,
        opened = opened OR spent.answered_at IS NOT NULL,
        started = started OR spent.answered_at IS NOT NULL,
        next_reminder_at = CASE WHEN spent.answered_at IS NULL THEN next_reminder_at END,
        version = version + (spent.answered_at IS NOT NULL)::int
"""
_SPEND_ONE: Final = f"""
    {_SPEND} FROM {_SPENT.format("$2")}
    WHERE asked.workspace_id = $1 AND asked.id = spent.invitation_id
"""

_INSERT: Final = f"""
    WITH fresh AS (
        INSERT INTO survey_responses (workspace_id, {_NAMES})
        SELECT $1, {_NAMES} FROM {_ROWS}
        ON CONFLICT (workspace_id, source, external_id) WHERE external_id IS NOT NULL DO NOTHING
        RETURNING id
    ), used AS (
        {_SPEND} FROM {_SPENT.format("$3")} JOIN fresh ON fresh.id = spent.response_id
        WHERE asked.workspace_id = $1 AND asked.id = spent.invitation_id
    )
    SELECT id FROM fresh
"""

_CHANGEABLE: Final = [name for name in _COLUMNS if name not in ("id", "survey_id")]
_REPLACE: Final = f"""
    UPDATE survey_responses AS held SET {", ".join(f"{name} = sent.{name}" for name in _CHANGEABLE)}
    FROM {_ROWS} WHERE held.workspace_id = $1 AND held.id = sent.id
"""

# LATERAL leaves PostgreSQL no choice but the index, however small it takes a workspace to be.
_BY_KEY: Final = f"""
    SELECT held.* FROM unnest($2::text[], $3::text[]) AS key (source, external_id)
    CROSS JOIN LATERAL (
        SELECT {_NAMES} FROM survey_responses
        WHERE workspace_id = $1 AND source = key.source AND external_id = key.external_id
            AND external_id IS NOT NULL
    ) AS held
"""

# All in one order, so that of two who hold several nobody waits for the other.
_OPEN_INVITATIONS: Final = """
    SELECT wanted.survey_id, wanted.contact_id, wanted.is_test, wanted.iteration, asked.*
    FROM (
        SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::bool[], $5::int[], $6::timestamptz[])
            AS given (survey_id, contact_id, is_test, iteration, until)
        ORDER BY survey_id, contact_id, is_test, iteration
    ) AS wanted
    CROSS JOIN LATERAL (
        SELECT id, started, created_at FROM survey_invitations
        WHERE workspace_id = $1 AND contact_id = wanted.contact_id AND survey_id = wanted.survey_id
            AND is_test = wanted.is_test AND iteration = wanted.iteration AND created_at <= wanted.until
            AND delivery = 'sent' AND NOT answered AND expires_at > $7
        ORDER BY created_at DESC, id DESC
        FOR NO KEY UPDATE
    ) AS asked
"""

_ANSWERED_SINCE: Final = """
    SELECT asked.id FROM survey_invitations AS asked
    CROSS JOIN LATERAL (
        SELECT FROM survey_responses
        WHERE workspace_id = $1 AND contact_id = asked.contact_id AND answered_at >= asked.created_at
            AND survey_id = asked.survey_id AND iteration = asked.iteration
            AND state = 'completed' AND NOT is_test
        LIMIT 1
    ) AS answer
    WHERE asked.workspace_id = $1 AND asked.id = ANY($2::uuid[]) AND NOT asked.is_test
"""

_ONE: Final = f"SELECT {_NAMES} FROM survey_responses WHERE workspace_id = $1 AND survey_id = $2 AND id = $3"
_LOCK_ONE: Final = f"{_ONE} FOR NO KEY UPDATE"
_OF_INVITATION: Final = (
    f"SELECT {_NAMES} FROM survey_responses WHERE workspace_id = $1 AND invitation_id = $2"
)
_UNSETTLED: Final = f"""
    SELECT {_NAMES} FROM survey_responses
    WHERE workspace_id = $1 AND survey_id = $2 AND NOT settled ORDER BY id
"""


def _json(rows: Sequence[Any]) -> str:
    """Named tuples as a JSON array of objects."""
    return to_json([row._asdict() for row in rows]).decode()
