"""The tables of packages and routes against what their log comes to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

from aion_projectors.differences import Difference, Row, compare_columns
from aion_projectors.folds.packages import PackageKey, PackageTables


class PackageState:
    """What changes of packages came to so far; of an archive only its digest is kept."""

    def __init__(self) -> None:
        self._packages: dict[PackageKey, Row] = {}
        self._routes: dict[str, Row] = {}

    def take(self, tables: PackageTables) -> None:
        """Take what some more changes came to."""
        for key, package in tables.packages.items():
            if package is None:
                self._packages.pop(key, None)
            else:
                digest = sha256(package.archive).digest()
                self._packages[key] = {"sha256(archive)": digest, "deployed_at": package.deployed_at}
        self._routes.update((name, {"content_hash": content}) for name, content in tables.routes.items())

    def compare_packages(self, found: Iterable[tuple[Any, ...]]) -> Iterator[Difference]:
        """What differs in `packages`; rows are workflow_type, content_hash, digest, deployed_at."""
        rows: dict[Any, Row] = {
            PackageKey(*row[:2]): dict(zip(("sha256(archive)", "deployed_at"), row[2:], strict=True)) for row in found
        }
        return _compare("packages", self._packages, rows, PackageKey._fields)

    def compare_routes(self, found: Iterable[tuple[Any, ...]]) -> Iterator[Difference]:
        """What differs in `package_routes`; rows are workflow_type, content_hash."""
        rows: dict[Any, Row] = {(name,): {"content_hash": content} for name, content in found}
        routes: dict[Any, Row] = {(name,): row for name, row in self._routes.items()}
        return _compare("package_routes", routes, rows, _ROUTE_KEY)


_ROUTE_KEY: Final = ("workflow_type",)


def _compare(
    table: str, expected: Mapping[Any, Row], found: Mapping[Any, Row], names: tuple[str, ...]
) -> Iterator[Difference]:
    for key in expected.keys() | found.keys():
        named = dict(zip(names, key, strict=True))
        difference = Difference("packages", 0, None, table, named, None, expected.get(key), found.get(key))
        if difference.expected is None or difference.found is None:
            yield difference
        else:
            yield from compare_columns(difference, difference.expected, difference.found)
