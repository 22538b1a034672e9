"""Makes `values-v1.json`: the stored text of events of every kind, of timers and of package changes.

Run only to add a vector for a new format version; vectors of a released version are never changed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from aion_store.conformance.events import START, HistoryBuilder, workflow
from aion_store.conformance.samples import engine_events, every_event
from aion_store.log.codec import encode_event
from aion_store.log.package_record import (
    RECORD_KIND,
    PackageChange,
    PackageDeleted,
    PackagePut,
    PackageRoutePut,
    encode_package_change,
)
from aion_store.log.timer_record import encode_timer
from aion_store.model.events import Event
from aion_store.model.ids import AnonymousTimer, NamedTimer
from aion_store.model.packages import PackageRecord
from aion_store.model.timers import TimerCancellation, TimerEntry

PACKAGE = PackageRecord(workflow_type="order", content_hash="0f" * 32, archive=b"\x00\xffPK", deployed_at=START)


def events() -> list[Event]:
    """The events of the vectors, in order."""
    history = HistoryBuilder(workflow(1))
    return [*every_event(history), *engine_events(history)]


def timers() -> list[TimerEntry | TimerCancellation]:
    """The timer calls of the vectors, in order."""
    named = (NamedTimer("dead line"), AnonymousTimer(7))
    scheduled = [TimerEntry(workflow(1), timer, START) for timer in named]
    return [*scheduled, *(TimerCancellation(workflow(1), timer) for timer in named)]


def changes() -> list[PackageChange]:
    """The package changes of the vectors, in order."""
    return [
        PackagePut(package=PACKAGE, routes=("order", "parcel")),
        PackageDeleted(workflow_type="order", content_hash="0f" * 32),
        PackageRoutePut(workflow_type="parcel", content_hash="none"),
    ]


def vectors() -> dict[str, list[str]]:
    """Everything that the file holds: each value as the text that is stored."""
    return {
        "events": [encode_event(event).decode() for event in events()],
        "timers": [encode_timer(entry).decode() for entry in timers()],
        "package_changes": [encode_package_change(change).decode() for change in changes()],
        "package_kinds": [RECORD_KIND[type(change)] for change in changes()],
    }


if __name__ == "__main__":
    target = Path(__file__).with_name("values-v1.json")
    if target.exists() and "--replace" not in sys.argv:
        sys.exit(f"{target.name} is there; released vectors never change")
    target.write_text(json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n")
