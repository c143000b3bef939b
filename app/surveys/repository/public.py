"""SQL of the public door: from a token to what it leads to, and what visitors leave behind."""

from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from app.kit.database import Unit
from app.kit.turns import take_turn
from app.surveys.models.records import OpenedInvitation, SurveyFacts
from app.surveys.repository.responses import FACTS


class TokenHolder(NamedTuple):
    """Whose token it is: an invitation's or an open link's."""

    workspace_id: UUID
    invitation_id: UUID | None
    link_id: UUID | None


class Opened(NamedTuple):
    """What a token leads to, its survey, and the time zone of the workspace."""

    invitation: OpenedInvitation
    survey: SurveyFacts
    timezone: str


class GrownInvitation(NamedTuple):
    """An invitation that grows out of a partial answer to an open link."""

    id: UUID
    survey_id: UUID
    iteration: int
    link_id: UUID
    channel: str | None
    locale: str | None
    token_hash: bytes
    is_test: bool
    created_at: Any
    expires_at: Any


async def find_token(
    connection: "asyncpg.Connection[asyncpg.Record]", token_hash: bytes
) -> TokenHolder | None:
    """Before the workspace is known."""
    row = await connection.fetchrow(_FIND, token_hash)
    return None if row is None else TokenHolder._make(row)


class PublicRepository:
    """What visitors read and write in the workspace of their token."""

    def __init__(self, unit: Unit, holder: TokenHolder) -> None:
        self._unit = unit
        self._connection = unit.connection
        self._workspace_id = unit.workspace_id
        self._holder = holder
        self._subject = holder.invitation_id or holder.link_id

    async def open(self) -> Opened | None:
        """What the token leads to."""
        return await self._opened(_INVITATION if self._holder.invitation_id else _LINK)

    async def open_frozen(self) -> Opened | None:
        """The same, an invitation held until the unit ends; None as well while the present questions of its
        survey could still be replaced."""
        return await self._opened(_HELD_FROZEN if self._holder.invitation_id else _FROZEN_LINK)

    async def open_held(self) -> Opened | None:
        """The same, its survey held as well, so that its questions stay until the unit ends."""
        statement = _HOLD_SURVEY_OF_INVITATION if self._holder.invitation_id else _HOLD_SURVEY_OF_LINK
        await self._connection.execute(statement, self._workspace_id, self._subject)
        return await self._opened(_HELD if self._holder.invitation_id else _LINK)

    async def words(self, survey_id: UUID) -> asyncpg.Record:
        """What a visitor reads around the questions."""
        row = await self._connection.fetchrow(_WORDS, self._workspace_id, survey_id)
        assert row is not None
        return row

    async def note_opened(self) -> None:
        await self._connection.execute(_NOTE_OPENED, self._workspace_id, self._subject)

    async def note_started(self) -> None:
        await self._connection.execute(_NOTE_STARTED, self._workspace_id, self._subject)

    async def invite(self, new: GrownInvitation) -> None:
        await self._connection.execute(_INVITE, self._workspace_id, *new)

    async def hold_answers(self, survey_id: UUID, contact_id: UUID) -> None:
        """Keeps other links of the contact from being answered until the unit ends."""
        await take_turn(self._unit, f"answers/{survey_id}/{contact_id}")

    async def _opened(self, statement: str) -> Opened | None:
        row = await self._connection.fetchrow(statement, self._workspace_id, self._subject)
        if row is None:
            return None
        middle = len(OpenedInvitation._fields)
        return Opened(OpenedInvitation._make(row[:middle]), SurveyFacts._make(row[middle:-1]), row[-1])


_FIND: Final = "SELECT workspace_id, invitation_id, link_id FROM find_survey_token($1)"

_SURVEY: Final = """
    JOIN surveys s ON s.workspace_id = t.workspace_id AND s.id = t.survey_id
    JOIN survey_versions v ON v.workspace_id = s.workspace_id AND v.survey_id = s.id
        AND v.number = s.questions_version
    JOIN workspaces w ON w.id = t.workspace_id
    WHERE t.workspace_id = $1 AND t.id = $2
"""
_INVITATION: Final = f"""
    SELECT t.id, t.link_id, t.contact_id, t.iteration, t.channel, t.locale, t.is_test,
        t.delivery = 'sent' AS works, t.opened, t.started, t.answered, t.settled, t.expires_at,
        {FACTS}, w.timezone
    FROM survey_invitations t {_SURVEY}
"""
_HELD: Final = f"{_INVITATION} FOR NO KEY UPDATE OF t"
_HELD_FROZEN: Final = f"{_INVITATION} AND v.answered FOR NO KEY UPDATE OF t"
_LINK: Final = f"""
    SELECT NULL::uuid, t.id, NULL::uuid, NULL::int, t.channel, NULL::text, t.is_test,
        t.revoked_at IS NULL, false, false, false, true, t.expires_at, {FACTS}, w.timezone
    FROM survey_links t {_SURVEY}
"""
_FROZEN_LINK: Final = f"{_LINK} AND v.answered"

_HOLD_SURVEY_OF_INVITATION: Final = """
    SELECT FROM surveys WHERE workspace_id = $1 AND id = (
        SELECT survey_id FROM survey_invitations WHERE workspace_id = $1 AND id = $2
    ) FOR NO KEY UPDATE
"""
_HOLD_SURVEY_OF_LINK: Final = _HOLD_SURVEY_OF_INVITATION.replace("survey_invitations", "survey_links")

_WORDS: Final = "SELECT title, introduction, thanks FROM surveys WHERE workspace_id = $1 AND id = $2"

_NOTE_OPENED: Final = """
    UPDATE survey_invitations SET opened = true, version = version + 1
    WHERE workspace_id = $1 AND id = $2 AND NOT opened
"""
_NOTE_STARTED: Final = """
    UPDATE survey_invitations SET opened = true, started = true, version = version + 1
    WHERE workspace_id = $1 AND id = $2 AND NOT started
"""

_INVITE: Final = """
    INSERT INTO survey_invitations (
        workspace_id, id, survey_id, iteration, link_id, channel, locale, token_hash, is_test, created_at,
        expires_at, origin, delivery, opened, started, answered, settled, reminders_sent, version
    ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'link', 'sent', true, true, false, true, 0, 1)
"""
