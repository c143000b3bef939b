"""Surveys in a metric world: who was asked, who answered, and who was called back."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.kit.ids import new_id
from app.kit.periods import local_day
from tests.metrics.world import MetricWorld

SURVEY = """
    INSERT INTO surveys (
        workspace_id, id, title, type, state, anonymous, answered, default_locale, questions_version,
        consent_required, recontact_rule, invitation_days, grace_hours, reminders_max, reminder_gap_hours,
        recurrence_invites, invited_iteration, triggers, followup_rules, created_at, updated_at, version
    ) VALUES ($1, $2, '"Us"', $3, 'open', false, false, 'en', 1, false, 'always', 30, 24, 0, 72, false, 0,
        '[]', '[]', $4, $4, 1)
"""
VERSION = """
    INSERT INTO survey_versions (workspace_id, survey_id, number, questions, answered, created_at)
    VALUES ($1, $2, 1, '[]', false, $3)
"""
INVITATION = """
    INSERT INTO survey_invitations (
        workspace_id, id, survey_id, iteration, contact_id, token_hash, origin, is_test, delivery, opened,
        started, answered, settled, reminders_sent, created_at, expires_at, version
    ) VALUES ($1, $2, $3, 1, $4, '', 'request', $5, 'sent', false, false, false, true, 0, $6, $6, 1)
"""
RESPONSE = """
    INSERT INTO survey_responses (
        workspace_id, id, survey_id, questions_version, iteration, contact_id, invitation_id, state, answers,
        score_type, score, is_test, settled, started_at, answered_at, answered_on, version
    ) VALUES ($1, $2, $3, 1, 1, $4, $5, $6, '{}', $7, $8, false, true, $9, $9, $10, 1)
"""
FOLLOWUP = """
    INSERT INTO followups (
        workspace_id, id, contact_id, title, due_at, state, opened_at, origin_kind, origin_id,
        origin_survey_id, created_at, updated_at, version
    ) VALUES ($1, $2, $3, 'Call', $4, 'open', $4, $5, $6, $6, $4, $4, 1)
"""
ONE = "SELECT * FROM {} WHERE workspace_id = $1 AND id = $2"


@dataclass
class SurveyWorld:
    """What happens goes into the tables of `world`, and waits there to be handed over."""

    world: MetricWorld
    surveys: dict[str, UUID] = field(default_factory=dict)

    async def invite(
        self, at: datetime, contact_id: UUID | None = None, *, score_type: str = "nps", test: bool = False
    ) -> UUID:
        """An invitation; one of nobody's is what a visitor's partial answer leaves."""
        invitation_id = new_id()
        survey = await self.survey(score_type)
        await self.world.execute(INVITATION, invitation_id, survey, contact_id, test, at)
        if contact_id is not None:
            self.world.happened("survey.invitation_created", created_at=at.isoformat())
        return invitation_id

    async def deliver(self, invitation_id: UUID, delivery: str) -> None:
        """It bounced, was revoked, or was sent after all."""
        await self._set("survey_invitations", invitation_id, delivery=delivery)
        row = await self._one("survey_invitations", invitation_id)
        self.world.happened(
            "survey.invitation_changed", invitation={"created_at": row["created_at"].isoformat()}
        )

    async def answer(
        self,
        at: datetime,
        score_type: str | None,
        score: int | None,
        contact_id: UUID | None = None,
        *,
        invitation_id: UUID | None = None,
        state: str = "completed",
    ) -> UUID:
        """A response that knows its instant; of a survey without score questions, one without a score."""
        response_id = new_id()
        if invitation_id is not None:
            await self._set("survey_invitations", invitation_id, answered=state == "completed")
        survey = await self.survey(score_type or "custom")
        score_type = None if score is None else score_type
        await self.world.execute(
            RESPONSE, response_id, survey, contact_id, invitation_id, state, score_type, score, at, at.date()
        )
        if state == "completed":
            self._answered("survey.response_received", at, invitation_id=invitation_id)
        return response_id

    async def answer_anonymously(
        self, day: date, score_type: str, score: int, invitation_id: UUID | None = None
    ) -> UUID:
        """A response that knows its day; that the invitation is answered is not settled yet."""
        response_id = new_id()
        survey = await self.survey(score_type)
        await self.world.execute(
            RESPONSE, response_id, survey, None, None, "completed", score_type, score, None, day
        )
        if invitation_id is not None:
            await self._set("survey_invitations", invitation_id, answered=True, settled=False)
        self._answered("survey.response_received", None, day)
        return response_id

    async def settle(self) -> None:
        """Lets it be known who took part so far."""
        rows = await self.world.rows(
            "UPDATE survey_invitations SET settled = true WHERE workspace_id = $1 AND NOT settled "
            "RETURNING created_at"
        )
        workspace = await self.world.row("SELECT timezone FROM workspaces WHERE id = $1")
        days = {local_day(row["created_at"], ZoneInfo(workspace["timezone"])) for row in rows}
        self.world.happened("survey.participation_settled", invited_on=[_text(day) for day in days])

    async def flag(self, response_id: UUID, *, test: bool = True) -> None:
        """Says afterwards that a response is a test, or is none."""
        await self._set("survey_responses", response_id, is_test=test)
        row = await self._one("survey_responses", response_id)
        self._answered("survey.response_changed", row["answered_at"], row["answered_on"])

    async def open_followup(self, at: datetime, contact_id: UUID, *, by_hand: bool = False) -> UUID:
        followup_id = new_id()
        kind, origin = (None, None) if by_hand else ("survey_response", new_id())
        await self.world.execute(FOLLOWUP, followup_id, contact_id, at, kind, origin)
        await self._tell_followup("followup.opened", followup_id, None)
        return followup_id

    async def change_followup(self, followup_id: UUID, event_type: str, **changes: Any) -> None:
        before = await self._one("followups", followup_id)
        await self._set("followups", followup_id, **changes)
        await self._tell_followup(event_type, followup_id, before)

    async def survey(self, score_type: str) -> UUID:
        if score_type not in self.surveys:
            survey_id, now = new_id(), self.world.resources.database.clock.now()
            await self.world.execute(SURVEY, survey_id, score_type, now)
            await self.world.execute(VERSION, survey_id, now)
            self.surveys[score_type] = survey_id
        return self.surveys[score_type]

    def _answered(
        self, event_type: str, at: datetime | None, day: date | None = None, invitation_id: UUID | None = None
    ) -> None:
        response = {
            "answered_at": _text(at),
            "answered_on": _text(day or at),
            "invitation_id": invitation_id and str(invitation_id),
        }
        self.world.happened(event_type, response=response)

    async def _tell_followup(self, event_type: str, followup_id: UUID, before: Any) -> None:
        row = await self._one("followups", followup_id)
        origin = None if row["origin_id"] is None else {"kind": row["origin_kind"]}
        self.world.happened(
            event_type,
            followup={
                "opened_at": _text(row["opened_at"]),
                "contacted_at": _text(row["contacted_at"]),
                "origin": origin,
            },
            previous=before and {"contacted_at": _text(before["contacted_at"])},
        )

    async def _set(self, table: str, subject: UUID, **values: Any) -> None:
        assignments = ", ".join(f"{name} = ${place}" for place, name in enumerate(values, start=3))
        await self.world.execute(
            f"UPDATE {table} SET {assignments} WHERE workspace_id = $1 AND id = $2", subject, *values.values()
        )

    async def _one(self, table: str, subject: UUID) -> Any:
        return await self.world.row(ONE.format(table), subject)


def _text(moment: date | None) -> str | None:
    return None if moment is None else moment.isoformat()
