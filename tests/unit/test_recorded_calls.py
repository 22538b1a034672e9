"""The check of recorded calls that the fault tests rest on: it takes what can be true, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.log_check import PlainAppend
from tests.faults.recorded_calls import ACKNOWLEDGED, CONFLICT, NOT_WRITTEN, UNKNOWN, Call, check_calls

FIRST = PlainAppend("w", 0, "first", 1, 10, 1)
SECOND = PlainAppend("w", 1, "second", 2, 20, 3)
THIRD = PlainAppend("w", 3, "third", 1, 30, 4)


def append_call(append: PlainAppend, began_s: float, ended_s: float, outcome: str = ACKNOWLEDGED) -> Call:
    """One that tried to write `append`; its time-out is as long as it lasted."""
    return Call(
        0,
        append.workflow_id,
        append.expected,
        append.count,
        append.append_id,
        ended_s - began_s,
        began_s,
        ended_s,
        outcome,
        ordinal=append.last_ordinal if outcome == ACKNOWLEDGED else 0,
    )


def empty_call(head: int, began_s: float, ended_s: float) -> Call:
    """One that was told that `head` is the head."""
    return Call(0, "w", head, 0, "empty", 1.0, began_s, ended_s, ACKNOWLEDGED)


def conflict(expected: int, found: int, began_s: float, ended_s: float) -> Call:
    """One that was told that the head is `found` instead."""
    return Call(0, "w", expected, 1, "other", 1.0, began_s, ended_s, CONFLICT, found)


WRITTEN = [append_call(FIRST, 0, 1), append_call(SECOND, 2, 3), append_call(THIRD, 4, 5)]
"""The head is 1 from (0, 1) to (2, 3), 3 to (4, 5), then 4."""
UNSETTLED = [WRITTEN[0], append_call(SECOND, 2, 3, UNKNOWN), WRITTEN[2]]
"""The same, but nobody was told of the second append by itself."""
LOG = [FIRST, SECOND, THIRD]


@pytest.mark.parametrize("written", [WRITTEN, UNSETTLED])
@pytest.mark.parametrize(
    "answer",
    [
        empty_call(0, 0.5, 0.6),
        empty_call(0, 0.9, 9),
        empty_call(1, 0.1, 0.2),
        empty_call(1, 2.9, 3.5),
        empty_call(3, 2.1, 2.2),
        empty_call(3, 4.9, 7),
        empty_call(4, 4.1, 4.2),
        empty_call(4, 9, 10),
        conflict(7, 1, 2.5, 2.6),
        conflict(7, 4, 9, 10),
        conflict(0, 1, 0.5, 0.6),
        conflict(0, 1, 9, 10),
        conflict(0, 3, 9, 10),
    ],
)
def test_an_answer_that_can_be_true_is_taken(written: list[Call], answer: Call) -> None:
    check_calls([*written, answer], LOG)


@pytest.mark.parametrize("written", [WRITTEN, UNSETTLED])
@pytest.mark.parametrize(
    "answer",
    [
        empty_call(0, 1.1, 1.2),
        empty_call(1, 9, 10),  # the next append's end isn't known where it is unsettled: the one's after it is
        conflict(7, 1, 9, 10),
        empty_call(3, 5.1, 5.2),
        conflict(7, 3, 5.1, 5.2),
        empty_call(1, -2, -1),
        empty_call(3, 1, 1.9),
        empty_call(4, 1, 3.9),
        conflict(0, 1, -2, -1),
        conflict(0, 3, 1, 1.9),
        conflict(0, 4, 1, 3.9),
        conflict(3, 3, 3, 4),
        conflict(0, 2, 9, 10),
        empty_call(2, 2, 3),
        empty_call(5, 9, 10),
    ],
)
def test_an_answer_that_cannot_be_true_is_found(written: list[Call], answer: Call) -> None:
    with pytest.raises(AssertionError):
        check_calls([*written, answer], LOG)


def test_answers_that_are_true_one_by_one_and_not_together_are_found() -> None:
    """Each of them could have been told while the second append was under way."""
    written = [WRITTEN[0], append_call(SECOND, 2, 9), append_call(THIRD, 2, 9)]
    early, late = empty_call(3, 3, 4), empty_call(1, 5, 6)
    for answer in (early, late):
        check_calls([*written, answer], LOG)
    with pytest.raises(AssertionError):
        check_calls([*written, early, late], LOG)
    check_calls([*written, empty_call(1, 3, 6), empty_call(3, 4, 5)], LOG)


def test_appends_whose_order_in_the_log_belies_their_times_are_found() -> None:
    """Also across one that nobody was told of."""
    first, third = append_call(FIRST, 4, 5), append_call(THIRD, 0, 1)
    for second in (append_call(SECOND, 0, 5), append_call(SECOND, 0, 5, UNKNOWN)):
        with pytest.raises(AssertionError, match="was there before"):
            check_calls([first, second, third], LOG)


def test_what_was_acknowledged_is_in_the_log_as_it_was_told() -> None:
    with pytest.raises(AssertionError, match="not in the log"):
        check_calls(WRITTEN, LOG[:2])
    for wrong in (replace(THIRD, count=2), replace(THIRD, last_ordinal=5)):
        with pytest.raises(AssertionError):
            check_calls(WRITTEN, [FIRST, SECOND, wrong])


@pytest.mark.parametrize("outcome", [NOT_WRITTEN, CONFLICT])
def test_what_was_refused_is_not_in_the_log_unless_it_was_repeated(outcome: str) -> None:
    refused = replace(append_call(THIRD, 4, 5, outcome), found=4)
    with pytest.raises(AssertionError, match="in the log"):
        check_calls([*WRITTEN[:2], refused], LOG)
    if outcome == NOT_WRITTEN:
        check_calls([*WRITTEN[:2], refused, append_call(THIRD, 6, 7)], LOG)
        with pytest.raises(AssertionError):  # it was written by the later call: not yet the head before that
            check_calls([*WRITTEN[:2], refused, append_call(THIRD, 6, 7), empty_call(4, 4.5, 5.5)], LOG)


def test_what_is_unknown_may_be_there_or_not() -> None:
    unknown = append_call(THIRD, 4, 5, UNKNOWN)
    check_calls([*WRITTEN[:2], unknown], LOG)
    check_calls([*WRITTEN[:2], unknown], LOG[:2])


def test_unknown_is_no_answer_before_the_deadline() -> None:
    early = replace(append_call(THIRD, 4, 5, UNKNOWN), timeout_s=1.5)
    with pytest.raises(AssertionError, match="before its deadline"):
        check_calls([*WRITTEN[:2], early], LOG)
    killed = Call(0, "w", 3, 1, "third", 20.0, 4.0)
    check_calls([*WRITTEN[:2], killed], LOG)
