"""Rows of spreadsheets as people write them."""

import io
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.commands.console import Failure
from app.commands.spreadsheet import BadRow, Meaning, RowReader, Sheet
from app.touchpoints.schemas import TouchpointCreate

COLUMNS = {"contact": "customer", "occurred_at": "date", "value": "total", "kind": "type"}


def meaning(**changes: Any) -> Meaning:
    usual = {"columns": COLUMNS, "source": "erp", "currency": "EUR", "zone": ZoneInfo("Europe/Berlin")}
    return Meaning(**(usual | changes))


def read(text: str, **changes: Any) -> Iterator[TouchpointCreate]:
    sheet = Sheet(io.StringIO(text))
    rows = RowReader(meaning(**changes), sheet.header)
    return (rows.touchpoint(line) for line in sheet)


def read_one(
    *,
    customer: str = "C1",
    date: str = "2026-03-01",
    total: str = "10.00",
    kind: str = "purchase",
    **changes: Any,
) -> TouchpointCreate:
    return next(read(f"customer|date|total|type\n{customer}|{date}|{total}|{kind}\n", **changes))


@pytest.mark.parametrize(
    ("written", "decimal_comma", "amount"),
    [
        ("10", False, "10.00"),
        ("10.5", False, "10.50"),
        ("1,234.50", False, "1234.50"),
        ("1234.5000", False, "1234.50"),
        ("10,5", True, "10.50"),
        ("1.234.567,89", True, "1234567.89"),
        ("1 234,50", True, "1234.50"),
        ("1'234,50", True, "1234.50"),
        ("€ 12,00", True, "12.00"),
        ("12,00 EUR", True, "12.00"),
        ("-3,10", True, "-3.10"),
    ],
)
def test_amounts_are_read_as_written(written: str, decimal_comma: bool, amount: str) -> None:
    read = read_one(total=written, decimal_comma=decimal_comma)
    assert read.value is not None
    assert read.value.amount == amount


@pytest.mark.parametrize("written", ["ten", "1.2.3", "12,34,5", "1e5", "NaN", "10.555", "--1", "1_000", "٣"])
def test_what_is_no_amount_is_rejected(written: str) -> None:
    with pytest.raises(BadRow, match="value"):
        read_one(total=written)


def test_an_empty_amount_is_none() -> None:
    assert read_one(total="", kind="visit").value is None


@pytest.mark.parametrize(
    ("written", "date_format", "instant"),
    [
        ("2026-03-01", None, "2026-02-28T23:00:00+00:00"),
        ("2026-07-01 12:30", None, "2026-07-01T10:30:00+00:00"),
        ("2026-07-01T12:30:00Z", None, "2026-07-01T12:30:00+00:00"),
        ("01.07.2026", "%d.%m.%Y", "2026-06-30T22:00:00+00:00"),
        ("7/1/2026 3:05 PM", "%m/%d/%Y %I:%M %p", "2026-07-01T13:05:00+00:00"),
    ],
)
def test_times_without_an_offset_are_local(written: str, date_format: str | None, instant: str) -> None:
    assert read_one(date=written, date_format=date_format).occurred_at.isoformat() == instant


@pytest.mark.parametrize("written", ["", "yesterday", "2026-02-30", "01.07.2026", "1700000000"])
def test_what_is_no_time_is_rejected(written: str) -> None:
    with pytest.raises(BadRow, match="occurred_at"):
        read_one(date=written)


def test_kinds_are_translated() -> None:
    assert read_one(kind="VERKAUF", kinds={"verkauf": "purchase"}).kind == "purchase"
    assert read_one(kind="Refund").kind == "refund"


def test_an_empty_kind_is_the_constant_one() -> None:
    sheet = "customer|date|total|type\nC1|2026-03-01|1|\n"
    (row,) = read(sheet, kind="purchase")
    assert row.kind == "purchase"


def test_an_unknown_kind_says_how_to_map_it() -> None:
    with pytest.raises(BadRow, match="--kind-map Tausch=purchase"):
        read_one(kind="Tausch")


def test_a_missing_contact_is_rejected() -> None:
    with pytest.raises(BadRow, match="contact"):
        read_one(customer=" ")


def test_equal_rows_are_told_apart_and_known_again() -> None:
    rows = ("C1,2026-03-01,1,purchase", "C1,2026-03-01,1,purchase", "C2,2026-03-01,1,visit")
    sheet = "\n".join(("customer,date,total,type", *rows))
    first, second = [row.external_id for row in read(sheet)], [row.external_id for row in read(sheet)]
    assert len(set(first)) == 3
    assert first == second


def test_a_row_keeps_its_own_id() -> None:
    columns = COLUMNS | {"external_id": "no"}
    sheet = "customer,date,total,type,no\nC1,2026-03-01,1,purchase,A-7\n"
    (row,) = read(sheet, columns=columns)
    assert (row.source, row.external_id) == ("erp", "A-7")


def test_lines_are_numbered_as_an_editor_does() -> None:
    sheet = Sheet(io.StringIO('a,b\n1,"two\nlines"\n\n3,4\n5\n'))
    assert [(line.number, line.fault) for line in sheet] == [
        (2, None),
        (5, None),
        (6, "has 1 cells, the header has 2"),
    ]


def test_a_broken_quote_is_one_bad_row() -> None:
    sheet = Sheet(io.StringIO('a,b\n1,"x"y\n3,4\n'))
    bad, good = list(sheet)
    assert bad.fault is not None
    assert good.cells == ["3", "4"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_told_from_the_header(delimiter: str) -> None:
    assert Sheet(io.StringIO(delimiter.join(("a", "b, or c", "d")) + "\n")).header[0] == "a"


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(Failure, match=r"'total'.*customer, date"):
        list(read("customer,date\n", columns=COLUMNS))


def test_a_file_without_a_header_is_refused() -> None:
    with pytest.raises(Failure, match="header"):
        Sheet(io.StringIO(""))


def test_text_in_another_encoding_is_refused_with_a_hint() -> None:
    file = io.TextIOWrapper(io.BytesIO("a,b\nMüller,2\n".encode("cp1252")), encoding="utf-8", newline="")
    with pytest.raises(Failure, match="--encoding"):
        list(Sheet(file))
