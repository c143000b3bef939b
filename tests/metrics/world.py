"""A workspace whose rows go straight into the tables, and whose events go straight to the handler."""

import inspect
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from app.kit.ids import new_id
from app.kit.jobs import Job
from app.kit.outbox import Event
from app.kit.resources import Resources
from app.metrics.handlers import mark
from app.metrics.jobs import fold
from app.metrics.repository.day_facts import DAY_FACTS
from app.metrics.service.marking import FOLD_JOB, MarkService
from tests.metrics import naive

CONTACT = """
    INSERT INTO contacts (
        workspace_id, id, display_name, emails, phones, external_ids, lifecycle_stage, tags, attributes,
        acquired_at, touchpoint_count, purchase_count, net_revenue, created_at, updated_at, version
    ) VALUES ($1, $2, 'Ada', '[]', '[]', '[]', 'lead', '{}', '{}', $3, 0, 0, 0, $3, $3, 1)
"""
TOUCHPOINT = """
    INSERT INTO touchpoints (
        workspace_id, id, contact_id, channel, kind, direction, stage, occurred_at, amount, attributes,
        recorded_at, updated_at, version
    ) VALUES ($1, $2, $3, 'web', $4, 'inbound', 'purchase', $5, $6, '{}', $5, $5, 1)
"""
CHANGE = """
    UPDATE touchpoints SET contact_id = $3, kind = $4, occurred_at = $5, amount = $6, deleted_at = $7
    WHERE workspace_id = $1 AND id = $2
"""
ONE_TOUCHPOINT = "SELECT * FROM touchpoints WHERE workspace_id = $1 AND id = $2"
FACTS = {
    "metric_days": f"greatest({', '.join(DAY_FACTS)}) > 0",
    "metric_customer_days": "true",
    "metric_customer_periods": "active <> 0 OR alive_change <> 0 OR kept_change <> 0",
}

Raw = TypeVar("Raw")


@dataclass
class MetricWorld:
    """`pending` are events that happened and were not handed over yet."""

    resources: Resources
    workspace_id: UUID
    pending: list[Event] = field(default_factory=list)

    async def contact(self, acquired_at: datetime) -> UUID:
        contact_id = new_id()
        await self.execute(CONTACT, contact_id, acquired_at)
        self.happened("contact.created", contact=_contact(contact_id, acquired_at))
        return contact_id

    async def move_contact(self, contact_id: UUID, acquired_at: datetime) -> None:
        await self.execute(
            "UPDATE contacts SET acquired_at = $3 WHERE workspace_id = $1 AND id = $2",
            contact_id,
            acquired_at,
        )
        self.happened("contact.updated", contact=_contact(contact_id, acquired_at))

    async def touchpoint(
        self, contact_id: UUID, kind: str, occurred_at: datetime, amount: Decimal | None = None
    ) -> UUID:
        touchpoint_id = new_id()
        await self.execute(TOUCHPOINT, touchpoint_id, contact_id, kind, occurred_at, _amount(kind, amount))
        self.happened("touchpoint.recorded", touchpoint={"occurred_at": occurred_at.isoformat()})
        return touchpoint_id

    async def change_touchpoint(
        self,
        touchpoint_id: UUID,
        contact_id: UUID,
        kind: str,
        occurred_at: datetime,
        amount: Decimal | None = None,
        *,
        deleted: bool = False,
    ) -> None:
        before = await self.row(ONE_TOUCHPOINT, touchpoint_id)
        deleted_at = occurred_at if deleted else None
        await self.execute(
            CHANGE, touchpoint_id, contact_id, kind, occurred_at, _amount(kind, amount), deleted_at
        )
        self.happened(
            "touchpoint.deleted" if deleted else "touchpoint.updated",
            touchpoint={"occurred_at": occurred_at.isoformat()},
            previous={"occurred_at": before["occurred_at"].isoformat()},
        )

    async def delete_touchpoint(self, touchpoint_id: UUID) -> None:
        row = await self.row(ONE_TOUCHPOINT, touchpoint_id)
        await self.change_touchpoint(
            touchpoint_id, row["contact_id"], row["kind"], row["occurred_at"], row["amount"], deleted=True
        )

    async def change_settings(self, **settings: Any) -> None:
        for name, value in settings.items():
            await self.execute(f"UPDATE workspaces SET {name} = $2 WHERE id = $1", value)
        self.happened("workspace.settings_changed", workspace={})

    async def relay(self) -> None:
        """Hands over what is pending."""
        async with self.resources.database.unit(self.workspace_id) as unit:
            await mark(unit, self.pending)
        self.pending.clear()

    async def fold(self) -> None:
        await fold(self.resources, Job(FOLD_JOB, self.workspace_id))

    async def catch_up(self) -> None:
        await self.relay()
        await self.fold()

    async def rebuild(self) -> None:
        async with self.resources.database.unit(self.workspace_id) as unit:
            await MarkService(unit).refresh()
        await self.fold()

    async def snapshots(self) -> dict[tuple[str, str, Any], naive.Figures]:
        rows = await self.rows("SELECT * FROM metric_snapshots WHERE workspace_id = $1")
        return {
            (row["metric_key"], row["grain"], row["period_start"]): (
                row["period_end"],
                row["numerator"],
                row["denominator"],
                row["n"],
                row["squares"],
            )
            for row in rows
        }

    async def facts(self) -> dict[str, set[tuple[Any, ...]]]:
        """What the snapshots are made from, rows of nothing but zeros left out."""
        return {
            table: {
                tuple(row.values())
                for row in await self.rows(f"SELECT * FROM {table} WHERE workspace_id = $1 AND ({telling})")
            }
            for table, telling in FACTS.items()
        }

    async def naive(self) -> dict[tuple[str, str, Any], naive.Figures]:
        touchpoints = await self.rows("SELECT * FROM touchpoints WHERE workspace_id = $1")
        responses = await self.rows("SELECT * FROM survey_responses WHERE workspace_id = $1")
        invitations = await self.rows("SELECT * FROM survey_invitations WHERE workspace_id = $1")
        followups = await self.rows("SELECT * FROM followups WHERE workspace_id = $1")
        contacts = await self.rows("SELECT acquired_at FROM contacts WHERE workspace_id = $1")
        workspace = await self.row("SELECT * FROM workspaces WHERE id = $1")
        zone = ZoneInfo(workspace["timezone"])
        now = self.resources.database.clock.now()
        return naive.snapshots(
            naive.World(
                [_raw_touchpoint(row) for row in touchpoints],
                [row["acquired_at"] for row in contacts],
                [_raw(naive.RawResponse, row) for row in responses],
                [_raw(naive.RawInvitation, row) for row in invitations],
                [_raw(naive.RawFollowup, row) for row in followups],
                zone,
                workspace["churn_after_days"],
                now.astimezone(zone).date(),
            )
        )

    async def events(self) -> list[dict[str, Any]]:
        return [
            dict(row)
            for row in await self.rows(
                "SELECT data->>'metric_key' AS key, (data->>'changed')::int AS changed, data::text AS data "
                "FROM events WHERE workspace_id = $1 AND type = 'metric.snapshot_refreshed' ORDER BY id"
            )
        ]

    def happened(self, event_type: str, **data: Any) -> None:
        now = self.resources.database.clock.now()
        self.pending.append(Event(new_id(), event_type, 1, now, None, data, 0))

    async def execute(self, sql: str, *arguments: Any) -> None:
        async with self.resources.database.unit(self.workspace_id) as unit:
            await unit.connection.execute(sql, self.workspace_id, *arguments)

    async def rows(self, sql: str, *arguments: Any) -> list[Any]:
        async with self.resources.database.unit(self.workspace_id) as unit:
            return list(await unit.connection.fetch(sql, self.workspace_id, *arguments))

    async def row(self, sql: str, *arguments: Any) -> Any:
        return (await self.rows(sql, *arguments))[0]


def _contact(contact_id: UUID, acquired_at: datetime) -> dict[str, str]:
    return {"id": str(contact_id), "acquired_at": acquired_at.isoformat()}


def _amount(kind: str, amount: Decimal | None) -> Decimal | None:
    """Purchases and refunds always have an amount."""
    return amount or Decimal(1) if kind in ("purchase", "refund") else None


def _raw(kind: type[Raw], row: Any) -> Raw:
    return kind(**{name: row[name] for name in inspect.signature(kind).parameters})


def _raw_touchpoint(row: Any) -> naive.RawTouchpoint:
    return naive.RawTouchpoint(
        row["contact_id"], row["kind"], row["occurred_at"], row["amount"], row["deleted_at"] is not None
    )
