"""Endpoints, what is owed to them, and each try."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, PrimaryKeyConstraint, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.database import Base
from app.kit.personal_data import NOT_PERSONAL


class EndpointRow(Base):
    """A subscriber's URL, its sealed secrets, and how it fares."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        Index("ix_webhook_endpoints_created_at", "workspace_id", "created_at", "id"),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    url: Mapped[str]
    description: Mapped[str | None]
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    secrets: Mapped[list[dict[str, Any]]]
    status: Mapped[str]
    disabled_reason: Mapped[str | None]
    disabled_at: Mapped[datetime | None]
    consecutive_failures: Mapped[int]
    failing_since: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]
    last_failure_at: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    recent_tries: Mapped[list[dict[str, Any]]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]
    version: Mapped[int]


class DeliveryRow(Base):
    """One event owed to one endpoint.

    `due_at` is when it may next be claimed: for a running try that is the end of its lease, so a crashed
    try comes back by itself. `tries` counts within the present run of the schedule, `attempt_count` for ever.
    `data` is there only for a ping, which is not an event. A foreign key to the endpoint would lock that
    one hot row for each event; endpoints are never removed.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        Index(
            "ix_webhook_deliveries_due",
            "workspace_id",
            "endpoint_id",
            "due_at",
            "id",
            postgresql_where=text("status = 'pending'"),
        ),
        Index("ix_webhook_deliveries_created_at", "workspace_id", "endpoint_id", "created_at", "id"),
        Index(
            "ix_webhook_deliveries_failed",
            "workspace_id",
            "endpoint_id",
            "created_at",
            "id",
            postgresql_where=text("status = 'failed'"),
        ),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    endpoint_id: Mapped[UUID]
    event_id: Mapped[UUID]
    event_type: Mapped[str]
    origin: Mapped[str]
    data: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    status: Mapped[str]
    tries: Mapped[int]
    attempt_count: Mapped[int]
    due_at: Mapped[datetime | None]
    lease_token: Mapped[UUID | None]
    claimed_at: Mapped[datetime | None]
    last_status_code: Mapped[int | None]
    last_error_kind: Mapped[str | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class AttemptRow(Base):
    """One try: what was answered, or why nothing was. Never changed; goes with its delivery."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "delivery_id", "number"),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    delivery_id: Mapped[UUID]
    number: Mapped[int]
    started_at: Mapped[datetime]
    duration_ms: Mapped[float | None] = mapped_column(DOUBLE_PRECISION)
    status_code: Mapped[int | None]
    error_kind: Mapped[str | None]
    error_detail: Mapped[str | None]
    answer: Mapped[bytes] = mapped_column(LargeBinary)
    answer_truncated: Mapped[bool]
