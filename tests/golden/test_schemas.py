"""The JSON Schemas are those of the model, what is written and read satisfies them, and they only grow."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from aion_store.conformance.events import START, HistoryBuilder, workflow
from aion_store.conformance.samples import engine_events, every_event
from aion_store.log.codec import DecodeError, decode_event, encode_event
from aion_store.log.json_schema import schemas, text_of
from aion_store.log.package_record import PackageDeleted, PackagePut, PackageRoutePut, encode_package_change
from aion_store.log.timer_record import encode_timer
from aion_store.model.ids import AnonymousTimer, NamedTimer
from aion_store.model.packages import PackageRecord
from aion_store.model.timers import TimerCancellation, TimerEntry

PUBLISHED = Path(__file__).parents[2] / "docs" / "schemas"
RELEASED = Path(__file__).with_name("schemas-v1")
NAMES = sorted(schemas())


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((PUBLISHED / name).read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_published_is_generated_from_the_model(name: str) -> None:
    assert (PUBLISHED / name).read_text() == text_of(schemas()[name]), (
        "run python -m aion_store.log.json_schema docs/schemas"
    )


def bodies() -> list[bytes]:
    history = HistoryBuilder(workflow(1))
    return [encode_event(event) for event in (*every_event(history), *engine_events(history))]


def test_every_event_satisfies_its_schema() -> None:
    check = validator("event-v1.json")
    for body in bodies():
        check.validate(json.loads(body))
        widened = json.loads(body)
        widened["data"]["added later"] = 1
        check.validate(widened)
    aion = json.loads(encode_event(HistoryBuilder(workflow(1)).completed()))
    aion["data"]["result"] = {"content_type": "Json", "bytes": [1, 255]}
    check.validate(aion)


def test_what_lacks_a_field_or_has_another_type_satisfies_neither_schema_nor_codec() -> None:
    schema = json.loads((PUBLISHED / "event-v1.json").read_text())
    by_kind = {
        each["properties"]["type"]["const"]: Draft202012Validator({**each, "$defs": schema["$defs"]})
        for each in schema["oneOf"]
        if "const" in each["properties"]["type"]
    }
    others = Draft202012Validator({**schema["oneOf"][-1], "$defs": schema["$defs"]})
    refused = 0
    for body in bodies():
        event = json.loads(body)
        check = by_kind.get(event["type"], others)
        for changed in changes(event):
            try:
                decode_event(json.dumps(changed).encode())
            except DecodeError:
                refused += 1
                assert not check.is_valid(changed), changed
    assert refused > 200


def changes(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The event with each of its fields left out, and with each as an object of nothing."""
    for path in (("data",), ("data", "envelope")):
        holder = event
        for name in path:
            holder = holder[name]
        for field in holder:
            for change in (None, {}):
                changed = copy.deepcopy(event)
                place = changed
                for name in path:
                    place = place[name]
                if change is None:
                    del place[field]
                else:
                    place[field] = change
                yield changed


def test_timers_and_packages_satisfy_theirs() -> None:
    timers, packages = validator("timer-v1.json"), validator("packages-v1.json")
    for timer_id in (NamedTimer("é"), AnonymousTimer(2**63 - 1)):
        for call in (TimerEntry(workflow(1), timer_id, START), TimerCancellation(workflow(1), timer_id)):
            timers.validate(json.loads(encode_timer(call)))
    record = PackageRecord(workflow_type="t", content_hash="h", archive=b"\x00\xff", deployed_at=START)
    for change in (
        PackagePut(package=record, routes=("t",)),
        PackageDeleted(workflow_type="t", content_hash="h"),
        PackageRoutePut(workflow_type="t", content_hash="h"),
    ):
        packages.validate(json.loads(encode_package_change(change)))
    assert not timers.is_valid({"type": "TimerScheduled", "data": {}})
    assert not packages.is_valid({"type": "PackagePut", "data": {"package": {}}})


def breaks(old: Any, new: Any, where: str = "") -> list[str]:
    """Why a reader or a writer that knows the old schema wouldn't get along with the new one.

    Allowed are new properties that aren't required, new definitions, and new members of the outermost oneOf.
    """
    if not isinstance(old, dict) or not isinstance(new, dict):
        return [] if old == new else [f"{where}: {old} became {new}"]
    found: list[str] = []
    for name in old.keys() | new.keys():
        before, after = old.get(name), new.get(name)
        if name in ("properties", "$defs"):
            for each, schema in (before or {}).items():
                found += breaks(schema, (after or {}).get(each), f"{where}/{each}")
        elif name == "required":
            found += [f"{where}: {each} is required now" for each in set(after or ()) - set(before or ())]
            found += [f"{where}: {each} isn't written for certain now" for each in set(before or ()) - set(after or ())]
        elif name == "oneOf" and where == "":
            kept = [each for each in after or () if "const" in each["properties"]["type"]]
            found += [
                f"{each} is gone" for each in before if "const" in each["properties"]["type"] and each not in kept
            ]
        elif name != "description":
            found += breaks(before, after, f"{where}/{name}")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_they_only_grow_since_they_were_released(name: str) -> None:
    assert breaks(json.loads((RELEASED / name).read_text()), json.loads((PUBLISHED / name).read_text())) == []


def test_a_break_would_be_noticed() -> None:
    old = json.loads((RELEASED / "event-v1.json").read_text())
    started = old["$defs"]["WorkflowStarted"]

    def changed(change: Any) -> list[str]:
        new = copy.deepcopy(old)
        change(new["$defs"]["WorkflowStarted"], new)
        return breaks(old, new)

    assert "run_id" in started["required"]
    assert changed(lambda event, schema: event["properties"].update(added={"type": "string"})) == []
    assert changed(lambda event, schema: schema["oneOf"].insert(0, {"properties": {"type": {"const": "New"}}})) == []
    for change in (
        lambda event, schema: event["required"].append("parent_run_id"),
        lambda event, schema: event["required"].remove("run_id"),
        lambda event, schema: event["properties"].pop("parent_run_id"),
        lambda event, schema: event["properties"].update(run_id={"type": "integer"}),
        lambda event, schema: schema["oneOf"].pop(0),
        lambda event, schema: schema["$defs"].pop("SignalSent"),
    ):
        assert changed(change) != []
