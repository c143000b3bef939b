"""Surveys, the versions of their questions, and how often a contact may be asked at all."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, PrimaryKeyConstraint, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.contacts.models import Channel
from app.kit.database import Base
from app.kit.personal_data import NOT_PERSONAL

SurveyType = Literal["nps", "csat", "ces", "custom"]
ScoreType = Literal["nps", "csat", "ces"]
SurveyState = Literal["draft", "scheduled", "open", "closed"]
RecontactRule = Literal["once", "until_response", "recurring", "always"]


class SurveyRow(Base):
    """A survey and its settings; the questions stand in `SurveyVersionRow`.

    `answered` is set by the first response, after which `anonymous` stays as it is. `turn_at` is when the
    passing of time changes the survey next: it opens, closes, or begins an iteration. `settle_at` is when
    the answered invitations of an anonymous survey are shown as such at the latest; null when none waits.
    `invited_iteration` is the last iteration to which the audience was invited.
    """

    __tablename__ = "surveys"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        Index("ix_surveys_created_at", "workspace_id", "created_at", "id"),
        Index("ix_surveys_updated_at", "workspace_id", "updated_at", "id"),
        Index("ix_surveys_state", "workspace_id", "state", "created_at", "id"),
        Index("ix_surveys_turn_at", "workspace_id", "turn_at", postgresql_where=text("turn_at IS NOT NULL")),
        Index(
            "ix_surveys_settle_at",
            "workspace_id",
            "settle_at",
            postgresql_where=text("settle_at IS NOT NULL"),
        ),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    title: Mapped[Any] = mapped_column(JSONB)
    introduction: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    thanks: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    type: Mapped[SurveyType] = mapped_column(Text)
    state: Mapped[SurveyState] = mapped_column(Text)
    anonymous: Mapped[bool]
    answered: Mapped[bool]
    default_locale: Mapped[str]
    questions_version: Mapped[int]
    channel: Mapped[Channel | None] = mapped_column(Text)
    link_url: Mapped[str | None]
    audience: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    consent_required: Mapped[bool]
    recontact_rule: Mapped[RecontactRule] = mapped_column(Text)
    recontact_days: Mapped[int | None]
    invitation_days: Mapped[int]
    grace_hours: Mapped[int]
    reminders_max: Mapped[int]
    reminder_gap_hours: Mapped[int]
    recurrence_days: Mapped[int | None]
    recurrence_iterations: Mapped[int | None]
    recurrence_invites: Mapped[bool]
    invited_iteration: Mapped[int]
    triggers: Mapped[list[dict[str, Any]]]
    followup_rules: Mapped[list[dict[str, Any]]]
    opens_at: Mapped[datetime | None]
    closes_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    turn_at: Mapped[datetime | None]
    settle_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]
    version: Mapped[int]


class SurveyVersionRow(Base):
    """One version of a survey's questions. Once `answered` it never changes again."""

    __tablename__ = "survey_versions"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "survey_id", "number"),
        ForeignKeyConstraint(["workspace_id", "survey_id"], ["surveys.workspace_id", "surveys.id"]),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    survey_id: Mapped[UUID]
    number: Mapped[int]
    questions: Mapped[list[dict[str, Any]]]
    score_key: Mapped[str | None]
    answered: Mapped[bool]
    created_at: Mapped[datetime]


class FrequencyRuleRow(Base):
    """A limit on how often any contact is asked, over all surveys of the workspace."""

    __tablename__ = "contact_frequency_rules"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        Index("ix_contact_frequency_rules_created_at", "workspace_id", "created_at", "id"),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    name: Mapped[str]
    max_invitations: Mapped[int | None]
    window_hours: Mapped[int | None]
    min_gap_hours: Mapped[int | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int]
