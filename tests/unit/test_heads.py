"""The heads of a partition: what an append is decided against, and what may be forgotten."""

from __future__ import annotations

from aion_producers.heads import ADMIT, COLD, AskHistory, Confirm, Decision, Heads, RecentAppend, Refuse, Rest
from aion_store.append_rules import PreparedAppend
from aion_store.errors import InvalidAppendError, SequenceConflictError
from aion_store.log.record import chain_of_append
from aion_store.model.ids import WorkflowId
from tests.producing import prepare

WORKFLOW = WorkflowId("00000000-0000-0000-0000-000000000001")
OTHER = WorkflowId("00000000-0000-0000-0000-000000000002")
KEY, OTHER_KEY = str(WORKFLOW).encode(), str(OTHER).encode()
CHAIN = bytes(32)


def make_heads(floor: int = 0, max_heads: int = 100, max_recent: int = 100) -> Heads:
    return Heads(floor, max_heads, max_recent)


def recent(append: PreparedAppend, first_ordinal: int) -> RecentAppend:
    key = str(append.workflow_id).encode()
    chain = chain_of_append(key, append.events, append.append_id, first_ordinal, CHAIN)
    return RecentAppend(append.expected_seq, append.append_id, len(append.events), first_ordinal, CHAIN, chain)


def decide(heads: Heads, append: PreparedAppend, *, repeatable: bool = True) -> Decision:
    return heads.decide(append, str(append.workflow_id).encode(), repeatable=repeatable)


def conflict(decision: Decision) -> tuple[int, int, Rest]:
    assert isinstance(decision, Refuse)
    assert isinstance(decision.error, SequenceConflictError)
    return decision.error.expected, decision.error.found, decision.rest


def test_a_workflow_without_records_has_head_zero_when_nothing_was_ever_forgotten() -> None:
    assert decide(make_heads(), prepare(WORKFLOW, 0)) == ADMIT


def test_a_workflow_that_is_not_held_is_cold_once_the_floor_was_raised() -> None:
    assert decide(make_heads(floor=7), prepare(WORKFLOW, 0)) == COLD


def test_a_staged_head_is_what_the_next_append_must_expect() -> None:
    heads = make_heads()
    heads.stage(KEY, recent(prepare(WORKFLOW, 0, 3), 1))

    assert decide(heads, prepare(WORKFLOW, 3)) == ADMIT
    assert conflict(decide(heads, prepare(WORKFLOW, 0))) == (0, 3, Rest.IN_FLIGHT)


def test_a_rolled_back_head_is_as_if_it_had_never_been() -> None:
    heads = make_heads()
    heads.stage(KEY, recent(prepare(WORKFLOW, 0, 3), 1))
    heads.roll_back()

    assert decide(heads, prepare(WORKFLOW, 0)) == ADMIT


def test_a_conflict_with_a_committed_head_is_true_at_once() -> None:
    heads = make_heads()
    heads.observe(KEY, recent(prepare(WORKFLOW, 0, 3), 1))

    assert conflict(decide(heads, prepare(WORKFLOW, 1))) == (1, 3, Rest.COMMITTED)


def test_a_head_below_the_expected_one_needs_proof_that_the_writer_is_still_the_owner() -> None:
    heads = make_heads()
    heads.observe(KEY, recent(prepare(WORKFLOW, 0, 3), 1))

    assert conflict(decide(heads, prepare(WORKFLOW, 5))) == (5, 3, Rest.FRESH)


def test_an_empty_append_at_the_head_needs_the_same_proof() -> None:
    heads = make_heads()
    heads.observe(KEY, recent(prepare(WORKFLOW, 0, 3), 1))

    assert decide(heads, prepare(WORKFLOW, 3, count=0)) == Confirm(None, Rest.FRESH)
    assert conflict(decide(heads, prepare(WORKFLOW, 2, count=0))) == (2, 3, Rest.COMMITTED)


def test_a_fault_is_told_only_when_the_head_matches() -> None:
    heads = make_heads()
    faulty = prepare(WORKFLOW, 0, append_id="not an id")
    matching = decide(heads, faulty)
    heads.observe(KEY, recent(prepare(WORKFLOW, 0), 1))

    assert matching == Refuse(faulty.fault, Rest.COMMITTED) if faulty.fault else False
    assert conflict(decide(heads, faulty)) == (0, 1, Rest.COMMITTED)


def test_a_repeat_of_a_recent_append_is_a_success_that_names_its_last_record() -> None:
    heads = make_heads()
    append = prepare(WORKFLOW, 0, 3, "one")
    heads.observe(KEY, recent(append, 11))
    heads.observe(KEY, recent(prepare(WORKFLOW, 3), 14))

    assert decide(heads, append) == Confirm(13, Rest.COMMITTED)


def test_a_repeat_of_an_append_in_flight_shares_its_outcome() -> None:
    heads = make_heads()
    append = prepare(WORKFLOW, 0, 2, "one")
    heads.stage(KEY, recent(append, 5))

    assert decide(heads, append) == Confirm(6, Rest.IN_FLIGHT)


def test_the_same_append_id_with_other_events_is_invalid() -> None:
    heads = make_heads()
    heads.observe(KEY, recent(prepare(WORKFLOW, 0, 2, "one"), 1))

    for other in (prepare(WORKFLOW, 0, 2, "one", size_bytes=301), prepare(WORKFLOW, 0, 1, "one")):
        decision = decide(heads, other)
        assert isinstance(decision, Refuse)
        assert isinstance(decision.error, InvalidAppendError)


def test_an_append_id_is_its_own_per_expected_sequence() -> None:
    heads = make_heads()
    heads.observe(KEY, recent(prepare(WORKFLOW, 0, 2, "one"), 1))

    assert decide(heads, prepare(WORKFLOW, 2, 1, "one")) == ADMIT
    assert conflict(decide(heads, prepare(WORKFLOW, 1, 1, "one"))) == (1, 2, Rest.COMMITTED)


def test_a_stale_append_from_before_what_is_held_asks_the_tables_unless_its_id_is_new() -> None:
    heads = make_heads(floor=10)
    heads.learn({KEY: 6}, 10)

    assert decide(heads, prepare(WORKFLOW, 2)) == AskHistory(6)
    assert conflict(decide(heads, prepare(WORKFLOW, 2), repeatable=False)) == (2, 6, Rest.COMMITTED)
    assert conflict(decide(heads, prepare(WORKFLOW, 2, count=0))) == (2, 6, Rest.COMMITTED)


def test_a_snapshot_below_the_floor_teaches_nothing() -> None:
    heads = make_heads(floor=10)

    assert heads.learn({KEY: 6}, 9) == []
    assert decide(heads, prepare(WORKFLOW, 6)) == COLD


def test_a_head_that_was_looked_up_is_followed_by_what_is_appended_since() -> None:
    heads = make_heads(floor=10)
    append = prepare(WORKFLOW, 6)

    assert heads.learn({KEY: 6, OTHER_KEY: 0}, 12) == [KEY, OTHER_KEY]
    heads.stage(KEY, recent(append, 13))
    heads.commit()

    assert decide(heads, append) == Confirm(13, Rest.COMMITTED)
    assert decide(heads, prepare(OTHER, 0)) == ADMIT


def test_a_snapshot_does_not_overrule_what_was_written_meanwhile() -> None:
    heads = make_heads()
    heads.observe(KEY, recent(prepare(WORKFLOW, 0, 3), 1))

    assert heads.learn({KEY: 0}, 0) == [KEY]
    assert heads.head(KEY) == 3


def test_only_projected_heads_are_forgotten_and_the_floor_rises_to_them() -> None:
    heads = make_heads()
    heads.observe(KEY, recent(prepare(WORKFLOW, 0, 2), 1))
    heads.observe(OTHER_KEY, recent(prepare(OTHER, 0, 2), 3))
    heads.forget(projected=3, keep=0)

    assert heads.floor == 2
    assert heads.head(KEY) is None
    assert heads.head(OTHER_KEY) == 2


def test_the_heads_touched_last_are_kept() -> None:
    heads = make_heads()
    heads.observe(KEY, recent(prepare(WORKFLOW, 0), 1))
    heads.observe(OTHER_KEY, recent(prepare(OTHER, 0), 2))
    heads.observe(KEY, recent(prepare(WORKFLOW, 1), 3))
    heads.forget(projected=3, keep=1)

    assert heads.head(OTHER_KEY) is None
    assert heads.head(KEY) == 2


def test_without_room_a_new_workflow_is_cold_and_isn_t_learned() -> None:
    heads = make_heads(max_heads=1)
    heads.observe(KEY, recent(prepare(WORKFLOW, 0), 1))

    assert decide(heads, prepare(OTHER, 0)) == COLD
    assert heads.learn({OTHER_KEY: 0}, 5) == []
    assert decide(heads, prepare(WORKFLOW, 1)) == ADMIT


def test_reading_a_long_log_keeps_the_bound_and_raises_the_floor() -> None:
    heads = make_heads(max_heads=2)
    heads.observe(KEY, recent(prepare(WORKFLOW, 0), 1))
    heads.observe(OTHER_KEY, recent(prepare(OTHER, 0), 2))
    heads.observe(KEY, recent(prepare(WORKFLOW, 1), 3))
    third = WorkflowId("00000000-0000-0000-0000-000000000003")
    heads.observe(str(third).encode(), recent(prepare(third, 0), 4))

    assert (len(heads), heads.floor) == (2, 2)
    assert decide(heads, prepare(OTHER, 1)) == COLD
    assert decide(heads, prepare(WORKFLOW, 2)) == ADMIT
    assert heads.learn({OTHER_KEY: 0}, 1) == [], "tables from before it was let go of"


def test_a_repeat_is_looked_up_in_the_tables_once_its_append_is_no_longer_kept() -> None:
    heads = make_heads(max_recent=1)
    first = prepare(WORKFLOW, 0, append_id="one")
    heads.observe(KEY, recent(first, 1))
    heads.observe(KEY, recent(prepare(WORKFLOW, 1), 2))

    assert decide(heads, first) == AskHistory(2)


def test_an_append_read_again_changes_nothing() -> None:
    heads = make_heads()
    first, second = prepare(WORKFLOW, 0), prepare(WORKFLOW, 1)
    heads.observe(KEY, recent(first, 1))
    heads.observe(KEY, recent(second, 2))
    heads.observe(KEY, recent(first, 1))

    assert heads.head(KEY) == 2
    assert decide(heads, second) == Confirm(2, Rest.COMMITTED)
