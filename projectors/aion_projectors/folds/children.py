"""The fold of a parent's claim to a child: the first one stands."""

from __future__ import annotations

from typing import NamedTuple

from aion_projectors.facts import ChildClaimed


class Claim(NamedTuple):
    """A ChildWorkflowStarted of the parent."""

    workflow_type: str
    started_seq: int


def fold_claim(claim: Claim | None, fact: ChildClaimed) -> Claim:
    """The claim after another ChildWorkflowStarted that names the same child."""
    return claim if claim is not None else Claim(fact.workflow_type, fact.seq)
