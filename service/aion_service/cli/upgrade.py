"""`aion-store upgrade`: how far a rolling upgrade is, and the step that ends it.

`formats` is what a build reads: this one's, unless a test stands for another build.
"""

from __future__ import annotations

import json
from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from aion_service.cli.opened import opened
from aion_service.cli.output import put, say
from aion_service.cli.running import OK, run
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.postgres import upgrading
from aion_store.postgres.migrate import migrations
from aion_store.postgres.processes import ALIVE_S, Process
from aion_store.postgres.upgrading import UpgradeStatus

app = typer.Typer(
    name="upgrade",
    help="Upgrades while everything goes on: who still runs an older build, and what writers may write.",
    no_args_is_help=True,
)


@app.command("status")
def status_command(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Print what is written and read, which processes run which build, and what to do next."""
    raise typer.Exit(run(status(as_json=as_json)))


@app.command("finalize")
def finalize_command() -> None:
    """Have writers write the newest record format of this build. There is no way back to older builds."""
    raise typer.Exit(run(finalize()))


async def status(*, as_json: bool, formats: RecordFormats = BUILD_FORMATS) -> int:
    """Print how far an upgrade is."""
    settings = (await opened(formats)).settings
    found = await upgrading.read_status(settings.dsn, settings.schema_name)
    if as_json:
        put(json.dumps(_plain(found, formats)))
        return OK
    build = f"this build (aion-store {installed_version('aion-store')})"
    put(f"record format: {found.finalized} is finalized; {build} reads {formats} and writes {found.finalized}")
    put(
        f"tables: version {found.tables.applied}, for builds that know {found.tables.compatible_from} or later; "
        f"{build} knows {len(migrations())}"
    )
    put(f"processes seen within {ALIVE_S:.0f} s: {len(found.processes)}")
    for process in found.processes:
        put(
            f"  {process}: reads {process.formats}, knows tables {process.table_version}, "
            f"seen {max(0.0, process.silent_s):.0f} s ago"
        )
    put(f"next: {next_step(found, formats)}")
    return OK


async def finalize(formats: RecordFormats = BUILD_FORMATS) -> int:
    """Finalize the newest record format of the build."""
    settings = (await opened(formats)).settings
    if await upgrading.finalize(settings.dsn, settings.schema_name, formats):
        say(f"Record format {formats.newest} is finalized: a writer writes it from when it is started again.")
    else:
        say(f"Record format {formats.newest} is finalized already, and this build knows no newer one: nothing to do.")
    return OK


def next_step(found: UpgradeStatus, formats: RecordFormats) -> str:
    """What whoever upgrades does next."""
    if found.finalized >= formats.newest:
        return "nothing: what this build writes is finalized"
    behind = found.behind(formats)
    if behind:
        names = ", ".join(map(str, behind))
        return f"upgrade or stop those that don't read {formats.newest}: {names}; then aion-store upgrade finalize"
    return (
        f"see to it that what isn't listed (auditors, exports, consumers of your own) reads {formats.newest} as well; "
        "then aion-store upgrade finalize, and start the writers again, one by one"
    )


def _plain(found: UpgradeStatus, formats: RecordFormats) -> dict[str, object]:
    return {
        "finalized": found.finalized,
        "reads": [formats.oldest, formats.newest],
        "writes": found.finalized,
        "tables": found.tables.applied,
        "tables_compatible_from": found.tables.compatible_from,
        "knows_tables": len(migrations()),
        "processes": [_plain_process(process) for process in found.processes],
        "next": next_step(found, formats),
    }


def _plain_process(process: Process) -> dict[str, object]:
    return {
        "role": process.role,
        "host": process.host,
        "pid": process.pid,
        "build": process.build,
        "reads": [process.formats.oldest, process.formats.newest],
        "knows_tables": process.table_version,
        "silent_s": round(max(0.0, process.silent_s), 1),
    }
