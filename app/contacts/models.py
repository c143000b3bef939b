"""People the business has a relationship with, and what they allow."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, PrimaryKeyConstraint, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.database import MONEY, Base
from app.kit.personal_data import NOT_PERSONAL, personal

LifecycleStage = Literal["lead", "prospect", "customer", "advocate", "churned"]
Channel = Literal[
    "email", "phone", "sms", "chat", "web", "app", "social", "in_person", "store", "post", "other"
]  # fmt: skip
ConsentState = Literal["granted", "denied"]
ConsentBasis = Literal["consent", "contract", "legitimate_interest", "other"]
SuppressionKind = Literal["email", "phone"]
SuppressionReason = Literal["unsubscribed", "bounced", "complained", "objected", "other"]


class ContactRow(Base):
    """A contact.

    Emails, phones and external ids stand here as they are shown, in order; `IdentityRow` repeats the
    addresses and external ids as plain text keys, unique in the workspace, for whoever looks a person up.
    """

    __tablename__ = "contacts"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id", "owner_id"], ["members.workspace_id", "members.id"]),
        Index("ix_contacts_created_at", "workspace_id", "created_at", "id"),
        Index("ix_contacts_updated_at", "workspace_id", "updated_at", "id"),
        Index("ix_contacts_acquired_at", "workspace_id", "acquired_at", "id"),
        Index("ix_contacts_display_name", "workspace_id", "display_name", "id"),
        Index("ix_contacts_lifecycle_stage", "workspace_id", "lifecycle_stage", "created_at", "id"),
        Index("ix_contacts_owner_id", "workspace_id", "owner_id", "created_at", "id"),
        Index("ix_contacts_tags", "tags", postgresql_using="gin"),
        Index(
            "ix_contacts_attributes",
            "attributes",
            postgresql_using="gin",
            postgresql_ops={"attributes": "jsonb_path_ops"},
        ),
        {"info": personal("id", on_merge="fold", on_export="rows", on_erase="delete")},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    given_name: Mapped[str | None]
    family_name: Mapped[str | None]
    display_name: Mapped[str]
    emails: Mapped[list[dict[str, Any]]]
    phones: Mapped[list[dict[str, Any]]]
    external_ids: Mapped[list[dict[str, Any]]]
    company: Mapped[str | None]
    job_title: Mapped[str | None]
    lifecycle_stage: Mapped[LifecycleStage] = mapped_column(Text)
    owner_id: Mapped[UUID | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    attributes: Mapped[dict[str, Any]]
    locale: Mapped[str | None]
    timezone: Mapped[str | None]
    acquired_at: Mapped[datetime]
    acquisition_channel: Mapped[str | None]
    acquisition_campaign: Mapped[str | None]
    touchpoint_count: Mapped[int]
    last_touchpoint_at: Mapped[datetime | None]
    purchase_count: Mapped[int]
    net_revenue: Mapped[Decimal] = mapped_column(MONEY)
    first_purchase_at: Mapped[datetime | None]
    last_purchase_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]
    version: Mapped[int]


class IdentityKey(NamedTuple):
    """A key that belongs to one contact of the workspace. Sorted, so that two batches lock in one order."""

    kind: str
    source: str
    value: str

    @classmethod
    def email(cls, address: str) -> "IdentityKey":
        return cls("email", "", address.lower())

    @classmethod
    def external(cls, source: str, foreign_id: str) -> "IdentityKey":
        return cls("external_id", source, foreign_id)

    def describe(self) -> str:
        return "email address" if self.kind == "email" else f"external id of {self.source}"


class IdentityRow(Base):
    """One key under which a contact is known: an email address (source '') or another system's id."""

    __tablename__ = "contact_identities"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "kind", "source", "value"),
        ForeignKeyConstraint(
            ["workspace_id", "contact_id"], ["contacts.workspace_id", "contacts.id"], ondelete="CASCADE"
        ),
        Index("ix_contact_identities_contact_id", "workspace_id", "contact_id"),
        {"info": personal("contact_id", on_merge="move", on_export="skip", on_erase="delete")},
    )

    workspace_id: Mapped[UUID]
    kind: Mapped[str]
    source: Mapped[str]
    value: Mapped[str]
    contact_id: Mapped[UUID]


class AttributeDefinitionRow(Base):
    """A custom attribute of contacts and its type."""

    __tablename__ = "attribute_definitions"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        Index("uq_attribute_definitions_key", "workspace_id", "key", unique=True),
        Index("ix_attribute_definitions_created_at", "workspace_id", "created_at", "id"),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    key: Mapped[str]
    type: Mapped[str]
    options: Mapped[list[str]] = mapped_column(ARRAY(Text))
    description: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int]


class ConsentRow(Base):
    """One entry of a contact's ledger of consents: what was said, when and on what basis.

    Entries are only ever added. The app's role can neither change nor delete one; they go with their contact.
    """

    __tablename__ = "consents"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(
            ["workspace_id", "contact_id"], ["contacts.workspace_id", "contacts.id"], ondelete="CASCADE"
        ),
        Index("ix_consents_contact_id", "workspace_id", "contact_id", "at", "id"),
        Index("ix_consents_purpose", "workspace_id", "contact_id", "purpose", "channel", "at", "id"),
        {"info": personal("contact_id", on_merge="move", on_export="rows", on_erase="delete")},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    contact_id: Mapped[UUID]
    purpose: Mapped[str]
    channel: Mapped[Channel | None] = mapped_column(Text)
    state: Mapped[ConsentState] = mapped_column(Text)
    basis: Mapped[ConsentBasis] = mapped_column(Text)
    source: Mapped[str | None]
    note: Mapped[str | None]
    at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class SuppressionRow(Base):
    """An address that must not be written to, whoever has it. It knows no contact, so it outlives each."""

    __tablename__ = "suppressions"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        Index("uq_suppressions_kind_value", "workspace_id", "kind", "value", unique=True),
        Index("ix_suppressions_created_at", "workspace_id", "created_at", "id"),
        {"info": personal("value", on_merge="keep", on_export="rows", on_erase="keep")},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    kind: Mapped[SuppressionKind] = mapped_column(Text)
    value: Mapped[str]
    reason: Mapped[SuppressionReason] = mapped_column(Text)
    note: Mapped[str | None]
    created_at: Mapped[datetime]
