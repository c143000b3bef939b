"""The options of `rapport import-touchpoints`."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

FIELDS = (
    "contact", "email", "occurred_at", "value", "kind", "channel", "direction", "stage", "campaign",
    "summary", "external_id",
)  # fmt: skip

File = Annotated[Path, typer.Argument(help="A CSV file with a header line.", exists=True, dir_okay=False)]
Columns = Annotated[
    list[str], typer.Option("--map", help=f"FIELD=COLUMN; repeat for more. Fields: {', '.join(FIELDS)}.")
]
OnlyWorkspace = Annotated[
    UUID | None,
    typer.Option("--workspace", metavar="ID", help="The workspace; not needed where there is only one."),
]
Source = Annotated[str, typer.Option(help="The system that the contact ids and row ids are of.")]
Kind = Annotated[
    str | None, typer.Option(help="What every row is (or one whose kind is empty), for example purchase.")
]
KindMap = Annotated[
    list[str] | None,
    typer.Option(help="CELL=KIND: what a cell of the kind column means, for example Verkauf=purchase."),
]
Channel = Annotated[str, typer.Option(help="The channel of rows that name none.")]
DateFormat = Annotated[
    str | None, typer.Option(help="How dates are written, for example %d.%m.%Y; ISO 8601 if absent.")
]
Zone = Annotated[
    str | None, typer.Option(help="IANA zone of times without an offset; the workspace's if absent.")
]
DecimalComma = Annotated[bool, typer.Option("--decimal-comma", help="Values are written like 1.234,56.")]
Delimiter = Annotated[
    str | None, typer.Option(help="What stands between cells; told from the header if absent.")
]
Encoding = Annotated[str, typer.Option(help="Of the file, for example cp1252.")]
Errors = Annotated[
    Path | None,
    typer.Option(help="Write rejected rows with their reasons to this CSV file.", dir_okay=False),
]
