"""The projector applies exactly the log's complete appends, however it is fetched, repeated and restarted."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from hypothesis import given, settings
from hypothesis import strategies as st

from aion_projectors.plan import Behind, Checkpoint, Gap, Held, plan_stretch
from aion_projectors.stretch import Stretch, cut
from aion_store.log.appends import complete_appends
from aion_store.log.record import BARRIER, NOOP, ForeignRecord, LogRecord, Mark, ParsedRecord
from aion_store.postgres.generation import LogPartition

PLACE = LogPartition("events", 0)
START = Checkpoint(0, 0, bytes(32))


@dataclass(frozen=True)
class Log:
    """A partition: its records, whose offsets leave holes where transaction markers lie, and its end."""

    records: list[ParsedRecord]
    end: int

    @cached_property
    def appends(self) -> list[tuple[LogRecord, ...]]:
        return complete_appends(self.records).appends


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """A partition as writers, crashes and strangers may leave it."""
    records: list[ParsedRecord] = []
    offset = ordinal = 0
    for number in range(draw(st.integers(0, 10))):
        match draw(st.sampled_from(["append", "append", "torn", "tail", "noop", "takeover", "barrier", "foreign"])):
            case "append" | "torn" | "tail" as shape:
                count = draw(st.integers(1, 4))
                first = draw(st.integers(1, count)) if shape == "tail" else 1
                last = draw(st.integers(first, count)) if shape == "torn" else count
                for index in range(first, last + 1):
                    ordinal += 1
                    chain = ordinal.to_bytes(32, "big")
                    append_id = draw(st.sampled_from(["x", f"id{number}"]))
                    records.append(
                        LogRecord(offset, 0, b"k", b"", "x.a.B", ordinal, "", append_id, index, count, ordinal, chain)
                    )
                    offset += 1
                    if draw(st.integers(0, 4)) == 0:
                        records.append(draw(st.sampled_from([Mark(offset, NOOP), ForeignRecord(offset, "not ours")])))
                        offset += 1
            case "noop":
                records.append(Mark(offset, NOOP))
            case "takeover":
                for slot in draw(st.permutations(["a", "b"])):
                    records.append(Mark(offset, BARRIER, f"t{number}", slot))
                    offset += 1
            case "barrier":
                records.append(Mark(offset, BARRIER, "t0", draw(st.sampled_from(["a", "b"]))))
            case _:
                records.append(ForeignRecord(offset, "not ours"))
        offset += draw(st.integers(1, 3))
    return Log(records, offset)


@dataclass
class Worker:
    """A reader with a position of its own, and the tables it applies to."""

    log: Log
    checkpoint: Checkpoint = START
    position: int = 0
    held: Held | None = None
    applied: list[tuple[LogRecord, ...]] = field(default_factory=list)
    foreign: set[int] = field(default_factory=set)
    history: list[tuple[Checkpoint, int]] = field(default_factory=list)

    def fetch(self, length: int) -> Stretch:
        end = min(self.position + length, self.log.end)
        records = [record for record in self.log.records if self.position <= record.offset < end]
        stretch = Stretch(self.position, records, end)
        self.position = end
        return stretch

    def apply(self, stretch: Stretch) -> None:
        plan = plan_stretch(self.checkpoint, self.held, stretch)
        assert plan.checkpoint.position >= self.checkpoint.position
        assert not isinstance(plan.fault, Gap)
        self.history.append((self.checkpoint, len(self.applied)))
        self.applied += plan.appends
        self.foreign |= {record.offset for record in plan.foreign}
        self.checkpoint, self.held = plan.checkpoint, plan.held
        self.check()
        if isinstance(plan.fault, Behind):
            assert plan.fault.position == self.checkpoint.position
            self.restart()

    def restart(self) -> None:
        self.position, self.held = self.checkpoint.position, None

    def lose_commits(self, count: int) -> None:
        for _ in range(min(count, len(self.history))):
            self.checkpoint, applied = self.history.pop()
            del self.applied[applied:]

    def check(self) -> None:
        """The checkpoint lies between appends and names the last record before it."""
        before = [r for r in self.log.records if isinstance(r, LogRecord) and r.offset < self.checkpoint.position]
        expected = (before[-1].ordinal, before[-1].chain) if before else (START.ordinal, START.chain)
        assert (self.checkpoint.ordinal, self.checkpoint.chain) == expected
        for append in self.log.appends:
            assert not append[0].offset < self.checkpoint.position <= append[-1].offset


actions = st.lists(
    st.one_of(
        st.tuples(st.just("fetch"), st.integers(1, 6)),
        st.tuples(st.just("repeat"), st.integers(0, 3)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("lose"), st.integers(1, 3)),
    ),
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(logs(), actions)
def test_random_fetches_and_restarts_apply_exactly_the_complete_appends(log: Log, steps: list[tuple[str, int]]) -> None:
    worker = Worker(log)
    seen: list[Stretch] = []
    for action, number in steps:
        match action:
            case "fetch":
                seen.append(worker.fetch(number))
                worker.apply(seen[-1])
            case "repeat" if seen:
                worker.apply(seen[max(0, len(seen) - 1 - number)])
            case "lose":
                worker.lose_commits(number)
            case _:
                worker.restart()
    for _ in range(4):  # a worker that finds the tables behind what it read begins anew, once
        worker.apply(worker.fetch(log.end + 1))
    whole = complete_appends(log.records)
    assert worker.applied == whole.appends
    assert worker.foreign == {record.offset for record in log.records if isinstance(record, ForeignRecord)}
    if not whole.prefix.records:
        assert worker.checkpoint.position == log.end


@settings(max_examples=100, deadline=None)
@given(logs(), st.integers(1, 5))
def test_a_stretch_cut_in_pieces_comes_to_the_same(log: Log, limit: int) -> None:
    whole, pieces = Worker(log), Worker(log)
    whole.apply(Stretch(0, log.records, log.end))
    pending = {PLACE: Stretch(0, log.records, log.end)}
    while pending:
        part, pending = cut(pending, limit)
        pieces.apply(part[PLACE])
    assert (pieces.applied, pieces.checkpoint) == (whole.applied, whole.checkpoint)


@settings(max_examples=100, deadline=None)
@given(logs(), st.integers(0, 30), st.integers(1, 6))
def test_a_gap_applies_what_is_before_it_and_nothing_after(log: Log, lost: int, length: int) -> None:
    ours = [record for record in log.records if isinstance(record, LogRecord)]
    if len(ours) < 2:
        return
    missing = ours[lost % (len(ours) - 1)]
    torn = Log([record for record in log.records if record is not missing], log.end)
    checkpoint, held, position, applied = START, None, 0, []
    for _ in range(log.end + 1):
        reader = Worker(torn, position=position)
        stretch = reader.fetch(length)
        plan = plan_stretch(checkpoint, held, stretch)
        applied += plan.appends
        checkpoint, held, position = plan.checkpoint, plan.held, stretch.position
        if isinstance(plan.fault, Gap):
            assert plan.fault.expected == missing.ordinal
            assert checkpoint.ordinal < missing.ordinal
            assert checkpoint.position <= plan.fault.offset
            assert held is None
            break
    else:
        raise AssertionError("the gap went unnoticed")
    before = [record for record in log.records if record.offset < missing.offset]
    assert applied == complete_appends(before).appends
