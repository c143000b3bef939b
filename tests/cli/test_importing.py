"""A spreadsheet on its way into a workspace."""

import csv
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.commands.console import Failure
from app.commands.importing import BATCH, Wishes, import_file
from app.kit.resources import Resources
from tests.conftest import Tenant

MAP = ("contact=customer", "occurred_at=date", "value=total", "kind=type", "external_id=no")


def wishes(file: Path, tenant: Tenant, **changes: Any) -> Wishes:
    usual = {
        "file": file,
        "workspace_id": tenant.workspace_id,
        "columns": MAP,
        "source": "erp",
        "kind": None,
        "kinds": ("Verkauf=purchase", "Gutschrift=refund"),
        "channel": "store",
        "date_format": None,
        "timezone": None,
        "decimal_comma": False,
        "delimiter": None,
        "encoding": "utf-8-sig",
        "errors": None,
    }
    return Wishes(**(usual | changes))


def orders(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(("no,customer,date,total,type", *rows)) + "\n")
    return path


async def test_orders_become_touchpoints_of_contacts(
    resources: Resources, tenant: Tenant, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    file = orders(tmp_path / "o.csv", "1,C1,2026-03-01,20.00,Verkauf", "2,C1,2026-03-09,5.00,Gutschrift")
    counts = await import_file(resources, wishes(file, tenant))
    assert counts == {"created": 2}
    (contact,) = (await client.get("/v1/contacts")).json()["items"]
    assert contact["external_ids"] == [{"source": "erp", "id": "C1"}]
    assert contact["stats"]["net_revenue"]["amount"] == "15.00"


async def test_more_rows_than_a_batch_and_all_of_them_again(
    resources: Resources, tenant: Tenant, tmp_path: Path
) -> None:
    count = BATCH + 10
    file = orders(tmp_path / "o.csv", *(f"{n},C{n % 7},2026-03-01,1,Verkauf" for n in range(count)))
    assert await import_file(resources, wishes(file, tenant)) == {"created": count}
    assert await import_file(resources, wishes(file, tenant)) == {"unchanged": count}


async def test_a_changed_row_is_an_update(resources: Resources, tenant: Tenant, tmp_path: Path) -> None:
    file = orders(tmp_path / "o.csv", "1,C1,2026-03-01,20.00,Verkauf")
    await import_file(resources, wishes(file, tenant))
    orders(file, "1,C1,2026-03-01,25.00,Verkauf")
    assert await import_file(resources, wishes(file, tenant)) == {"updated": 1}


async def test_rejected_rows_are_told_by_line_and_kept_with_their_cells(
    resources: Resources, tenant: Tenant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = orders(
        tmp_path / "o.csv",
        "1,C1,2026-03-01,20.00,Verkauf",
        "2,C1,soon,20.00,Verkauf",
        "3,C1,2026-03-01,-1,Verkauf",
    )
    errors = tmp_path / "errors.csv"
    counts = await import_file(resources, wishes(file, tenant, errors=errors))
    assert counts == {"created": 1, "rejected": 2}
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in told] == ["line 3", "line 4"]
    with errors.open(newline="") as kept:
        rows = list(csv.DictReader(kept))
    assert [(row["line"], row["no"]) for row in rows] == [("3", "2"), ("4", "3")]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"columns": ("contact=customer",)}, "occurred_at"),
        ({"columns": ("occurred_at=date",)}, "contact"),
        ({"columns": ("color=red",)}, "color"),
        ({"columns": ("contact",)}, "name=value"),
        ({"columns": ("contact=customer", "occurred_at=date")}, "--kind"),
        ({"kinds": ("Verkauf=sale",)}, "sale"),
        ({"timezone": "Mars/Olympus"}, "--timezone"),
        ({"encoding": "klingon"}, "--encoding"),
        ({"delimiter": "ab"}, "--delimiter"),
    ],
)
async def test_wishes_that_make_no_sense_are_named(
    resources: Resources, tenant: Tenant, tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    file = orders(tmp_path / "o.csv", "1,C1,2026-03-01,20.00,Verkauf")
    with pytest.raises(Failure, match=named):
        await import_file(resources, wishes(file, tenant, **change))
