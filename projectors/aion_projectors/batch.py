"""The complete appends of a fetch by workflow, with the facts they state, and which rows their folds need. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from aion_projectors.fact_decoder import TERMINAL_KINDS, fact_of
from aion_projectors.facts import (
    ActivityReported,
    LeaseEnded,
    LeaseReopened,
    RunStarted,
    StatusChanged,
    TimerArmed,
    TimerDisarmed,
)
from aion_projectors.workflow_rows import Entry, Rejected
from aion_store.log.appends import Append
from aion_store.log.record import PACKAGE, PACKAGE_DELETE, PACKAGE_ROUTE, LogRecord

_ID_TEXT: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_PACKAGE_KINDS: Final = frozenset({PACKAGE, PACKAGE_DELETE, PACKAGE_ROUTE})


class WorkflowKey(NamedTuple):
    """What names a workflow's rows: its partition, and its id's 16 bytes."""

    partition: int
    workflow_id: bytes


@dataclass(slots=True)
class Batch:
    """What one fetch of the events log holds: each workflow's appends in order, and the records no table can take."""

    appends: dict[WorkflowKey, list[list[Entry]]] = field(default_factory=dict[WorkflowKey, list[list[Entry]]])
    rejected: list[tuple[int, Rejected]] = field(default_factory=list[tuple[int, Rejected]])
    size_bytes: int = 0
    """How long the values of the appends' records are together."""

    def add(self, partition: int, appends: Iterable[Append]) -> None:
        """Take the complete appends of a partition."""
        keys: dict[bytes, WorkflowKey | None] = {}
        for append in appends:
            text = append[0].key or b""
            key = keys.get(text)
            if key is None and text not in keys:
                key = keys[text] = workflow_key(partition, text)
            reason = _fault(append, key)
            if key is None or reason:
                self.rejected += [(partition, Rejected(record, reason or "")) for record in append]
                continue
            entries = [Entry(record, fact_of(record)) for record in append]
            self.size_bytes += sum(len(record.value) for record in append)
            of_workflow = self.appends.get(key)
            if of_workflow is None:
                self.appends[key] = [entries]
            else:
                of_workflow.append(entries)


def workflow_key(partition: int, text: bytes) -> WorkflowKey | None:
    """The workflow that a record's key names; None when it names none."""
    if not _ID_TEXT.fullmatch(text):
        return None
    return WorkflowKey(partition, bytes.fromhex(text.decode().replace("-", "")))


def _fault(append: Sequence[LogRecord], key: WorkflowKey | None) -> str | None:
    if key is None:
        return "its key isn't a workflow id"
    for record in append:
        if record.kind in _PACKAGE_KINDS or "\x00" in record.kind:
            return "its kind has no place in the events log"
    return None


@dataclass(slots=True)
class Needs:
    """The rows that folding a batch needs, and reads them by: workflows, their last run, activities and timers by id,
    all activities where a run starts, all disarmed timers where a lease ends.
    """

    workflows: list[WorkflowKey] = field(default_factory=list[WorkflowKey])
    runs: list[WorkflowKey] = field(default_factory=list[WorkflowKey])
    activities: dict[tuple[WorkflowKey, int], None] = field(default_factory=dict[tuple[WorkflowKey, int], None])
    restarted: list[WorkflowKey] = field(default_factory=list[WorkflowKey])
    timers: dict[tuple[WorkflowKey, str], None] = field(default_factory=dict[tuple[WorkflowKey, str], None])
    ended: list[WorkflowKey] = field(default_factory=list[WorkflowKey])


def needs_of(batch: Batch) -> Needs:
    """What must be loaded to fold the batch. A workflow that begins in it needs little."""
    needs = Needs()
    for key, appends in batch.appends.items():
        needs.workflows.append(key)
        _add_needs(needs, key, appends)
    return needs


def _add_needs(needs: Needs, key: WorkflowKey, appends: list[list[Entry]]) -> None:
    new = appends[0][0].record.seq == 1
    run = restarted = ended = False
    for entries in appends:
        for record, fact in entries:
            match fact:
                case None:
                    pass
                case ActivityReported(activity_id=activity_id):
                    if not new:
                        needs.activities[key, activity_id] = None
                case TimerArmed(timer_id=timer_id) | TimerDisarmed(timer_id=timer_id):
                    needs.timers[key, timer_id] = None
                case RunStarted():
                    restarted = not new
                case LeaseEnded() | LeaseReopened() | StatusChanged():
                    run = not new
                case _:
                    pass
            ended = ended or record.kind in TERMINAL_KINDS
    if run:
        needs.runs.append(key)
    if restarted:
        needs.restarted.append(key)
    if ended:
        needs.ended.append(key)
