"""Verification as tests use it: what differs between a test's log and its tables."""

from __future__ import annotations

from typing import NamedTuple

from aion_projectors.differences import Difference
from aion_projectors.verify import WORKFLOWS_AT_ONCE, Verified, Verifier
from aion_projectors.verify_selection import EVERYTHING, Scope
from tests.projected_log import Projected


class Found(NamedTuple):
    """What a verification came to."""

    differences: list[Difference]
    verified: Verified

    @property
    def places(self) -> set[tuple[str, str | None]]:
        """The tables and columns that differ."""
        return {(difference.table, difference.column) for difference in self.differences}


def verify(
    projected: Projected, scope: Scope = EVERYTHING, at_once: int = WORKFLOWS_AT_ONCE, *, moved: bool = False
) -> Found:
    """Compare everything (or what is in scope) of a test's tables with its log."""
    differences: list[Difference] = []
    settings = projected.settings
    verifier = Verifier(
        settings.kafka,
        projected.dsn,
        settings.schema_name,
        projected.log,
        differences.append,
        lambda *_: None,
        at_once,
        moved=moved,
    )
    parts = [verifier.events(partition, scope) for partition in range(projected.log.events.partitions)]
    if scope.whole:
        parts.append(verifier.packages())
    verified = Verified(sum(part.events for part in parts), sum(part.workflows for part in parts))
    return Found(differences, verified)


def assert_clean(projected: Projected) -> int:
    """Nothing differs; how many events that is."""
    found = verify(projected)
    assert not found.differences, "\n".join(map(str, found.differences[:10]))
    return found.verified.events
