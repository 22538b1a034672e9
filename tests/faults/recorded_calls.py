"""What callers of a write path recorded, and whether a log can have been its only truth.

The order of a workflow's appends is that of the log; a call is true if the head it tells of was the head at some time
between its beginning and its end. Times are CLOCK_MONOTONIC, one clock for all processes of a machine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

from pydantic import TypeAdapter

from tests.faults.log_check import PlainAppend

FOREVER_S = 1e12
ACKNOWLEDGED, CONFLICT, NOT_WRITTEN, UNKNOWN = "acknowledged", "conflict", "not written", "unknown"


@dataclass(frozen=True)
class Call:
    """One append and its answer, which is unknown until there is one.

    `number` is its own in its process; `found` is a conflict's head; `ordinal` an acknowledgement's token.
    """

    number: int
    workflow_id: str
    expected: int
    count: int
    append_id: str
    began_s: float
    ended_s: float = FOREVER_S
    outcome: str = "unknown"
    found: int = 0
    ordinal: int = 0

    @property
    def name(self) -> Name:
        return self.workflow_id, self.expected, self.append_id


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
        return min((call.began_s for call in self.calls), default=float("-inf"))

    @property
    def not_after_s(self) -> float:
        return min((call.ended_s for call in self.calls if call.outcome == ACKNOWLEDGED), default=float("inf"))


def check_calls(calls: Sequence[Call], appends: Iterable[PlainAppend]) -> None:
    """Assert that the answers agree with the log."""
    written: dict[Name, _Written] = {}
    histories: dict[str, list[_Written]] = defaultdict(list)
    for append in appends:
        entry = _Written(append)
        written[append.workflow_id, append.expected, append.append_id] = entry
        histories[append.workflow_id].append(entry)
    for call in calls:
        if call.name in written and call.count:
            written[call.name].calls.append(call)
    for entry in written.values():
        may_have_written = [call for call in entry.calls if call.outcome in (ACKNOWLEDGED, UNKNOWN)]
        assert may_have_written, f"in the log, and nobody may have written it: {entry.append}, {entry.calls}"
    for history in histories.values():
        _check_real_time(history)
    for call in calls:
        _check_answer(call, written, histories[call.workflow_id])


def _check_real_time(history: Sequence[_Written]) -> None:
    for earlier, later in pairwise(history):
        assert earlier.not_before_s <= later.not_after_s, f"{later.append} was done before {earlier.append} began"


def _check_answer(call: Call, written: Mapping[Name, _Written], history: Sequence[_Written]) -> None:
    match call.outcome:
        case "acknowledged" if call.count:
            entry = written.get(call.name)
            assert entry is not None, f"acknowledged, and not in the log: {call}"
            assert entry.append.count == call.count, call
            assert entry.append.last_ordinal <= call.ordinal, call
        case "acknowledged":
            _check_head(call, call.expected, history)
        case "conflict":
            assert call.found != call.expected, call
            assert call.found < call.expected or call.name not in written or not call.count, f"in the log: {call}"
            # A stale expected_seq stays stale: the head told then may have moved on, as a deposed writer can't know.
            _check_head(call, call.found, history, may_be_past=call.found > call.expected)
        case _:
            pass


def _check_head(call: Call, head: int, history: Sequence[_Written], *, may_be_past: bool = False) -> None:
    """The head was `head` at some time during the call, or before it where `may_be_past`."""
    ends = [0, *[entry.end for entry in history]]
    assert head in ends, f"there never was such a head: {call}"
    index = ends.index(head)
    if index:
        assert history[index - 1].not_before_s <= call.ended_s, f"the head wasn't there yet: {call}"
    if index < len(history) and not may_be_past:
        assert history[index].not_after_s >= call.began_s, f"the head was long gone: {call}"
