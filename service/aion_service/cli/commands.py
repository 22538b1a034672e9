"""The commands and their options; what each does lives in a module of its own."""

from __future__ import annotations

from importlib.metadata import version as installed_version
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from aion_service.backends import DEFAULT_TARGET, projector_settings
from aion_service.cli import access, archive, audit, importing, operations, upgrade
from aion_service.cli import export as export_command
from aion_service.cli import tail as tail_command
from aion_service.cli import up as up_command
from aion_service.cli.output import OutputError, put_now
from aion_service.cli.running import report, run
from aion_service.settings import Settings
from aion_service.transfer.export import Format
from aion_store.errors import ConfigurationError

app = typer.Typer(
    name="aion-store",
    help="An event store for durable-workflow engines: the truth in a Kafka log, the answers in Postgres.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
operations.register(app)
access.register(app)
app.add_typer(audit.app)
app.add_typer(archive.app)
app.add_typer(upgrade.app)


@app.command()
def up(
    directory: Annotated[Path, typer.Option(help="Where the servers keep their data.")] = Path(".aion"),
) -> None:
    """Run Kafka, Postgres and a projector in the foreground until Ctrl-C, and print how to connect."""
    raise typer.Exit(run(up_command.up(directory), until_told=True))


@app.command()
def projector() -> None:
    """Run one projector on the servers that AION_STORE_… in the environment names; start as many as you like."""
    try:
        settings = projector_settings(Settings.load())
        worker = _worker()
    except ConfigurationError as error:
        raise typer.Exit(report(error)) from error
    raise typer.Exit(worker.run(settings))


def _worker() -> ModuleType:
    try:
        from aion_projectors import worker  # Faust takes seconds to import: the other commands do without
    except ImportError as error:
        raise ConfigurationError(
            f"A projector needs more packages ({error}): run pip install 'aion-store[projector]', then try again."
        ) from error
    return worker


StoreOption = Annotated[str, typer.Option("--store", help="The store: embedded:DIRECTORY or kafka://host:port.")]
FromOption = Annotated[str, typer.Option("--from", help="beginning, end, a time, or a position that was printed.")]


@app.command()
def tail(
    store: StoreOption = DEFAULT_TARGET,
    start: FromOption = "end",
    kind: Annotated[list[str] | None, typer.Option(help="Only events of this kind; may be given again.")] = None,
    workflow_type: Annotated[
        list[str] | None, typer.Option(help="Only events of workflows of this type; may be given again.")
    ] = None,
    workflow: Annotated[str | None, typer.Option(help="Only events of the workflow with this id.")] = None,
) -> None:
    """Print committed events as lines of JSON as they come, until Ctrl-C."""
    work = tail_command.tail(store, start, kind or [], workflow_type or [], workflow)
    raise typer.Exit(run(work, until_told=True))


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(help="A new directory, or that of an export to go on with.")],
    store: StoreOption = DEFAULT_TARGET,
    start: FromOption = "beginning",
    until: Annotated[str, typer.Option(help="end (as of now), a time, or a position.")] = "end",
    file_format: Annotated[Format, typer.Option("--format", help="What the files are.")] = "ndjson",
) -> None:
    """Write the log's events to files; the same call again goes on where the last one came to.

    Appends are written whole: one that a position lies inside of counts as behind it.
    """
    raise typer.Exit(run(export_command.export_to(directory, store, start, until, file_format)))


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="Directories of ndjson exports, or files of events as JSON.")],
    store: StoreOption = DEFAULT_TARGET,
) -> None:
    """Append the events of files, each append once however often it is imported."""
    raise typer.Exit(run(importing.import_from(files, store)))


@app.command()
def version() -> None:
    """Print the version."""
    try:
        put_now(f"{installed_version('aion-store')}\n".encode())
    except OutputError as error:
        raise typer.Exit(report(error)) from error
