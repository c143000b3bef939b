"""Touchpoints to send, and what to look at afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from app.kit.resources import Resources

AT = "2026-03-01T09:00:00Z"
ADA = {"external_id": {"source": "shop", "id": "C-1"}}


def visit(**fields: Any) -> dict[str, Any]:
    """A visit of Ada's, in the fields of `TouchpointCreate`."""
    given = {"contact": ADA} if "contact_id" not in fields else {}
    return {**given, "kind": "visit", "channel": "web", "occurred_at": AT, **fields}


def purchase(amount: str = "49.90", **fields: Any) -> dict[str, Any]:
    return visit(kind="purchase", value={"amount": amount, "currency": "EUR"}, **fields)


def order(number: int, amount: str = "49.90", **fields: Any) -> dict[str, Any]:
    """A purchase with an id in the shop."""
    return purchase(amount, source="shop", external_id=f"order-{number}", **fields)


async def record(client: httpx.AsyncClient, touchpoint: dict[str, Any]) -> dict[str, Any]:
    """Posts one, which must be accepted."""
    answer = await client.post("/v1/touchpoints", json=touchpoint)
    assert answer.status_code in (200, 201), answer.text
    body: dict[str, Any] = answer.json()
    return body


async def batch(client: httpx.AsyncClient, items: list[Any], query: str = "") -> dict[str, Any]:
    """Posts many; the batch must be accepted, whatever becomes of its items."""
    answer = await client.post(f"/v1/touchpoints/batch{query}", json={"items": items})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def statuses(result: dict[str, Any]) -> list[str]:
    return [each["status"] for each in result["results"]]


async def make_contact(client: httpx.AsyncClient, number: int) -> str:
    answer = await client.post("/v1/contacts", json={"external_ids": [{"source": "crm", "id": f"{number}"}]})
    assert answer.status_code == 201, answer.text
    contact_id: str = answer.json()["id"]
    return contact_id


async def stats(client: httpx.AsyncClient, contact_id: str) -> dict[str, Any]:
    contact = (await client.get(f"/v1/contacts/{contact_id}")).json()
    found: dict[str, Any] = contact["stats"]
    return found


async def listed(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get("/v1/touchpoints", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def told(resources: Resources, workspace_id: Any) -> list[Any]:
    """The touchpoint events of a workspace, as (type, data), in the order they were written."""
    async with resources.database.unit(workspace_id) as unit:
        rows = await unit.connection.fetch(
            "SELECT type, data, subject_id FROM events WHERE workspace_id = $1 AND type LIKE 'touchpoint.%' "
            "ORDER BY id",
            workspace_id,
        )
    return list(rows)


@contextmanager
def counted(connection: Any) -> Iterator[list[str]]:
    """The statements that the driver sends while the block runs."""
    queries: list[str] = []

    def note(sent: Any) -> None:
        queries.append(sent.query)

    connection.add_query_logger(note)
    try:
        yield queries
    finally:
        connection.remove_query_logger(note)
