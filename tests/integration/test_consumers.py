"""The examples that read the log and its exports without this library do so, on a real broker."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from aion_service.archive.note import note_of
from aion_service.archive.writing import Cut, extend
from aion_service.audit.signed_note import SignerKey
from aion_store.archive.archive import Archive
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.log.codec import encode_event
from aion_store.log.record import WireRecord, barrier_record, frame_append
from tests.integration.test_strange_records import FOREIGN, framed
from tests.integration.test_transfer import export_all, make_log
from tests.projected_log import TIMEOUT_S, parts_of
from tests.servers import Servers

CONSUMERS = Path(__file__).parents[2] / "examples" / "consumers"


def run_alone(program: str, *arguments: str, code: int = 0) -> str:
    """Run an example where this project can't be imported."""
    alone = "import sys, runpy; sys.modules.update(dict.fromkeys(['aion_store', 'aion_producers', 'aion_service']));"
    alone += "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", alone, str(CONSUMERS / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def read_log(servers: Servers, topic: str, *more: str) -> list[dict[str, Any]]:
    """What the example prints of partition 0."""
    printed = run_alone("read_log.py", servers.bootstrap_servers, topic, "0", *more)
    return [json.loads(line) for line in printed.splitlines()]


def read_nothing(servers: Servers, topic: str, *more: str) -> str:
    """What it complains of."""
    return run_alone("read_log.py", servers.bootstrap_servers, topic, "0", *more, code=1)


def test_a_plain_consumer_reads_complete_appends_and_checks_the_chain(servers: Servers, topic_prefix: str) -> None:
    writer, histories = make_log(servers, topic_prefix, 1)
    with writer.transaction():
        writer.part(workflow(5), HistoryBuilder(workflow(5)).signal(), "torn", 1, 2)
        writer.write("events", 0, [barrier_record("later", slot) for slot in ("a", "b")])
    with writer.transaction(abort=True):
        writer.append(workflow(5), HistoryBuilder(workflow(5)).signals(2))
    whole = HistoryBuilder(workflow(5)).signals(2)
    with writer.transaction():
        writer.append(workflow(5), whole)
    topic = writer.topics.events.name
    lines = read_log(servers, topic)
    wanted = [json.loads(encode_event(each)) for history in [*histories.values(), whole] for each in history]
    assert [line["value"] for line in lines] == wanted
    assert [int(line["seq"]) for line in lines[-2:]] == [1, 2]
    writer.skip(0, 1)
    with writer.transaction():
        writer.append(workflow(6), HistoryBuilder(workflow(6)).signals(1))
    assert f"ordinal {len(wanted) + 2} is missing" in read_nothing(servers, topic)


def test_a_plain_consumer_passes_over_what_is_not_the_stores(servers: Servers, topic_prefix: str) -> None:
    writer, histories = make_log(servers, topic_prefix, 1)
    tracing = {"trace": b"\xff\xfe", "empty": None}
    others = [each.headers | tracing for each in FOREIGN if each.value is not None]
    others += [framed(b"x.a.B", v=v) for v in (b"abc", b"0", b"01", b"1" * 20, "\u0661".encode(), b"\xff")]
    others += [framed(b"x.a.B", append=append) for append in (b"a:2/1", b"a/1", b"\xff:1/1")]
    others.append(framed(b"barrier", None, takeover=b"t", slot=b"c"))
    with writer.transaction():
        strange = [WireRecord(b"key", b"{}", [*headers.items()]) for headers in others]  # pyright: ignore[reportArgumentType]
        writer.write("events", 0, strange)
        event, end = HistoryBuilder(workflow(5)).signal(), writer.end("events", 0)
        ((record,), _) = frame_append(
            str(workflow(5)).encode(), [parts_of(event)], "traced", end.ordinal + 1, end.chain
        )
        record.headers.insert(0, ("kind", b"another"))
        record.headers.extend(tracing.items())  # pyright: ignore[reportArgumentType]
        writer.write("events", 0, [record])
    lines = read_log(servers, writer.topics.events.name)
    wanted = [json.loads(encode_event(each)) for each in [*chain.from_iterable(histories.values()), event]]
    assert [line["value"] for line in lines] == wanted
    assert set(lines[-1]) == {"offset", "kind", "seq", "at", "append", "ordinal", "chain", "v", "value"}
    with writer.transaction():
        newer = [WireRecord(b"key", b"{}", [("kind", b"\xff"), ("v", b"2")])]
        writer.write("events", 0, newer)
    assert "has format 2, this program reads 1" in read_nothing(servers, writer.topics.events.name)


def test_a_plain_consumer_goes_on_where_an_archive_ends(servers: Servers, topic_prefix: str, tmp_path: Path) -> None:
    writer, histories = make_log(servers, topic_prefix, 1)
    topic, client = writer.topics.events, dict(writer.client)
    whole = read_log(servers, topic.name)
    cut = next(line for line in whole if line["append"].endswith(":1/7") and int(line["ordinal"]) > 7)
    archive = extend(
        Archive.empty(tmp_path, topic), client, topic, 0, Cut(cut["offset"], cut["offset"], None), lambda *_: None
    )
    admin, beginning = AdminClient(client), TopicPartition(topic.name, 0, cut["offset"])
    admin.delete_records([beginning])[beginning].result(TIMEOUT_S)
    assert f"the log begins at offset {cut['offset']}" in read_nothing(servers, topic.name)
    note = note_of(archive, SignerKey.generate("example.com/archive"))
    (_, offset, ordinal, point) = next(line for line in note.splitlines() if line.startswith("0 ")).split()
    config = tmp_path / "client"
    config.write_text(f"# reads\n\nclient.id = reader\nbootstrap.servers={servers.bootstrap_servers}\n")
    place = ("--offset", offset, "--ordinal", ordinal, "--chain", point)
    lines = read_log(Servers("127.0.0.1:1", ""), topic.name, "--config", str(config), *place)
    assert lines == whole[whole.index(cut) :]
    assert len(lines) < len(whole) == sum(map(len, histories.values()))
    wrong = ("--offset", offset, "--ordinal", ordinal, "--chain", "00" * 32)
    assert f"ordinal {cut['ordinal']} isn't what was written" in read_nothing(servers, topic.name, *wrong)


def test_duckdb_answers_from_an_export(servers: Servers, topic_prefix: str, tmp_path: Path) -> None:
    writer, _ = make_log(servers, topic_prefix, 2)
    for number, end in ((7, "completed"), (8, "failed"), (9, None)):
        order = HistoryBuilder(workflow(number))
        events = [order.started("parcel"), order.scheduled(1, "weigh"), order.activity_completed(1)]
        events += [getattr(order, end)()] if end else []
        with writer.transaction():
            writer.append(workflow(number), events)
    export_all(tmp_path, writer, "parquet")
    rows = [line.split("\t")[1:] for line in run_alone("exported.py", str(tmp_path)).splitlines()]
    for row in (["parcel", "WorkflowCompleted", "1"], ["parcel", "WorkflowFailed", "1"], ["parcel", "open", "1"]):
        assert row in rows
    assert ["weigh", "3", "1.0"] in rows
    assert ["it broke", "1"] in rows


@pytest.mark.parametrize("program", ["read_log.py", "exported.py"])
def test_the_examples_do_not_import_this_project(program: str) -> None:
    lines = (CONSUMERS / program).read_text().splitlines()
    assert not [line for line in lines if line.lstrip().startswith(("import aion", "from aion"))]
