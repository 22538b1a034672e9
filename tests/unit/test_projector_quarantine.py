"""Appends that another writer must have written: their workflow is quarantined, what can be stored is stored."""

from __future__ import annotations

from aion_projectors.batch import Batch
from aion_projectors.facts import LeaseReopened, StatusChanged
from aion_projectors.package_batch import fold_package_appends
from aion_projectors.workflow_rows import Entry, WorkflowRows, fold_appends
from aion_store.conformance.events import workflow
from aion_store.log.record import TIMER, LogRecord
from aion_store.model.workflow import WorkflowStatus

KEY = str(workflow(1)).encode()


def record(seq: int | None, *, kind: str = "x.a.B", offset: int = 0, key: bytes = KEY, value: bytes = b"") -> LogRecord:
    return LogRecord(offset, 5_000, key, value, kind, seq, "2026-01-31T12:00:00Z", "a", 1, 1, 1, bytes(32))


def entries(*sequences: int) -> list[Entry]:
    return [Entry(record(seq), None) for seq in sequences]


AT_2 = fold_appends(WorkflowRows(), [entries(1, 2)]).rows


def test_an_append_below_the_head_is_rejected_whole_and_the_head_stays() -> None:
    folded = fold_appends(AT_2, [entries(2, 3)])
    assert (folded.rows.head, folded.stored) == (2, [])
    assert [rejected.record.seq for rejected in folded.rejected] == [2, 3]
    assert folded.rows.quarantine is not None
    assert "sequence 2 doesn't follow head 2" in folded.rows.quarantine.reason


def test_an_append_that_leaves_a_hole_is_stored_and_moves_the_head() -> None:
    folded = fold_appends(AT_2, [entries(5, 6), entries(7)])
    assert (folded.rows.head, len(folded.stored), folded.rejected) == (7, 3, [])
    assert folded.rows.quarantine is not None
    assert folded.rows.quarantine.seq == 5


def test_what_is_rejected_before_the_first_event_stops_nothing() -> None:
    folded = fold_appends(WorkflowRows(), [entries(1, 1), entries(1)])
    assert (folded.rows.head, folded.rows.quarantine) == (1, None)
    assert [rejected.record.seq for rejected in folded.rejected] == [1, 1]


def test_the_first_reason_stays() -> None:
    folded = fold_appends(AT_2, [entries(5), entries(9)])
    assert folded.rows.quarantine is not None
    assert folded.rows.quarantine.seq == 5


def test_a_fold_that_fails_stops_its_workflow_only_from_there_on() -> None:
    run_that_was_not_loaded = AT_2._replace(summary=AT_2.summary._replace(run_first_seq=1))
    paused = Entry(record(3, kind="WorkflowPaused"), StatusChanged(WorkflowStatus.PAUSED))
    reopened = Entry(record(4, kind="WorkflowReopened"), LeaseReopened())
    rows = fold_appends(run_that_was_not_loaded, [[paused], [reopened]]).rows
    assert rows.quarantine is not None
    assert rows.quarantine.reason.startswith("its fold failed: KeyError")
    assert (rows.head, rows.summary) == (4, run_that_was_not_loaded.summary)


def test_keys_that_name_no_workflow_and_kinds_without_a_place_are_rejected() -> None:
    batch = Batch()
    strangers = [
        record(1, key=b"nobody"),
        record(1, key=KEY.replace(b"-", b"")),
        record(1, kind="a\x00b"),
        record(None, kind="package"),
    ]
    batch.add(3, [(stranger,) for stranger in strangers])
    assert not batch.appends
    assert [partition for partition, _ in batch.rejected] == [3, 3, 3, 3]
    assert all(rejected.reason for _, rejected in batch.rejected)


def test_a_schedule_timer_that_cannot_be_read_is_rejected_and_stops_nothing() -> None:
    batch = Batch()
    batch.add(0, [(record(None, kind=TIMER, value=b"{"),)])
    ((appends),) = batch.appends.values()
    folded = fold_appends(AT_2, appends)
    assert (folded.rows.quarantine, folded.rows.head, len(folded.rejected)) == (None, 2, 1)


def test_a_package_record_that_cannot_be_read_is_rejected() -> None:
    folded = fold_package_appends([(record(None, kind="package", value=b"{"),), (record(1),)])
    assert len(folded.rejected) == 2
    assert not folded.tables.packages
