"""A process that opens the embedded store in a directory and appends without end, telling what was acknowledged.

Lines on stdout, JSON each: first the pids of its servers, then one line for each acknowledged append.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from aion_service.backends import embedded_kafka_store, projecting
from aion_service.embedded.stack import embedded_stack
from aion_store import EventEnvelope, EventStore, Payload, SignalReceived, WorkflowId, WriteToken
from aion_store.clock import utc_now

WORKFLOWS = 16


def say(line: dict[str, Any]) -> None:
    """One line, at once: the process may be killed right after."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def append_for_ever(store: EventStore, workflow_id: WorkflowId) -> None:
    """One or two events at a time; an acknowledged append is told before the next begins."""
    token, head = WriteToken.recorder(), 0
    while True:
        events = [
            SignalReceived(
                envelope=EventEnvelope(seq=head + number, recorded_at=utc_now(), workflow_id=workflow_id),
                name="tick",
                payload=Payload.from_value(head + number),
            )
            for number in range(1, 2 + head % 2)
        ]
        await store.append(token, workflow_id, events, head)
        head += len(events)
        say({"workflow": str(workflow_id), "head": head})


async def main(directory: Path) -> None:
    """Open, tell the pids, append until killed."""
    async with embedded_stack(directory) as stack, projecting(stack), embedded_kafka_store(stack) as store:
        say({"pids": [os.getpid(), *(process.pid for process in stack.processes.values())]})
        async with asyncio.TaskGroup() as tasks:
            for _ in range(WORKFLOWS):
                tasks.create_task(append_for_ever(store, WorkflowId.random()))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
