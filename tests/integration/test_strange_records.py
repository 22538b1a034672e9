"""Records as strangers and broken writers may leave them: each is noted or quarantined, and no partition stops."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from confluent_kafka import Producer

from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.log.record import WireRecord
from tests.log_tables import check_tables
from tests.projected_log import TIMEOUT_S, Projected, make_projected, running_worker
from tests.servers import Servers

KEY, OTHER_KEY = (str(workflow(number)).encode() for number in (1, 2))
AT = b"2026-01-31T12:00:00Z"
BODY = b'{"type":"WorkflowStarted","data":{}}'
LAST_SEQ = b"%d" % (2**63 - 1)
DEEP = b'{"type":"WorkflowStarted","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
DEADLINE_S = 60.0
"""Wide: what is tested is that no partition stops, on a machine that may be busy."""
TIMER = b'{"type":"TimerScheduled","data":{"workflow_id":"%b","timer_id":{"Anonymous":%b},"fire_at":"%b"}}'


class Strange(NamedTuple):
    """A record, and what is strange about it."""

    what: str
    headers: dict[str, bytes | None]
    key: bytes | None = KEY
    value: bytes | None = BODY


def framed(kind: bytes, seq: bytes | None = b"1", **changes: bytes | None) -> dict[str, bytes | None]:
    """Headers that are ours but for the changes; the ordinal is put in when they are written."""
    of_event = {} if seq is None else {"seq": seq, "at": AT}
    place = {"append": b"a:1/1", "ordinal": b"1", "chain": b"ab" * 32}
    return {"kind": kind, **of_event, **place, "v": b"1", **changes}


FOREIGN = [
    Strange("no headers", {}),
    Strange("nothing at all", {}, None, None),
    Strange("no value", framed(b"WorkflowStarted"), value=None),
    Strange("no place", {"kind": b"WorkflowStarted", "v": b"1"}),
    Strange("a null append", framed(b"WorkflowStarted", append=None)),
    Strange("a null sequence", framed(b"WorkflowStarted", seq=None) | {"seq": None}),
    Strange("a null time", framed(b"WorkflowStarted", at=None)),
    Strange("a null kind", framed(b"WorkflowStarted") | {"kind": None}),
    Strange("a null version", framed(b"WorkflowStarted", v=None)),
    Strange("a barrier with nulls", {"kind": b"barrier", "v": b"1", "takeover": None, "slot": None}, None),
    Strange("a kind that isn't UTF-8", framed(b"\xff\xfe")),
    Strange("a time that isn't UTF-8", framed(b"WorkflowStarted", at=b"\xff")),
    Strange("an ordinal past all numbers", framed(b"WorkflowStarted", ordinal=b"9" * 19)),
    Strange("more records than an append may have", framed(b"WorkflowStarted", append=b"a:9998/9999")),
]
OURS = [
    Strange("a key that is no id", framed(b"WorkflowStarted"), b"no id"),
    Strange("a key that isn't UTF-8", framed(b"WorkflowStarted"), b"\xff" * 36),
    Strange("a kind with NUL", framed(b"x.a\0.B")),
    Strange("no kind of ours", framed(b"Unknown"), OTHER_KEY),
    Strange("a very long kind", framed(b"x.a." + b"B" * 100_000, b"2"), OTHER_KEY, b"\xff\0"),
    Strange("a time that is none", framed(b"x.a.B", b"3", at=b"yesterday\0"), OTHER_KEY),
    Strange("the first of all times", framed(b"x.a.B", b"4", at=b"0001-01-01T00:00:00.000000Z"), OTHER_KEY),
    Strange("a time before all others", framed(b"x.a.B", b"5", at=b"0001-01-01T00:00:00+14:00"), OTHER_KEY),
    Strange("a time after all others", framed(b"x.a.B", b"6", at=b"9999-12-31T23:59:59-14:00"), OTHER_KEY),
    Strange("a timer without a key", framed(b"timer", None), None),
    Strange("a timer that isn't JSON", framed(b"timer", None), value=b"\0"),
    Strange("a timer past all numbers", framed(b"timer", None), value=TIMER % (KEY, b"9" * 5_000, AT)),
    Strange("a timer past all times", framed(b"timer", None), value=TIMER % (KEY, b"1", b"9999-12-31T23:59:59-14:00")),
    Strange("a package in the events log", framed(b"package", None)),
    Strange("JSON a thousand deep", framed(b"WorkflowStarted"), value=DEEP),
    Strange("a last sequence", framed(b"WorkflowStarted", LAST_SEQ)),
    Strange("the last sequence again", framed(b"WorkflowStarted", LAST_SEQ)),
    Strange("the first sequence again", framed(b"WorkflowStarted")),
]


@pytest.fixture
def projected(servers: Servers, database: str, topic_prefix: str) -> Projected:
    return make_projected(servers, database, topic_prefix, 1)


def test_strange_records_stop_no_partition(projected: Projected) -> None:
    good = HistoryBuilder(workflow(3))
    with running_worker(projected.settings):
        for strange in [*FOREIGN, *OURS]:
            with projected.writer.transaction():
                write(projected, strange)
                projected.writer.append(good.workflow_id, [good.signal() if good.head else good.started()])
            projected.wait_for_end(deadline_s=DEADLINE_S)
    written = check_tables(projected)
    assert projected.rows("select head, quarantined from workflows where workflow_id = %s", good.workflow_id) == [
        (len(FOREIGN) + len(OURS), None)
    ]
    noted = projected.rows("select reason from rejected_records")
    assert all(reason for (reason,) in noted)
    assert len(noted) + written == 2 * (len(FOREIGN) + len(OURS))


def test_compressed_batches_stop_no_partition(projected: Projected) -> None:
    """The topic keeps what a stranger's producer or a mirror compressed, in whatever way."""
    good, codecs = HistoryBuilder(workflow(3)), ("gzip", "snappy", "lz4", "zstd")
    with running_worker(projected.settings):
        for codec in codecs:
            producer = Producer({**projected.writer.client, "compression.type": codec})
            producer.produce(projected.log.events.name, b"strange" * 1_000, partition=0)
            assert producer.flush(TIMEOUT_S) == 0
            with projected.writer.transaction():
                projected.writer.append(good.workflow_id, [good.signal() if good.head else good.started()])
            projected.wait_for_end(deadline_s=DEADLINE_S)
    assert check_tables(projected) == len(codecs)
    assert projected.rows("select count(*) from rejected_records") == [(len(codecs),)]


def write(projected: Projected, strange: Strange) -> None:
    """Write it; one of ours takes the next ordinal."""
    headers = dict(strange.headers)
    if strange in OURS:
        headers["ordinal"] = b"%d" % (projected.writer.end("events", 0).ordinal + 1)
        projected.writer.skip(0, 1)
    projected.writer.write("events", 0, [WireRecord(strange.key, strange.value, list(headers.items()))])
