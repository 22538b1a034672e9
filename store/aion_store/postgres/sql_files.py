"""SQL statements kept in files beside the module that runs them: one statement a file, named by it.

A file's leading comment says purpose, parameters and the index relied on; it isn't sent. Schemas stand in braces and
are put in as quoted identifiers, so literal braces are doubled; a bare percent sign is doubled as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple, cast

from psycopg import sql

if TYPE_CHECKING:
    from typing import LiteralString


class SqlFile(NamedTuple):
    """One file: its name without `.sql`, its text without the leading comment, and that comment."""

    name: str
    text: str
    heading: str = ""

    def with_parts(self, parts: Mapping[str, str]) -> SqlFile:
        """The statement with some braces filled by SQL text of ours, which may have braces and parameters itself."""
        text = self.text
        for name, part in parts.items():
            text = text.replace(f"{{{name}}}", part)
        return self._replace(text=text)

    def bind(self, **parts: str | int | sql.Literal) -> bytes:
        """The statement with its braces filled, as psycopg takes it: texts as quoted identifiers, ints as literals."""
        template = sql.SQL(cast("LiteralString", self.text))  # our own file, no one else's text
        filled = {name: _composable(part) for name, part in parts.items()}
        return template.format(**filled).as_bytes()


def _composable(part: str | int | sql.Literal) -> sql.Identifier | sql.Literal:
    if isinstance(part, str):
        return sql.Identifier(part)
    return sql.Literal(part) if isinstance(part, int) else part


def read_sql_files(package: str, folder: str) -> Mapping[str, SqlFile]:
    """The `.sql` files of a package's folder by name, in name order."""
    found = sorted((entry for entry in files(package).joinpath(folder).iterdir()), key=lambda entry: entry.name)
    statements = [
        SqlFile(entry.name.removesuffix(".sql"), *_split_heading(entry.read_text(encoding="utf-8")))
        for entry in found
        if entry.name.endswith(".sql")
    ]
    return {statement.name: statement for statement in statements}


def _split_heading(text: str) -> tuple[str, str]:
    """The statements, and the comment before them."""
    lines = text.splitlines(keepends=True)
    heading = next((index for index, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return "".join(lines[heading:]).strip(), "".join(lines[:heading])
