"""Tasks on contacts that somebody has to see to."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped

from app.kit.database import Base
from app.kit.personal_data import personal


class FollowupRow(Base):
    """A follow-up. `overdue_since` is the due time that was told to have passed, null until it was."""

    __tablename__ = "followups"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id", "contact_id"], ["contacts.workspace_id", "contacts.id"]),
        ForeignKeyConstraint(["workspace_id", "owner_id"], ["members.workspace_id", "members.id"]),
        Index("ix_followups_created_at", "workspace_id", "created_at", "id"),
        Index("ix_followups_updated_at", "workspace_id", "updated_at", "id"),
        Index("ix_followups_due_at", "workspace_id", "due_at", "id"),
        Index("ix_followups_contact_id", "workspace_id", "contact_id", "created_at", "id"),
        Index("ix_followups_owner_id", "workspace_id", "owner_id", "created_at", "id"),
        Index("ix_followups_state", "workspace_id", "state", "due_at", "id"),
        Index(
            "ix_followups_open",
            "workspace_id",
            "owner_id",
            "due_at",
            "id",
            postgresql_where=text("state = 'open'"),
        ),
        Index(
            "ix_followups_root_cause",
            "workspace_id",
            "root_cause",
            "created_at",
            "id",
            postgresql_where=text("root_cause IS NOT NULL"),
        ),
        Index(
            "ix_followups_origin_survey_id",
            "workspace_id",
            "origin_survey_id",
            "created_at",
            "id",
            postgresql_where=text("origin_survey_id IS NOT NULL"),
        ),
        Index("ix_followups_opened_at", "workspace_id", "opened_at"),
        Index(
            "ix_followups_contacted_at",
            "workspace_id",
            "contacted_at",
            postgresql_where=text("contacted_at IS NOT NULL"),
        ),
        Index(
            "ix_followups_uncontacted",
            "workspace_id",
            "contact_id",
            postgresql_where=text("state = 'open' AND contacted_at IS NULL"),
        ),
        Index(
            "ix_followups_unflagged",
            "workspace_id",
            "due_at",
            "id",
            postgresql_where=text("state = 'open' AND overdue_since IS NULL"),
        ),
        Index(
            "uq_followups_origin",
            "workspace_id",
            "origin_kind",
            "origin_id",
            unique=True,
            postgresql_where=text("origin_id IS NOT NULL"),
        ),
        {"info": personal("contact_id", on_merge="move", on_export="rows", on_erase="delete")},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    contact_id: Mapped[UUID]
    title: Mapped[str]
    note: Mapped[str | None]
    owner_id: Mapped[UUID | None]
    due_at: Mapped[datetime]
    state: Mapped[str]
    outcome: Mapped[str | None]
    root_cause: Mapped[str | None]
    opened_at: Mapped[datetime]
    contacted_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    overdue_since: Mapped[datetime | None]
    origin_kind: Mapped[str | None]
    origin_id: Mapped[UUID | None]
    origin_survey_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int]
