"""How fresh a read must be, and the token that says which write it must see.

A token is (topic id, partition, ordinal) as short text with a check, so that it can cross processes; its form is
frozen by golden vectors.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import NamedTuple, Self, TypeAlias


class Consistency(StrEnum):
    """How fresh a read must be."""

    STRONG = "strong"
    """Sees every append acknowledged anywhere before the call. The default."""
    SESSION = "session"
    """Sees what this handle wrote itself."""
    EVENTUAL = "eventual"
    """Whatever the tables hold now; never waits."""


_TOKEN = re.compile(r"at1\.([A-Za-z0-9_-]{22})\.(0|[1-9]\d{0,9})\.(0|[1-9]\d{0,18})\.([0-9a-f]{8})", re.ASCII)


class ConsistencyToken(NamedTuple):
    """Names a committed point of one partition: what is read with it sees all records up to that ordinal.

    `topic_id` is Kafka's id of the topic in its 22-character text form: a token of a topic that was since recreated
    is refused. Ordinal 0 is before the first record.
    """

    topic_id: str
    partition: int
    ordinal: int

    def __str__(self) -> str:
        text = f"at1.{self.topic_id}.{self.partition}.{self.ordinal}"
        return f"{text}.{check_of(text)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """A token from its text; raises ValueError for any text that `str(token)` didn't make."""
        match = _TOKEN.fullmatch(text)
        if match is None or check_of(text.rpartition(".")[0]) != match[4]:
            raise ValueError(f"{text[:80]!r} isn't a consistency token, or was cut or changed on its way")
        return cls(match[1], int(match[2]), int(match[3]))


def check_of(text: str) -> str:
    """The check at the end of a token's text: it tells what was cut or changed on the way, nothing more."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


ReadConsistency: TypeAlias = Consistency | ConsistencyToken
"""A level, or a token: with a token the read sees at least what the token names."""
