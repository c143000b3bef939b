"""Asking: invitations, open links, and the asks that are planned."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, PrimaryKeyConstraint, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.contacts.models import Channel
from app.kit.database import Base
from app.kit.personal_data import NOT_PERSONAL, personal

Origin = Literal["request", "trigger", "recurrence", "link"]
Delivery = Literal["sent", "bounced", "revoked"]
PlanState = Literal["planned", "invited", "skipped", "cancelled"]


class SurveyInvitationRow(Base):
    """One ask of one contact; of a visitor without contact, when it grew out of a partial answer to a link.

    The token is found by its hash; `token_sealed` gives it back for a reminder. Of an anonymous survey,
    `answered` is shown only once it is `settled`, and `answered_at` stays null.
    """

    __tablename__ = "survey_invitations"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id", "survey_id"], ["surveys.workspace_id", "surveys.id"]),
        ForeignKeyConstraint(["workspace_id", "contact_id"], ["contacts.workspace_id", "contacts.id"]),
        ForeignKeyConstraint(["workspace_id", "link_id"], ["survey_links.workspace_id", "survey_links.id"]),
        Index("ix_survey_invitations_token_hash", "token_hash"),
        Index("ix_survey_invitations_survey_id", "workspace_id", "survey_id", "created_at", "id"),
        Index("ix_survey_invitations_contact_id", "workspace_id", "contact_id", "created_at", "id"),
        Index("ix_survey_invitations_created_at", "workspace_id", "created_at", "id"),
        Index(
            "ix_survey_invitations_next_reminder_at",
            "workspace_id",
            "next_reminder_at",
            postgresql_where=text("next_reminder_at IS NOT NULL"),
        ),
        Index(
            "ix_survey_invitations_unsettled",
            "workspace_id",
            "survey_id",
            postgresql_where=text("NOT settled"),
        ),
        {"info": personal("contact_id", on_merge="move", on_export="rows", on_erase="delete")},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    survey_id: Mapped[UUID]
    iteration: Mapped[int]
    contact_id: Mapped[UUID | None]
    link_id: Mapped[UUID | None]
    channel: Mapped[Channel | None] = mapped_column(Text)
    locale: Mapped[str | None]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    token_sealed: Mapped[str | None]
    origin: Mapped[Origin] = mapped_column(Text)
    is_test: Mapped[bool]
    delivery: Mapped[Delivery] = mapped_column(Text)
    opened: Mapped[bool]
    started: Mapped[bool]
    answered: Mapped[bool]
    settled: Mapped[bool]
    answered_at: Mapped[datetime | None]
    reminders_sent: Mapped[int]
    last_reminded_at: Mapped[datetime | None]
    next_reminder_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    version: Mapped[int]


class SurveyLinkRow(Base):
    """An open link: whoever has it may answer."""

    __tablename__ = "survey_links"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id", "survey_id"], ["surveys.workspace_id", "surveys.id"]),
        Index("ix_survey_links_token_hash", "token_hash"),
        Index("ix_survey_links_survey_id", "workspace_id", "survey_id", "created_at", "id"),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    survey_id: Mapped[UUID]
    name: Mapped[str]
    channel: Mapped[Channel | None] = mapped_column(Text)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    is_test: Mapped[bool]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    version: Mapped[int]


class PlannedInvitationRow(Base):
    """An ask that waits for its time or its turn, and what became of it. `reason` says why it was skipped."""

    __tablename__ = "planned_invitations"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id", "survey_id"], ["surveys.workspace_id", "surveys.id"]),
        ForeignKeyConstraint(["workspace_id", "contact_id"], ["contacts.workspace_id", "contacts.id"]),
        Index(
            "uq_planned_invitations_touchpoint_id",
            "workspace_id",
            "touchpoint_id",
            "survey_id",
            unique=True,
            postgresql_where=text("touchpoint_id IS NOT NULL"),
        ),
        Index("ix_planned_invitations_survey_id", "workspace_id", "survey_id", "created_at", "id"),
        Index("ix_planned_invitations_contact_id", "workspace_id", "contact_id"),
        Index(
            "ix_planned_invitations_due_at",
            "workspace_id",
            "due_at",
            "id",
            postgresql_where=text("state = 'planned'"),
        ),
        {"info": personal("contact_id", on_merge="move", on_export="skip", on_erase="delete")},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    survey_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    touchpoint_id: Mapped[UUID | None]
    origin: Mapped[Origin] = mapped_column(Text)
    channel: Mapped[Channel | None] = mapped_column(Text)
    locale: Mapped[str | None]
    is_test: Mapped[bool]
    due_at: Mapped[datetime]
    state: Mapped[PlanState] = mapped_column(Text)
    reason: Mapped[str | None]
    invitation_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
