"""Long work that a caller can watch: the request answers 202, `GET /v1/jobs/{id}` tells how far it is.

A row here is the state of such work, and its only state: the job in the queue is a pointer as always.
Whoever does the work moves the row on: while it runs in a transaction of its own, at the end in that of the
effect.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import Index, Numeric, PrimaryKeyConstraint, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.database import Base, Unit
from app.kit.errors import NotFound
from app.kit.ids import new_id
from app.kit.personal_data import NOT_PERSONAL
from app.kit.schemas import Number, Output

LongJobState = Literal["queued", "running", "done", "failed"]


class LongJobRow(Base):
    """The state of one piece of long work."""

    __tablename__ = "jobs"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        Index(
            "ix_jobs_unfinished",
            "workspace_id",
            "kind",
            "id",
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
        {"info": NOT_PERSONAL},
    )

    workspace_id: Mapped[UUID]
    id: Mapped[UUID]
    kind: Mapped[str]
    state: Mapped[str]
    progress: Mapped[Decimal] = mapped_column(Numeric(5, 4))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class LongJob(Output):
    """Long work that runs in the background."""

    id: UUID = Field(description="UUIDv7.")
    kind: str = Field(description="What work it is.", examples=["metrics.refresh"])
    state: LongJobState = Field(description="`done` and `failed` are final.")
    progress: Number = Field(description="Share of the work that is done, 0 to 1.")
    result: dict[str, Any] | None = Field(description="What came of it; null until it is done.")
    error: str | None = Field(description="Why it failed; null unless it did.")
    created_at: datetime = Field(description="When it was asked for.")
    updated_at: datetime = Field(description="When its state or progress last changed.")
    finished_at: datetime | None = Field(description="When it ended; null before.")


class LongJobs:
    """The long work of the unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def open(self, kind: str) -> LongJob:
        """A new job in the state `queued`."""
        now = self._unit.now
        row = LongJobRow(
            workspace_id=self._unit.workspace_id,
            id=new_id(),
            kind=kind,
            state="queued",
            progress=Decimal(0),
            created_at=now,
            updated_at=now,
        )
        self._unit.session.add(row)
        await self._unit.session.flush()
        return LongJob.model_validate(row)

    async def get(self, job_id: UUID) -> LongJob:
        """Raises `NotFound` for a job that is not of this workspace."""
        statement = select(LongJobRow).where(
            LongJobRow.workspace_id == self._unit.workspace_id, LongJobRow.id == job_id
        )
        row = (await self._unit.session.execute(statement)).scalar_one_or_none()
        if row is None:
            raise NotFound("There is no such job in this workspace.")
        return LongJob.model_validate(row)

    async def unfinished(self, kind: str) -> list[UUID]:
        """The ids of queued and running jobs of a kind, oldest first."""
        statement = (
            select(LongJobRow.id)
            .where(
                LongJobRow.workspace_id == self._unit.workspace_id,
                LongJobRow.kind == kind,
                LongJobRow.state.in_(["queued", "running"]),
            )
            .order_by(LongJobRow.id)
        )
        return list((await self._unit.session.execute(statement)).scalars())

    async def advance(self, job_ids: Sequence[UUID], progress: Decimal) -> None:
        """The jobs run, and this share of their work is done."""
        await self._set(job_ids, state="running", progress=progress)

    async def finish(self, job_ids: Sequence[UUID], result: dict[str, Any]) -> None:
        await self._set(job_ids, state="done", progress=Decimal(1), result=result, finished_at=self._unit.now)

    async def fail(self, job_ids: Sequence[UUID], error: str) -> None:
        await self._set(job_ids, state="failed", error=error, finished_at=self._unit.now)

    async def _set(self, job_ids: Sequence[UUID], **values: Any) -> None:
        await self._unit.session.execute(
            update(LongJobRow)
            .where(LongJobRow.workspace_id == self._unit.workspace_id, LongJobRow.id.in_(job_ids))
            .values(updated_at=self._unit.now, **values)
            .execution_options(synchronize_session=False)
        )
