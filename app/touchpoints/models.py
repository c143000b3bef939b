"""Interactions between contacts and the business."""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.database import MONEY, Base
from app.kit.personal_data import personal


class TouchpointRow(Base):
    """A touchpoint. `amount` is in the workspace's currency."""

    __tablename__ = "touchpoints"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id", "contact_id"], ["contacts.workspace_id", "contacts.id"]),
        Index("ix_touchpoints_occurred_at", "workspace_id", "occurred_at", "id"),
        Index("ix_touchpoints_recorded_at", "workspace_id", "recorded_at", "id"),
        Index("ix_touchpoints_contact_id", "workspace_id", "contact_id", "occurred_at", "id"),
        Index("ix_touchpoints_kind", "workspace_id", "kind", "occurred_at", "id"),
        Index(
            "uq_touchpoints_external_id",
            "workspace_id",
            "source",
            "external_id",
            unique=True,
            postgresql_where=text("external_id IS NOT NULL"),
        ),
        {"info": personal("contact_id", on_merge="move", on_export="rows", on_erase="delete")},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    contact_id: Mapped[UUID]
    channel: Mapped[str]
    kind: Mapped[str]
    direction: Mapped[str]
    stage: Mapped[str]
    occurred_at: Mapped[datetime]
    summary: Mapped[str | None]
    amount: Mapped[Decimal | None] = mapped_column(MONEY)
    campaign: Mapped[str | None]
    source: Mapped[str | None]
    external_id: Mapped[str | None]
    attributes: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    version: Mapped[int]


class TouchpointRecord(NamedTuple):
    """A row as the room carries it: all columns but the workspace, in the order that the SQL names them.

    `attributes` is JSON text with its keys in order, so that equal contents are equal records.
    """

    id: UUID
    contact_id: UUID
    channel: str
    kind: str
    direction: str
    stage: str
    occurred_at: datetime
    summary: str | None
    amount: Decimal | None
    campaign: str | None
    source: str | None
    external_id: str | None
    attributes: str
    recorded_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    version: int

    @property
    def content(self) -> tuple[Any, ...]:
        """What a sender says of a touchpoint: all but the id, the server's instants and the version."""
        return self[1:13]

    @property
    def counted(self) -> tuple[Any, ...]:
        """What goes into the contact's statistics: nothing of a deleted one."""
        if self.deleted_at is not None:
            return ()
        return self.contact_id, self.kind, self.occurred_at, self.amount

    def of_contact(self, contact_id: UUID) -> "TouchpointRecord":
        """This touchpoint as that contact's; half of what `_replace` costs, once for each item."""
        return TouchpointRecord(self.id, contact_id, *self[2:])

    def amended(self, draft: "TouchpointRecord") -> "TouchpointRecord":
        """This touchpoint with the draft's content; itself when it says the same already.

        A deleted one stays deleted: a partner that sends again what a person has removed brings nothing back.
        """
        if draft.content == self.content:
            return self
        return draft._replace(
            id=self.id, recorded_at=self.recorded_at, deleted_at=self.deleted_at, version=self.version + 1
        )
