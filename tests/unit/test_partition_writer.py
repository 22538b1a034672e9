"""The order of things in a partition's thread, one round at a time: who came first is decided first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor, Future
from typing import Any, cast

from aion_producers.acquisition import Acquired
from aion_producers.cold_heads import LookedUp
from aion_producers.end_watch import EndWatch
from aion_producers.heads import Heads
from aion_producers.inbox import Inbox
from aion_producers.mandate import Mandate
from aion_producers.ownership import AllPartitions, LogPartition
from aion_producers.partition_writer import PartitionWriter
from aion_producers.settings import WriterSettings
from aion_producers.stability import Ends, StableEnds
from aion_producers.staging import LogPlace
from aion_producers.take_over import PartitionLog
from aion_producers.transaction import BrokenTransactionError, Fate
from aion_producers.write import Answer, Write
from aion_store.errors import StoreError
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.chain import chain_start
from aion_store.log.record import WireRecord
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.ids import WorkflowId
from aion_store.projected import HeadSnapshot, LogName, ProjectedCheckpoint, RecordedSnapshot
from tests.producing import prepare

TOPIC = TopicIdentity("events", "A" * 22, 1)
FLOOR = 100
LONG_S = 1_000.0
COLD, OTHER = WorkflowId(int=1), WorkflowId(int=2)


class Pending:
    """A future that nobody has answered."""

    def done(self) -> bool:
        return False


class Later(Executor):
    """Helpers that do what they were given when they are told to."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], object]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self._calls.append(lambda: fn(*args, **kwargs))
        return Future()

    def work(self) -> None:
        calls, self._calls = self._calls, []
        for call in calls:
            call()


class Tables:
    """Every workflow's head is 5, and what they show is new enough."""

    def checkpoint(self, log: LogName, partition: int) -> ProjectedCheckpoint:
        raise NotImplementedError

    def look_up(self, partition: int, workflow_ids: Collection[WorkflowId]) -> HeadSnapshot:
        return HeadSnapshot(TOPIC.topic_id, FLOOR, dict.fromkeys(workflow_ids, 5))

    def recorded(self, partition: int, workflow_id: WorkflowId, from_seq: int, count: int) -> RecordedSnapshot:
        raise NotImplementedError


class Accepting:
    """A tenure in which every transaction is committed, until it is `broken`; `suspect`: a connection broke."""

    def __init__(self) -> None:
        self.records: list[WireRecord] = []
        self.suspect = self.broken = False

    def transaction(self, *, ask_offset: bool) -> Accepting:
        return self

    def add(self, record: WireRecord) -> None:
        self.records.append(record)

    def commit(self, _: object, __: object) -> None:
        if self.broken:
            raise BrokenTransactionError(Fate.UNKNOWN, "lost")

    def is_suspect(self) -> bool:
        return self.suspect

    def abandon(self) -> None:
        """Nothing to let go of."""


class NeverReached(StableEnds):
    """An end that readers don't get to."""

    def ends(self, topic: str, partition: int, timeout_s: float) -> Ends:
        return Ends(stable=5, high=7)


class Scene:
    """A writer that owns its partition since long ago, with helpers that wait to be told."""

    def __init__(self, settings: WriterSettings | None = None) -> None:
        self.inbox, self.helpers = Inbox[LookedUp](), Later()
        self.tenures: list[Accepting] = []
        self.answers: dict[Write, ConsistencyToken | StoreError] = {}
        where = LogPartition("events", 0)
        log = PartitionLog({}, TOPIC, "", *where, settings or WriterSettings())
        self.writer = PartitionWriter(
            log,
            self.inbox,
            Tables(),
            self.helpers,
            NeverReached({}),
            Mandate(AllPartitions(), where),
            self._answer,
            lambda _: None,
        )
        self.heads = Heads(FLOOR, 100, 100)
        self.writer._acquisition.acquire = self._acquire

    def _acquire(self, unsettled: Sequence[Write], *, fenced: bool) -> Acquired:
        place = LogPlace(FLOOR, chain_start(TOPIC.topic_id, 0))
        self.tenures.append(Accepting())
        return Acquired(cast("Any", self.tenure), self.heads, place, {})

    @property
    def tenure(self) -> Accepting:
        """The present one, or the last."""
        return self.tenures[-1]

    def put(self, workflow_id: WorkflowId, expected: int) -> Write:
        append = prepare(workflow_id, expected)
        write = Write(key=str(workflow_id).encode(), append_id=append.append_id, workflow_id=workflow_id, append=append)
        write.future = cast("Any", Pending())
        self.inbox.put(write)
        return write

    def run(self) -> None:
        """Until nothing is queued."""
        while self.inbox._writes or self.inbox._notes:
            self.writer._step()

    def finds_that_it_hangs(self) -> bool:
        """Whether the writer goes on after a look at an end that was never reached, by itself and in no round."""
        self.writer._end = EndWatch(0.0, 0.0)
        self.writer._end.wrote(0.0)
        goes_on = self.writer._check_end()
        self.writer._end = EndWatch(LONG_S, LONG_S)
        return goes_on

    def outcomes(self, writes: list[Write]) -> list[type]:
        return [type(self.answers.get(write)) for write in writes]

    def _answer(self, answers: list[Answer]) -> None:
        for write, answer in answers:
            self.answers.setdefault(write, answer)


def test_what_was_queued_while_a_head_was_looked_up_is_decided_after_what_waited_for_it() -> None:
    scene = Scene()
    writes = [scene.put(COLD, 5)]
    scene.run()
    scene.helpers.work()
    writes += [scene.put(COLD, 6), scene.put(COLD, 7)]
    scene.run()
    assert scene.outcomes(writes) == [ConsistencyToken] * 3


def test_the_order_holds_where_a_transaction_takes_one_write_at_a_time() -> None:
    scene = Scene(WriterSettings(max_transaction_records=1))
    writes = [scene.put(COLD, 5 + number) for number in range(3)]
    scene.run()
    scene.helpers.work()
    writes += [scene.put(COLD, 8 + number) for number in range(3)]
    scene.run()
    assert scene.outcomes(writes) == [ConsistencyToken] * 6


def test_who_comes_later_waits_behind_those_that_wait_even_if_the_head_is_known_by_then() -> None:
    scene = Scene()
    writes = [scene.put(COLD, 5)]
    scene.run()
    scene.heads.learn({str(COLD).encode(): 5}, FLOOR)
    writes.append(scene.put(COLD, 6))
    other = scene.put(OTHER, 5)
    scene.run()
    assert scene.outcomes([*writes, other]) == [type(None)] * 3
    scene.helpers.work()
    scene.run()
    assert scene.outcomes(writes) == [ConsistencyToken] * 2
    scene.helpers.work()
    scene.run()
    assert scene.outcomes([other]) == [ConsistencyToken]


def test_the_order_holds_where_a_tenure_ends_in_between() -> None:
    scene = Scene()
    writes = [scene.put(COLD, 5)]
    scene.run()
    writes.append(scene.put(COLD, 6))
    scene.helpers.work()
    scene.tenure.suspect = True
    scene.run()
    writes.append(scene.put(COLD, 7))
    scene.tenure.suspect = True
    scene.run()
    assert scene.outcomes(writes) == [ConsistencyToken] * 3


def test_a_take_over_makes_those_that_wait_be_decided_anew() -> None:
    scene = Scene()
    writes = [scene.put(COLD, 5), scene.put(COLD, 6)]
    scene.run()
    scene.heads.learn({str(COLD).encode(): 5}, FLOOR)
    scene.tenure.suspect = True
    writes.append(scene.put(COLD, 7))
    scene.run()
    assert scene.outcomes(writes) == [ConsistencyToken] * 3


def test_a_transaction_that_hangs_is_ended_by_one_take_over() -> None:
    scene = Scene()
    write = scene.put(COLD, 5)
    scene.run()
    assert scene.finds_that_it_hangs()
    assert scene.writer._tenure is None, "it takes over in the next round"
    scene.helpers.work()
    scene.run()
    assert len(scene.tenures) == 2
    assert scene.outcomes([write]) == [ConsistencyToken]
    scene.tenure.broken = True
    assert scene.finds_that_it_hangs()
    assert len(scene.tenures) == 3
    assert cast("Any", scene.writer._tenure) is scene.tenure, "what broke meanwhile took over already"


def test_the_end_is_looked_at_under_load_as_well() -> None:
    scene = Scene(WriterSettings(hanging_s=0.0, idle_check_s=LONG_S))
    for _ in range(3):
        scene.put(OTHER, 5)
        scene.run()
    assert len(scene.tenures) == 3, "one a look"
