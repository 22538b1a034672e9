"""The session cache against a model: whatever happens in whatever order, what it answers is the true history's
beginning, with all that was acknowledged or waited for here, and with all that this process knew of when it took over.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from aion_producers.write import Answer, Write
from aion_service.session_cache import Filling, SessionCache
from aion_store.append_rules import PreparedAppend
from aion_store.log.codec import decode_event
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.events import Event
from aion_store.model.ids import WorkflowId
from tests.producing import prepare

WORKFLOWS = [WorkflowId(int=number) for number in (1, 2)]
BYTES = 400_000
STEPS = st.sampled_from(
    ["append", "settle", "read", "shown"] * 4 + ["cut off", "rival", "waited", "let go", "take over", "take over"]
)


@dataclass
class World:
    """One partition: its log, how much of it the tables show, and what its one honest writer knows."""

    cache: SessionCache
    log: list[tuple[WorkflowId, bytes]] = field(default_factory=list[tuple[WorkflowId, bytes]])
    shown: int = 0
    writing: bool = False
    unsettled: list[Answer] = field(default_factory=list[Answer])
    reading: list[tuple[Filling, WorkflowId]] = field(default_factory=list[tuple[Filling, WorkflowId]])
    must_have: dict[WorkflowId, int] = field(default_factory=lambda: dict.fromkeys(WORKFLOWS, 0))
    """The heads that every answer includes."""

    def history(self, workflow_id: WorkflowId, end: int | None = None) -> list[bytes]:
        return [body for each, body in self.log[:end] if each == workflow_id]

    def commit(self, workflow_id: WorkflowId, count: int) -> Answer:
        append: PreparedAppend = prepare(workflow_id, len(self.history(workflow_id)), count, size_bytes=300 + count)
        self.log += [(workflow_id, event.body) for event in append.events]
        write = Write(key=str(workflow_id).encode(), append_id=append.append_id, workflow_id=workflow_id, append=append)
        return write, ConsistencyToken("A" * 22, 0, len(self.log))

    def settle(self) -> None:
        """The caller of the oldest is told."""
        if self.unsettled:
            write, token = self.unsettled.pop(0)
            self.cache.settled(0, [(write, token)])
            if write.append is not None and write.workflow_id is not None:
                head = write.append.expected_seq + len(write.append.events)
                self.must_have[write.workflow_id] = max(head, self.must_have[write.workflow_id])

    def take_over(self) -> None:
        """All that was in flight is settled first, then it is known how far the log goes."""
        while self.unsettled:
            self.settle()
        self.cache.taken_over(0, len(self.log))
        self.writing = True
        for workflow_id in WORKFLOWS:
            self.must_have[workflow_id] = len(self.history(workflow_id))

    def step(self, name: str, workflow_id: WorkflowId, number: int) -> None:
        match name:
            case "append" if self.writing:
                self.unsettled.append(self.commit(workflow_id, 1 + number % 3))
            case "rival":  # unnoticed: this writer commits nothing any more until it has taken over again
                self.writing = False
                self.commit(workflow_id, 1)
            case "waited":  # for the last record there is, whoever wrote it
                self.shown = len(self.log)
                self.cache.shown(0, self.shown)
                self.must_have = {each: len(self.history(each)) for each in WORKFLOWS}
            case "settle":
                self.settle()
            case "take over":
                self.take_over()
            case "let go":
                self.writing = False
                self.cache.let_go(0)
            case "read":
                filling = self.cache.begin(workflow_id, 0)
                if filling is not None:
                    self.reading.append((filling, workflow_id))
            case "shown" if self.reading:
                filling, read = self.reading.pop(number % len(self.reading))
                self.shown = min(len(self.log), self.shown + number)
                events: list[Event] = [decode_event(body) for body in self.history(read, self.shown)]
                self.cache.fill(filling, events, self.shown)
            case "cut off" if self.reading:
                self.cache.give_up(self.reading.pop(number % len(self.reading))[0])
            case _:
                pass

    def check(self) -> int:
        """How many histories were answered."""
        answered = 0
        for workflow_id in WORKFLOWS:
            kept = self.cache.history(workflow_id)
            if kept is not None:
                bodies = [event.body for event in kept.events()]
                assert bodies == self.history(workflow_id)[: len(bodies)]
                assert len(bodies) == kept.head >= self.must_have[workflow_id]
                answered += 1
        return answered


@given(st.lists(st.tuples(STEPS, st.sampled_from(WORKFLOWS), st.integers(0, 8)), min_size=40, max_size=80))
def test_an_answer_is_the_history_with_all_that_was_acknowledged(steps: list[tuple[str, WorkflowId, int]]) -> None:
    world = World(SessionCache(BYTES))
    world.take_over()
    for step in steps:
        world.step(*step)
        world.check()


def test_the_model_sees_answers() -> None:
    world = World(SessionCache(BYTES))
    world.take_over()
    answered: list[int] = []
    for name in ("read", "append", "settle", "shown", "append", "settle", "let go"):
        world.step(name, WORKFLOWS[0], 0)
        answered.append(world.check())
    assert answered == [0, 0, 0, 1, 1, 1, 0]
