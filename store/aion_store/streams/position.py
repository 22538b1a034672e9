"""Where a subscription begins and how far it has come, as values and as text that can cross processes.

The text is `as1.TOPIC_ID.POSITIONS.CHECK`: for each partition `PARTITION-OFFSET-ORDINAL`, joined by `_`; nothing where
nothing was read yet. Its form is frozen by golden vectors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, Self

from aion_store.limits import MAX_INTEGER
from aion_store.model.consistency import check_of

_NUMBER: Final = r"(?:0|[1-9]\d{0,18})"
_TEXT: Final = re.compile(
    rf"as1\.([A-Za-z0-9_-]{{22}})\.((?:{_NUMBER}-{_NUMBER}-{_NUMBER}_?)*)\.([0-9a-f]{{8}})", re.ASCII
)


class Start(StrEnum):
    """The two ends of the log."""

    BEGINNING = "beginning"
    """The first event there is."""
    END = "end"
    """Only what is written from now on. An append whose writing was under way counts as before."""


class PartitionPosition(NamedTuple):
    """A place between two events of a partition: read on from `offset`, hand out what follows `ordinal`.

    The offset is never inside an append; where the place is, it is that append's first record. Ordinal 0 with an
    offset above 0: nothing is known of what came before.
    """

    offset: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """How far a subscription has come: a place in each partition it reads. `str` and `parse` are its text."""

    topic_id: str
    partitions: Mapping[int, PartitionPosition]

    def __str__(self) -> str:
        places = "_".join(f"{number}-{at.offset}-{at.ordinal}" for number, at in sorted(self.partitions.items()))
        text = f"as1.{self.topic_id}.{places}"
        return f"{text}.{check_of(text)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """A position from its text; raises ValueError for any text that `str(position)` didn't make."""
        match = _TEXT.fullmatch(text)
        if match is not None and check_of(text.rpartition(".")[0]) == match[3]:
            numbers = [tuple(map(int, place.split("-"))) for place in match[2].split("_") if place]
            places = {partition: PartitionPosition(offset, ordinal) for partition, offset, ordinal in numbers}
            position = cls(match[1], places)
            if max(map(max, numbers), default=0) <= MAX_INTEGER and str(position) == text:
                return position
        raise ValueError(f"{text[:80]!r} isn't a stream position, or was cut or changed on its way")
