"""What callers of a write path recorded, and whether a log can have been its only truth.

The order of a workflow's appends is that of the log; a call is true if the head it tells of was the head at some time
between its beginning and its end, in one story that makes all calls true. Times are CLOCK_MONOTONIC, one clock for all
processes of a machine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from pydantic import TypeAdapter

from tests.faults.log_check import PlainAppend

FOREVER_S = 1e12
EARLY_S = 0.01
"""What an event loop's timers may be early."""
ACKNOWLEDGED, CONFLICT, NOT_WRITTEN, UNKNOWN = "acknowledged", "conflict", "not written", "unknown"


@dataclass(frozen=True)
class Call:
    """One append and its answer, which is unknown until there is one.

    `number` is its own in its process; `timeout_s` what it was given; `found` is a conflict's head; `ordinal` an
    acknowledgement's token.
    """

    number: int
    workflow_id: str
    expected: int
    count: int
    append_id: str
    timeout_s: float
    began_s: float
    ended_s: float = FOREVER_S
    outcome: str = "unknown"
    found: int = 0
    ordinal: int = 0

    @property
    def name(self) -> Name:
        return self.workflow_id, self.expected, self.append_id

    @property
    def told_head(self) -> int | None:
        """The head that its answer tells of, if it tells of one beside that of its own append."""
        if self.outcome == CONFLICT:
            return self.found
        return self.expected if self.outcome == ACKNOWLEDGED and not self.count else None

    @property
    def may_be_past(self) -> bool:
        """A stale expected_seq stays stale: the head told then may have moved on, as a deposed writer can't know."""
        return self.outcome == CONFLICT and self.found > self.expected

    @property
    def gave_up(self) -> bool:
        """Whether it was told that only the log knows; one without any answer wasn't."""
        return self.outcome == UNKNOWN and self.ended_s < FOREVER_S


Name: TypeAlias = tuple[str, int, str]
CALL = TypeAdapter(Call)


def read_calls(paths: Iterable[Path]) -> list[Call]:
    """All calls, from lines written before and after each: one without a second line may have written its append.

    A process that was killed may have left half a line.
    """
    calls: list[Call] = []
    for path in paths:
        begun: dict[int, Call] = {}
        for line in path.read_bytes().split(b"\n")[:-1]:
            call = CALL.validate_json(line)
            begun[call.number] = call
        calls += begun.values()
    return calls


@dataclass(slots=True)
class _Written:
    """An append in the log, and when it can have happened at the earliest and at the latest."""

    append: PlainAppend
    calls: list[Call] = field(default_factory=list[Call])

    @property
    def end(self) -> int:
        return self.append.expected + self.append.count

    @property
    def not_before_s(self) -> float:
        return min(call.began_s for call in self.calls if call.outcome in (ACKNOWLEDGED, UNKNOWN))

    @property
    def not_after_s(self) -> float:
        return min((call.ended_s for call in self.calls if call.outcome == ACKNOWLEDGED), default=float("inf"))


def check_calls(calls: Sequence[Call], appends: Iterable[PlainAppend]) -> None:
    """Assert that the answers agree with the log, and with one another."""
    written: dict[Name, _Written] = {}
    histories: dict[str, list[_Written]] = defaultdict(list)
    tellers: dict[str, list[Call]] = defaultdict(list)
    for append in appends:
        entry = _Written(append)
        written[append.workflow_id, append.expected, append.append_id] = entry
        histories[append.workflow_id].append(entry)
    for call in calls:
        if call.told_head is not None:
            tellers[call.workflow_id].append(call)
        if call.name in written and call.count:
            written[call.name].calls.append(call)
    for entry in written.values():
        may_have_written = [call for call in entry.calls if call.outcome in (ACKNOWLEDGED, UNKNOWN)]
        assert may_have_written, f"in the log, and nobody may have written it: {entry.append}, {entry.calls}"
    for call in calls:
        _check_answer(call, written.get(call.name))
    for workflow_id in histories.keys() | tellers.keys():
        _check_order(histories[workflow_id], tellers[workflow_id])


def _check_answer(call: Call, entry: _Written | None) -> None:
    """What can be said of one answer without the others; `entry` is what the log has by its name."""
    if call.outcome == ACKNOWLEDGED and call.count:
        assert entry is not None, f"acknowledged, and not in the log: {call}"
        assert entry.append.count == call.count, call
        assert entry.append.last_ordinal <= call.ordinal, call
    if call.outcome == CONFLICT:
        assert call.found != call.expected, call
        assert not call.may_be_past or entry is None or not call.count, f"in the log: {call}"
    if call.gave_up:
        lasted_s = call.ended_s - call.began_s
        assert lasted_s >= call.timeout_s - EARLY_S, f"unknown after {lasted_s:.3f} s, before its deadline: {call}"


def _check_order(history: Sequence[_Written], tellers: Iterable[Call]) -> None:
    """Assert that times can be found, in the order of the log, at which each append was done and each head was told of.

    They can if nothing ended before something began that comes earlier in that order.
    """
    told: dict[int, list[Call]] = defaultdict(list)
    for call in tellers:
        told[call.told_head or 0].append(call)
    heads = [0, *[entry.end for entry in history]]
    assert told.keys() <= set(heads), f"there never was such a head: {[told[head] for head in told.keys() - {*heads}]}"
    began_s, began = float("-inf"), "the log"
    for head, entry in zip(heads, [None, *history], strict=True):
        if entry is not None:
            assert began_s <= entry.not_after_s, f"{entry.append} was there before what precedes it began: {began}"
            if entry.not_before_s > began_s:
                began_s, began = entry.not_before_s, str(entry.append)
        for call in told[head]:
            assert began_s <= call.ended_s, f"the head wasn't there yet, {began} had not begun: {call}"
        for call in told[head]:
            if not call.may_be_past and call.began_s > began_s:
                began_s, began = call.began_s, str(call)
