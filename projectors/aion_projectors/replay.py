"""A partition read again from its first record: what each stretch comes to for tables that hold nothing yet.

The rules are those of `plan`; a gap doesn't end it here, since what follows is wanted as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aion_projectors.plan import Behind, Checkpoint, Gap, Held, Plan, plan_stretch
from aion_projectors.stretch import Stretch
from aion_store.log.chain import chain_start
from aion_store.log.reader import ClientSettings, TopicIdentity, scan_committed
from aion_store.log.record import ParsedRecord


class Replayed(NamedTuple):
    """A stretch's records and what they come to."""

    records: Sequence[ParsedRecord]
    plan: Plan


def replay(
    client: ClientSettings, topic: TopicIdentity, partition: int, end: int, timeout_s: float
) -> Iterator[Replayed]:
    """The records below offset `end`, stretch by stretch, in order.

    After a gap reading goes on behind it; after records whose ordinals go back it ends. Raises UnavailableError when
    nothing comes for `timeout_s` seconds, SchemaMismatchError when the log no longer holds its first record.
    """
    checkpoint = Checkpoint(0, 0, chain_start(topic.topic_id, partition))
    held: Held | None = None
    start = 0
    for read in scan_committed(client, topic.name, partition, 0, end, timeout_s):
        stretch = Stretch(start, [record for record in read.records if record.offset < end], min(read.position, end))
        while True:
            plan = plan_stretch(checkpoint, held, stretch)
            records = stretch.records
            if plan.fault is not None:
                edge = plan.fault.offset if isinstance(plan.fault, Gap) else stretch.start
                records = [record for record in stretch.records if record.offset < edge]
            yield Replayed(records, plan)
            checkpoint, held = plan.checkpoint, plan.held
            if plan.fault is None:
                break
            if isinstance(plan.fault, Behind) or plan.fault.found < plan.fault.expected:
                return
            checkpoint, held = Checkpoint(plan.fault.offset, plan.fault.found - 1, b""), None
            rest = [record for record in stretch.records if record.offset >= plan.fault.offset]
            stretch = Stretch(plan.fault.offset, rest, stretch.position)
        start = stretch.position
