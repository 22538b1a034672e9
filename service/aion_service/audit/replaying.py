"""All derived rows as lines of JSON, and their comparison with lines that were made earlier, by an older version maybe.

The first line says what they were made from; the others are rows, one each.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json, to_json

from aion_projectors import folds
from aion_projectors.derived_rows import derived_rows
from aion_service.transfer.log_range import Places
from aion_store.archive.archive import Archive
from aion_store.errors import ConfigurationError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.codec import first_fault
from aion_store.log.format import NEWEST
from aion_store.model.ids import WorkflowId
from aion_store.streams.position import StreamPosition


class Header(BaseModel):
    """What the rows were made from: the log up to a position, by folds and a record format of some version."""

    model_config = ConfigDict(frozen=True, strict=True)

    aion_store_replay: Literal[1] = 1
    record_format: int = NEWEST
    fold_version: int = folds.VERSION
    topic_id: str
    until: str


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    workflow_id: WorkflowId
    table: str
    key: dict[str, Any]
    columns: dict[str, Any]


class Rows:
    """Rows that were made earlier. Raises ConfigurationError when the text's lines aren't such rows."""

    def __init__(self, text: str, name: str) -> None:
        self._left: dict[str, dict[str, Any]] = {}
        opening, *lines = text.removesuffix("\n").split("\n")  # a text in a row may have any other line break
        try:
            self.header = Header.model_validate_json(opening)
        except ValidationError as error:
            raise ConfigurationError(f"{name} doesn't begin as audit replay does: {first_fault(error)}.") from error
        for number, line in enumerate(lines, 2):
            try:
                row = _Row.model_validate_json(line)
            except ValidationError as error:
                fault = first_fault(error)
                raise ConfigurationError(
                    f"{name}, line {number}: this isn't a row of audit replay: {fault}."
                ) from error
            self._left[_name(str(row.workflow_id), row.table, row.key)] = row.columns

    def compare(self, row: dict[str, Any]) -> Iterator[str]:
        """What of a row that was made now differs."""
        name, columns = _name(row["workflow_id"], row["table"], row["key"]), row["columns"]
        if name not in self._left:
            yield f"{name}: wasn't there"
            return
        before = self._left.pop(name)
        for column in sorted(columns.keys() | before.keys()):
            if columns.get(column) != before.get(column):
                yield f"{name}: {column} was {before.get(column)!r}, now it is {columns.get(column)!r}"

    def missing(self, workflows: Collection[WorkflowId] | None) -> Iterator[str]:
        """What wasn't made now; of some workflows, if they are given."""
        wanted = None if workflows is None else {str(each) for each in workflows}
        for name in self._left:
            if wanted is None or name.split()[0] in wanted:
                yield f"{name}: isn't there any more"


def header_of(topic: TopicIdentity, places: Places) -> Header:
    """The header of rows made up to these places."""
    return Header(topic_id=topic.topic_id, until=str(StreamPosition(topic.topic_id, places)))


def rows_until(
    client: ClientSettings,
    topic: TopicIdentity,
    places: Places,
    workflows: Collection[WorkflowId] | None,
    archive: Archive | None = None,
) -> Iterator[dict[str, Any]]:
    """Every derived row, partition by partition. Blocks; raises as `derived_rows` does."""
    for partition in sorted(places):
        for row in derived_rows(client, topic, partition, places[partition], workflows, archive):
            yield from_json(to_json(row._asdict()))


def line_of(row: dict[str, Any]) -> str:
    """A row's line, without its line break."""
    return to_json(row).decode()


def _name(workflow_id: str, table: str, key: Mapping[str, Any]) -> str:
    return f"{workflow_id} {table}" + "".join(f" {name}={value}" for name, value in key.items())
