"""Scenarios of parents: a workflow's parent is the one whose history has a ChildWorkflowStarted naming it."""

from __future__ import annotations

from aion_store.conformance.checks import record, same
from aion_store.conformance.events import SECOND, START, HistoryBuilder, workflow
from aion_store.contract import EventStore
from aion_store.model.ids import WorkflowId
from aion_store.model.workflow import WorkflowFilter


async def _parents(store: EventStore) -> dict[WorkflowId, WorkflowId | None]:
    return {summary.workflow_id: summary.parent for summary in await store.query()}


async def _children(store: EventStore, parent: WorkflowId) -> list[WorkflowId]:
    return [summary.workflow_id for summary in await store.query(WorkflowFilter(parent=parent))]


async def s29_a_parent_is_known_whichever_was_recorded_first(store: EventStore) -> None:
    """The child recorded before or after its parent's event: either way the summary names the parent."""
    parent = HistoryBuilder(workflow(9))
    await record(store, HistoryBuilder(workflow(1)).started())
    same(await _parents(store), {workflow(1): None}, "the parents before any parent spoke")
    await record(store, parent.started(at=START + 2 * SECOND), parent.child(workflow(1)), parent.child(workflow(2)))
    same(await _children(store, workflow(9)), [workflow(1)], "the children that exist")
    await record(store, HistoryBuilder(workflow(2), at=START + SECOND).started())
    wanted = {workflow(1): workflow(9), workflow(2): workflow(9), workflow(9): None}
    same(await _parents(store), wanted, "the parents")
    same(await _children(store, workflow(9)), [workflow(1), workflow(2)], "the children")
    same(await _children(store, workflow(1)), [], "the children of a child")


async def s57_of_two_parents_the_least_counts(store: EventStore) -> None:
    """Where two histories claim one child, its parent is the least id, in whatever order they were recorded."""
    await record(store, HistoryBuilder(workflow(1)).started())
    for claimant, wanted in ((5, 5), (7, 5), (3, 3)):
        await record(store, HistoryBuilder(workflow(claimant)).child(workflow(1)))
        same(await _parents(store), {workflow(1): workflow(wanted)}, f"the parent once {claimant} claimed it")
    same(await _children(store, workflow(3)), [workflow(1)], "the children of the least claimant")
    for other in (5, 7):
        same(await _children(store, workflow(other)), [], "the children of another claimant")


async def s58_parents_form_a_tree_of_any_depth(store: EventStore) -> None:
    """A parent may have a parent, a child may be started twice by one parent, and a new run keeps its parent."""
    top, middle, leaf = (HistoryBuilder(workflow(number)) for number in (1, 2, 3))
    await record(store, top.started(), top.child(workflow(2)), top.child(workflow(2)))
    await record(store, middle.started(), middle.child(workflow(3)))
    await record(store, leaf.started(), leaf.completed(), leaf.started())
    wanted = {workflow(1): None, workflow(2): workflow(1), workflow(3): workflow(2)}
    same(await _parents(store), wanted, "the parents")
