"""What metrics are made of: marks, facts per day and per customer, and the snapshots made from them."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, Numeric, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.database import Base
from app.kit.personal_data import NOT_PERSONAL, personal


class MetricStateRow(Base):
    """How far a workspace's metrics are folded, and for which settings its facts were made.

    The row is also the lock of the workspace's folds. `timezone` and what follows are null before the first.
    """

    __tablename__ = "metric_states"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    timezone: Mapped[str | None]
    churn_after_days: Mapped[int | None]
    definitions: Mapped[int | None]
    first_day: Mapped[date | None]
    folded_to: Mapped[date | None]
    next_day_at: Mapped[datetime | None]


class MetricMarkRow(Base):
    """A day whose facts may have changed. Only ever inserted and deleted, so marking waits for no fold."""

    __tablename__ = "metric_marks"
    __table_args__ = (PrimaryKeyConstraint("workspace_id", "id"), {"info": NOT_PERSONAL})

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    day: Mapped[date]


class MetricContactRow(Base):
    """The `acquired_at` of a contact that was last marked, so that a change of it marks the old day too."""

    __tablename__ = "metric_contacts"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "contact_id"),
        {"info": personal("contact_id", on_merge="keep", on_export="skip", on_erase="delete")},
    )

    workspace_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    acquired_at: Mapped[datetime]


class MetricDayRow(Base):
    """The additive facts of one local day, counted afresh from the rows whenever the day is marked.

    A *loop* is a follow-up that a survey response opened: on the day it was opened, is it closed by now; and
    on the day of the first contact, how long that took.
    """

    __tablename__ = "metric_days"
    __table_args__ = (PrimaryKeyConstraint("workspace_id", "day"), {"info": NOT_PERSONAL})

    workspace_id: Mapped[UUID]
    day: Mapped[date]
    touchpoints: Mapped[int] = mapped_column(BigInteger)
    purchases: Mapped[int] = mapped_column(BigInteger)
    purchase_value: Mapped[Decimal] = mapped_column(Numeric)
    refunds: Mapped[int] = mapped_column(BigInteger)
    refund_value: Mapped[Decimal] = mapped_column(Numeric)
    new_contacts: Mapped[int] = mapped_column(BigInteger)
    promoters: Mapped[int] = mapped_column(BigInteger, server_default="0")
    passives: Mapped[int] = mapped_column(BigInteger, server_default="0")
    detractors: Mapped[int] = mapped_column(BigInteger, server_default="0")
    csat_answers: Mapped[int] = mapped_column(BigInteger, server_default="0")
    satisfied: Mapped[int] = mapped_column(BigInteger, server_default="0")
    ces_answers: Mapped[int] = mapped_column(BigInteger, server_default="0")
    found_easy: Mapped[int] = mapped_column(BigInteger, server_default="0")
    invitations: Mapped[int] = mapped_column(BigInteger, server_default="0")
    invitations_answered: Mapped[int] = mapped_column(BigInteger, server_default="0")
    loops_opened: Mapped[int] = mapped_column(BigInteger, server_default="0")
    loops_closed: Mapped[int] = mapped_column(BigInteger, server_default="0")
    loops_contacted: Mapped[int] = mapped_column(BigInteger, server_default="0")
    contact_seconds: Mapped[Decimal] = mapped_column(Numeric, server_default="0")


class MetricCustomerDayRow(Base):
    """A local day on which a contact bought something.

    The fold removes the rows of an erased person once their touchpoints are gone and the days marked;
    removing them by hand would leave the person in the counters of `MetricCustomerPeriodRow`.
    """

    __tablename__ = "metric_customer_days"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "contact_id", "day"),
        Index("ix_metric_customer_days_day", "workspace_id", "day"),
        {"info": personal("contact_id", on_merge="keep", on_export="skip", on_erase="expire")},
    )

    workspace_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    day: Mapped[date]


class MetricCustomerPeriodRow(Base):
    """What the customers add to one period.

    `alive_change` and `kept_change` are differences to the period before: their running sums are the
    customers alive at the period's start, and those of them alive at its end too.
    """

    __tablename__ = "metric_customer_periods"
    __table_args__ = (PrimaryKeyConstraint("workspace_id", "grain", "period_start"), {"info": NOT_PERSONAL})

    workspace_id: Mapped[UUID]
    grain: Mapped[str]
    period_start: Mapped[date]
    active: Mapped[int] = mapped_column(BigInteger)
    first_purchases: Mapped[int] = mapped_column(BigInteger)
    second_purchases: Mapped[int] = mapped_column(BigInteger)
    alive_change: Mapped[int] = mapped_column(BigInteger)
    kept_change: Mapped[int] = mapped_column(BigInteger)


class MetricSnapshotRow(Base):
    """A metric's figures for one period. Its value, interval and completeness are derived when it is read.

    `squares` belongs to a mean of marks -1, 0 and +1, whose sum is the numerator: how many are not 0.
    """

    __tablename__ = "metric_snapshots"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "metric_key", "grain", "period_start"),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    metric_key: Mapped[str]
    grain: Mapped[str]
    period_start: Mapped[date]
    period_end: Mapped[date]
    numerator: Mapped[Decimal] = mapped_column(Numeric)
    denominator: Mapped[Decimal | None] = mapped_column(Numeric)
    squares: Mapped[int | None] = mapped_column(BigInteger)
    n: Mapped[int] = mapped_column(BigInteger)
    definition_version: Mapped[int]
    computed_at: Mapped[datetime]
