"""`aion-store verify`: the tables against the log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from aion_projectors.differences import Difference
from aion_projectors.refold import Refolded
from aion_projectors.verify import Verified, Verifier
from aion_projectors.verify_selection import Scope
from aion_service.cli.opened import Opened, opened
from aion_service.cli.output import put, say
from aion_service.cli.progress import Bars, bars
from aion_service.cli.refolding import refold_each
from aion_service.cli.running import DIFFERENT, OK, in_thread
from aion_store.errors import ConfigurationError
from aion_store.log.partitioning import partition_of
from aion_store.model.ids import WorkflowId

_OF_THE_LOG: Final = ("log", "checkpoints")
"""Tables that differ where the log contradicts itself, or isn't what the tables were made from."""


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """What to compare, and how to tell."""

    partitions: Sequence[int]
    workflows: Sequence[str]
    sample: int | None
    moved: bool
    repair: bool
    as_json: bool


@dataclass(slots=True)
class _Outcome:
    differences: int = 0
    damaged: set[WorkflowId] = field(default_factory=set[WorkflowId])
    beyond_repair: int = 0
    of_the_log: int = 0


async def verify(request: VerifyRequest) -> int:
    """Compare, say every difference, repair if asked to; the exit code."""
    if request.workflows and (request.partitions or request.sample):
        raise ConfigurationError("Give --workflow alone, or partitions with or without a --sample.")
    wanted = [parse_workflow_id(text) for text in request.workflows]
    store = await opened()
    partitions = store.checked_partitions(list(request.partitions))
    if wanted:
        partitions = sorted({partition_of(workflow_id, store.log.events.partitions) for workflow_id in wanted})
    ids = frozenset(workflow_id.bytes for workflow_id in wanted) if wanted else None
    scope = Scope(workflow_ids=ids, sample=request.sample)
    outcome = _Outcome()
    with bars() as shown:
        found = await in_thread(
            lambda: _compare(store, partitions, scope, request, outcome, shown, not request.partitions)
        )
    say(f"{found.events} events of {found.workflows} workflows are as the log says; {outcome.differences} differences.")
    if request.repair and outcome.differences:
        return await _repair(store, outcome)
    return DIFFERENT if outcome.differences else OK


def _compare(
    store: Opened,
    partitions: Sequence[int],
    scope: Scope,
    request: VerifyRequest,
    outcome: _Outcome,
    shown: Bars,
    packages: bool,
) -> Verified:
    def take(difference: Difference) -> None:
        outcome.differences += 1
        if difference.workflow_id is not None:
            outcome.damaged.add(WorkflowId(int=difference.workflow_id.int))
        elif difference.table in _OF_THE_LOG:
            outcome.of_the_log += 1
        else:
            outcome.beyond_repair += 1
        text = json.dumps(difference.to_json()) if request.as_json else str(difference)
        put(text)

    verifiers = store.settings.dsns.map(
        lambda dsn: Verifier(
            store.settings.kafka,
            dsn,
            store.settings.schema_name,
            store.log,
            take,
            lambda log, partition, done, total: shown.move(f"{log} {partition}", done, total),
            moved=request.moved,
            archive=store.archive,
        )
    )
    parts = [verifiers.of("events", partition).events(partition, scope) for partition in partitions]
    if packages and scope.whole:
        parts.append(verifiers.default.packages())
    return Verified(sum(part.events for part in parts), sum(part.workflows for part in parts))


async def _repair(store: Opened, outcome: _Outcome) -> int:
    if outcome.of_the_log:
        say(
            "Nothing was repaired: the log isn't what the tables were made from, and what it lost is in the tables "
            "only. Restore the log; see docs/operations.md."
        )
        return DIFFERENT
    stopped: list[Refolded] = []

    def take(done: Refolded) -> None:
        if done.quarantined is not None:
            stopped.append(done)

    await refold_each(store, outcome.damaged, take)
    say(f"{len(outcome.damaged)} workflows were made anew from the log, {len(stopped)} of them stay in quarantine.")
    if outcome.beyond_repair:
        say(f"{outcome.beyond_repair} differences belong to no workflow and weren't repaired: run aion-store rebuild.")
        return DIFFERENT
    return OK


def parse_workflow_id(text: str) -> WorkflowId:
    """The id that an argument names. Raises ConfigurationError."""
    try:
        return WorkflowId(text)
    except ValueError as error:
        raise ConfigurationError(f"{text!r} isn't a workflow id: give a UUID.") from error
