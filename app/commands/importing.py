"""`rapport import-touchpoints`: rows of a spreadsheet become touchpoints, once however often it is read."""

import csv
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from uuid import UUID
from zoneinfo import ZoneInfo

import typer
from pydantic import TypeAdapter, ValidationError

from app.commands.console import Failure, run, say, say_json
from app.commands.options import FIELDS
from app.commands.progress import Advance, progress
from app.commands.spreadsheet import KINDS, BadRow, Line, Meaning, RowReader, Sheet
from app.commands.tenants import existing_workspace, only_workspace, workspace_unit
from app.kit.errors import Problem
from app.kit.resources import Resources
from app.touchpoints.schemas import TouchpointCreate
from app.touchpoints.service.touchpoints import TouchpointService
from app.workspaces.schemas import TimeZone, Workspace

BATCH = 1_000

Reject = Callable[[Line, str], None]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line says about a file."""

    file: Path
    workspace_id: UUID | None
    columns: Sequence[str]
    source: str
    kind: str | None
    kinds: Sequence[str]
    channel: str
    date_format: str | None
    timezone: str | None
    decimal_comma: bool
    delimiter: str | None
    encoding: str
    errors: Path | None


def import_touchpoints(wishes: Wishes, *, as_json: bool) -> None:
    """Imports the file and prints what became of its rows; exit code 1 when a row was rejected."""
    counts = run(lambda resources: import_file(resources, wishes))
    summary = {name: counts[name] for name in ("created", "updated", "unchanged", "rejected")}
    if as_json:
        say_json(summary)
    else:
        say("  ".join(f"{name} {count:,}" for name, count in summary.items()))
    if counts["rejected"]:
        raise typer.Exit(1)


async def import_file(resources: Resources, wishes: Wishes) -> Counter[str]:
    """Imports the file, batch by batch; returns how many rows were created, updated, unchanged, rejected.

    Raises `Failure` for wishes that make no sense. What came before a failure stays imported.
    """
    columns = _columns(wishes.columns)
    kinds = {name.casefold(): kind for name, kind in _pairs(wishes.kinds, "--kind-map").items()}
    _check_kinds(wishes, columns, kinds)
    workspace_id = wishes.workspace_id or await only_workspace(resources.address)
    async with workspace_unit(resources, workspace_id) as unit:
        workspace = await existing_workspace(unit)
    meaning = _meaning(wishes, columns, kinds, workspace)
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        file = stack.enter_context(_opened(wishes))
        sheet = Sheet(file, wishes.delimiter)
        rows = RowReader(meaning, sheet.header)
        reject = _rejecter(stack, wishes.errors, sheet.header, counts)
        advance = stack.enter_context(progress("Importing", wishes.file.stat().st_size))
        for batch in _batches(_sound(sheet, rows, reject, advance)):
            counts.update(await _record(resources, workspace_id, batch, reject))
    return counts


def _sound(
    sheet: Sheet, rows: RowReader, reject: Reject, advance: Advance
) -> Iterator[tuple[Line, TouchpointCreate]]:
    for line in sheet:
        advance(sum(map(len, line.cells)) + len(line.cells))
        try:
            yield line, rows.touchpoint(line)
        except BadRow as bad:
            reject(line, str(bad))


async def _record(
    resources: Resources, workspace_id: UUID, batch: Sequence[tuple[Line, TouchpointCreate]], reject: Reject
) -> Counter[str]:
    async with resources.database.unit(workspace_id, actor="import") as unit:
        outcomes = await TouchpointService(unit).record_many([item for _, item in batch])
    for (line, _), outcome in zip(batch, outcomes, strict=True):
        if outcome.problem is not None:
            reject(line, _reason(outcome.problem))
    return Counter(outcome.status for outcome in outcomes if outcome.problem is None)


def _reason(problem: Problem) -> str:
    places = [f"{error.pointer.strip('/').replace('/', '.')}: {error.detail}" for error in problem.errors]
    return "; ".join(places) or problem.detail


def _rejecter(stack: ExitStack, path: Path | None, header: Sequence[str], counts: Counter[str]) -> Reject:
    """Says each bad row on standard error; keeps it, with its cells, in the file of errors."""
    writer = None
    if path is not None:
        writer = csv.writer(stack.enter_context(path.open("w", newline="", encoding="utf-8")))
        writer.writerow(["line", "reason", *header])

    def reject(line: Line, reason: str) -> None:
        counts["rejected"] += 1
        typer.echo(f"line {line.number}: {reason}", err=True)
        if writer is not None:
            writer.writerow([line.number, reason, *line.cells])

    return reject


def _batches(
    rows: Iterable[tuple[Line, TouchpointCreate]],
) -> Iterator[list[tuple[Line, TouchpointCreate]]]:
    rows = iter(rows)
    while batch := list(itertools.islice(rows, BATCH)):
        yield batch


def _opened(wishes: Wishes) -> TextIO:
    try:
        return wishes.file.open(newline="", encoding=wishes.encoding)
    except LookupError:
        raise Failure(f"--encoding: there is no encoding {wishes.encoding!r}.") from None


def _meaning(
    wishes: Wishes, columns: Mapping[str, str], kinds: Mapping[str, str], workspace: Workspace
) -> Meaning:
    try:
        zone = TypeAdapter(TimeZone).validate_python(wishes.timezone or workspace.timezone)
    except ValidationError:
        raise Failure("--timezone: must be an IANA time zone such as Europe/Berlin.") from None
    return Meaning(
        columns=columns,
        source=wishes.source,
        currency=workspace.currency,
        zone=ZoneInfo(zone),
        kind=wishes.kind,
        kinds=kinds,
        channel=wishes.channel,
        date_format=wishes.date_format,
        decimal_comma=wishes.decimal_comma,
    )


def _columns(texts: Sequence[str]) -> dict[str, str]:
    columns = _pairs(texts, "--map")
    for name in columns:
        if name not in FIELDS:
            raise Failure(f"--map: {name!r} is not one of {', '.join(FIELDS)}.")
    if "occurred_at" not in columns:
        raise Failure("--map: say which column holds the time, for example --map occurred_at=date.")
    if ("contact" in columns) == ("email" in columns):
        raise Failure("--map: say which column names the contact: --map contact=… or --map email=….")
    return columns


def _check_kinds(wishes: Wishes, columns: Mapping[str, str], kinds: Mapping[str, str]) -> None:
    for kind in (*kinds.values(), *([wishes.kind] if wishes.kind else [])):
        if kind not in KINDS:
            raise Failure(f"{kind!r} is not one of {', '.join(sorted(KINDS))}.")
    if "kind" not in columns and wishes.kind is None:
        raise Failure("Say what the rows are: --kind purchase for all of them, or --map kind=… for a column.")


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, found, value = text.partition("=")
        if not found or not name or not value:
            raise Failure(f"{option}: {text!r} is not of the form name=value.")
        pairs[name.strip()] = value.strip()
    return pairs
