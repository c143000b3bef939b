"""The command line: `rapport --help`."""

import sys
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from app import commands
from app.commands import options
from app.commands.demo_world import CONTACTS

app = typer.Typer(
    name="rapport",
    help="Rapport, a customer-relationship API. Settings come from RAPPORT_… variables or a .env file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
workspaces = typer.Typer(
    help="Workspaces: the tenants, each with its own contacts and keys.", no_args_is_help=True
)
keys = typer.Typer(help="API keys of a workspace.", no_args_is_help=True)
app.add_typer(workspaces, name="workspace")
app.add_typer(keys, name="key")

Workspace = Annotated[UUID, typer.Option("--workspace", help="Id of the workspace.", metavar="ID")]
AsJson = Annotated[bool, typer.Option("--json", help="One line of JSON for programs.")]

RUNNING, DATA, CHECKING = "Running", "Data", "Checking"


def main() -> None:
    """The entry point: what is expected to go wrong is told in a line, with exit code 1."""
    try:
        app()
    except Exception as error:
        explanation = commands.console.explain(error)
        if explanation is None:
            raise
        typer.echo(f"rapport: {explanation}", err=True)
        sys.exit(1)


@app.command(rich_help_panel=RUNNING)
def serve(
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Leave background jobs to `rapport worker`.")
    ] = False,
) -> None:
    """Serves the API, its docs and the background jobs.

    Without RAPPORT_DATABASE_URL it starts an embedded PostgreSQL under RAPPORT_DATA_DIR, migrates it, and on
    the first start makes a workspace and shows its API key once. Another database has to be migrated first.
    """
    commands.serving.serve(with_worker=not no_worker)


@app.command(rich_help_panel=RUNNING)
def worker() -> None:
    """Runs background jobs only. Any number of workers may run against one database."""
    commands.working.work()


@app.command(rich_help_panel=RUNNING)
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 1 when migrations are missing.")
    ] = False,
) -> None:
    """Brings the database up to date, as its owner (RAPPORT_DATABASE_OWNER_URL)."""
    commands.database.check() if check else commands.database.migrate()


@workspaces.command("create")
def create_workspace(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    currency: Annotated[
        str, typer.Option(help="ISO 4217 code of every amount in it; stays for ever.")
    ] = "USD",
    timezone: Annotated[str, typer.Option(help="IANA zone that decides where a day ends.")] = "UTC",
    as_json: AsJson = False,
) -> None:
    """Makes a workspace and a key that may do everything in it. The key is shown this once."""
    commands.tenant_output.create_workspace(name, currency, timezone, as_json=as_json)


@workspaces.command("list")
def list_workspaces(as_json: AsJson = False) -> None:
    """Lists every workspace; only the owner of the database can."""
    commands.tenant_output.list_workspaces(as_json=as_json)


@keys.command("create")
def create_key(
    workspace: Workspace,
    scope: Annotated[
        list[str],
        typer.Option(
            help="What it may do, for example contacts:write; repeat for more. `admin` is everything."
        ),
    ],
    name: Annotated[str, typer.Option(help="What it is for.")] = "made on the command line",
    expires: Annotated[
        str | None, typer.Option(help="When it stops working: 2027-01-31 or 2027-01-31T12:00:00Z.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Makes an API key. It is shown this once."""
    commands.tenant_output.create_key(workspace, scope, name, expires, as_json=as_json)


@keys.command("list")
def list_keys(workspace: Workspace, as_json: AsJson = False) -> None:
    """Lists the keys of a workspace, without the keys themselves."""
    commands.tenant_output.list_keys(workspace, as_json=as_json)


@keys.command("revoke")
def revoke_key(
    key: Annotated[UUID, typer.Argument(help="Id of the key, as `rapport key list` shows it.")],
    workspace: Workspace,
) -> None:
    """Ends a key. Running servers refuse it within two seconds."""
    commands.tenant_output.revoke_key(workspace, key)


@app.command("demo", rich_help_panel=DATA)
def fill_demo(
    contacts: Annotated[
        int, typer.Option(min=1, max=100_000, help="How many; touchpoints are twelve times as many.")
    ] = CONTACTS,
    as_json: AsJson = False,
) -> None:
    """Makes a workspace with a plausible year in it: 5,000 contacts, 60,000 touchpoints, goals, surveys.

    The year ends today and is otherwise the same each time. Takes a minute or two, waits until the metrics
    are up to date, and ends with four requests worth trying.
    """
    commands.demo.demo(contacts, as_json=as_json)


@app.command("import-touchpoints", rich_help_panel=DATA)
def import_touchpoints(
    file: options.File,
    columns: options.Columns,
    workspace: options.OnlyWorkspace = None,
    source: options.Source = "spreadsheet",
    kind: options.Kind = None,
    kind_map: options.KindMap = None,
    channel: options.Channel = "other",
    date_format: options.DateFormat = None,
    timezone: options.Zone = None,
    decimal_comma: options.DecimalComma = False,
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = "utf-8-sig",
    errors: options.Errors = None,
    as_json: AsJson = False,
) -> None:
    """Imports a spreadsheet of touchpoints, such as orders. Importing it twice changes nothing.

    The contact is named by an external id (--map contact=…, of --source) or by --map email=…, and made when
    nobody has it. Without a column mapped to external_id a row is known by its content. Rejected rows are
    said on standard error with line and reason, the others are imported, and the exit code is then 1.
    """
    wishes = commands.importing.Wishes(
        file=file,
        workspace_id=workspace,
        columns=columns,
        source=source,
        kind=kind,
        kinds=kind_map or [],
        channel=channel,
        date_format=date_format,
        timezone=timezone,
        decimal_comma=decimal_comma,
        delimiter=delimiter,
        encoding=encoding,
        errors=errors,
    )
    commands.importing.import_touchpoints(wishes, as_json=as_json)


@app.command(rich_help_panel=CHECKING)
def openapi(
    write: Annotated[Path | None, typer.Option(help="Write it to this file.", dir_okay=False)] = None,
    check: Annotated[bool, typer.Option("--check", help="Compare it with openapi.yaml.")] = False,
) -> None:
    """Prints the OpenAPI contract of this version as YAML."""
    if check:
        commands.contract.check(Path("openapi.yaml"))
    elif write is not None:
        commands.contract.write(write)
    else:
        typer.echo(commands.contract.document(), nl=False)


@app.command("doctor", rich_help_panel=CHECKING)
def examine() -> None:
    """Says in one line per check what is well and what is not, and what to do about it."""
    commands.doctor.examine()
