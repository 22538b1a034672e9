"""The record format is what it was when it was released: framing, chain, marks, partitions and tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aion_store.log.chain import chain_next, chain_start
from aion_store.log.partitioning import murmur2, partition_of_key
from aion_store.log.record import Draft, LogRecord, Mark, barrier_record, frame_record, noop_record, parse_record
from aion_store.model.consistency import ConsistencyToken

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("records-v1.json").read_text())


def unwire(wire: dict[str, Any]) -> tuple[bytes | None, bytes, list[tuple[str, bytes]]]:
    key = None if wire["key"] is None else bytes.fromhex(wire["key"])
    return key, bytes.fromhex(wire["value"]), [(name, text.encode()) for name, text in wire["headers"]]


def test_the_chain_starts_from_topic_id_and_partition() -> None:
    assert chain_start(VECTORS["topic_id"], VECTORS["partition"]).hex() == VECTORS["chain_start"]


@pytest.mark.parametrize("wire", VECTORS["records"], ids=lambda wire: dict(wire["headers"])["ordinal"])
def test_a_record_is_read_and_framed_again_as_it_was(wire: dict[str, Any]) -> None:
    key, value, headers = unwire(wire)
    record = parse_record(7, 1_700_000_000_000, key, value, headers)
    assert isinstance(record, LogRecord)
    draft = Draft(record.key, record.value, record.kind, record.seq, record.at)
    previous = bytes.fromhex(wire["previous_chain"])
    framed, chain = frame_record(
        draft, record.append_id, record.append_index, record.append_count, record.ordinal, previous
    )
    assert (framed.key, framed.value, framed.headers) == (key, value, headers)
    assert chain == record.chain


def test_the_chain_follows_from_one_record_to_the_next() -> None:
    chain = bytes.fromhex(VECTORS["chain_start"])
    for wire in VECTORS["records"]:
        key, value, headers = unwire(wire)
        fields = dict(headers)
        assert wire["previous_chain"] == chain.hex()
        chain = chain_next(
            chain,
            key=key,
            kind=fields["kind"],
            seq=fields.get("seq"),
            append=fields["append"],
            ordinal=fields["ordinal"],
            version=fields["v"],
            value=value,
        )
        assert chain.hex().encode() == fields["chain"]


def test_marks_are_written_as_they_were() -> None:
    made = [barrier_record("d9c0ffee", "a"), barrier_record("d9c0ffee", "b"), noop_record()]
    assert [(mark.key, mark.value, mark.headers) for mark in made] == [unwire(wire) for wire in VECTORS["marks"]]
    parsed = [parse_record(1, 0, mark.key, mark.value, mark.headers) for mark in made]
    assert parsed == [Mark(1, "barrier", "d9c0ffee", "a"), Mark(1, "barrier", "d9c0ffee", "b"), Mark(1, "noop")]


def test_keys_go_to_the_partitions_they_went_to() -> None:
    for vector in VECTORS["partitions"]:
        key = vector["key"].encode()
        assert murmur2(key) == vector["murmur2"]
        assert partition_of_key(key, 4) == vector["of_4"]
        assert partition_of_key(key, 64) == vector["of_64"]


@pytest.mark.parametrize(
    ("text", "signed"),
    [("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536), ("abc", 479470107)],
)
def test_murmur2_is_the_one_of_kafkas_java_clients(text: str, signed: int) -> None:
    assert murmur2(text.encode()) == signed & 0xFFFFFFFF


def test_tokens_read_as_they_did() -> None:
    for vector in VECTORS["tokens"]:
        token = ConsistencyToken(vector["topic_id"], vector["partition"], vector["ordinal"])
        assert str(token) == vector["text"]
        assert ConsistencyToken.parse(vector["text"]) == token
