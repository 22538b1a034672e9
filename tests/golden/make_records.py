"""Makes `records-v1.json`: framed records of every kind, for this and other languages to check themselves against.

Run only to add a vector for a new format version; vectors of a released version are never changed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from aion_store.log.chain import chain_start
from aion_store.log.partitioning import murmur2, partition_of_key
from aion_store.log.record import Draft, WireRecord, barrier_record, frame_record, noop_record
from aion_store.model.consistency import ConsistencyToken

TOPIC_ID = "q2XvXn0dQb6mTBLPhc0w8A"
PARTITION = 3
WORKFLOW = b"0190d3c8-3f1e-4a5b-9c77-2f6f5e1b8d01"
AT = "2026-01-31T12:00:00.123456789Z"

DRAFTS: list[tuple[str, list[Draft]]] = [
    (
        "engine-1.0",
        [
            Draft(WORKFLOW, b'{"type":"WorkflowCancelled","data":{"reason":"r"}}', "WorkflowCancelled", 1, AT),
            Draft(
                WORKFLOW, '{"type":"x.acme.Note","data":{"t":"\\u0000\u20ac\U0001f600"}}'.encode(), "x.acme.Note", 2, AT
            ),
        ],
    ),
    ("t", [Draft(WORKFLOW, b'{"type":"TimerScheduled","data":{}}', "timer")]),
    ("A" * 64, [Draft(b"permit", b'{"type":"PackagePut","data":{}}', "package")]),
    ("no_key", [Draft(None, b"", "package-route")]),
]


def wire(record: WireRecord) -> dict[str, Any]:
    """A wire record as JSON: bytes as hex, headers as text."""
    return {
        "key": None if record.key is None else record.key.hex(),
        "value": record.value.hex(),
        "headers": [[name, content.decode()] for name, content in record.headers],
    }


def vectors() -> dict[str, Any]:
    """Everything that the file holds."""
    chain = chain_start(TOPIC_ID, PARTITION)
    records: list[dict[str, Any]] = []
    for append_id, drafts in DRAFTS:
        for index, draft in enumerate(drafts, 1):
            framed, following = frame_record(draft, append_id, index, len(drafts), len(records) + 1, chain)
            records.append({"previous_chain": chain.hex(), **wire(framed)})
            chain = following
    keys = ["", "a", "ab", "abc", WORKFLOW.decode(), "ffffffff-ffff-4fff-bfff-ffffffffffff"]
    return {
        "format": 1,
        "topic_id": TOPIC_ID,
        "partition": PARTITION,
        "chain_start": chain_start(TOPIC_ID, PARTITION).hex(),
        "records": records,
        "marks": [wire(barrier_record("d9c0ffee", slot)) for slot in ("a", "b")] + [wire(noop_record())],
        "partitions": [
            {
                "key": key,
                "murmur2": murmur2(key.encode()),
                "of_4": partition_of_key(key.encode(), 4),
                "of_64": partition_of_key(key.encode(), 64),
            }
            for key in keys
        ],
        "tokens": [
            {"topic_id": TOPIC_ID, "partition": p, "ordinal": o, "text": str(ConsistencyToken(TOPIC_ID, p, o))}
            for p, o in ((0, 0), (63, 2**53 + 1))
        ],
    }


if __name__ == "__main__":
    target = Path(__file__).with_name("records-v1.json")
    if target.exists() and "--replace" not in sys.argv:
        sys.exit(f"{target.name} is there; released vectors never change")
    target.write_text(json.dumps(vectors(), indent=1) + "\n")
