"""Refolding on real servers: a workflow that an older decoder stopped at is as if it had never been stopped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection

import pytest

from aion_projectors import fact_decoder
from aion_projectors.quarantine import list_quarantined, stopping_event
from aion_projectors.refold import Refolded, refold
from aion_projectors.session import REFOLD_NAME, connect_to_refold
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.errors import LogGapError, SchemaMismatchError
from aion_store.log.codec import DecodeError
from aion_store.log.partitioning import partition_of
from aion_store.log.record import TIMER, Draft, LogRecord
from aion_store.model.ids import WorkflowId
from tests.integration.test_projected_tables import write_histories
from tests.losing import lose_a_record_between, lose_the_last_record, sequences
from tests.projected_log import Projected, make_projected, running_worker
from tests.servers import Servers
from tests.verifying import assert_clean, verify
from tests.waiting import wait_until

PARTITIONS = 2
WORKFLOWS = range(1, 9)
WAITING_REFOLD = """
select from pg_stat_activity where application_name = %s and wait_event_type = 'Lock' and datname = current_database()
"""


@pytest.fixture
def projected(servers: Servers, database: str, topic_prefix: str) -> Projected:
    return make_projected(servers, database, topic_prefix, PARTITIONS)


def run_refold(projected: Projected, workflow_ids: Collection[WorkflowId]) -> list[Refolded]:
    """Refold these; what was reported."""
    done: list[Refolded] = []
    settings = projected.settings
    asyncio.run(
        refold(
            *(settings.kafka, projected.dsn, settings.schema_name, projected.log, workflow_ids),
            *(done.append, lambda *_: None),
        )
    )
    return done


def test_workflows_that_an_older_decoder_stopped_at_are_mended(
    projected: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_old(record: LogRecord) -> None:
        raise DecodeError(f"no such kind {record.kind}")

    with monkeypatch.context() as older:
        for kind in ("SearchAttributesUpdated", "TimerStarted", TIMER):
            older.setitem(fact_decoder._DECODERS, kind, too_old)
        with running_worker(projected.settings):
            write_histories(projected, WORKFLOWS)
            with projected.writer.transaction():
                partition = partition_of(workflow(1), PARTITIONS)
                body = b'{"type":"TimerScheduled","data":{"workflow_id":"%b","timer_id":{"Named":"later"},' % (
                    str(workflow(1)).encode()
                )
                body += b'"fire_at":"2027-01-31T12:00:00Z"}}'
                projected.writer.record("events", partition, Draft(str(workflow(1)).encode(), body, TIMER))
            projected.wait_for_end()
    stopped = list_quarantined(projected.dsn, projected.settings.schema_name)
    assert {each.workflow_id for each in stopped} == {workflow(number) for number in WORKFLOWS}
    event = stopping_event(projected.dsn, projected.settings.schema_name, stopped[0].partition, stopped[0].workflow_id)
    assert event is not None
    assert event.body is not None
    assert (event.kind, event.fault) == ("TimerStarted", None)
    assert {("workflows", "quarantined"), ("timers", None), ("rejected_records", None)} <= verify(projected).places
    with running_worker(projected.settings):  # while the projection goes on
        done = run_refold(projected, [each.workflow_id for each in stopped])
        write_histories(projected, range(20, 24))
        projected.wait_for_end()
    assert [(each.quarantined, each.events > 5) for each in done] == [(None, True)] * len(WORKFLOWS)
    assert list_quarantined(projected.dsn, projected.settings.schema_name) == []
    assert_clean(projected)


def test_what_still_cannot_be_decoded_stays_in_quarantine(projected: Projected) -> None:
    at, body = "2026-01-31T12:00:00Z", b'{"type":"WorkflowStarted","data":{}}'
    with running_worker(projected.settings):
        with projected.writer.transaction():
            projected.writer.append(workflow(1), [("WorkflowStarted", 1, at, body)])
            projected.writer.append(workflow(1), [HistoryBuilder(workflow(1), head=1).signal()])
        projected.wait_for_end()
    (stopped,) = list_quarantined(projected.dsn, projected.settings.schema_name)
    event = stopping_event(projected.dsn, projected.settings.schema_name, stopped.partition, workflow(1))
    assert event is not None
    assert (event.body, event.fault is not None) == (body, True)
    (done,) = run_refold(projected, [workflow(1)])
    assert (done.events, done.quarantined) == (2, stopped.reason)
    assert_clean(projected)


def test_a_repeated_sequence_is_not_shown_as_the_event_that_took_it(projected: Projected) -> None:
    build = HistoryBuilder(workflow(1))
    with running_worker(projected.settings):
        with projected.writer.transaction():
            projected.writer.append(workflow(1), [build.started(), build.signal()])
            projected.writer.append(workflow(1), [HistoryBuilder(workflow(1), head=1).signal()])
        projected.wait_for_end()
    (stopped,) = list_quarantined(projected.dsn, projected.settings.schema_name)
    assert stopped.seq == 2
    event = stopping_event(projected.dsn, projected.settings.schema_name, stopped.partition, workflow(1))
    assert event is not None
    assert (event.workflow, event.kind, event.body, event.fault) == (stopped, None, None, None)


def test_damaged_rows_are_repaired_and_an_unknown_workflow_is_left_unknown(projected: Projected) -> None:
    with running_worker(projected.settings):
        write_histories(projected, WORKFLOWS)
        projected.wait_for_end()
    with projected.session() as connection:
        connection.execute("update events set body = '' where seq = 2")
        connection.execute("delete from events where seq = 4")
        connection.execute("update timers set fire_at = now()")
        connection.execute("delete from children")
        stray = partition_of(workflow(78), PARTITIONS), workflow(78)
        connection.execute("insert into runs select %s, %s, 1, gen_random_uuid(), null, 'Running', now()", stray)
    damaged = {difference.workflow_id for difference in verify(projected).differences}
    assert len(damaged) == len(WORKFLOWS) + 1
    done = run_refold(projected, [WorkflowId(int=each.int) for each in damaged if each is not None] + [workflow(77)])
    assert {Refolded(workflow(77), 0, None), Refolded(workflow(78), 0, None)} < set(done)
    assert_clean(projected)


def test_a_log_with_a_hole_makes_nothing_anew(projected: Projected) -> None:
    lose_a_record_between(projected, workflow(1))
    with pytest.raises(LogGapError, match="from ordinal 2 to 4"):
        run_refold(projected, [workflow(1)])
    assert sequences(projected, workflow(1)) == [1, 2, 3, 4]


@pytest.mark.parametrize("offsets", [0, 3])
def test_a_log_that_ends_before_the_tables_makes_nothing_anew(projected: Projected, offsets: int) -> None:
    lose_the_last_record(projected, workflow(1), offsets=offsets)
    with pytest.raises(SchemaMismatchError, match="restore the log"):
        run_refold(projected, [workflow(1)])
    assert sequences(projected, workflow(1)) == [1, 2, 3]


def test_a_worker_waits_for_a_refold_however_long_it_takes(
    projected: Projected, caplog: pytest.LogCaptureFixture
) -> None:
    kept = workflow(1)
    others = [
        workflow(n) for n in range(2, 20) if partition_of(workflow(n), PARTITIONS) == partition_of(kept, PARTITIONS)
    ]
    builders = [HistoryBuilder(workflow_id) for workflow_id in (kept, *others)]
    done: list[Refolded] = []
    with running_worker(projected.settings):
        for builder in builders:
            with projected.writer.transaction():
                projected.writer.append(
                    builder.workflow_id, [builder.started(), *(builder.signal() for _ in range(500))]
                )
        projected.wait_for_end()
        refolding = threading.Thread(target=lambda: done.extend(run_refold(projected, [kept])))
        with projected.session() as connection:
            connection.execute("select from runs where workflow_id = %s for update", (kept,))
            refolding.start()
            wait_until(lambda: projected.rows(WAITING_REFOLD, REFOLD_NAME), "the refold holds its partition")
            with projected.writer.transaction():
                projected.writer.append(others[0], [builders[1].signal()])
            wait_until(
                lambda: caplog.text.count("the checkpoint of events") >= 3,
                "the worker has looked more than once for a session to end",
            )
            assert projected.rows(WAITING_REFOLD, REFOLD_NAME)
        refolding.join()
        projected.wait_for_end()
    assert done == [Refolded(kept, 501, None)]
    assert_clean(projected)


def test_nothing_ends_the_session_of_a_refold_for_being_slow(database: str) -> None:
    async def limits() -> list[str | None]:
        async with await connect_to_refold(database) as connection:
            cursor = await connection.execute(
                "select current_setting(name, true) from unnest(%s::text[]) as s (name)",
                (["idle_in_transaction_session_timeout", "transaction_timeout", "statement_timeout"],),
            )
            return [row[0] for row in await cursor.fetchall()]

    assert set(asyncio.run(limits())) <= {"0", None}
