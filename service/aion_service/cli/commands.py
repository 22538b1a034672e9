"""The commands and their options; what each does lives in a module of its own."""

from __future__ import annotations

from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer

from aion_service.backends import projector_settings
from aion_service.cli import operations
from aion_service.cli import up as up_command
from aion_service.cli.running import report, run
from aion_service.settings import Settings
from aion_store.errors import ConfigurationError

app = typer.Typer(
    name="aion-store",
    help="An event store for durable-workflow engines: the truth in a Kafka log, the answers in Postgres.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
operations.register(app)


@app.command()
def up(
    directory: Annotated[Path, typer.Option(help="Where the servers keep their data.")] = Path(".aion"),
) -> None:
    """Run Kafka, Postgres and a projector in the foreground until Ctrl-C, and print how to connect."""
    raise typer.Exit(run(up_command.up(directory)))


@app.command()
def projector() -> None:
    """Run one projector on the servers that AION_STORE_… in the environment names; start as many as you like."""
    from aion_projectors import worker  # Faust takes seconds to import: the other commands do without

    try:
        settings = projector_settings(Settings.load())
    except ConfigurationError as error:
        raise typer.Exit(report(error)) from error
    raise typer.Exit(worker.run(settings))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(installed_version("aion-store"))
