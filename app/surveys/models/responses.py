"""Answering: responses, and the last score of each contact."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, PrimaryKeyConstraint, SmallInteger, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.database import Base
from app.kit.personal_data import personal

ResponseState = Literal["partial", "completed"]


class SurveyResponseRow(Base):
    """The answers of one respondent.

    Of an anonymous survey it has no contact, invitation, link, source or instant: `answered_on`, the
    workspace's local day, is all that says when; and `settled` turns true once the row was written anew
    together with others of its lot, so that not even the database's own row ids tell who it came from.
    """

    __tablename__ = "survey_responses"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(
            ["workspace_id", "survey_id", "questions_version"],
            ["survey_versions.workspace_id", "survey_versions.survey_id", "survey_versions.number"],
            name="fk_survey_responses_version",
        ),
        ForeignKeyConstraint(["workspace_id", "contact_id"], ["contacts.workspace_id", "contacts.id"]),
        ForeignKeyConstraint(
            ["workspace_id", "invitation_id"],
            ["survey_invitations.workspace_id", "survey_invitations.id"],
            name="fk_survey_responses_invitation",
        ),
        Index(
            "uq_survey_responses_invitation_id",
            "workspace_id",
            "invitation_id",
            unique=True,
            postgresql_where=text("invitation_id IS NOT NULL"),
        ),
        Index(
            "uq_survey_responses_external_id",
            "workspace_id",
            "source",
            "external_id",
            unique=True,
            postgresql_where=text("external_id IS NOT NULL"),
        ),
        Index("ix_survey_responses_survey_id", "workspace_id", "survey_id", "answered_on", "id"),
        Index("ix_survey_responses_contact_id", "workspace_id", "contact_id", "answered_at", "id"),
        Index("ix_survey_responses_answered_at", "workspace_id", "answered_at"),
        Index(
            "ix_survey_responses_answered_on",
            "workspace_id",
            "answered_on",
            postgresql_where=text("answered_at IS NULL"),
        ),
        Index(
            "ix_survey_responses_unsettled",
            "workspace_id",
            "survey_id",
            postgresql_where=text("NOT settled"),
        ),
        {"info": personal("contact_id", on_merge="move", on_export="rows", on_erase="delete")},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    survey_id: Mapped[UUID]
    questions_version: Mapped[int]
    iteration: Mapped[int]
    contact_id: Mapped[UUID | None]
    invitation_id: Mapped[UUID | None]
    link_id: Mapped[UUID | None]
    channel: Mapped[str | None]
    locale: Mapped[str | None]
    source: Mapped[str | None]
    external_id: Mapped[str | None]
    state: Mapped[ResponseState] = mapped_column(Text)
    answers: Mapped[dict[str, Any]]
    score_type: Mapped[str | None]
    score: Mapped[int | None] = mapped_column(SmallInteger)
    is_test: Mapped[bool]
    settled: Mapped[bool]
    started_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    answered_on: Mapped[date]
    version: Mapped[int]


class ContactScoreRow(Base):
    """The last score a contact gave in surveys of one type, for filters over contacts."""

    __tablename__ = "survey_contact_scores"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "contact_id", "type"),
        ForeignKeyConstraint(["workspace_id", "contact_id"], ["contacts.workspace_id", "contacts.id"]),
        Index("ix_survey_contact_scores_score", "workspace_id", "type", "score"),
        Index("ix_survey_contact_scores_answered_at", "workspace_id", "type", "answered_at"),
        {"info": personal("contact_id", on_merge="fold", on_export="skip", on_erase="delete")},
    )

    workspace_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    type: Mapped[str]
    score: Mapped[int] = mapped_column(SmallInteger)
    answered_at: Mapped[datetime]
    response_id: Mapped[UUID]
