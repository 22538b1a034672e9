"""`aion-store archive …`: the log's beginning into files, after which Kafka needn't keep it; and are those whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from aion_service.archive.archiving import DELETIONS, Archived, Archiving
from aion_service.archive.note import NOTE, read_note
from aion_service.archive.writing import read_back
from aion_service.audit.notes import keys_before
from aion_service.audit.signed_note import VerifierKey
from aion_service.cli.key_files import read_text, signer_in
from aion_service.cli.opened import opened
from aion_service.cli.output import put, say
from aion_service.cli.progress import bars
from aion_service.cli.running import OK, in_thread, run
from aion_store.archive.archive import Archive
from aion_store.errors import ConfigurationError
from aion_store.kafka.topic import TopicIdentity
from aion_store.model.times import parse_time

app = typer.Typer(
    name="archive", help="Keep the log's beginning in files, so that Kafka needn't.", no_args_is_help=True
)

Directory = Annotated[Path, typer.Option(help="The archive's directory. Back it up: it is the log's beginning.")]


@app.command()
def write(
    directory: Directory,
    key_file: Annotated[Path, typer.Option(help="The file with the key to sign with (aion-store audit key).")],
    before: Annotated[str, typer.Option(help="Archive what was logged before this time, as 2026-01-31T12:00:00Z.")],
    include_open: Annotated[
        bool,
        typer.Option("--include-open", help="Go on past workflows that aren't closed since before that time."),
    ] = False,
    rotation: Annotated[
        list[Path] | None, typer.Option(help="A note of a key rotation since the archive was signed.")
    ] = None,
) -> None:
    """Add to an archive what each partition has up to the first workflow that isn't closed. Kafka stays as it is."""
    raise typer.Exit(run(_write(directory, key_file, before, rotation or [], include_open=include_open)))


@app.command()
def verify(
    directory: Directory,
    key: Annotated[str, typer.Option(help="The key to verify with, as `audit key` printed it.")],
) -> None:
    """Read a whole archive, and follow its chain from the log's first record to the points that its note names."""
    raise typer.Exit(run(_verify(directory, key)))


async def _write(directory: Path, key_file: Path, before: str, rotations: Sequence[Path], *, include_open: bool) -> int:
    signer = signer_in(key_file)
    keys = keys_before(signer, [read_text(path) for path in rotations])
    time = _time(before)
    store = await opened()
    settings = store.settings
    work = Archiving(settings.kafka, settings.dsns, settings.schema_name, store.log.events, directory, signer, keys)
    with bars() as shown:
        archive = await in_thread(
            lambda: work.run(
                time,
                lambda partition, done, total: shown.move(f"events {partition}", done, total),
                _tell,
                include_open=include_open,
            )
        )
    if not archive.files:
        say("Nothing is old enough to be archived.")
        return OK
    say(
        f"Kafka needs what is archived no longer: set AION_STORE_ARCHIVE and AION_STORE_ARCHIVE_KEY, run aion-store "
        f"verify, and give {DELETIONS} to kafka-delete-records.sh --offset-json-file."
    )
    put(str(directory / NOTE))
    return OK


def _tell(archived: Archived) -> None:
    waits = ""
    if archived.open_from is not None:
        waits = f"; from there on workflow {archived.open_from.workflow_id} isn't closed for that long"
    say(f"partition {archived.partition}: {archived.records} records more, up to offset {archived.end}{waits}")


async def _verify(directory: Path, key: str) -> int:
    archive = read_note(directory, [VerifierKey.parse(key.strip())])
    if archive is None:
        raise ConfigurationError(f"{directory} holds no {NOTE}: name the directory of an archive.")
    starts = Archive.empty(directory, TopicIdentity("", archive.topic_id, len(archive.points))).points
    count = 0
    with bars() as shown:
        for number in archive.points:
            count += await in_thread(lambda number=number: read_back(archive, number, starts[number]))
            shown.move("partitions", number + 1, len(archive.points))
    put(f"{count} records in {len(archive.files)} files continue the chain from the log's beginning")
    return OK


def _time(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError as error:
        raise ConfigurationError(f"--before is a time as 2026-01-31T12:00:00Z: {error}.") from error
