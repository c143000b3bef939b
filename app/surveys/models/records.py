"""What answering reads and writes past the ORM."""

from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from app.surveys.models.responses import ResponseState
from app.surveys.models.surveys import RecontactRule, ScoreType, SurveyState, SurveyType


class SurveyFacts(NamedTuple):
    """What answering has to know of a survey. `is_frozen`: the present version of its questions never changes
    again, since somebody answered it."""

    id: UUID
    title: Any
    type: SurveyType
    state: SurveyState
    anonymous: bool
    default_locale: str
    questions_version: int
    is_frozen: bool
    recontact_rule: RecontactRule
    invitation_days: int
    grace_hours: int
    recurrence_days: int | None
    recurrence_iterations: int | None
    followup_rules: list[dict[str, Any]]
    opened_at: datetime | None
    closes_at: datetime | None
    closed_at: datetime | None
    archived_at: datetime | None

    @property
    def over_at(self) -> datetime | None:
        """When it closed, or is to close: it may be over a moment before anybody has closed it."""
        return self.closed_at if self.state == "closed" else self.closes_at


class ResponseRecord(NamedTuple):
    """A row of `survey_responses`, without its workspace; see `SurveyResponseRow`."""

    id: UUID
    survey_id: UUID
    questions_version: int
    iteration: int
    contact_id: UUID | None
    invitation_id: UUID | None
    link_id: UUID | None
    channel: str | None
    locale: str | None
    source: str | None
    external_id: str | None
    state: ResponseState
    answers: dict[str, Any]
    score_type: ScoreType | None
    score: int | None
    is_test: bool
    settled: bool
    started_at: datetime | None
    answered_at: datetime | None
    answered_on: date
    version: int


class OpenedInvitation(NamedTuple):
    """What a token leads to, as far as answering has to know: an invitation, or an open link (`id` None)."""

    id: UUID | None
    link_id: UUID | None
    contact_id: UUID | None
    iteration: int | None
    channel: str | None
    locale: str | None
    is_test: bool
    works: bool
    opened: bool
    started: bool
    answered: bool
    settled: bool
    expires_at: datetime | None

    @property
    def is_spent(self) -> bool:
        """Whether the visitor is told that it was answered: of an anonymous survey, once that is settled."""
        return self.answered and self.settled
