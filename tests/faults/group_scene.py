"""A log whose partitions are shared by processes, under load, and what the log must show afterwards."""

from __future__ import annotations

import random
import signal
import time
from bisect import bisect
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from aion_store.log.partitioning import partition_of
from aion_store.model.ids import WorkflowId
from tests.faults.log_check import CheckedLog, PlainAppend, check_log
from tests.faults.recorded_calls import ACKNOWLEDGED, Call, check_calls, read_calls
from tests.faults.write_scene import RECOVERY_S, WriterProcess, check_turns
from tests.faults.writer_child import DEPOSED
from tests.producing import Log, make_log
from tests.waiting import wait_until

PARTITIONS = 4


class GroupScene:
    """The members, the last that joined at the end; all of them write to the same workflows."""

    def __init__(
        self,
        bootstrap_servers: str,
        directory: Path,
        prefix: str,
        chance: random.Random,
        protocol: str = "consumer",
        session_timeout_s: float = 2.0,
    ) -> None:
        self.chance, self.log = chance, make_log(bootstrap_servers, prefix, PARTITIONS)
        self._directory, self._protocol, self._session_timeout_s = directory, protocol, session_timeout_s
        self.processes: list[WriterProcess] = []
        self.members: list[WriterProcess] = []
        self.most_patient_unknown_s = 0.0
        """After `check`: the longest time that a caller gave which was told in the end that only the log knows."""

    def join(self, log: Log | None = None, **orders: Any) -> WriterProcess:
        """Another member of the group; returns once it has its share, which may be the packages only, and callers.

        `log` is how it reaches the log, if not as the others do; `orders` as `WriterProcess` takes them.
        """
        return self._start(
            log,
            address=f"writer-{len(self.processes)}.test:7000",
            protocol=self._protocol,
            session_timeout_s=self._session_timeout_s,
            **orders,
        )

    def start_with(self, share: list[int]) -> WriterProcess:
        """One that was told to write these; returns once each of them is written, by it or one that it fights with."""
        started_s = now_s()
        member = self._start(share=share)
        self.await_partitions(set(share), started_s)
        return member

    def _start(self, log: Log | None = None, **orders: Any) -> WriterProcess:
        record = self._directory / f"calls-{len(self.processes)}.jsonl"
        member = WriterProcess(log or self.log, record, self.chance.randrange(2**32), **orders)
        self.processes.append(member)
        self.members.append(member)
        wait_until(lambda: member.record.stat().st_size or member.ended() is not None, "a member joins", RECOVERY_S)
        assert member.ended() is None, member.errors.read_text()[-3000:]
        return member

    def leave(self, member: WriterProcess) -> None:
        """It ends in order."""
        self.members.remove(member)
        assert member.end() == 0, member.errors.read_text()[-3000:]

    def await_progress(self, member: WriterProcess, count: int = 30) -> None:
        """Wait until a member has acknowledged some more."""
        wanted = member.acknowledged + count
        wait_until(lambda: member.acknowledged >= wanted or member.ended() is not None, "appends go on", RECOVERY_S)
        assert member.ended() is None, member.errors.read_text()[-3000:]

    def await_partitions(self, partitions: AbstractSet[int], since_s: float) -> None:
        """Wait until each of them is written again, by whomever."""
        written = set[int]()

        def complete() -> bool:
            written.update(
                partition_of_call(call)
                for call in read_calls(member.record for member in self.members)
                if call.outcome == ACKNOWLEDGED and call.count and call.ended_s > since_s
            )
            return partitions <= written

        wait_until(complete, "every partition is written again", RECOVERY_S)

    def stalls_s(self, since_s: float, member: WriterProcess) -> dict[int, float]:
        """By partition, how long after `since_s` the member first acknowledged there; waits until it has in each."""
        found: dict[int, float] = {}

        def complete() -> bool:
            for call in read_calls([member.record]):
                if call.outcome == ACKNOWLEDGED and call.count and call.ended_s > since_s:
                    found.setdefault(partition_of_call(call), call.ended_s - since_s)
            return len(found) == PARTITIONS or member.ended() is not None

        wait_until(complete, "every partition is written again", RECOVERY_S)
        assert member.ended() is None, member.errors.read_text()[-3000:]
        return found

    def check(self, *, in_turn: bool = False, torn: bool = False) -> Counter[str]:
        """End everyone; then the log must be whole and every answer true. How many calls had which outcome.

        `in_turn`: whoever was taken over from never writes the partition again. `torn`: a broker was mistreated, which
        may have left part of an append.
        """
        for process in self.processes:
            assert process.end() in (0, DEPOSED, -signal.SIGKILL), process.errors.read_text()[-3000:]
        topic, names = self.log.topics.events, [process.name for process in self.processes]
        appends: list[PlainAppend] = []
        dropped = 0
        for partition in range(PARTITIONS):
            found = check_log(str(self.log.client["bootstrap.servers"]), topic.name, topic.topic_id, partition)
            assert {_partition(append.workflow_id) for append in found.appends} <= {partition}
            check_tenures(found, names)
            if in_turn:
                check_turns(found.appends, names)
            appends += found.appends
            dropped += found.dropped
        calls: list[Call] = read_calls(process.record for process in self.processes)
        check_calls(calls, appends)
        assert torn or dropped == 0, "nobody killed the broker"
        self.most_patient_unknown_s = max((call.timeout_s for call in calls if call.gave_up), default=0.0)
        return Counter(call.outcome for call in calls)

    def close(self) -> None:
        """Whatever happened."""
        for process in self.processes:
            process.kill()


def check_tenures(found: CheckedLog, names: Sequence[str]) -> None:
    """From one take-over to the next a single process writes: nothing of the old owner comes after the new one's."""
    writers: dict[int, set[str]] = {}
    for append in found.appends:
        tenure = bisect(found.take_overs, append.offset)
        writers.setdefault(tenure, set()).add(next(name for name in names if append.append_id.startswith(name)))
    assert 0 not in writers, "written before anybody took it over"
    assert all(len(each) == 1 for each in writers.values()), f"two wrote between take-overs: {writers}"


def now_s() -> float:
    """The clock of the recorded calls."""
    return time.monotonic()


def partition_of_call(call: Call) -> int:
    """Where it was to write."""
    return _partition(call.workflow_id)


def _partition(workflow_id: str) -> int:
    return partition_of(WorkflowId(workflow_id), PARTITIONS)
