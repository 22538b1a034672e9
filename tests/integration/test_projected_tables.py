"""Every table the projection keeps, on a real log: they hold what its complete appends come to, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import count

import pytest

from aion_store.conformance.events import START, HistoryBuilder, run, workflow
from aion_store.log.package_record import PackageDeleted, PackagePut, PackageRoutePut, encode_package_change
from aion_store.log.partitioning import partition_of
from aion_store.log.record import PACKAGE, PACKAGE_DELETE, PACKAGE_ROUTE, TIMER, Draft, WireRecord, noop_record
from aion_store.log.timer_record import encode_timer
from aion_store.model.events import Event, SearchAttributesUpdated, WorkflowPaused, WorkflowReopened
from aion_store.model.ids import NamedTimer, WorkflowId
from aion_store.model.packages import PackageRecord
from aion_store.model.search_attributes import IntAttribute
from aion_store.model.timers import TimerEntry
from tests.log_tables import check_against_the_model, check_tables
from tests.projected_log import Projected, make_projected, running_worker
from tests.servers import Servers
from tests.waiting import wait_until

PARTITIONS = 4
PROMPTLY_S = 20.0
"""Without another record to come; wide, for a machine that may be busy."""
DEADLINE_S = 90.0


@pytest.fixture
def projected(servers: Servers, database: str, topic_prefix: str) -> Projected:
    return make_projected(servers, database, topic_prefix, PARTITIONS)


def in_partition(partition: int, number: int = 0) -> WorkflowId:
    """The workflow of that number among those of a partition."""
    found = (workflow(n) for n in count(1) if partition_of(workflow(n), PARTITIONS) == partition)
    return [next(found) for _ in range(number + 1)][-1]


def busy_history(workflow_id: WorkflowId, child: WorkflowId) -> list[Event]:
    """A history that every fold has to do with; how it goes on depends on the workflow."""
    build, variant = HistoryBuilder(workflow_id), workflow_id.int % 4
    history: list[Event] = [build.started(), build.scheduled(1), build.scheduled(2, "ship")]
    history += [build.timer_started(NamedTimer("due"), START + timedelta(days=1)), build.activity_completed(1)]
    attributes = {"priority": IntAttribute(data=variant)}
    history.append(build.build(SearchAttributesUpdated, workflow_id=workflow_id, attributes=attributes))
    history += [build.child(child), build.signal(), build.activity_failed(2)]
    match variant:
        case 0:
            history += [build.timer_fired(NamedTimer("due")), build.failed(), build.signal()]
            history += [build.build(WorkflowReopened, run_id=run(1), reopened=()), build.activity_completed(2)]
        case 1:
            history += [build.continued(run(1)), build.started("parcel", run_id=run(2), parent=run(1))]
            history += [build.scheduled(1), build.signal()]
        case 2:
            history += [build.timer_cancelled(NamedTimer("due")), build.failed("no stock")]
        case _:
            history.append(build.build(WorkflowPaused, run_id=run(1)))
    return history


def write_histories(projected: Projected, numbers: Sequence[int], sizes: Sequence[int] = (1, 3, 2)) -> int:
    """The histories of these workflows, append by append in turn, some appends a transaction; how many events."""
    pending = {number: busy_history(workflow(number), workflow(number + 1_000)) for number in numbers}
    total = sum(len(history) for history in pending.values())
    for size in (size for _ in count() for size in sizes):
        pending = {number: history for number, history in pending.items() if history}
        if not pending:
            return total
        with projected.writer.transaction():
            for number, history in pending.items():
                projected.writer.append(workflow(number), history[:size])
                pending[number] = history[size:]
    raise AssertionError("unreachable")


def test_the_tables_equal_the_log(projected: Projected) -> None:
    entry = TimerEntry(workflow(1), NamedTimer("due"), START + timedelta(days=2))
    with running_worker(projected.settings):
        written = write_histories(projected, range(1, 40))
        with projected.writer.transaction():
            partition = partition_of(workflow(1), PARTITIONS)
            projected.writer.record("events", partition, Draft(str(workflow(1)).encode(), encode_timer(entry), TIMER))
        projected.wait_for_end(deadline_s=DEADLINE_S)
        assert check_tables(projected) == written
        check_against_the_model(projected)
        due = projected.rows("select fire_at from timers where workflow_id = %s", workflow(1))
        assert due == [(entry.fire_at,)]


def test_a_log_written_before_is_applied_once_however_often_the_worker_starts(projected: Projected) -> None:
    written = write_histories(projected, range(1, 10))
    with running_worker(projected.settings):
        projected.wait_for_end(deadline_s=DEADLINE_S)
    checkpoints = projected.rows("select * from checkpoints order by log, partition")
    with running_worker(projected.settings):
        written += write_histories(projected, range(10, 12))
        projected.wait_for_end(deadline_s=DEADLINE_S)
    untouched = {partition_of(workflow(number), PARTITIONS) for number in range(PARTITIONS)}
    untouched -= {partition_of(workflow(number), PARTITIONS) for number in (10, 11)}
    again = projected.rows("select * from checkpoints order by log, partition")
    assert [row for row in checkpoints if row[1] in untouched] == [row for row in again if row[1] in untouched]
    assert check_tables(projected) == written


def test_an_append_split_over_fetches_is_applied_whole_and_a_torn_one_not_at_all(projected: Projected) -> None:
    whole, torn = in_partition(0), in_partition(0, 1)
    history = HistoryBuilder(whole)
    events = [history.started(), *history.signals(2)]
    with running_worker(projected.settings):
        for index, event in enumerate(events, 1):  # the parts of an append in transactions of their own
            with projected.writer.transaction():
                projected.writer.part(whole, event, "cut", index, len(events))
            if index < len(events):
                wait_until(lambda: projected.rows("select 1 from workflows") == [], "nothing of it is there")
        projected.wait_for_end(deadline_s=DEADLINE_S)
        with projected.writer.transaction():
            projected.writer.part(torn, HistoryBuilder(torn).started(), "torn", 1, 2)
        with projected.writer.transaction():
            projected.writer.append(whole, history.signals(1))
        projected.wait_for_end(deadline_s=DEADLINE_S)
        assert check_tables(projected) == 4
        assert projected.rows("select count(*) from workflows") == [(1,)]


def test_the_position_reaches_an_end_of_markers_and_of_aborted_records(projected: Projected) -> None:
    with running_worker(projected.settings):
        write_histories(projected, range(1, 5))
        projected.wait_for_end(deadline_s=DEADLINE_S)
        with projected.writer.transaction(abort=True):
            for partition in range(PARTITIONS):
                projected.writer.append(in_partition(partition), [HistoryBuilder(in_partition(partition)).started()])
        projected.wait_for_end(deadline_s=PROMPTLY_S)
        for _ in range(3):
            with projected.writer.transaction():
                for partition in range(PARTITIONS):
                    projected.writer.write("events", partition, [noop_record()])
            projected.wait_for_end(deadline_s=PROMPTLY_S)
        check_tables(projected)


def test_packages_are_projected(projected: Projected) -> None:
    first, second = (
        PackageRecord(workflow_type="order", content_hash=name, archive=name.encode() * 9, deployed_at=START)
        for name in ("aa", "bb")
    )
    changes = [
        (PACKAGE, PackagePut(package=first, routes=("order", "parcel"))),
        (PACKAGE, PackagePut(package=second, routes=())),
        (PACKAGE_ROUTE, PackageRoutePut(workflow_type="parcel", content_hash="bb")),
        (PACKAGE_DELETE, PackageDeleted(workflow_type="order", content_hash="aa")),
    ]
    with running_worker(projected.settings):
        for kind, change in changes:
            with projected.writer.transaction():
                projected.writer.record("packages", 0, Draft(None, encode_package_change(change), kind))
        with projected.writer.transaction():
            projected.writer.record("packages", 0, Draft(None, b'{"type":"PackagePut"}', PACKAGE))
            projected.writer.write("packages", 0, [WireRecord(b"key", b"value", [])])
        projected.wait_for_end(deadline_s=DEADLINE_S)
    assert projected.rows("select workflow_type, content_hash, archive, deployed_at from packages") == [
        ("order", "bb", second.archive, START)
    ]
    routes = projected.rows("select workflow_type, content_hash from package_routes order by workflow_type")
    assert routes == [("order", "aa"), ("parcel", "bb")]
    rejected = projected.rows("select log, partition from rejected_records order by record_offset")
    assert rejected == [("packages", 0), ("packages", 0)]


def test_two_workers_share_the_partitions(projected: Projected) -> None:
    numbers = count(10)
    with running_worker(projected.settings):
        written = write_histories(projected, range(1, 10))
        projected.wait_for_end(deadline_s=DEADLINE_S)
        note_who_applies(projected)

        def go_on() -> set[int]:
            """The sessions that apply some more histories."""
            nonlocal written
            with projected.session() as connection:
                connection.execute("delete from applied")
            written += write_histories(projected, [next(numbers) for _ in range(8)])
            projected.wait_for_end(deadline_s=DEADLINE_S)
            return {pid for (pid,) in projected.rows("select pid from applied")}

        assert len(go_on()) == 1
        with running_worker(projected.settings):
            wait_until(lambda: len(go_on()) == 2, "each of two workers applies some partitions", DEADLINE_S)
        wait_until(lambda: len(go_on()) == 1, "the first applies all of them again", DEADLINE_S)
        assert check_tables(projected) == written


def note_who_applies(projected: Projected) -> None:
    """From now on a table `applied` shows which session moved a checkpoint."""
    live = projected.live_schema
    note = f"begin insert into {live}.applied values (pg_backend_pid()); return null; end"
    with projected.session() as connection:
        connection.execute("create table applied (pid integer not null)")
        connection.execute(f"create function note_who() returns trigger language plpgsql as '{note}'".encode())
        connection.execute("create trigger who after update on checkpoints for each row execute function note_who()")
