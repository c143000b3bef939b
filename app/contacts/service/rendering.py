"""Contacts as JSON straight from their rows: the bytes of `contact_of` for a fraction of its cost."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from asyncpg import Record

from app.contacts.models import ContactRow
from app.kit.hot import to_json
from app.kit.money import money_text

Row = Mapping[str, Any] | Record
COLUMNS = tuple(column.key for column in ContactRow.__table__.columns)


def contact_json(row: Row, currency: str) -> bytes:
    """One contact. `row` has its columns by name, JSON ones as Python objects."""
    return to_json(_shown(row, currency))


def page_json(rows: Iterable[Row], currency: str, next_cursor: str | None) -> bytes:
    """A page of contacts."""
    return to_json({"items": [_shown(row, currency) for row in rows], "next_cursor": next_cursor})


def columns_of(row: ContactRow) -> dict[str, Any]:
    """What a row of the models holds, by column."""
    return {name: getattr(row, name) for name in COLUMNS}


def _shown(row: Row, currency: str) -> dict[str, Any]:
    """In the order of the schemas, whose test fails for a field that is forgotten here."""
    return {
        "id": row["id"],
        "given_name": row["given_name"],
        "family_name": row["family_name"],
        "display_name": row["display_name"],
        "emails": _pairs(row["emails"], "address", "label"),
        "phones": _pairs(row["phones"], "number", "label"),
        "company": row["company"],
        "job_title": row["job_title"],
        "lifecycle_stage": row["lifecycle_stage"],
        "owner_id": row["owner_id"],
        "tags": row["tags"],
        "attributes": row["attributes"],
        "external_ids": _pairs(row["external_ids"], "source", "id"),
        "locale": row["locale"],
        "timezone": row["timezone"],
        "acquired_at": row["acquired_at"],
        "acquisition_channel": row["acquisition_channel"],
        "acquisition_campaign": row["acquisition_campaign"],
        "stats": {
            "touchpoint_count": row["touchpoint_count"],
            "last_touchpoint_at": row["last_touchpoint_at"],
            "purchase_count": row["purchase_count"],
            "net_revenue": {"amount": money_text(row["net_revenue"], currency), "currency": currency},
            "first_purchase_at": row["first_purchase_at"],
            "last_purchase_at": row["last_purchase_at"],
        },
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "archived_at": row["archived_at"],
        "version": row["version"],
    }


def _pairs(stored: Sequence[Mapping[str, Any]], first: str, second: str) -> list[dict[str, Any]]:
    """PostgreSQL keeps the members of an object in an order of its own."""
    return [{first: each[first], second: each[second]} for each in stored]
