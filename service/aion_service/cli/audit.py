"""`aion-store audit …`: keys, signed checkpoints of the log's chain, and the proof that the log continues them."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from aion_projectors import folds
from aion_service.audit.notes import Checkpoint, keys_before, sign_rotation, trusted_keys
from aion_service.audit.replaying import Rows, header_of, line_of, rows_until
from aion_service.audit.signed_note import SignerKey, VerifierKey
from aion_service.audit.verifying import Verified, beginnings, verify
from aion_service.backends import DEFAULT_TARGET
from aion_service.cli.key_files import read_text, signer_in
from aion_service.cli.output import flush, put, say
from aion_service.cli.places import edge_from
from aion_service.cli.running import DIFFERENT, OK, in_thread, run
from aion_service.cli.verify import parse_workflow_id
from aion_service.connection import LogConnection, log_at
from aion_service.files import write_whole
from aion_service.transfer.log_range import places_of
from aion_store.clock import utc_now
from aion_store.errors import ConfigurationError, SchemaMismatchError
from aion_store.model.ids import WorkflowId
from aion_store.model.times import rfc3339
from aion_store.streams.position import Start

app = typer.Typer(name="audit", help="Prove that the log wasn't changed.", no_args_is_help=True)

SUFFIX: Final = ".note"
_CHECKPOINT_NAME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d{6}(?:\.\d{6})?Z\.note", re.ASCII)
"""What a note of a checkpoint is named; whatever else is kept beside them is passed over."""

StoreOption = Annotated[str, typer.Option("--store", help="The store: embedded:DIRECTORY or kafka://host:port.")]
KeyFile = Annotated[Path, typer.Option(help="The file with the key to sign with.")]


@app.command()
def key(
    name: Annotated[str, typer.Argument(help="Whose key it is, as example.com/orders; notes name it.")],
    out: Annotated[Path, typer.Option(help="The new file for the secret key. Keep it outside the cluster.")],
) -> None:
    """Make a key to sign with, and print the one to verify with."""
    raise typer.Exit(run(_key(name, out)))


@app.command()
def rotate(
    old: Annotated[Path, typer.Option(help="The file with the key that signed so far.")],
    new: Annotated[Path, typer.Option(help="The file with the key that follows it.")],
) -> None:
    """Print a note, signed with both keys, that the new one follows the old one. It may lie beside the checkpoints."""
    raise typer.Exit(run(_rotate(old, new)))


@app.command()
def checkpoint(
    key_file: KeyFile,
    directory: Annotated[Path, typer.Option(help="Where the notes are kept, named by time: outside the cluster.")],
    store: StoreOption = DEFAULT_TARGET,
    rotation: Annotated[
        list[Path] | None, typer.Option(help="A note of a key rotation since the last checkpoint.")
    ] = None,
    every: Annotated[float | None, typer.Option(min=1, help="Go on, and write one each so many seconds.")] = None,
) -> None:
    """Follow the log from the directory's last note, or from its beginning, and sign how far it is."""
    work = _checkpoint(store, key_file, directory, rotation or [], every)
    raise typer.Exit(run(work, until_told=every is not None))


@app.command("verify")
def verify_(
    key: Annotated[str, typer.Option(help="The key to verify with, as `audit key` printed it.")],
    note: Annotated[Path, typer.Option("--from", help="The note of a checkpoint.")],
    store: StoreOption = DEFAULT_TARGET,
    rotation: Annotated[list[Path] | None, typer.Option(help="A note of a key rotation; in order.")] = None,
    whole: Annotated[bool, typer.Option(help="Follow the log from its beginning, through the note.")] = False,
) -> None:
    """Prove that the log continues a note: all after it, and with --whole all before it too, is as it was written."""
    raise typer.Exit(run(_verify(store, key, note, rotation or [], whole)))


@app.command()
def replay(
    store: StoreOption = DEFAULT_TARGET,
    workflow: Annotated[list[str] | None, typer.Option(help="Only this workflow; may be given again.")] = None,
    until: Annotated[str | None, typer.Option(help="A position, a time or end. With --expect: as that has it.")] = None,
    expect: Annotated[Path | None, typer.Option(help="What this command printed earlier: tell what differs.")] = None,
) -> None:
    """Make every derived row anew from the log alone, and print them, or compare them with what was made earlier."""
    raise typer.Exit(run(_replay(store, workflow or [], until, expect)))


async def _replay(target: str, workflows: Sequence[str], until: str | None, expect: Path | None) -> int:
    wanted = [parse_workflow_id(text) for text in workflows] or None
    expected = None if expect is None else Rows(read_text(expect), str(expect))
    place = until or (expected.header.until if expected is not None else Start.END.value)
    edge = edge_from(place, "--until")
    async with log_at(target) as log:
        places = await asyncio.to_thread(places_of, edge, log.client, log.events, log.archive)
        rows = rows_until(log.client, log.events, places, wanted, log.archive)
        if expected is None:
            put(header_of(log.events, places).model_dump_json())
            return await in_thread(lambda: _print(rows))
        return await in_thread(lambda: _compare(rows, expected, wanted))


def _print(rows: Iterator[dict[str, Any]]) -> int:
    for row in rows:
        put(line_of(row))
    return OK


def _compare(rows: Iterator[dict[str, Any]], expected: Rows, wanted: Sequence[WorkflowId] | None) -> int:
    count = differences = 0
    for row in rows:
        count += 1
        for difference in expected.compare(row):
            differences += 1
            put(difference)
    for difference in expected.missing(wanted):
        differences += 1
        put(difference)
    made_by = expected.header.fold_version
    if differences and made_by != folds.VERSION:
        say(f"They were made by folds of version {made_by}, these are version {folds.VERSION}: see CHANGELOG.md.")
    say(f"{count} rows were made anew, {differences} differences.")
    return DIFFERENT if differences else OK


async def _key(name: str, out: Path) -> int:
    made = SignerKey.generate(name)
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{made.text()}\n")
    except OSError as error:
        raise ConfigurationError(f"{out} can't be made: {error}. Nothing is overwritten: name a new file.") from error
    put(str(made.verifier))
    return OK


async def _rotate(old: Path, new: Path) -> int:
    put(sign_rotation(signer_in(old), signer_in(new)).removesuffix("\n"))
    return OK


async def _checkpoint(
    target: str, key_file: Path, directory: Path, rotations: Sequence[Path], every: float | None
) -> int:
    signer = signer_in(key_file)
    keys = keys_before(signer, [read_text(path) for path in rotations])
    async with log_at(target) as log:
        while True:
            verified = await in_thread(lambda: _continue(log, directory, keys))
            if verified.faults:
                return _tell(verified)
            time = rfc3339(utc_now())
            made = Checkpoint(signer.name, log.events.topic_id, time, verified.points).sign(signer)
            await asyncio.to_thread(_save, directory, f"{time.replace(':', '')}{SUFFIX}", made)
            if every is None:
                return OK
            await asyncio.sleep(every)


def _continue(log: LogConnection, directory: Path, keys: Sequence[VerifierKey]) -> Verified:
    """Nothing is signed that wasn't verified: from the last note on, or from the beginning."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        notes = [path for path in directory.iterdir() if _CHECKPOINT_NAME.fullmatch(path.name)]
    except OSError as error:
        raise ConfigurationError(f"{directory} can't be used for notes: {error}.") from error
    if not notes:
        return verify(log.client, log.events, beginnings(log.events), archive=log.archive)
    last = _opened(max(notes, key=_time_in), keys, log)
    return verify(log.client, log.events, last.points, archive=log.archive)


def _time_in(note: Path) -> str:
    """The time that names a note, in a form that sorts: a whole second has no digits behind it."""
    return note.name.removesuffix(f"Z{SUFFIX}")


def _save(directory: Path, name: str, note: str) -> None:
    path = directory / name
    write_whole(path, note)
    put(str(path))
    flush()  # the next one may be hours away


async def _verify(target: str, key: str, note: Path, rotations: Sequence[Path], whole: bool) -> int:
    keys = trusted_keys(VerifierKey.parse(key.strip()), [read_text(path) for path in rotations])
    async with log_at(target) as log:
        known = _opened(note, keys, log)
        trusted, expected = (beginnings(log.events), known.points) if whole else (known.points, None)
        return _tell(await in_thread(lambda: verify(log.client, log.events, trusted, expected, log.archive)))


def _tell(verified: Verified) -> int:
    for partition, ordinals in verified.dropped.items():
        say(f"partition {partition}: readers drop {len(ordinals)} records of torn appends, the first is {ordinals[0]}")
    for fault in verified.faults:
        put(str(fault))
    if verified.faults:
        say("The log does not continue the note.")
        return DIFFERENT
    put(f"{verified.records} records in {len(verified.points)} partitions continue the chain")
    return OK


def _opened(path: Path, keys: Sequence[VerifierKey], log: LogConnection) -> Checkpoint:
    found = Checkpoint.open(read_text(path), keys)
    if found.topic_id != log.events.topic_id:
        raise SchemaMismatchError(found.topic_id, log.events.topic_id, f"The topic of {path}")
    return found
