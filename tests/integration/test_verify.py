"""Verification on real servers: clean tables are told to be so, and every kind of damage is named."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta

import pytest

from aion_projectors.differences import Difference
from aion_projectors.verify import Verifier
from aion_projectors.verify_events import EventComparison, ExpectedEvent
from aion_projectors.verify_selection import Scope, Selection
from aion_projectors.verify_tables import verified_tables
from aion_store.conformance.events import START, HistoryBuilder, workflow
from aion_store.log.package_record import PackagePut, encode_package_change
from aion_store.log.partitioning import partition_of
from aion_store.log.record import PACKAGE, TIMER, Draft, WireRecord
from aion_store.log.timer_record import encode_timer
from aion_store.model.events import SearchAttributesUpdated
from aion_store.model.ids import NamedTimer
from aion_store.model.packages import PackageRecord
from aion_store.model.search_attributes import FloatAttribute
from aion_store.model.timers import TimerEntry
from tests.integration.test_projected_tables import write_histories
from tests.log_tables import COLUMNS
from tests.projected_log import Projected, make_projected, running_worker
from tests.servers import Servers
from tests.verifying import assert_clean, verify

PARTITIONS = 2
WORKFLOWS = 24


@pytest.fixture
def projected(servers: Servers, database: str, topic_prefix: str) -> Projected:
    """Tables that hold something in every place, at the end of their log."""
    projected = make_projected(servers, database, topic_prefix, PARTITIONS)
    write_histories(projected, range(1, WORKFLOWS + 1))
    write_the_unusual(projected)
    with running_worker(projected.settings):
        projected.wait_for_end()
    return projected


def write_the_unusual(projected: Projected) -> None:
    """Timers without events, strangers' records, an event nobody can decode, a repeated sequence, packages."""
    writer = projected.writer
    partition = partition_of(workflow(1), PARTITIONS)
    key = str(workflow(1)).encode()
    entry = TimerEntry(workflow(1), NamedTimer("later"), START + timedelta(days=2))
    floats = HistoryBuilder(workflow(901))
    package = PackageRecord(workflow_type="order", content_hash="aa", archive=b"zip" * 9, deployed_at=START)
    body, at = b'{"type":"WorkflowStarted","data":{}}', "2026-01-31T12:00:00Z"
    with writer.transaction():
        writer.record("events", partition, Draft(key, encode_timer(entry), TIMER))
        writer.record("events", partition, Draft(key, b"not JSON", TIMER))
        writer.record("events", 0, Draft(b"no workflow id", b"{}", "x.stranger.Event", 1, at))
        writer.write("events", 0, [WireRecord(b"key", b"a stranger's", [])])
        writer.append(workflow(900), [("WorkflowStarted", 1, at, body)])
        writer.append(workflow(901), [floats.started(), HistoryBuilder(workflow(901), head=1).signal()])
        writer.append(workflow(902), [HistoryBuilder(workflow(902)).started()])
        writer.append(workflow(902), [HistoryBuilder(workflow(902)).started()])
        attributes = {f"f{n}": FloatAttribute(data=value) for n, value in enumerate((1e23, 1.2345678901234567e18, 0.1))}
        update = HistoryBuilder(workflow(901), head=2).build(
            SearchAttributesUpdated, workflow_id=workflow(901), attributes=attributes
        )
        writer.append(workflow(901), [update])
        change = encode_package_change(PackagePut(package=package, routes=("order",)))
        writer.record("packages", 0, Draft(None, change, PACKAGE))
        writer.record("packages", 0, Draft(None, b"{}", PACKAGE))


def test_clean_tables_are_clean_in_one_reading_or_many(projected: Projected) -> None:
    events = assert_clean(projected)
    ((stored, workflows),) = projected.rows("select (select count(*) from events), count(*) from workflows")
    found = verify(projected, at_once=3)
    assert not found.differences
    assert (found.verified.events, found.verified.workflows) == (stored + 2, workflows)
    assert events == stored + 2  # and two changes of packages


DAMAGE = {
    "a body": ("update events set body = body || ' ' where seq = 2 and workflow_id = %s", {("events", "body")}),
    "an event's offset": (
        "update events set record_offset = record_offset + 1 where seq = 2 and workflow_id = %s",
        {("events", "record_offset")},
    ),
    "an event that is gone": ("delete from events where seq = 3 and workflow_id = %s", {("events", None)}),
    "an event too many": (
        "insert into events select partition, workflow_id, 99, kind, recorded_at, logged_at, append_id, 1, 1, "  # noqa: ISC004
        "record_offset, ordinal, chain, body from events where seq = 3 and workflow_id = %s",
        {("events", None)},
    ),
    "a status": ("update workflows set status = 'TimedOut' where workflow_id = %s", {("workflows", "status")}),
    "an attribute": (
        "update workflows set search_attributes = '{}' where workflow_id = %s",
        {("workflows", "search_attributes")},
    ),
    "a quarantine": ("update workflows set quarantined = 'no' where workflow_id = %s", {("workflows", "quarantined")}),
    "a workflow that is gone": ("delete from workflows where workflow_id = %s", {("workflows", None)}),
    "a run's end": ("update runs set closed_at = now() where workflow_id = %s", {("runs", "closed_at")}),
    "a run that is gone": ("delete from runs where workflow_id = %s", {("runs", None)}),
    "a timer": ("update timers set fire_at = now() where workflow_id = %s", {("timers", "fire_at")}),
    "a timer too many": ("insert into timers select 0, %s, 'x', now()", {("timers", None)}),
    "an activity": ("update activities set attempt = 77 where workflow_id = %s", {("activities", "attempt")}),
    "a claim": ("update children set started_seq = 77 where parent_id = %s", {("children", "started_seq")}),
    "a claim that is gone": ("delete from children where parent_id = %s", {("children", None)}),
}


def test_every_kind_of_damage_is_named(projected: Projected) -> None:
    keep(projected)
    for what, (damage, places) in DAMAGE.items():
        damaged = next(
            workflow(number)
            for number in range(1, WORKFLOWS + 1)
            if projected.rows("select 1 from activities where workflow_id = %s", workflow(number))
            and projected.rows("select 1 from timers where workflow_id = %s and fire_at is not null", workflow(number))
        )
        with projected.session() as connection:
            connection.execute(damage.encode(), (damaged,))
        found = verify(projected)
        assert found.places == places, what
        assert {difference.workflow_id for difference in found.differences} == {damaged}, what
        one = Scope(workflow_ids=frozenset({damaged.bytes}))
        assert verify(projected, one).places == places, what
        for difference in found.differences:
            assert json.loads(json.dumps(difference.to_json()))["workflow_id"] == str(damaged)
            assert str(damaged) in str(difference)
        restore(projected)


def keep(projected: Projected) -> None:
    """Copy the tables, so that they can be restored."""
    with projected.session() as connection:
        for table in COLUMNS:
            connection.execute(f"create table kept_{table} as table {table}".encode())


def restore(projected: Projected) -> None:
    """The tables as they were when they were kept."""
    with projected.session() as connection:
        for table in COLUMNS:
            connection.execute(f"truncate {table}".encode())
            connection.execute(f"insert into {table} table kept_{table}".encode())


def test_what_differs_is_reported_while_the_log_is_read(projected: Projected, monkeypatch: pytest.MonkeyPatch) -> None:
    found, reported, held = 0, 0, [0]

    class Counted(EventComparison):
        """Counts what differs, and what of that wasn't reported yet."""

        def take(self, events: Iterable[ExpectedEvent]) -> Iterator[Difference]:
            nonlocal found
            for difference in super().take(events):
                found += 1
                yield difference
                held.append(found - reported)

    def report(_: Difference) -> None:
        nonlocal reported
        reported += 1

    def pass_over(*_: object) -> None:
        """Progress isn't looked at."""

    monkeypatch.setattr("aion_projectors.verify.HELD_BACK", 5)
    monkeypatch.setattr("aion_projectors.verify.EventComparison", Counted)
    with projected.session() as connection:
        connection.execute("update events set body = ''")
    settings = projected.settings
    where = (settings.kafka, projected.dsn, settings.schema_name, projected.log)
    for partition in range(PARTITIONS):
        Verifier(*where, report, pass_over).events(partition)
    assert found == reported > 100
    assert max(held) == 5


@pytest.mark.parametrize("held_back", [0, 5, 10_000])
def test_tables_that_lost_most_are_compared_in_so_many_readings_as_fit(
    projected: Projected, monkeypatch: pytest.MonkeyPatch, held_back: int
) -> None:
    with projected.session() as connection:
        for table in ("events", "workflows", "runs", "workflow_counts"):
            connection.execute(f"delete from {table}".encode())
    expected = sorted(map(str, verify(projected).differences))
    assert len(expected) == len(set(expected)) > 100
    monkeypatch.setattr("aion_projectors.verify.HELD_BACK", held_back)
    assert sorted(map(str, verify(projected, at_once=2).differences)) == expected


def test_event_rows_that_are_left_early_leave_the_snapshot_whole(projected: Projected) -> None:
    with projected.session() as connection:
        connection.execute("update events set body = convert_to(repeat('x', 200000), 'utf8')")
    with verified_tables(projected.dsn, projected.settings.schema_name, "events", 0) as tables:
        parameters = Selection().parameters(0)
        with pytest.raises(KeyError), tables.event_rows(parameters) as rows:
            raise KeyError(next(rows))
        assert list(tables.rows("verify_workflows", parameters))


def test_what_no_workflow_owns_is_compared_as_well(projected: Projected) -> None:
    with projected.session() as connection:
        connection.execute("update packages set archive = '\\x00'")
        connection.execute("delete from package_routes")
        connection.execute("delete from rejected_records where log = 'packages'")
        connection.execute("update rejected_records set reason = '' where log = 'events'")
        connection.execute("update workflow_counts set workflows = workflows + 1")
        connection.execute("delete from timer_calls")
        connection.execute("update checkpoints set chain = sha256('') where log = 'events' and partition = 1")
    assert verify(projected).places == {
        ("packages", "sha256(archive)"),
        ("package_routes", None),
        ("rejected_records", None),
        ("rejected_records", "reason"),
        ("workflow_counts", "workflows"),
        ("timer_calls", None),
        ("checkpoints", "chain"),
    }


def test_a_sample_looks_at_so_many_workflows_of_each_partition(projected: Projected) -> None:
    assert verify(projected, Scope(sample=3)).verified.workflows == 3 * PARTITIONS
    with projected.session() as connection:
        connection.execute("update workflows set head = head + 1")
    assert len(verify(projected, Scope(sample=3)).differences) == 3 * PARTITIONS


def test_a_log_that_contradicts_itself_is_told(servers: Servers, database: str, topic_prefix: str) -> None:
    projected = make_projected(servers, database, topic_prefix, 1)
    build = HistoryBuilder(workflow(1))
    with projected.writer.transaction():
        projected.writer.append(workflow(1), [build.started()])
        event = build.signal()
        place = {"append": b"a:1/1", "ordinal": b"2", "chain": b"ab" * 32, "seq": b"2", "at": b"2026-01-31T12:00:00Z"}
        headers = {"kind": event.kind.encode(), **place, "v": b"1"}
        projected.writer.write("events", 0, [WireRecord(str(workflow(1)).encode(), b"{}", list(headers.items()))])
    with running_worker(projected.settings):
        projected.wait_for_end()
    (difference,) = verify(projected).differences
    assert (difference.table, difference.column, difference.found) == ("log", "chain", b"\xab" * 32)
