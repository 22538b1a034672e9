"""Archives of the log's beginning: everything that reads a log from there does so when Kafka has let go of it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from aion_service.archive.note import NOTE, read_note, write_note
from aion_service.archive.writing import Cut, extend
from aion_service.audit.signed_note import SignerKey
from aion_service.cli.commands import app
from aion_store.archive.archive import Archive
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.errors import SchemaMismatchError
from aion_store.kafka.end_of_log import offset_bounds
from aion_store.log.partitioning import partition_of
from aion_store.log.record import LogRecord, WireRecord, barrier_record, noop_record
from aion_store.log.verification import ChainPoint
from aion_store.model.times import parse_time, rfc3339
from tests.integration.test_moving import in_database
from tests.integration.test_operations import environment
from tests.producing import read_partition
from tests.projected_log import Projected, make_projected, running_worker
from tests.servers import Servers, fresh_database
from tests.streaming import log_streams, take
from tests.waiting import wait_until

PARTITIONS = 2
TIMEOUT_S = 20.0
TOMORROW = "2100-01-01T00:00:00Z"
CLOSED, OPEN, LATER = range(1, 9), range(9, 13), range(13, 17)


class Scene(NamedTuple):
    """A log and its tables, and an archive's directory with its keys."""

    projected: Projected
    directory: Path
    signer: SignerKey
    key_file: Path

    def run(self, *arguments: str, code: int = 0, archived: bool = True) -> str:
        """What a command prints, both on stdout and stderr, with the archive in the settings or without."""
        named = {"AION_STORE_ARCHIVE": str(self.directory), "AION_STORE_ARCHIVE_KEY": str(self.signer.verifier)}
        variables = environment(self.projected) | (named if archived else {})
        done = CliRunner().invoke(app, arguments, env=variables, catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done.output

    def archive(self, *more: str, code: int = 0) -> str:
        where = ("--directory", str(self.directory), "--key-file", str(self.key_file), "--before", TOMORROW)
        return self.run("archive", "write", *where, *more, code=code, archived=False)

    def opened(self) -> Archive:
        archive = read_note(self.directory, [self.signer.verifier])
        assert archive is not None
        return archive

    def let_kafka_delete(self) -> None:
        """Do what kafka-delete-records.sh does with the file that is meant for it."""
        wanted = json.loads((self.directory / "delete-records.json").read_text())["partitions"]
        admin = AdminClient(dict(self.projected.settings.kafka))
        deleted = admin.delete_records(
            [TopicPartition(each["topic"], each["partition"], each["offset"]) for each in wanted]
        )
        for each in deleted.values():
            each.result(TIMEOUT_S)


@pytest.fixture
def scene(servers: Servers, database: str, topic_prefix: str, tmp_path: Path) -> Scene:
    """Closed workflows, then open ones, then closed ones again, and records of other kinds between them."""
    projected = make_projected(servers, database, topic_prefix, PARTITIONS)
    writer = projected.writer
    with running_worker(projected.settings):
        write(projected, CLOSED, closed=True)
        with writer.transaction(abort=True):
            writer.append(workflow(1), HistoryBuilder(workflow(1), head=5).signals(2))
        for partition in range(PARTITIONS):
            with writer.transaction():
                strange = WireRecord(b"key", b"no event", [("kind", b"?"), ("kind", b"twice")])
                writer.write("events", partition, [noop_record(), strange, barrier_record("t", "a")])
        write(projected, OPEN, closed=False)
        write(projected, LATER, closed=True)
        projected.wait_for_end()
    signer = SignerKey.generate("example.com/archive")
    (tmp_path / "key").write_text(signer.text())
    return Scene(projected, tmp_path / "archive", signer, tmp_path / "key")


def write(projected: Projected, numbers: range, *, closed: bool) -> None:
    for number in numbers:
        history = HistoryBuilder(workflow(number))
        events = [history.started(), *history.signals(3), history.completed() if closed else history.signal()]
        with projected.writer.transaction():
            projected.writer.append(workflow(number), events[:2])
            projected.writer.append(workflow(number), events[2:])


def close(projected: Projected, numbers: range) -> None:
    for number in numbers:
        with projected.writer.transaction():
            projected.writer.append(workflow(number), [HistoryBuilder(workflow(number), head=5).completed()])


def test_what_kafka_let_go_of_is_read_from_the_archive(scene: Scene, tmp_path: Path) -> None:
    projected = scene.projected
    rows, notes = tmp_path / "rows", tmp_path / "notes"
    rows.write_text(scene.run("audit", "replay", archived=False))
    scene.run("export", str(tmp_path / "before"), archived=False)
    scene.run("audit", "checkpoint", "--key-file", str(scene.key_file), "--directory", str(notes), archived=False)
    told = scene.archive()
    assert f"workflow {workflow(OPEN[0])} isn't closed" in told or f"workflow {workflow(OPEN[1])} isn't closed" in told
    archive = scene.opened()
    for partition in range(PARTITIONS):
        closed = [number for number in CLOSED if partition_of(workflow(number), PARTITIONS) == partition]
        assert archive.points[partition].ordinal == 5 * len(closed) > 0
    assert "more" in scene.archive()
    assert scene.opened() == archive
    scene.let_kafka_delete()
    for partition, point in archive.points.items():
        assert offset_bounds(projected.settings.kafka, projected.log.events.name, partition, 9.0).start == point.offset

    assert "the log begins at offset" in scene.run("doctor", archived=False)
    assert "the log begins at offset" not in scene.run("doctor")
    assert "docs/archive.md" in scene.run("verify", code=2, archived=False)
    assert "docs/archive.md" in scene.run("rebuild", code=2, archived=False)
    scene.run("rebuild", "--drop", archived=False)
    assert "0 differences" in scene.run("verify", "--sample", "1")
    assert "80 events of 16 workflows are as the log says; 0 differences" in scene.run("verify")
    assert "0 differences" in scene.run("audit", "replay", "--expect", str(rows))
    (note,) = notes.iterdir()
    verifier = str(scene.signer.verifier)
    assert "continue" in scene.run("audit", "verify", "--key", verifier, "--from", str(note), "--whole")
    scene.run("export", str(tmp_path / "after"))
    for path in (tmp_path / "before").iterdir():
        assert path.read_bytes() == (tmp_path / "after" / path.name).read_bytes()
    with projected.session() as connection:
        connection.execute("update workflows set head = 77 where workflow_id = %s", (workflow(1),))
        connection.execute("delete from events where workflow_id = %s", (workflow(2),))
    assert "0 of them stay in quarantine" in scene.run("verify", "--repair")
    scene.run("rebuild")
    assert projected.live_schema == "aion_g2"
    assert "80 events of 16 workflows are as the log says; 0 differences" in scene.run("verify")

    with running_worker(projected.settings):
        close(projected, OPEN)
        projected.wait_for_end()
    scene.archive()
    longer = scene.opened()
    assert sum(point.ordinal for point in longer.points.values()) == 84
    scene.let_kafka_delete()
    checkpoint = ("audit", "checkpoint", "--key-file", str(scene.key_file), "--directory", str(notes))
    assert "docs/archive.md" in scene.run(*checkpoint, code=2, archived=False)
    assert ".note" in scene.run(*checkpoint)
    assert "84 events of 16 workflows are as the log says; 0 differences" in scene.run("verify")
    checked = scene.run("archive", "verify", "--directory", str(scene.directory), "--key", verifier)
    assert f"{84 + 3 * PARTITIONS} records in {len(longer.files)} files" in checked


def test_a_time_that_kafka_no_longer_holds_is_found_in_the_archive(scene: Scene, tmp_path: Path) -> None:
    projected = scene.projected
    kafka, topic = projected.settings.kafka, projected.log.events
    scene.archive()
    times = [record.logged_at_ms for record in read_partition(kafka, topic, 0)[0] if isinstance(record, LogRecord)]
    early, late = time_of(times[scene.opened().points[0].ordinal - 1]), time_of(times[-1])
    ranges = {"since": ("--from", early), "until": ("--until", early), "both": ("--from", early, "--until", late)}
    for name, edges in ranges.items():
        scene.run("export", str(tmp_path / f"{name}-before"), *edges, archived=False)
    rows = scene.run("audit", "replay", "--until", early, archived=False)
    scene.let_kafka_delete()
    for name, edges in ranges.items():
        scene.run("export", str(tmp_path / f"{name}-after"), *edges)
        assert events_in(tmp_path / f"{name}-after") == events_in(tmp_path / f"{name}-before")
        assert "docs/archive.md" in scene.run("export", str(tmp_path / "none"), *edges, code=2, archived=False)
    assert len(events_in(tmp_path / "until-after")) > 0
    anew = scene.run("audit", "replay", "--until", early)
    assert anew.splitlines()[1:] == rows.splitlines()[1:] != []  # but for the header: its offset may be past a marker
    scene.run("export", str(tmp_path / "late"), "--from", late, archived=False)
    assert len(events_in(tmp_path / "late")) > 0

    async def subscribe(since: datetime) -> None:
        with log_streams(kafka, topic) as streams:
            async with streams.subscribe(since, None, None, None, None) as events:
                assert (await take(events, 1))[0].logged_at >= since

    asyncio.run(subscribe(parse_time(late)))
    with pytest.raises(SchemaMismatchError, match=r"docs/archive\.md"):
        asyncio.run(subscribe(parse_time(early)))


def time_of(logged_at_ms: int) -> str:
    return rfc3339(datetime.fromtimestamp(logged_at_ms / 1000, UTC))


def events_in(directory: Path) -> list[str]:
    """The lines of an export, in the order of its files."""
    return [line for path in sorted(directory.glob("*.ndjson")) for line in path.read_text().splitlines()]


def test_open_workflows_are_archived_on_demand(scene: Scene) -> None:
    projected = scene.projected
    scene.archive("--include-open")
    assert sum(point.ordinal for point in scene.opened().points.values()) == 80
    scene.let_kafka_delete()
    with running_worker(projected.settings):
        close(projected, OPEN)
        projected.wait_for_end()
    assert "84 events of 16 workflows are as the log says; 0 differences" in scene.run("verify")


def test_a_lost_database_is_made_anew_from_archive_and_log(scene: Scene, servers: Servers) -> None:
    scene.archive()
    scene.let_kafka_delete()
    with fresh_database(servers) as dsn:
        projected = in_database(scene.projected, dsn)
        anew = scene._replace(projected=projected)
        assert "aion-store migrate" in anew.run("doctor", code=1)
        anew.run("migrate")
        with running_worker(projected.settings):  # too early: the log begins behind its checkpoints
            halted = "select count(halted) from checkpoints"
            wait_until(lambda: projected.rows(halted) == [(PARTITIONS,)], "the projector halts", TIMEOUT_S)
            anew.run("rebuild")
            close(projected, OPEN)
            projected.wait_for_end()
        assert "84 events of 16 workflows are as the log says; 0 differences" in anew.run("verify")


def at(offset: int, end: int) -> Cut:
    return Cut(offset, end, None)


def test_an_archive_ends_between_appends(scene: Scene) -> None:
    projected, progress = scene.projected, list[int]()
    empty = Archive.empty(scene.directory, projected.log.events)
    scene.directory.mkdir()
    kafka, topic = projected.settings.kafka, projected.log.events
    end = offset_bounds(kafka, topic.name, 0, 9.0).end
    whole = extend(empty, kafka, topic, 0, at(end, end), lambda _, done, __: progress.append(done))
    records = [record for stretch in whole.stretches(0, 0) for record in stretch.records]
    assert (whole.end(0), progress[-1]) == (end, end)
    cut = extend(empty, kafka, topic, 0, at(records[3].offset, end), lambda *_: None)
    assert (cut.points[0].ordinal, cut.end(0)) == (5, records[5].offset)
    assert extend(cut, kafka, topic, 0, at(records[3].offset, end), lambda *_: None) is cut
    longer = extend(cut, kafka, topic, 0, at(end, end), lambda *_: None)
    assert [record for stretch in longer.stretches(0, 0) for record in stretch.records] == records
    middle = records[7].offset
    assert [record for stretch in longer.stretches(0, middle) for record in stretch.records] == records[7:]


def test_an_archive_that_is_not_the_logs_beginning_is_refused(scene: Scene) -> None:
    scene.archive()
    scene.let_kafka_delete()
    archive, events = scene.opened(), scene.projected.log.events

    other = SignerKey.generate("example.com/archive")
    write_note(archive, other)
    assert "no valid signature" in scene.run("verify", code=2)
    point = archive.points[0]
    false = ChainPoint(point.offset, point.ordinal, bytes(32))
    write_note(archive.model_copy(update={"points": {**archive.points, 0: false}}), scene.signer)
    assert "a log that continues the archive" in scene.run("verify", code=2)
    assert "a log that continues the archive" in scene.run("rebuild", code=2)
    scene.run("rebuild", "--drop")
    assert "records that continue the chain" in scene.archive("--include-open", code=2)
    checked = ("archive", "verify", "--directory", str(scene.directory), "--key", str(scene.signer.verifier))
    assert "with chain" in scene.run(*checked, code=2)
    write_note(archive.model_copy(update={"topic_id": "A" * 22}), scene.signer)
    assert f"the topic with id {events.topic_id}" in scene.run("verify", code=2)
    write_note(archive, scene.signer)
    assert "0 differences" in scene.run("verify")

    note = scene.directory / NOTE
    text = note.read_text()
    note.write_text(text.replace(" 5 ", " 6 ", 1) if " 5 " in text else text.replace("file 0", "file 1", 1))
    assert "no valid signature" in scene.run("verify", code=2)
    note.write_text(text)
    path = scene.directory / archive.files[0].name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "SHA-256" in scene.run("verify", code=2)
    path.unlink()
    assert "No such file" in scene.run("rebuild", code=2)


def test_another_key_signs_the_whole_archive(scene: Scene, tmp_path: Path) -> None:
    scene.archive()
    archive, follower = scene.opened(), SignerKey.generate("example.com/next")
    next_file, rotation = tmp_path / "next", tmp_path / "rotation.note"
    next_file.write_text(follower.text())
    rotation.write_text(scene.run("audit", "rotate", "--old", str(scene.key_file), "--new", str(next_file)))
    renewed = scene._replace(signer=follower, key_file=next_file)
    assert "no valid signature" in renewed.archive(code=2)
    renewed.archive("--rotation", str(rotation))
    assert renewed.opened() == archive
    assert "0 differences" in renewed.run("verify")


def test_a_directory_that_cannot_be_an_archive_is_refused(scene: Scene, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "something").write_text("else")
    arguments = ("archive", "write", "--key-file", str(scene.key_file), "--before")
    assert "isn't empty" in scene.run(*arguments, TOMORROW, "--directory", str(other), code=2, archived=False)
    file = ("--directory", str(other / "something"))
    assert "can't be used" in scene.run(*arguments, TOMORROW, *file, code=2, archived=False)
    assert "--before is a time" in scene.run(*arguments, "yesterday", *file, code=2, archived=False)
    early = ("--directory", str(scene.directory))
    assert "Nothing is old enough" in scene.run(*arguments, "2000-01-01T00:00:00Z", *early, archived=False)
    assert "holds no archive.note" in scene.run("verify", code=2)
    assert [path.name for path in other.iterdir()] == ["something"]
