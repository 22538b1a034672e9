"""Stored values are what they were when they were released: events, timers and package changes, text for text."""

from __future__ import annotations

import json
from pathlib import Path

from aion_store.log.codec import decode_event, encode_event
from aion_store.log.package_record import decode_package_change, encode_package_change
from aion_store.log.timer_record import decode_timer, encode_timer
from tests.golden.make_values import changes, events, timers

VECTORS: dict[str, list[str]] = json.loads(Path(__file__).with_name("values-v1.json").read_text())


def test_events_are_written_and_read_as_they_were() -> None:
    assert [encode_event(event).decode() for event in events()] == VECTORS["events"]
    assert [decode_event(text.encode()) for text in VECTORS["events"]] == events()


def test_timers_are_written_and_read_as_they_were() -> None:
    assert [encode_timer(entry).decode() for entry in timers()] == VECTORS["timers"]
    assert [decode_timer(text.encode()) for text in VECTORS["timers"]] == timers()


def test_package_changes_are_written_and_read_as_they_were() -> None:
    assert [encode_package_change(change).decode() for change in changes()] == VECTORS["package_changes"]
    stored = zip(VECTORS["package_changes"], VECTORS["package_kinds"], strict=True)
    assert [decode_package_change(text.encode(), kind) for text, kind in stored] == changes()
