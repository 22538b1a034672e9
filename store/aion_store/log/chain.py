"""The hash chain over a partition's records: later changes to the log become provable.

SHA-256 over length-prefixed fields: each field's length as four bytes, big-endian, then the field; an absent one is
the length 2³² − 1 alone. Numbers are hashed as their header texts. Marks are not part of the chain.
"""

from __future__ import annotations

import hashlib
from typing import Final

DOMAIN: Final = b"aion-store.record"
START_DOMAIN: Final = b"aion-store.chain-start"
DIGEST_BYTES: Final = 32
_ABSENT: Final = b"\xff\xff\xff\xff"


def _prefixed(*fields: bytes | None) -> bytes:
    return b"".join([_ABSENT if field is None else len(field).to_bytes(4, "big") + field for field in fields])


def length_prefixed(field: bytes) -> bytes:
    """A field as it enters the hash."""
    return len(field).to_bytes(4, "big") + field


CHAIN_OPENING: Final = length_prefixed(DOMAIN) + DIGEST_BYTES.to_bytes(4, "big")
"""What precedes the previous chain's 32 bytes in every record's hash."""


def chain_start(topic_id: str, partition: int) -> bytes:
    """What the first record of a partition takes as its previous chain; `topic_id` in Kafka's text form."""
    return hashlib.sha256(_prefixed(START_DOMAIN, topic_id.encode(), str(partition).encode())).digest()


def chain_next(
    previous: bytes,
    *,
    key: bytes | None,
    kind: bytes,
    seq: bytes | None,
    append: bytes,
    ordinal: bytes,
    version: bytes,
    value: bytes,
) -> bytes:
    """The chain value of the record that follows `previous` (32 bytes)."""
    return hashlib.sha256(_prefixed(DOMAIN, previous, key, kind, seq, append, ordinal, version, value)).digest()
