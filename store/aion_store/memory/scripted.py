"""ScriptedStore: the memory store for the tests of an engine, with faults on demand and a clock that tests move."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import assert_never

from aion_store.errors import (
    NotOwnerError,
    OutcomeUnknownError,
    SequenceConflictError,
    StaleProjectionError,
    UnavailableError,
)
from aion_store.memory.recorded import Recorded
from aion_store.memory.recording import Write
from aion_store.memory.script import ManualClock, Script, ScriptedFault
from aion_store.memory.store import MemoryStore
from aion_store.model.consistency import Consistency, ConsistencyToken, ReadConsistency
from aion_store.model.timers import TimerEntry

_SERVICE = "The scripted store"


class ScriptedStore(MemoryStore):
    """A memory store whose next calls meet what `script` says, and whose `clock` stands still until a test moves it.

    `clock` is for the engine under test, which builds its events with it, and for `due_timers`; the log's own time,
    which reads `as_of` a time go by, is this clock as well.

        store.script.outcome_unknown_next(written=True)
        with pytest.raises(OutcomeUnknownError) as unknown:
            await engine.record_step(...)
        await engine.recover()  # repeats the append with unknown.value.append_id
        assert len(await store.read_history(workflow_id)) == 1
    """

    def __init__(self) -> None:
        self.clock = ManualClock()
        super().__init__(self.clock)
        self.script = Script()

    async def due_timers(self, *, limit: int | None = None) -> list[TimerEntry]:
        """The timers that are due by `clock`, as `expired_timers` returns them."""
        return await self.expired_timers(self.clock(), limit=limit)

    def _commit(self, write: Write, change: Callable[[], None]) -> ConsistencyToken:
        fault = self.script.take("other write" if write.expected_seq is None else "append")
        if fault is None:
            return super()._commit(write, change)
        if fault.kind == "outcome unknown" and fault.written:
            super()._commit(write, change)
        raise _write_error(fault, write)

    @contextmanager
    def _read(self, consistency: ReadConsistency) -> Generator[Recorded]:
        with super()._read(consistency) as recorded:
            fault = self.script.take("eventual read" if consistency == Consistency.EVENTUAL else "waiting read")
            if fault is not None and fault.kind == "stale":
                raise StaleProjectionError(0, recorded.ordinal + 1, recorded.ordinal)
            if fault is not None:
                raise UnavailableError(_SERVICE, "its script says so")
            yield recorded


def _write_error(fault: ScriptedFault, write: Write) -> Exception:
    match fault.kind:
        case "conflict":
            if write.workflow_id is None or write.expected_seq is None:
                raise TypeError("a conflict needs an append")
            found = fault.found if fault.found is not None else write.expected_seq + 1
            return SequenceConflictError(write.workflow_id, write.expected_seq, found)
        case "outcome unknown":
            return OutcomeUnknownError(write.workflow_id, write.append_id)
        case "not owner":
            return NotOwnerError(0, fault.owner)
        case "unavailable":
            return UnavailableError(_SERVICE, "its script says so")
        case "stale":
            raise TypeError("a write is never stale")
        case _:
            assert_never(fault.kind)
