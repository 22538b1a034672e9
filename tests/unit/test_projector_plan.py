"""What a fetch comes to, by example; the property tests cover the rest."""

from __future__ import annotations

from aion_projectors.plan import Behind, Checkpoint, Gap, Held, plan_stretch
from aion_projectors.stretch import Stretch
from aion_store.log.record import BARRIER, ForeignRecord, LogRecord, Mark, ParsedRecord

AT_7 = Checkpoint(7, 3, b"3" * 32)


def record(offset: int, ordinal: int, index: int = 1, count: int = 1) -> LogRecord:
    """A record of append `a`, or of one of its own."""
    append_id = "a" if count > 1 else f"b{ordinal}"
    chain = str(ordinal).encode() * 32
    return LogRecord(offset, 0, b"k", b"", "x.a.B", ordinal, "", append_id, index, count, ordinal, chain)


def stretch(start: int, *records: ParsedRecord, position: int) -> Stretch:
    return Stretch(start, records, position)


def test_the_checkpoint_goes_past_the_markers_behind_the_last_record() -> None:
    plan = plan_stretch(AT_7, None, stretch(7, record(7, 4), record(8, 5), position=11))
    assert [append[0].ordinal for append in plan.appends] == [4, 5]
    assert plan.checkpoint == Checkpoint(11, 5, b"5" * 32)


def test_markers_alone_move_the_position_and_nothing_else() -> None:
    plan = plan_stretch(AT_7, None, stretch(7, position=9))
    assert (plan.appends, plan.checkpoint) == ([], AT_7._replace(position=9))


def test_a_late_fetch_changes_nothing() -> None:
    plan = plan_stretch(AT_7, None, stretch(3, record(3, 1), record(6, 3), position=7))
    assert (plan.appends, plan.checkpoint, plan.fault) == ((), AT_7, None)


def test_what_lies_below_the_checkpoint_is_dropped() -> None:
    plan = plan_stretch(AT_7, None, stretch(5, record(6, 3), record(7, 4), position=8))
    assert [append[0].ordinal for append in plan.appends] == [4]


def test_tables_that_went_back_are_read_for_again() -> None:
    plan = plan_stretch(AT_7, None, stretch(9, record(9, 5), position=10))
    assert (plan.appends, plan.checkpoint, plan.fault) == ((), AT_7, Behind(7))


def test_a_gap_applies_what_is_before_it_and_stays_there() -> None:
    plan = plan_stretch(AT_7, None, stretch(7, record(7, 4), Mark(8, "noop"), record(9, 6), position=10))
    assert [append[0].ordinal for append in plan.appends] == [4]
    assert (plan.checkpoint, plan.fault) == (Checkpoint(8, 4, b"4" * 32), Gap(5, 6, 9))


def test_the_checkpoint_stays_before_an_append_whose_end_is_missing_and_the_next_fetch_completes_it() -> None:
    first = plan_stretch(AT_7, None, stretch(7, record(7, 4), record(8, 5, 1, 2), position=10))
    assert (len(first.appends), first.checkpoint) == (1, Checkpoint(8, 4, b"4" * 32))
    assert first.held is not None
    assert (first.held.start, first.held.end) == (8, 10)
    second = plan_stretch(first.checkpoint, first.held, stretch(10, record(10, 6, 2, 2), position=12))
    assert [record.ordinal for record in second.appends[0]] == [5, 6]
    assert (second.checkpoint, second.held) == (Checkpoint(12, 6, b"6" * 32), None)


def test_both_barriers_of_a_take_over_let_the_checkpoint_pass_a_dead_append() -> None:
    torn = [record(7, 4, 1, 2), Mark(8, BARRIER, "t", "a")]
    first = plan_stretch(AT_7, None, stretch(7, *torn, position=10))
    assert first.checkpoint == AT_7
    second = plan_stretch(first.checkpoint, first.held, stretch(10, Mark(10, BARRIER, "t", "b"), position=12))
    assert (second.appends, second.checkpoint) == ([], Checkpoint(12, 4, b"4" * 32))


def test_what_is_held_is_forgotten_when_another_worker_went_on() -> None:
    held = plan_stretch(AT_7, None, stretch(7, record(7, 4, 1, 2), position=8)).held
    assert isinstance(held, Held)
    moved = Checkpoint(9, 5, b"5" * 32)
    plan = plan_stretch(moved, held, stretch(8, record(8, 5, 2, 2), record(9, 6), position=10))
    assert [append[0].ordinal for append in plan.appends] == [6]


def test_foreign_records_are_reported_and_stand_between_no_ordinals() -> None:
    plan = plan_stretch(AT_7, None, stretch(7, record(7, 4), ForeignRecord(8, "why"), record(9, 5), position=10))
    assert plan.foreign == [ForeignRecord(8, "why")]
    assert plan.checkpoint.ordinal == 5
