"""Which partition a workflow's records go to: murmur2 of the id's text, as every Java client computes it."""

from __future__ import annotations

import struct

from aion_store.model.ids import WorkflowId

_M = 0x5BD1E995
_SEED = 0x9747B28C
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Kafka's murmur2 hash as an unsigned 32-bit integer."""
    length = len(data)
    whole = length & ~3
    h = (_SEED ^ length) & _MASK
    for (k,) in struct.iter_unpack("<I", data[:whole]):
        k = (k * _M) & _MASK
        k = ((k ^ (k >> 24)) * _M) & _MASK
        h = ((h * _M) & _MASK) ^ k
    rest = data[whole:]
    if rest:
        h = ((h ^ int.from_bytes(rest, "little")) * _M) & _MASK
    h = ((h ^ (h >> 13)) * _M) & _MASK
    return h ^ (h >> 15)


def partition_of(workflow_id: WorkflowId, partitions: int) -> int:
    """The partition (from 0) of a workflow in a topic of that many partitions."""
    return partition_of_key(str(workflow_id).encode(), partitions)


def partition_of_key(key: bytes, partitions: int) -> int:
    """The partition of a record key, as Kafka's default partitioner for Java chooses it."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
