"""The folds of the packages log: the last change of a package, and of a route, wins."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from aion_store.log.package_record import PackageChange, PackageDeleted, PackagePut, PackageRoutePut


class PackageKey(NamedTuple):
    """What names a package."""

    workflow_type: str
    content_hash: str


class Package(NamedTuple):
    """A package that is there."""

    archive: bytes
    deployed_at: datetime


class PackageTables(NamedTuple):
    """What changes came to: the packages they touched (None: removed) and the content hash of each route they set."""

    packages: dict[PackageKey, Package | None]
    routes: dict[str, str]


def fold_packages(tables: PackageTables, change: PackageChange) -> PackageTables:
    """The tables after a change."""
    match change:
        case PackagePut(package=package, routes=routes):
            key = PackageKey(package.workflow_type, package.content_hash)
            row = Package(package.archive, package.deployed_at)
            pointed = dict.fromkeys(routes, package.content_hash)
            return PackageTables({**tables.packages, key: row}, {**tables.routes, **pointed})
        case PackageDeleted(workflow_type=workflow_type, content_hash=content_hash):
            return tables._replace(packages={**tables.packages, PackageKey(workflow_type, content_hash): None})
        case PackageRoutePut(workflow_type=workflow_type, content_hash=content_hash):
            return tables._replace(routes={**tables.routes, workflow_type: content_hash})
