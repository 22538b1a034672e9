"""What the complete appends of the packages log come to, and the records that no table can take. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from aion_projectors.folds.packages import PackageTables, fold_packages
from aion_projectors.workflow_rows import Rejected
from aion_store.log.appends import Append
from aion_store.log.codec import DecodeError
from aion_store.log.package_record import decode_package_change


class PackageBatch(NamedTuple):
    """The touched packages and routes, and what was rejected."""

    tables: PackageTables
    rejected: list[Rejected]


def fold_package_appends(appends: Iterable[Append]) -> PackageBatch:
    """Fold the appends in the order of the log."""
    tables = PackageTables({}, {})
    rejected: list[Rejected] = []
    for append in appends:
        for record in append:
            try:
                tables = fold_packages(tables, decode_package_change(record.value, record.kind))
            except DecodeError as error:
                rejected.append(Rejected(record, str(error)))
    return PackageBatch(tables, rejected)
