"""Makes `derived-rows-v1.ndjson`: what `audit replay` prints of a fixed log, header apart; on embedded servers.

Run only where `folds.VERSION` was raised, into a file of that version; those of released versions are never changed.
"""

from __future__ import annotations

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path

from aion_producers.topics import LogTopics, ensure_topics
from aion_service.audit.replaying import line_of, rows_until
from aion_service.embedded.stack import embedded_stack
from aion_service.transfer.log_range import places_of
from aion_store.conformance.events import START, HistoryBuilder, run, workflow
from aion_store.conformance.samples import engine_events, every_event
from aion_store.log.record import TIMER, Draft
from aion_store.log.timer_record import encode_timer
from aion_store.model.events import Event
from aion_store.model.ids import NamedTimer
from aion_store.model.timers import TimerEntry
from aion_store.streams.position import Start
from tests.projected_log import PlainWriter

TIMEOUT_S = 30.0
FIRST = Path(__file__).with_name("derived-rows-v1.ndjson")


def histories() -> list[list[Event]]:
    """Workflows of every kind of event, and of every way to end, go on and fail."""
    everything = HistoryBuilder(workflow(1))
    failing = HistoryBuilder(workflow(2))
    continued = HistoryBuilder(workflow(3))
    parent = HistoryBuilder(workflow(4))
    return [
        [*every_event(everything), *engine_events(everything)],
        [failing.started(), failing.scheduled(1), failing.activity_failed(1), failing.failed("it broke \u20ac")],
        [continued.started(), continued.continued(run(1)), continued.started(run_id=run(2), parent=run(1))],
        [parent.started("order \u00fc"), parent.child(workflow(2)), parent.scheduled(7), parent.completed()],
    ]


def write(client: dict[str, str], topics: LogTopics) -> None:
    """The fixed log: each workflow in an append of its own, and a timer that was only called for."""
    writer = PlainWriter(dict(client), topics)
    with writer.transaction():
        for number, events in enumerate(histories()):
            writer.append(events[0].envelope.workflow_id, events, f"append-{number}")
        timer = TimerEntry(workflow(5), NamedTimer("alone"), START + timedelta(days=1))
        writer.record("events", 0, Draft(str(workflow(5)).encode(), encode_timer(timer), TIMER))


async def make() -> None:
    """Write the log on servers of its own, and the file."""
    with tempfile.TemporaryDirectory() as directory:
        async with embedded_stack(Path(directory) / "stack") as stack:
            client = {"bootstrap.servers": stack.bootstrap_servers}
            topics = ensure_topics(client, "golden", 1, TIMEOUT_S)
            write(client, topics)
            places = places_of(Start.END, client, topics.events)
            lines = [line_of(row) for row in rows_until(client, topics.events, places, None)]
    FIRST.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    asyncio.run(make())
