"""Where commands begin and end in the log, as text: beginning, end, a time or a position."""

from __future__ import annotations

from aion_service.transfer.log_range import Edge
from aion_store.errors import ConfigurationError
from aion_store.model.times import parse_time
from aion_store.streams.position import Start, StreamPosition


def edge_from(text: str, option: str) -> Edge:
    """Raises ConfigurationError for any other text."""
    if text in (Start.BEGINNING, Start.END):
        return Start(text)
    for parse in (StreamPosition.parse, parse_time):
        try:
            return parse(text)
        except ValueError:
            continue
    raise ConfigurationError(
        f"{option} is beginning, end, a time as 2026-01-31T12:00:00Z, or a position that a command printed; "
        f"this is {text[:80]!r}."
    )
