"""The floor of a batch of touchpoints: Rapport's statements and nothing else."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from app.kit.ids import new_id

WriteEvents = Callable[[Any, UUID, datetime, str, list[Any]], Awaitable[None]]
STAGES = {"visit": "awareness", "purchase": "purchase"}


class TouchpointFloor:
    """Records batches of items that are all sound, and that all belong to known contacts."""

    def __init__(self, statements: Any, write_events: WriteEvents) -> None:
        self.write_events = write_events
        self.holders_sql, _ = statements.one("batch100", "contact_identities")
        self.insert_sql, _ = statements.one("batch100", "INTO touchpoints")
        self.known_sql, _ = statements.one("batch100", "FROM touchpoints")
        self.stats_sql, _ = statements.one("batch100", "touchpoint_count = touchpoint_count +")

    async def batch(
        self, connection: Any, workspace_id: UUID, actor: str, items: list[dict[str, Any]]
    ) -> dict[str, Any]:
        now = datetime.now(UTC)
        rows = await self._rows(connection, workspace_id, items, now)
        in_order = sorted(rows, key=lambda row: row["external_id"])
        inserted = await connection.fetch(self.insert_sql, workspace_id, _json(in_order))
        fresh = {row["id"] for row in inserted}
        known = await self._known(
            connection, workspace_id, [row for row in in_order if row["id"] not in fresh]
        )
        made = [row for row in rows if row["id"] in fresh]
        await self._add_up(connection, workspace_id, made)
        if made:
            events = [("touchpoint.recorded", row["contact_id"], _event(row)) for row in made]
            await self.write_events(connection, workspace_id, now, actor, events)
        return _answer(rows, fresh, known)

    async def _rows(
        self, connection: Any, workspace_id: UUID, items: list[dict[str, Any]], now: datetime
    ) -> list[dict[str, Any]]:
        keys = list({item["contact"]["external_id"]["id"] for item in items})
        count = len(keys)
        found = await connection.fetch(
            self.holders_sql, workspace_id, ["external_id"] * count, ["shop"] * count, keys
        )
        holders = {row["value"]: row["contact_id"] for row in found}
        return [_row(item, holders[item["contact"]["external_id"]["id"]], now) for item in items]

    async def _known(
        self, connection: Any, workspace_id: UUID, rows: list[dict[str, Any]]
    ) -> dict[str, UUID]:
        if not rows:
            return {}
        found = await connection.fetch(
            self.known_sql,
            workspace_id,
            [row["source"] for row in rows],
            [row["external_id"] for row in rows],
        )
        return {row["external_id"]: row["id"] for row in found}

    async def _add_up(self, connection: Any, workspace_id: UUID, rows: list[dict[str, Any]]) -> None:
        sums: dict[UUID, list[Any]] = {}
        for row in rows:
            at = row["occurred_at"]
            each = sums.setdefault(row["contact_id"], [0, at, 0, Decimal(0), None, None])
            each[0] += 1
            each[1] = max(each[1], at)
            if row["kind"] == "purchase":
                each[2] += 1
                each[3] += row["amount"]
                each[4] = min(each[4] or at, at)
                each[5] = max(each[5] or at, at)
        if sums:
            columns = zip(*sums.values(), strict=True)
            await connection.execute(self.stats_sql, workspace_id, list(sums), *map(list, columns))


def _row(item: dict[str, Any], contact_id: UUID, now: datetime) -> dict[str, Any]:
    value = item.get("value")
    return {
        "id": new_id(),
        "contact_id": contact_id,
        "channel": item["channel"],
        "kind": item["kind"],
        "direction": "inbound",
        "stage": STAGES[item["kind"]],
        "occurred_at": datetime.fromisoformat(item["occurred_at"]),
        "summary": item["summary"],
        "amount": None if value is None else Decimal(value["amount"]),
        "campaign": item["campaign"],
        "source": item["source"],
        "external_id": item["external_id"],
        "attributes": item["attributes"],
        "recorded_at": now,
        "updated_at": now,
        "deleted_at": None,
        "version": 1,
    }


def _event(row: dict[str, Any]) -> str:
    shown = dict(row)
    amount = shown.pop("amount")
    shown["value"] = None if amount is None else {"amount": f"{amount:.2f}", "currency": "EUR"}
    return _json({"touchpoint": shown, "previous": None})


def _answer(rows: list[dict[str, Any]], fresh: set[UUID], known: dict[str, UUID]) -> dict[str, Any]:
    results = []
    for index, row in enumerate(rows):
        made = row["id"] in fresh
        status, row_id = ("created", row["id"]) if made else ("unchanged", known[row["external_id"]])
        results.append({"index": index, "status": status, "id": row_id, "error": None})
    created = len(fresh)
    return {
        "results": results,
        "created": created,
        "updated": 0,
        "unchanged": len(rows) - created,
        "errors": 0,
    }


def _json(value: Any) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z).decode()
