"""The audit on a real broker: segment files changed behind its back, with right checksums, and each change found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aion_producers.topics import ensure_topics
from aion_service.audit.verifying import beginnings, verify
from aion_service.cli.commands import app
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.partitioning import partition_of
from aion_store.log.record import frame_append
from aion_store.log.verification import ChainFault, ChainPoint
from tests.kafka_node import KafkaNode
from tests.projected_log import PlainWriter, parts_of
from tests.segments import Batch, Record, read_segment, write_segment
from tests.servers import Servers
from tests.waiting import next_line

COMMAND = Path(sys.executable).with_name("aion-store")
TIMEOUT_S = 20.0
PARTITIONS = 10


def of_partition(partition: int) -> int:
    """The number of a workflow of that partition."""
    return next(number for number in range(1, 1000) if partition_of(workflow(number), PARTITIONS) == partition)


def records_of(batches: list[Batch]) -> list[Record]:
    return [record for batch in batches for record in batch.records]


def data_batch(batches: list[Batch], index: int) -> Batch:
    return [batch for batch in batches if batch.control is None][index]


def alter(batches: list[Batch]) -> None:
    record = data_batch(batches, 1).records[1]
    record.value = (record.value or b"").replace(b"signal 7", b"signal 9")


def drop(batches: list[Batch]) -> None:
    del data_batch(batches, 1).records[1]


def swap(batches: list[Batch]) -> None:
    records = data_batch(batches, 1).records
    for name in ("key", "value", "headers"):
        first, second = getattr(records[1], name), getattr(records[2], name)
        setattr(records[1], name, second)
        setattr(records[2], name, first)


def insert(batches: list[Batch]) -> None:
    batch = data_batch(batches, 1)
    added = batch.records[1]
    for later in batches[batches.index(batch) + 1 :]:
        later.base_offset += 1
    batch.records = [
        *batch.records[:2],
        *(
            Record(each.attributes, each.timestamp_delta, each.offset_delta + 1, each.key, each.value, each.headers)
            for each in [added, *batch.records[2:]]
        ),
    ]
    batch.last_offset_delta += 1


def change_a_chain(batches: list[Batch]) -> None:
    record = data_batch(batches, 1).records[1]
    record.headers = [(name, b"0" * 64 if name == b"chain" else value) for name, value in record.headers]


def change_a_version(batches: list[Batch], record: int = 1) -> None:
    changed = data_batch(batches, 1).records[record]
    changed.headers = [(name, b"2" if name == b"v" else value) for name, value in changed.headers]


def alter_and_change_a_version_behind_it(batches: list[Batch]) -> None:
    alter(batches)
    change_a_version(batches, 3)


def cut(batches: list[Batch]) -> None:
    del batches[-2:]


FOUND: dict[int, tuple[Callable[[list[Batch]], None], int, str]] = {
    1: (alter, 7, "isn't what was written"),
    2: (drop, 7, "found ordinal 8: a record is missing or added"),
    3: (swap, 7, "found ordinal 8"),
    4: (insert, 8, "found ordinal 7"),
    5: (change_a_chain, 7, "isn't what was written"),
    6: (cut, 11, "the log ends here, the note names ordinal 15"),
    8: (change_a_version, 7, "its version is 2: that was altered"),
    9: (alter_and_change_a_version_behind_it, 7, "isn't what was written"),
}
REWRITTEN = 7


def rewrite(batches: list[Batch], topic_id: str) -> None:
    """What a holder of the disks can do who knows the format: change an event, and every chain value after it."""
    number = of_partition(REWRITTEN)
    order = HistoryBuilder(workflow(number))
    chain, ordinal = beginnings_of(topic_id)[REWRITTEN].chain, 1
    for append in range(3):
        events = order.signals(5)
        if append == 1:
            events[1] = HistoryBuilder(workflow(number), head=6, at=events[1].envelope.recorded_at).signal("forged")
        key = str(workflow(number)).encode()
        wire, chain = frame_append(key, list(map(parts_of, events)), f"append-{append}", ordinal, chain)
        ordinal += len(wire)
        for record, made in zip(data_batch(batches, append).records, wire, strict=True):
            record.value = made.value
            record.headers = [(name.encode(), value) for name, value in made.headers]


def beginnings_of(topic_id: str) -> dict[int, ChainPoint]:
    return beginnings(TopicIdentity("", topic_id, PARTITIONS))


@pytest.fixture(scope="module")
def tampered(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[int, ChainFault], dict[int, ChainFault]]:
    """The faults found by partition: from the beginning through the points of before, and without those points."""
    directory = tmp_path_factory.mktemp("audit")
    node = KafkaNode(directory / "kafka")
    node.start()
    try:
        client = {"bootstrap.servers": node.bootstrap_servers}
        writer = PlainWriter(client, ensure_topics(client, "t", PARTITIONS, TIMEOUT_S))
        topic = writer.topics.events
        for partition in range(PARTITIONS):
            order = HistoryBuilder(workflow(of_partition(partition)))
            for append in range(3):
                with writer.transaction():
                    writer.append(order.workflow_id, order.signals(5), f"append-{append}")
        before = verify(client, topic, beginnings(topic))
        assert (before.faults, before.records, before.dropped) == ([], 15 * PARTITIONS, {})
        node.kill()
        for partition in range(1, PARTITIONS):
            segment = directory / "kafka" / "data" / f"{topic.name}-{partition}" / f"{0:020}.log"
            batches = read_segment(segment)
            assert len(records_of(batches)) == 15
            if partition == REWRITTEN:
                rewrite(batches, topic.topic_id)
            else:
                FOUND[partition][0](batches)
            write_segment(segment, batches)
        node.start()
        through = verify(client, topic, beginnings(topic), before.points)
        without = verify(client, topic, beginnings(topic))
        return ({fault.partition: fault for fault in through.faults}, {f.partition: f for f in without.faults})
    finally:
        node.kill()


@pytest.mark.parametrize(("partition", "ordinal", "reason"), [(p, o, r) for p, (_, o, r) in FOUND.items()])
def test_each_change_is_found_and_the_first_record_named(
    tampered: tuple[dict[int, ChainFault], dict[int, ChainFault]], partition: int, ordinal: int, reason: str
) -> None:
    fault = tampered[0][partition]
    assert (fault.ordinal, reason in fault.reason) == (ordinal, True), fault


def test_a_log_rewritten_with_its_chain_is_found_by_the_note_alone(
    tampered: tuple[dict[int, ChainFault], dict[int, ChainFault]],
) -> None:
    through, without = tampered
    assert (through[REWRITTEN].ordinal, "another value here than the note" in through[REWRITTEN].reason) == (15, True)
    assert REWRITTEN not in without
    assert 6 not in without
    assert 0 not in through


def test_the_commands_sign_rotate_and_verify(
    servers: Servers, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = {"bootstrap.servers": servers.bootstrap_servers}
    writer = PlainWriter(client, ensure_topics(client, topic_prefix, 2, TIMEOUT_S))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AION_STORE_BOOTSTRAP_SERVERS", servers.bootstrap_servers)
    monkeypatch.setenv("AION_STORE_POSTGRES_DSN", "host=not-asked")
    monkeypatch.setenv("AION_STORE_TOPIC_PREFIX", topic_prefix)

    def audit(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["audit", *arguments])
        assert done.exit_code == code, done.output
        return (done.output if code else done.stdout).strip()

    order = HistoryBuilder(workflow(1))
    with writer.transaction():
        writer.append(workflow(1), order.signals(5))
    first = audit("key", "example.com/orders", "--out", "first.key")
    second = audit("key", "example.com/orders", "--out", "second.key")
    assert (tmp_path / "first.key").stat().st_mode & 0o777 == 0o600
    assert "new file" in audit("key", "x", "--out", "first.key", code=2)
    note = audit("checkpoint", "--key-file", "first.key", "--directory", "notes")
    with writer.transaction():
        writer.append(workflow(1), order.signals(5))
    assert audit("verify", "--key", first, "--from", note) == "5 records in 2 partitions continue the chain"
    assert audit("verify", "--key", first, "--from", note, "--whole").startswith("10 records")
    assert "no valid signature" in audit("verify", "--key", second, "--from", note, code=2)
    note_of_rotation = audit("rotate", "--old", "first.key", "--new", "second.key")
    (tmp_path / "notes" / "rotation.note").write_text(f"{note_of_rotation}\n")
    assert "no valid signature" in audit("checkpoint", "--key-file", "second.key", "--directory", "notes", code=2)
    rotated = ("--rotation", "notes/rotation.note")
    scheduling = ["checkpoint", "--key-file", "second.key", "--directory", "notes", *rotated, "--every", "1"]
    with subprocess.Popen([str(COMMAND), "audit", *scheduling], stdout=subprocess.PIPE, text=True) as scheduled:
        try:
            notes = [next_line(scheduled.stdout).strip() for _ in range(2)]
            scheduled.terminate()
            assert scheduled.wait(10) == 0
        finally:
            scheduled.kill()
    assert len({note, *notes}) == 3
    assert audit("verify", "--key", first, *rotated, "--from", notes[1]).startswith("0 records")
    writer.skip(0, 1)
    writer.skip(1, 1)
    with writer.transaction():
        writer.append(workflow(1), order.signals(1))
    found = audit("verify", "--key", first, "--from", note, code=3)
    assert "ordinal 11 at offset" in found
    assert "found ordinal 12" in found
    kept = sorted((tmp_path / "notes").iterdir())
    assert "found ordinal 12" in audit("checkpoint", "--key-file", "first.key", "--directory", "other", code=3)
    assert sorted((tmp_path / "notes").iterdir()) == kept
    assert list((tmp_path / "other").iterdir()) == []
