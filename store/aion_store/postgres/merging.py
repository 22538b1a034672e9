"""Answers of several databases made one: rows that each gave in the statement's order, in that order. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import reduce
from heapq import merge
from itertools import islice
from operator import add
from typing import Any, Final

from aion_store.postgres.pool import Merge, Rows
from aion_store.visibility.filters import Order

_ID_BYTES: Final = 16


def ordered(key: Callable[[tuple[Any, ...]], Any], limit: int | None = None, *, descending: bool = False) -> Merge:
    """Rows in order of a key, at most `limit`."""

    def merged(parts: Sequence[Rows]) -> Rows:
        return list(islice(merge(*parts, key=key, reverse=descending), limit))

    return merged


def ids(limit: int | None = None) -> Merge:
    """One row of the bytes of at most `limit` ids, in order, or of null."""

    def merged(parts: Sequence[Rows]) -> Rows:
        texts = [bytes(part[0][0] or b"") for part in parts]
        split = ([text[at : at + _ID_BYTES] for at in range(0, len(text), _ID_BYTES)] for text in texts)
        return [(b"".join(islice(merge(*split), limit)),)]

    return merged


def listing(order: Order, limit: int) -> Merge:
    """Rows of workflows in the order of a list; columns as in select_listing."""
    if order.by == "WorkflowId":
        return ordered(lambda row: row[0], limit, descending=order.descending)
    return ordered(lambda row: (row[3], row[0]), limit, descending=order.descending)


def summaries(parts: Sequence[Rows]) -> Rows:
    """Rows of select_summaries, in its order."""
    return list(merge(*parts, key=lambda row: (row[3], row[0])))


def concatenated(parts: Sequence[Rows]) -> Rows:
    """All rows, those of each database together."""
    return [row for part in parts for row in part]


def summed(parts: Sequence[Rows]) -> Rows:
    """One row of one number."""
    return [(sum(part[0][0] for part in parts),)]


def summed_by(parts: Sequence[Rows]) -> Rows:
    """Rows of a key and a number, one a key."""
    nothing: Counter[Any] = Counter()
    return list(reduce(add, (Counter(dict(part)) for part in parts), nothing).items())
