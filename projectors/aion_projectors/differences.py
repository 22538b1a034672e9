"""What verification finds: one value that isn't what the log comes to, and its machine-readable form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple, TypeAlias, cast
from uuid import UUID

from aion_store.projected import LogName

Row: TypeAlias = Mapping[str, Any]
"""A table's row: its columns by name."""

_SHOWN_BYTES = 64


class Difference(NamedTuple):
    """One difference between a log and its tables.

    `table` is a table's name, or 'log' where the log contradicts itself. `key` names the row beyond its partition and
    workflow. `column` is None when a whole row is missing (`found` is None) or should not be there (`expected` is).
    """

    log: LogName
    partition: int
    workflow_id: UUID | None
    table: str
    key: Mapping[str, Any]
    column: str | None
    expected: Any
    found: Any

    def to_json(self) -> dict[str, Any]:
        """The same in types that JSON has; bytes as hex, cut after 64 of them."""
        return {name: plain(value) for name, value in self._asdict().items()}

    def __str__(self) -> str:
        where = "".join(f" {name}={plain(value)}" for name, value in self.key.items())
        of = "" if self.workflow_id is None else f" of workflow {self.workflow_id}"
        place = f"{self.log} partition {self.partition}: {self.table}{where}{of}"
        if self.column is None:
            return f"{place}: {'is missing' if self.found is None else 'should not be there'}"
        return f"{place}: {self.column} is {plain(self.found)!r}, the log says {plain(self.expected)!r}"


def compare_columns(difference: Difference, expected: Row, found: Row) -> list[Difference]:
    """A difference like the given one for each column whose values differ."""
    return [
        difference._replace(column=column, expected=value, found=found[column])
        for column, value in expected.items()
        if not _same(value, found[column])
    ]


def _same(expected: Any, found: Any) -> bool:
    """Equality, but for JSON's numbers: the tables keep the digits of a float, not its kind."""
    if isinstance(expected, float) and isinstance(found, (int, float)):
        return float(found) == expected
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        return expected.keys() == found.keys() and all(
            _same(value, found[name]) for name, value in cast("Row", expected).items()
        )
    return expected == found


def plain(value: Any) -> Any:
    """A column's value in types that JSON has; bytes as hex, cut after 64 of them."""
    match value:
        case bytes():
            cut = "" if len(value) <= _SHOWN_BYTES else f"… ({len(value)} bytes)"
            return value[:_SHOWN_BYTES].hex() + cut
        case datetime():
            return value.isoformat()
        case UUID():
            return str(value)
        case Enum():
            return value.value
        case Mapping():
            return {name: plain(each) for name, each in cast("Row", value).items()}
        case _:
            return value
