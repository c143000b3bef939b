"""Tenants, the people who work in them, and the keys of the programs that call."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, PrimaryKeyConstraint, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.database import Base
from app.kit.personal_data import NOT_PERSONAL


class WorkspaceRow(Base):
    """A tenant and its settings."""

    __tablename__ = "workspaces"
    __table_args__ = (PrimaryKeyConstraint("id"), {"info": NOT_PERSONAL})

    id: Mapped[UUID]
    name: Mapped[str]
    currency: Mapped[str]
    timezone: Mapped[str]
    churn_after_days: Mapped[int]
    working_hours: Mapped[list[dict[str, Any]]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int]


class MemberRow(Base):
    """A person who works in the workspace."""

    __tablename__ = "members"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        Index("uq_members_email", "workspace_id", "email", unique=True),
        Index("ix_members_created_at", "workspace_id", "created_at", "id"),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    name: Mapped[str]
    email: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]
    version: Mapped[int]


class ApiKeyRow(Base):
    """A key of a program. Only its hash is stored."""

    __tablename__ = "api_keys"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        Index("ix_api_keys_key_hash", "key_hash"),
        Index("ix_api_keys_created_at", "workspace_id", "created_at", "id"),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    name: Mapped[str]
    prefix: Mapped[str]
    key_hash: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
