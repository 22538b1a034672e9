"""The appends that files to import hold: lines of our exports, or events as the Aion engine writes them as JSON.

An event's own JSON needs a name for its append: it is made from the events themselves, so that the same file gives the
same appends again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from pydantic_core import from_json, to_json

from aion_service.transfer.export import MANIFEST, read_manifest
from aion_service.transfer.lines import LineEvent, parse_line
from aion_store.contract import AppendBatch
from aion_store.errors import ConfigurationError
from aion_store.limits import MAX_APPEND_BYTES, MAX_EVENT_BYTES, MIB
from aion_store.log.codec import DecodeError, decode_event
from aion_store.model.events import Event
from aion_store.model.ids import WorkflowId

EVENTS_PER_APPEND: Final = 200
MAX_LINE_BYTES: Final = 2 * MAX_EVENT_BYTES
"""An event in base64, and its place."""
MAX_ARRAY_BYTES: Final = 256 * MIB
"""A JSON array is read whole."""


def appends_in(path: Path) -> Iterator[AppendBatch]:
    """The appends of a file, or of all files of an export's directory, in order.

    Raises ConfigurationError, which names file and line, for what can't be imported.
    """
    if path.is_dir():
        manifest = read_manifest(path)
        if manifest.file_format != "ndjson":
            raise ConfigurationError(f"{path} is an export as {manifest.file_format}: only ndjson can be imported.")
        for file in manifest.files:
            yield from _appends_in_file(path / file.name)
    elif path.name == MANIFEST:
        raise ConfigurationError(f"{path} is the manifest of an export: name its directory.")
    else:
        yield from _appends_in_file(path)


def _appends_in_file(path: Path) -> Iterator[AppendBatch]:
    try:
        with path.open("rb") as file:
            opening = file.read(64).lstrip()
            file.seek(0)
            if opening.startswith(b"["):
                yield from _of_histories(_array(_whole(file, path), path))
            elif not _is_ours(file.readline(MAX_LINE_BYTES)):
                file.seek(0)
                yield from _of_histories(_events(_lines(file, path), path))
            else:
                file.seek(0)
                yield from _of_lines(_lines(file, path), path)
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error}.") from error


def _whole(file: BinaryIO, path: Path) -> bytes:
    if os.fstat(file.fileno()).st_size > MAX_ARRAY_BYTES:
        raise ConfigurationError(
            f"{path} is a JSON array of more than {MAX_ARRAY_BYTES // MIB} MiB: write one event a line."
        )
    return file.read()


def _lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise ConfigurationError(f"{path}, line {number} has over {MAX_LINE_BYTES} bytes: no event is so large.")
        yield line


def _is_ours(line: bytes) -> bool:
    return b'"append_id":' in line


def _of_lines(lines: Iterable[bytes], path: Path) -> Iterator[AppendBatch]:
    parsed = (_parsed(line, number, path) for number, line in enumerate(lines, 1) if line.strip())
    for name, group in groupby(parsed, lambda each: (each.workflow_id, each.append_id, each.seq - each.append_index)):
        events = list(group)
        places = [each.append_index for each in events]
        workflow_id, append_id, expected_seq = name
        if places != list(range(1, events[0].append_count + 1)):
            raise ConfigurationError(
                f"{path}: append {append_id} to workflow {workflow_id} isn't whole, it has the events {places} of "
                f"{events[0].append_count}. Export again."
            )
        decoded = [_decoded(each.body, f"{path}, workflow {workflow_id}, event {each.seq}") for each in events]
        yield AppendBatch(workflow_id, decoded, expected_seq, append_id)


def _parsed(line: bytes, number: int, path: Path) -> LineEvent:
    try:
        return parse_line(line)
    except ValueError as error:
        raise ConfigurationError(f"{path}, line {number} is no line of an export: {error}.") from error


def _events(lines: Iterable[bytes], path: Path) -> Iterator[Event]:
    for number, line in enumerate(lines, 1):
        if body := line.strip():
            yield _decoded(body, f"{path}, line {number}")


def _array(text: bytes, path: Path) -> Iterator[Event]:
    try:
        items = cast("list[Any]", from_json(text))
    except ValueError as error:
        raise ConfigurationError(f"{path} isn't JSON: {error}.") from error
    for number, item in enumerate(items, 1):
        yield _decoded(to_json(item), f"{path}, event {number}")


def _decoded(body: bytes, where: str) -> Event:
    try:
        return decode_event(body)
    except DecodeError as error:
        raise ConfigurationError(f"{where} is no event: {error}. Nothing of it can be imported.") from error


def _of_histories(events: Iterable[Event]) -> Iterator[AppendBatch]:
    """Histories of one workflow after another, cut into appends."""
    for workflow_id, history in groupby(events, lambda event: event.envelope.workflow_id):
        piece: list[Event] = []
        size = 0
        for event in history:
            more = len(event.body or b"")
            if piece and (len(piece) == EVENTS_PER_APPEND or size + more > MAX_APPEND_BYTES):
                yield _named(workflow_id, piece)
                piece, size = [], 0
            piece.append(event)
            size += more
        yield _named(workflow_id, piece)


def _named(workflow_id: WorkflowId, events: Sequence[Event]) -> AppendBatch:
    digest = sha256(b"\n".join(event.body or b"" for event in events)).hexdigest()
    return AppendBatch(workflow_id, tuple(events), events[0].seq - 1, f"import-{digest[:40]}")
