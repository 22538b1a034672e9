"""What a subscription was asked for: the checks that all stores share, and which events it admits. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aion_store.call_rules import check_workflow_id, checked_time
from aion_store.errors import SchemaMismatchError
from aion_store.model.events import WorkflowStarted
from aion_store.model.ids import WorkflowId, checked_name
from aion_store.streams.contract import SubscriptionStart
from aion_store.streams.position import PartitionPosition, Start, StreamPosition

GROUP_PATTERN: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SubscriptionRequest:
    """A subscription's checked arguments. `first_seq` is set when a workflow's history comes before what is live."""

    start: Start | StreamPosition | datetime
    first_seq: int | None
    kinds: frozenset[str] | None
    workflow_types: frozenset[str] | None
    workflow_id: WorkflowId | None
    group: str | None

    def admits(self, workflow_id: WorkflowId, kind: str) -> bool:
        """Whether an event passes, but for the type of its workflow."""
        return self.workflow_id in (None, workflow_id) and (self.kinds is None or kind in self.kinds)

    def concerns(self, workflow_id: WorkflowId, kind: str) -> bool:
        """Whether an event has to be looked at: all of a followed history, since they show a gap; every new type."""
        if self.workflow_id not in (None, workflow_id):
            return False
        if self.first_seq is not None or self.kinds is None or kind in self.kinds:
            return True
        return self.workflow_types is not None and kind == WorkflowStarted.__name__


def checked_request(
    start: SubscriptionStart,
    kinds: Collection[str] | None,
    workflow_types: Collection[str] | None,
    workflow_id: WorkflowId | None,
    group: str | None,
) -> SubscriptionRequest:
    """Raises TypeError or ValueError, which say what subscribe takes."""
    if workflow_id is not None:
        check_workflow_id(workflow_id)
    if group is not None:
        if not isinstance(group, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"a group is named by a str, not {type(group).__name__}")
        if not GROUP_PATTERN.fullmatch(group):
            raise ValueError(f"a group's name is 1 to 64 of A-Z a-z 0-9 . _ -, this is {group[:80]!r}")
        if workflow_id is not None:
            raise ValueError("a group shares partitions, and one workflow is in one: leave group or workflow_id out")
    first_seq: int | None = None
    if isinstance(start, int):
        if isinstance(start, bool):
            raise TypeError("start is a Start, a StreamPosition, a datetime or a sequence, not a bool")
        if workflow_id is None:
            raise ValueError("a sequence to start from needs the workflow_id that it counts in")
        first_seq, begin = start, Start.BEGINNING
    elif isinstance(start, datetime):
        begin = checked_time(start)
    elif isinstance(start, Start | StreamPosition):  # pyright: ignore[reportUnnecessaryIsInstance]
        begin = start
        if begin is Start.BEGINNING and workflow_id is not None:
            first_seq = 1
    else:
        raise TypeError(f"start is a Start, a StreamPosition, a datetime or a sequence, not {type(start).__name__}")
    names = _names("kinds", kinds), _names("workflow_types", workflow_types)
    return SubscriptionRequest(begin, first_seq, *names, workflow_id, group)


def _names(argument: str, names: Collection[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    if isinstance(names, str):
        raise TypeError(f"{argument} is a collection of names, not one text")
    if not names:
        raise ValueError(f"{argument} is empty, so nothing would ever come: name some, or leave it out")
    return frozenset(checked_name(name) for name in names)


class NoPlaceError(ValueError):
    """A position names no place in a partition that is to be read: it is one of a narrower subscription."""

    def __init__(self, partition: int) -> None:
        super().__init__(
            f"the position names no place in partition {partition}, which is to be read: a position of one workflow, "
            "or of a group, isn't one of the whole log"
        )


def places_in(position: StreamPosition, topic_id: str, partitions: Collection[int]) -> dict[int, PartitionPosition]:
    """The position's places in these partitions.

    Raises SchemaMismatchError for a position of another topic, NoPlaceError for one that lacks a partition.
    """
    if position.topic_id != topic_id:
        raise SchemaMismatchError(topic_id, position.topic_id, "The topic of a stream position")
    missing = sorted(set(partitions) - position.partitions.keys())
    if missing:
        raise NoPlaceError(missing[0])
    return {partition: position.partitions[partition] for partition in partitions}
