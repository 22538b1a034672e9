"""Two take-overs of one partition, interleaved step by step: one of them owns it afterwards, or neither does.

A take-over has four steps: to initialise each of its two ids, then to commit a barrier with each. The ids know nothing
of one another, so what can make a difference is the order of both rivals' steps at each id: all of these are tried.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import permutations, product
from typing import Any, Final, NamedTuple

import pytest

from aion_producers import take_over as steps
from aion_producers.settings import WriterSettings
from aion_producers.take_over import DeposedError, PartitionLog, Tenure, take_over
from aion_producers.transaction import BrokenTransactionError, Fate, Transaction, TransactionalProducer
from aion_store.kafka.client import ClientSettings
from aion_store.log.record import BARRIER, SLOTS, Mark, WireRecord, noop_record
from tests.producing import Log, make_log, read_partition
from tests.servers import Servers

RIVALS: Final = ("one", "other")
INITIALISE, COMMIT = "initialise", "commit"
AT_ONCE = 6
TURN_S = 60.0


class Step(NamedTuple):
    """What a rival does with the id of a slot."""

    rival: str
    slot: str
    deed: str


def orders_at_one_id(slot: str) -> list[tuple[Step, ...]]:
    """The steps of both, each rival's in their order; the first rival's come first (or else they change names)."""
    all_steps = [Step(rival, slot, deed) for rival in RIVALS for deed in (INITIALISE, COMMIT)]
    return [
        order
        for order in permutations(all_steps)
        if all(order.index(Step(rival, slot, INITIALISE)) < order.index(Step(rival, slot, COMMIT)) for rival in RIVALS)
    ]


def merge(orders: Iterable[tuple[Step, ...]]) -> list[Step] | None:
    """An order of all steps that has them at each id as given, no barrier before both ids; None if there is none."""
    waiting = [list(order) for order in orders]
    done: list[Step] = []

    def is_due(step: Step) -> bool:
        return step.deed == INITIALISE or all(Step(step.rival, slot, INITIALISE) in done for slot in SLOTS)

    while any(waiting):
        due = next((order for order in waiting if order and is_due(order[0])), None)
        if due is None:
            return None
        done.append(due.pop(0))
    return done


SCRIPTS: Final = [
    script
    for orders in product(*map(orders_at_one_id, SLOTS))
    if orders[0][0].rival == RIVALS[0] and (script := merge(orders)) is not None
]


class Stage:
    """Lets each step happen in its turn."""

    def __init__(self, script: Sequence[Step]) -> None:
        self._script, self._next, self._changed = script, 0, threading.Condition()

    @contextmanager
    def turn(self, step: Step) -> Iterator[None]:
        with self._changed:
            in_time = self._changed.wait_for(lambda: self._script[self._next] == step, TURN_S)
            assert in_time, f"{step} never had its turn"
        try:
            yield
        finally:
            with self._changed:
                self._next += 1
                self._changed.notify_all()


STAGES: Final = [Stage(script) for script in SCRIPTS]
"""One for each script, which is played once, on the partition with its number."""


class StagedBarrier:
    """A transaction nothing of which happens before its turn."""

    def __init__(self, plain: Transaction, turn: AbstractContextManager[None]) -> None:
        self._plain, self._turn = plain, turn
        self._records: list[WireRecord] = []

    def add(self, record: WireRecord) -> None:
        self._records.append(record)

    def commit(self, give_up: Callable[[], bool]) -> int | None:
        with self._turn:
            for record in self._records:
                self._plain.add(record)
            return self._plain.commit(give_up)


class StagedProducer(TransactionalProducer):
    """Its initialisation and its first transaction have their turns, if it is a rival's, as the client's id tells."""

    def __init__(self, client: ClientSettings, transactional_id: str, settings: WriterSettings) -> None:
        super().__init__(client, transactional_id, settings)
        self._rival, self._slot = str(client["client.id"]), transactional_id[-1]
        self._stage = STAGES[int(transactional_id.split(".")[-2])] if self._rival in RIVALS else None

    def initialise(self, timeout_s: float) -> None:
        with self._turn(INITIALISE):
            super().initialise(timeout_s)

    def transaction(self, topic: str, partition: int, *, ask_offset: bool = False) -> Any:
        plain = super().transaction(topic, partition, ask_offset=ask_offset)
        if self._stage is None:
            return plain
        barrier = StagedBarrier(plain, self._turn(COMMIT))
        self._stage = None
        return barrier

    def _turn(self, deed: str) -> AbstractContextManager[None]:
        return nullcontext() if self._stage is None else self._stage.turn(Step(self._rival, self._slot, deed))


def attempt(log: PartitionLog) -> Tenure | None:
    """A take-over by the name of the client; None where someone else's came in between."""
    try:
        return take_over(log, str(log.client["client.id"]), lambda: False)
    except DeposedError:
        return None


def can_write(log: PartitionLog, tenure: Tenure) -> list[bool]:
    """Whether each of its two producers still can."""
    return [commits(log, tenure) for _ in SLOTS]


def commits(log: PartitionLog, tenure: Tenure) -> bool:
    transaction = tenure.transaction(ask_offset=False)
    transaction.add(noop_record(log.settings.record_format))
    try:
        tenure.commit(transaction, lambda: False)
    except BrokenTransactionError as error:
        if error.fate is not Fate.FENCED:
            raise
        return False
    return True


def expected_owners(script: Sequence[Step]) -> list[str]:
    """Whose take-over is whole, in their order: at neither id the rival came between its two steps."""

    def is_whole(rival: str) -> bool:
        return all(
            step.rival == rival
            for slot in SLOTS
            for step in script[script.index(Step(rival, slot, INITIALISE)) : script.index(Step(rival, slot, COMMIT))]
            if step.slot == slot and step.deed == INITIALISE
        )

    last = {step.rival: index for index, step in enumerate(script)}
    return sorted(filter(is_whole, RIVALS), key=last.__getitem__)


def check_script(log: Log, partition: int) -> list[str]:
    """Play the script with a partition's number there; whose take-overs succeeded."""
    script = SCRIPTS[partition]

    def partition_log(client_id: str) -> PartitionLog:
        client = {**log.client, "client.id": client_id}
        return PartitionLog(client, log.topics.events, log.prefix, "events", partition, WriterSettings())

    logs = {rival: partition_log(rival) for rival in RIVALS}
    with ThreadPoolExecutor(len(RIVALS)) as pool:
        results = dict(zip(RIVALS, pool.map(attempt, logs.values()), strict=True))
    tenures = {rival: tenure for rival, tenure in results.items() if tenure is not None}
    owners = expected_owners(script)
    assert tenures.keys() == set(owners)
    able = {rival: can_write(logs[rival], tenure) for rival, tenure in tenures.items()}
    assert [rival for rival in able if any(able[rival])] == owners[-1:], "at most one can write: who came last"
    if len(owners) > 1:
        assert all(able[owners[-1]])
    third = attempt(partition_log("third"))
    assert third is not None
    assert all(can_write(logs["one"], third))
    assert not any(commits(logs[rival], tenure) for rival, tenure in tenures.items() if all(able[rival]))
    for tenure in (*tenures.values(), third):
        tenure.abandon()
    records, _ = read_partition(log.client, log.topics.events, partition)
    barriers = [(r.takeover, r.slot) for r in records if isinstance(r, Mark) and r.kind == BARRIER]
    whole = {name for name, _ in barriers if all((name, slot) in barriers for slot in SLOTS)}
    assert whole == {*owners, "third"}
    return owners


def test_of_two_take_overs_one_owns_the_partition_or_neither(
    servers: Servers, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "TransactionalProducer", StagedProducer)
    log = make_log(servers.bootstrap_servers, topic_prefix, len(SCRIPTS))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        owners = list(pool.map(partial(check_script, log), range(len(SCRIPTS))))
    print(f"{len(SCRIPTS)} interleavings: {Counter(map(len, owners))} owners")
    assert {len(each) for each in owners} == {0, 1, 2}, "each of them is among the interleavings"
