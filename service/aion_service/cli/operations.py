"""The operator's commands and their options; what each does lives in a module of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from aion_projectors.collecting import collecting_rarely
from aion_service.cli import health, quarantine
from aion_service.cli import reanchor as reanchor_command
from aion_service.cli import rebuild as rebuild_command
from aion_service.cli import unhalt as unhalt_command
from aion_service.cli import verify as verify_command
from aion_service.cli.running import run

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

quarantine_app = typer.Typer(
    name="quarantine",
    help="Workflows whose folds stopped at an event that couldn't be decoded, or didn't follow.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(doctor)
    app.command()(lag)
    app.command()(metrics)
    app.command()(verify)
    app.command()(rebuild)
    app.command()(unhalt)
    app.command()(reanchor)
    app.add_typer(quarantine_app)


def doctor(as_json: Json = False) -> None:
    """Look at Kafka, Postgres, tables and lag, and say what to do; exit code 1 when something needs somebody now."""
    raise typer.Exit(run(health.doctor(as_json=as_json)))


def lag(as_json: Json = False) -> None:
    """Print how far each partition's tables are behind the log, in records and seconds."""
    raise typer.Exit(run(health.lag(as_json=as_json)))


def metrics(
    listen: Annotated[
        str | None, typer.Option(help="Serve them on HOST:PORT/metrics instead of printing once.")
    ] = None,
) -> None:
    """Print the metrics in Prometheus's text format, or serve them."""
    raise typer.Exit(run(health.show_metrics(listen), until_told=listen is not None))


def verify(
    partition: Annotated[list[int] | None, typer.Option(help="Only this partition of the events log.")] = None,
    workflow: Annotated[list[str] | None, typer.Option(help="Only this workflow.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Only so many workflows a partition, at random.")] = None,
    moved: Annotated[
        bool, typer.Option("--moved", help="The log was mirrored: offsets and broker times may be the former log's.")
    ] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Make damaged workflows anew from the log.")] = False,
    as_json: Json = False,
) -> None:
    """Compare the tables with the log, and say every difference; exit code 3 when there are any."""
    request = verify_command.VerifyRequest(partition or (), workflow or (), sample, moved, repair, as_json)
    with collecting_rarely():
        raise typer.Exit(run(verify_command.verify(request)))


def rebuild(
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a rebuild that was interrupted.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Remove a rebuild that was interrupted.")] = False,
    accept_log: Annotated[
        bool,
        typer.Option(
            "--accept-log",
            help="Take the log as it is: another than the tables were made from, or one that lost records.",
        ),
    ] = False,
) -> None:
    """Make all tables anew from the log and swap them in, while appends and reads go on."""
    if drop and (resume or accept_log):
        raise typer.BadParameter("--drop goes alone")
    work = rebuild_command.drop() if drop else rebuild_command.rebuild(resume=resume, accept_log=accept_log)
    with collecting_rarely():
        raise typer.Exit(run(work))


def unhalt(
    partition: Annotated[list[int] | None, typer.Option(help="Only this partition of the events log.")] = None,
    packages: Annotated[bool, typer.Option("--packages", help="Only the packages log.")] = False,
) -> None:
    """Let halted partitions move again, once what halted them is mended."""
    raise typer.Exit(run(unhalt_command.unhalt(partition or (), packages=packages)))


def reanchor() -> None:
    """Let the tables go on with the log of the settings, which was mirrored from theirs; stop every writer before."""
    raise typer.Exit(run(reanchor_command.reanchor()))


@quarantine_app.command("list")
def list_quarantined(as_json: Json = False) -> None:
    """Print every workflow in quarantine."""
    raise typer.Exit(run(quarantine.show_all(as_json=as_json)))


@quarantine_app.command()
def show(workflow: str, as_json: Json = False) -> None:
    """Print the event that stopped a workflow, and whether this version can read it."""
    raise typer.Exit(run(quarantine.show(workflow, as_json=as_json)))


@quarantine_app.command()
def refold(
    workflow: Annotated[list[str] | None, typer.Argument(help="Workflow ids.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every workflow in quarantine.")] = False,
) -> None:
    """Make workflows anew from the log, as this version folds them; exit code 3 when some stay in quarantine."""
    raise typer.Exit(run(quarantine.refold_some(workflow or (), everything=everything)))
