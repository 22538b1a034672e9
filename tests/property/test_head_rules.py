"""Staging against a model: whatever comes, in whatever groups, with whatever fate, one history per workflow results."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from aion_producers.heads import Heads
from aion_producers.replay import Replay
from aion_producers.staging import LogPlace, PartitionName, stage
from aion_producers.write import Answer, Write
from aion_store.errors import InvalidAppendError, SequenceConflictError
from aion_store.log.chain import chain_start
from aion_store.log.record import LogRecord, ParsedRecord, WireRecord, parse_record
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.ids import WorkflowId
from tests.producing import prepare

NAME = PartitionName("A" * 22, 0)
WORKFLOWS = [WorkflowId(int=number) for number in range(3)]


@dataclass(frozen=True)
class Call:
    """One append: relative to the head its caller believes in, which may be wrong."""

    workflow: int
    ahead: int
    count: int
    append_id: str
    size_bytes: int


calls = st.builds(
    Call,
    workflow=st.integers(0, len(WORKFLOWS) - 1),
    ahead=st.integers(-3, 1),
    count=st.integers(0, 3),
    append_id=st.sampled_from(["one", "two", "three"]),
    size_bytes=st.sampled_from([250, 251]),
)
groups = st.lists(calls, min_size=1, max_size=6)
steps = st.lists(st.tuples(groups, st.sampled_from(["commit", "abort", "lose", "restart"])), max_size=12)


@dataclass
class Model:
    """What the log holds, and the plain rules on lists."""

    log: list[WireRecord] = field(default_factory=list)
    histories: dict[WorkflowId, list[tuple[str, int, int, bytes]]] = field(
        default_factory=lambda: {workflow_id: [] for workflow_id in WORKFLOWS}
    )

    def parsed(self, first: int = 1) -> list[ParsedRecord]:
        return [parse_record(i, 0, r.key, r.value, r.headers) for i, r in enumerate(self.log, 1) if i >= first]

    def expect(self, write: Write, histories: dict[WorkflowId, list[tuple[str, int, int, bytes]]]) -> str:
        append = write.append
        assert append is not None
        history, expected = histories[append.workflow_id], append.expected_seq
        if expected > len(history):
            return "conflict"
        if expected == len(history):
            count = len(append.events)
            history += [(append.append_id, i, count, event.body) for i, event in enumerate(append.events, 1)]
            return "success"
        stored = history[expected : expected + max(1, len(append.events))]
        if not append.events or stored[0][:2] != (append.append_id, 1):
            return "conflict"
        wanted = [(append.append_id, i, len(append.events), event.body) for i, event in enumerate(append.events, 1)]
        return "success" if stored == wanted else "invalid"


def kind_of(answer: Answer) -> str:
    match answer[1]:
        case ConsistencyToken():
            return "success"
        case SequenceConflictError():
            return "conflict"
        case InvalidAppendError():
            return "invalid"
        case other:
            raise AssertionError(other)


def make_writes(calls: list[Call], model: Model) -> list[Write]:
    writes: list[Write] = []
    for call in calls:
        workflow_id = WORKFLOWS[call.workflow]
        expected = max(0, len(model.histories[workflow_id]) + call.ahead)
        append = prepare(workflow_id, expected, call.count, call.append_id, call.size_bytes)
        key = str(workflow_id).encode()
        writes.append(
            Write(
                key=key,
                append_id=append.append_id,
                workflow_id=workflow_id,
                append=append,
                repeatable=True,
            )
        )
    return writes


@settings(max_examples=300, deadline=None)
@given(steps)
def test_every_write_is_answered_as_a_plain_history_says(steps: list[tuple[list[Call], str]]) -> None:
    model = Model()
    heads, place = Heads(0, 100, 1000), LogPlace(0, chain_start(NAME.topic_id, 0))
    start = place
    for calls, fate in steps:
        writes = make_writes(calls, model)
        sent: list[WireRecord] = []
        group = stage(writes, heads, NAME, place, sent.append)
        assert not group.cold
        assert not group.history
        staged = {workflow_id: list(history) for workflow_id, history in model.histories.items()}
        expected = [model.expect(write, staged) for write in writes]
        answers = {id(write): (write, answer) for write, answer in [*group.answers(NAME), *group.at_once]}
        assert [kind_of(answers[id(write)]) for write in writes] == expected
        match fate:
            case "abort":
                heads.roll_back()
                committed = {workflow_id: len(history) for workflow_id, history in model.histories.items()}
                for _, error in group.at_once:  # what is told at once must hold whatever becomes of the rest
                    if isinstance(error, SequenceConflictError):
                        assert error.found == committed[error.workflow_id]
            case "lose":  # committed, but the writer is told otherwise: it reads the log again
                heads.roll_back()
                first = len(model.log) + 1
                model.log += sent
                model.histories = staged
                replay = Replay(0, heads, place, [write for write, _ in group.admitted])
                replay.read(model.parsed(first))
                assert {write for write, _ in group.admitted} == set(replay.found)
                place = replay.place
            case _:
                heads.commit()
                model.log += sent
                model.histories = staged
                place = group.place
        if fate == "restart":
            heads = Heads(0, 100, 1000)
            replay = Replay(0, heads, start)
            replay.read(model.parsed())
            assert replay.place == place
        for workflow_id, history in model.histories.items():
            assert heads.head(str(workflow_id).encode()) == len(history)
    for workflow_id, history in model.histories.items():
        recorded = [r for r in model.parsed() if isinstance(r, LogRecord) and r.key == str(workflow_id).encode()]
        assert [record.seq for record in recorded] == list(range(1, len(history) + 1))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["append", "forget", "learn"])), max_size=40), st.data())
def test_a_forgotten_head_comes_back_only_from_a_snapshot_that_has_it(
    steps: list[tuple[int, str]], data: st.DataObject
) -> None:
    """The tables lag at random; a head that the writer believes in is always the true one."""
    truth: dict[bytes, int] = {}
    ordinals: list[bytes] = []
    heads, place = Heads(0, 100, 1000), LogPlace(0, bytes(32))
    for number, action in steps:
        workflow_id = WorkflowId(int=number)
        key = str(workflow_id).encode()
        match action:
            case "append":
                head = heads.head(key)
                if head is None:
                    continue
                append = prepare(workflow_id, head)
                write = Write(key=key, append_id=append.append_id, workflow_id=workflow_id, append=append)
                place = stage([write], heads, NAME, place, lambda _: None).place
                heads.commit()
                ordinals.append(key)
                truth[key] = truth.get(key, 0) + 1
            case "forget":
                heads.forget(data.draw(st.integers(0, len(ordinals))), keep=data.draw(st.integers(0, 3)))
            case _:
                projected = data.draw(st.integers(0, len(ordinals)))
                heads.learn({key: ordinals[:projected].count(key)}, projected)
        for known in truth:
            assert heads.head(known) in (None, truth[known])
