"""Events out of the log and in again: export and import, on real servers, and what their commands refuse."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from aion_producers.topics import ensure_topics
from aion_service.cli.commands import app
from aion_service.transfer import export as exports
from aion_service.transfer.export import Edge, Format, Manifest, export
from aion_service.transfer.importing import check_files, import_files
from aion_service.transfer.lines import parse_line
from aion_store.conformance.events import HistoryBuilder, run, workflow
from aion_store.conformance.samples import engine_events, every_event
from aion_store.errors import ConfigurationError, SequenceConflictError
from aion_store.log.codec import decode_event, encode_event
from aion_store.memory import MemoryStore
from aion_store.memory.scripted import ScriptedStore
from aion_store.model.events import Event
from aion_store.streams.event import StreamedEvent
from aion_store.streams.position import Start, StreamPosition
from tests.contracts.test_kafka import fresh_store
from tests.projected_log import PlainWriter
from tests.servers import Servers
from tests.streaming import log_streams, take

TIMEOUT_S = 20.0
HALF_AN_APPEND = (
    f'{{"v":1,"workflow_id":"{workflow(1)}","seq":1,"append_id":"a","append_index":1,"append_count":2,"event":'
    f"{encode_event(HistoryBuilder(workflow(1)).signal()).decode()}}}"
)


class PowerCutError(Exception):
    """The export ends here."""


def make_log(servers: Servers, prefix: str, partitions: int = 2) -> tuple[PlainWriter, dict[int, list[Event]]]:
    """A log of histories with every kind of event, in appends of up to seven."""
    client = {"bootstrap.servers": servers.bootstrap_servers}
    writer = PlainWriter(client, ensure_topics(client, prefix, partitions, TIMEOUT_S))
    histories: dict[int, list[Event]] = {}
    for number in (1, 2, 3):
        history = HistoryBuilder(workflow(number))
        histories[number] = [*every_event(history), *engine_events(history), *history.signals(10)]
        with writer.transaction():
            for first in range(0, len(histories[number]), 7):
                writer.append(workflow(number), histories[number][first : first + 7], f"append-{first}")
    return writer, histories


def export_all(
    directory: Path,
    writer: PlainWriter,
    file_format: Format = "ndjson",
    start: Edge = Start.BEGINNING,
    until: Edge = Start.END,
) -> Manifest:
    return export(
        directory,
        writer.client,
        writer.topics.events,
        start=start,
        until=until,
        file_format=file_format,
        progress=lambda partition, count: None,
    )


def lines(directory: Path, manifest: Manifest) -> list[dict[str, Any]]:
    return [json.loads(line) for line in raw_lines(directory, manifest)]


def raw_lines(directory: Path, manifest: Manifest) -> list[bytes]:
    return [line for file in manifest.files for line in (directory / file.name).read_bytes().splitlines(keepends=True)]


def test_an_export_has_every_event_and_an_import_brings_it_back_once(
    servers: Servers, topic_prefix: str, tmp_path: Path
) -> None:
    writer, histories = make_log(servers, topic_prefix)
    manifest = export_all(tmp_path / "export", writer)
    assert (manifest.record_format, manifest.fold_version) == (1, 1)
    events = [event for history in histories.values() for event in history]
    assert check_files([tmp_path / "export"]) == len(events) == sum(file.events for file in manifest.files)

    async def main() -> None:
        async with fresh_store(servers) as store:
            for _ in range(2):
                imported = await import_files(store, [tmp_path / "export"], lambda count: None)
                assert (imported.events, imported.refused) == (len(events), [])
                for number, history in histories.items():
                    found = await store.read_history(workflow(number))
                    assert [each.body for each in found] == [encode_event(each) for each in history]
            async with store.subscribe() as stream, asyncio.timeout(30):
                last = [await anext(stream) for _ in events][-1]
            assert {each.ordinal for each in stream.position.partitions.values()} <= set(range(len(events) + 1))
            assert sum(each.ordinal for each in stream.position.partitions.values()) == len(events)
            assert last.append_id.startswith("append-")

    asyncio.run(main())


def test_bodies_that_do_not_fit_a_line_survive(servers: Servers, topic_prefix: str, tmp_path: Path) -> None:
    writer, _ = make_log(servers, topic_prefix, 1)
    spread = json.dumps(json.loads(encode_event(HistoryBuilder(workflow(9)).signal())), indent=1).encode()
    with writer.transaction():
        writer.append(workflow(9), [decode_event(spread)])
        writer.append(workflow(9), [("x.engine.Broken", 2, "2026-01-01T00:00:00Z", b"\xff{")])
    manifest = export_all(tmp_path, writer)
    bodies = [parse_line(line).body for line in raw_lines(tmp_path, manifest)]
    assert bodies[-2:] == [spread, b"\xff{"]
    with pytest.raises(ConfigurationError, match=r"workflow 0+-.*9, event 2 is no event"):
        check_files([tmp_path])


def test_an_interrupted_export_goes_on_and_later_brings_what_is_new(
    servers: Servers, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, histories = make_log(servers, topic_prefix)
    whole = lines(tmp_path / "whole", export_all(tmp_path / "whole", writer))
    monkeypatch.setattr(exports, "FILE_EVENTS", 20)

    advance = exports._advance
    for files in (0, 1, 3):

        def cut_after(directory: Path, manifest: Manifest, *more: Any, files: int = files) -> Manifest:
            if len(manifest.files) >= files:
                raise PowerCutError
            return advance(directory, manifest, *more)

        monkeypatch.setattr(exports, "_advance", cut_after)
        with pytest.raises(PowerCutError):
            export_all(tmp_path / "cut", writer)
    monkeypatch.setattr(exports, "_advance", advance)
    (tmp_path / "cut" / "1.partial").write_text("half of a file")
    manifest = export_all(tmp_path / "cut", writer)
    assert len(manifest.files) > 3
    assert lines(tmp_path / "cut", manifest) == whole
    with writer.transaction():
        writer.append(workflow(1), HistoryBuilder(workflow(1), head=len(histories[1])).signals(3))
    grown = export_all(tmp_path / "cut", writer)
    assert [line["seq"] for line in lines(tmp_path / "cut", grown) if line not in whole] == [
        len(histories[1]) + number for number in (1, 2, 3)
    ]
    assert export_all(tmp_path / "cut", writer) == grown


def test_ranges_by_position_and_time_meet_without_gap_or_double(
    servers: Servers, topic_prefix: str, tmp_path: Path
) -> None:
    writer, _ = make_log(servers, topic_prefix)
    whole = lines(tmp_path / "whole", export_all(tmp_path / "whole", writer))

    for number, count in enumerate((1, 40, 100)):
        found, position = first_events(writer, count)
        time = found[-1].logged_at
        ended = {(each.partition, each.append_offset) for each in found if each.append_index == each.append_count}
        for name, edge in (("position", position), ("time", time), ("later", time + timedelta(milliseconds=1))):
            before = export_all(tmp_path / f"{number}-{name}-a", writer, until=edge)
            after = export_all(tmp_path / f"{number}-{name}-b", writer, start=edge)
            parts = lines(tmp_path / f"{number}-{name}-a", before) + lines(tmp_path / f"{number}-{name}-b", after)
            assert sorted(parts, key=lambda line: (line["partition"], line["ordinal"])) == whole
            if name == "position":
                assert sum(file.events for file in before.files) == sum(
                    (each.partition, each.append_offset) in ended for each in found
                )


def first_events(writer: PlainWriter, count: int) -> tuple[list[StreamedEvent], StreamPosition]:
    """As many events from the beginning on, and the position behind them."""

    async def read() -> tuple[list[StreamedEvent], StreamPosition]:
        with log_streams(writer.client, writer.topics.events) as streams:
            async with streams.subscribe(Start.BEGINNING, None, None, None, None) as stream:
                return await take(stream, count), stream.position

    return asyncio.run(read())


def test_an_export_by_a_position_inside_an_append_has_whole_appends(
    servers: Servers, topic_prefix: str, tmp_path: Path
) -> None:
    writer, histories = make_log(servers, topic_prefix, 1)
    found, inside = first_events(writer, 10)
    assert (found[-1].append_index, found[-1].append_count) == (3, 7)
    before = export_all(tmp_path / "export", writer, until=inside)
    assert check_files([tmp_path / "export"]) == 7
    reached = StreamPosition.parse(before.position).partitions[0]
    assert reached == (found[7].append_offset, found[6].ordinal)
    assert export_all(tmp_path / "export", writer, until=inside) == before
    export_all(tmp_path / "export", writer)
    events = sum(map(len, histories.values()))
    assert check_files([tmp_path / "export"]) == events
    after = export_all(tmp_path / "after", writer, start=inside)
    assert lines(tmp_path / "after", after)[0]["seq"] == 8
    assert check_files([tmp_path / "after"]) == events - 7

    async def main() -> None:
        store = MemoryStore()
        imported = await import_files(store, [tmp_path / "export", tmp_path / "after"], lambda count: None)
        assert (imported.events, imported.refused) == (2 * events - 7, [])
        for number, history in histories.items():
            assert len(await store.read_history(workflow(number))) == len(history)

    asyncio.run(main())


def test_parquet_has_typed_columns(servers: Servers, topic_prefix: str, tmp_path: Path) -> None:
    writer, histories = make_log(servers, topic_prefix, 1)
    with writer.transaction():
        writer.append(workflow(9), [("x.engine.Broken", 1, "2026-01-01T00:00:00Z", b"\xff{")])
    manifest = export_all(tmp_path, writer, "parquet")
    table = pyarrow.parquet.read_table(tmp_path / manifest.files[0].name)
    assert table.schema.metadata[b"aion.record_format"] == b"1"
    rows = table.to_pylist()
    assert [row["body"] for row in rows[:-1]] == [
        encode_event(event).decode() for history in histories.values() for event in history
    ]
    assert (rows[-1]["body"], rows[-1]["body_bytes"], rows[-1]["recorded_at"]) == (None, b"\xff{", None)
    first = rows[0]
    assert (first["kind"], first["workflow_type"], first["run_id"]) == ("WorkflowStarted", "order", str(run(1)))
    assert first["recorded_at"] == histories[1][0].envelope.recorded_at
    assert {str(table.schema.field(name).type) for name in ("seq", "activity_id", "attempt")} == {"int64"}
    assert str(table.schema.field("logged_at").type) == "timestamp[us, tz=UTC]"
    with pytest.raises(ConfigurationError, match="file format parquet"):
        export_all(tmp_path, writer)


def test_histories_of_the_aion_engine_are_imported_once(tmp_path: Path) -> None:
    order = HistoryBuilder(workflow(1))
    history = [json.loads(encode_event(event)) for event in [order.started(), *order.signals(450)]]
    history[0]["data"]["input"] = {"content_type": "Json", "bytes": [123, 125]}
    (tmp_path / "array.json").write_text(json.dumps(history, indent=2))
    (tmp_path / "lines.ndjson").write_text("".join(json.dumps(each, separators=(",", ":")) + "\n" for each in history))

    async def main() -> None:
        store = MemoryStore()
        for _ in range(2):
            for name in ("array.json", "lines.ndjson"):
                imported = await import_files(store, [tmp_path / name], lambda count: None)
                assert (imported.appends, imported.events, imported.refused) == (3, 451, [])
        found = await store.read_history(workflow(1))
        assert len(found) == 451
        assert found[0].input.data == b"{}"  # type: ignore[union-attr]
        other = HistoryBuilder(workflow(1))
        (tmp_path / "other.ndjson").write_bytes(encode_event(other.signal("another")) + b"\n")
        refused = (await import_files(store, [tmp_path / "other.ndjson"], lambda count: None)).refused
        assert [type(error) for error in refused] == [SequenceConflictError]

    asyncio.run(main())


def test_appends_behind_one_that_failed_in_passing_are_repeated_with_it(tmp_path: Path) -> None:
    order = HistoryBuilder(workflow(1))
    events = [order.started(), *order.signals(450)]
    (tmp_path / "lines.ndjson").write_bytes(b"".join(encode_event(event) + b"\n" for event in events))

    async def main() -> None:
        store = ScriptedStore()
        store.script.unavailable_next()
        imported = await import_files(store, [tmp_path / "lines.ndjson"], lambda count: None)
        assert (imported.appends, imported.events, imported.refused) == (3, 451, [])
        assert await store.read_history(workflow(1)) == events
        store.script.check_consumed()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[1]", "event 1 is no event"),
        ('{"type":"Nothing","data":{}}', "line 1 is no event"),
        ("[", "isn't JSON"),
        ('{"append_id":"a","v":2}', "line 1 is no line of an export: v: "),
        (HALF_AN_APPEND, "isn't whole"),
    ],
)
def test_what_cannot_be_imported_is_named(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(ConfigurationError, match=complaint):
        check_files([tmp_path / "file"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["tail", "--from", "yesterday"], "--from is beginning, end, a time"),
        (["tail", "--workflow", "7"], "--workflow is a workflow id"),
        (["tail", "--kind", ""], "--kind is a name"),
        (["tail", "--workflow-type", ""], "--workflow-type is a name"),
        (["export", "{new}", "--store", "embedded:{new}"], "There is no directory"),
        (["export", "{new}", "--store", "memory:"], "names no log"),
        (["import", "{new}"], "can't be read"),
    ],
)
def test_commands_say_what_is_wrong(
    arguments: list[str], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [each.format(new=tmp_path / "new") for each in arguments])
    assert done.exit_code == 2
    assert complaint in done.output
    assert list(tmp_path.iterdir()) == []
