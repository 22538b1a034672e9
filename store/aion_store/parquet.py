"""Parquet files of typed rows, compressed with zstd. pyarrow is imported here only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from aion_store.errors import ConfigurationError

GROUP_ROWS: Final = 10_000
"""How many rows are held before they are written as a group."""

Columns = Sequence[tuple[str, str]]
"""Names and types: int32, int64, string, binary, timestamp (UTC, in µs), headers (a list of name and value)."""


class ParquetWriter:
    """A file that is being written. Raises ConfigurationError without pyarrow."""

    def __init__(self, path: Path, columns: Columns, metadata: Mapping[str, str]) -> None:
        self._arrow, parquet = _pyarrow()
        self._schema = _schema(self._arrow, columns).with_metadata(dict(metadata))
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def write(self, row: dict[str, Any]) -> None:
        """Add a row; columns that it leaves out are null."""
        self._rows.append(row)
        if len(self._rows) >= GROUP_ROWS:
            self._write_rows()

    def close(self) -> None:
        """Write what is still held, and the file's end."""
        self._write_rows()
        self._writer.close()

    def _write_rows(self) -> None:
        self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []


def read_columns(path: Path, columns: Columns) -> Iterator[list[list[Any]]]:
    """The values of these columns, group after group.

    Raises ConfigurationError without pyarrow, OSError or ValueError for a file that holds something else.
    """
    arrow, parquet = _pyarrow()
    schema = _schema(arrow, columns)
    try:
        with parquet.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=schema.names).select(schema.names)
                if not table.schema.equals(schema):
                    raise ValueError("its columns have other types")
                yield [column.to_pylist() for column in table.columns]
    except (arrow.ArrowException, KeyError) as error:
        raise ValueError(str(error)) from error


def _schema(arrow: Any, columns: Columns) -> Any:
    types = {name: getattr(arrow, name)() for name in ("int32", "int64", "string", "binary")}
    types["timestamp"] = arrow.timestamp("us", tz="UTC")
    types["headers"] = arrow.list_(arrow.struct([("name", types["string"]), ("value", types["binary"])]))
    return arrow.schema([(name, types[type_]) for name, type_ in columns])


def _pyarrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise ConfigurationError("Parquet needs pyarrow: run pip install 'aion-store[parquet]'.") from error
