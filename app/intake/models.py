"""Partner systems, and the events they sent, as they came."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.database import Base
from app.kit.personal_data import NOT_PERSONAL, personal


class SourceRow(Base):
    """A partner system.

    `key` names it in touchpoints and never changes. `secrets` are `{"sealed", "until"}`, oldest first; only
    the last one has no end.
    """

    __tablename__ = "sources"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        Index("uq_sources_key", "workspace_id", "key", unique=True),
        Index("ix_sources_id", "id"),
        Index("ix_sources_created_at", "workspace_id", "created_at", "id"),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    name: Mapped[str]
    key: Mapped[str]
    secrets: Mapped[list[dict[str, Any]]]
    last_event_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]
    version: Mapped[int]


class InboundEventRow(Base):
    """An event as it was received. Ids ascend in the order of receipt, which is the order of application.

    `payload` is the event's data; it goes seven days after the event was applied, the row (which is what
    recognises a duplicate) ninety days after it came. `contact_id` is the contact it was applied to.
    """

    __tablename__ = "inbound_events"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id", "source_id"], ["sources.workspace_id", "sources.id"]),
        Index(
            "uq_inbound_events_event", "workspace_id", "source_id", "event_id", "event_source", unique=True
        ),
        Index(
            "ix_inbound_events_pending",
            "workspace_id",
            "source_id",
            "id",
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_inbound_events_parked",
            "workspace_id",
            "source_id",
            "received_at",
            "id",
            postgresql_where=text("state = 'parked'"),
        ),
        Index(
            "ix_inbound_events_purge_at",
            "workspace_id",
            "purge_at",
            postgresql_where=text("purge_at IS NOT NULL"),
        ),
        Index(
            "ix_inbound_events_contact_id",
            "workspace_id",
            "contact_id",
            postgresql_where=text("contact_id IS NOT NULL"),
        ),
        {"info": personal("contact_id", on_merge="keep", on_export="skip", on_erase="redact")},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    source_id: Mapped[UUID]
    event_source: Mapped[str]
    event_id: Mapped[str]
    type: Mapped[str]
    subject: Mapped[str | None]
    event_time: Mapped[datetime | None]
    payload: Mapped[dict[str, Any] | None]
    state: Mapped[str] = mapped_column(server_default="pending")
    reason: Mapped[str | None]
    problem: Mapped[dict[str, Any] | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    contact_id: Mapped[UUID | None]
    received_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    purge_at: Mapped[datetime | None]
