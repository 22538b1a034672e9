"""What every part of the memory store stands on: what is recorded, the lock around it, and how fresh a read is."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NamedTuple

from aion_store.append_ids import AppendIds
from aion_store.call_rules import check_consistency
from aion_store.clock import Clock, utc_now
from aion_store.errors import SchemaMismatchError, StaleProjectionError
from aion_store.memory.recorded import Recorded
from aion_store.memory.subscription import MemoryLog
from aion_store.model.consistency import ConsistencyToken, ReadConsistency
from aion_store.model.ids import WorkflowId


class Write(NamedTuple):
    """What a write is known by: its append id, and for an append its workflow and expected head."""

    append_id: str
    workflow_id: WorkflowId | None = None
    expected_seq: int | None = None


class Recording:
    """Everything recorded, behind one lock. `clock` says when the log takes something."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._recorded = Recorded(clock)
        self._lock = threading.Lock()
        self._append_ids = AppendIds()
        self._topic_id = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
        self._log = MemoryLog(self._topic_id, self._recorded, self._lock)

    def _commit(self, write: Write, change: Callable[[], None]) -> ConsistencyToken:
        """Make the change, whole, or raise what refuses it."""
        with self._lock:
            change()
            token = ConsistencyToken(self._topic_id, 0, self._recorded.ordinal)
        self._log.tell()
        return token

    @contextmanager
    def _read(self, consistency: ReadConsistency) -> Generator[Recorded]:
        """All that is recorded, once it is known to be as fresh as asked for."""
        check_consistency(consistency)
        with self._lock:
            if isinstance(consistency, ConsistencyToken):
                self._check_token(consistency)
            yield self._recorded

    def _check_token(self, token: ConsistencyToken) -> None:
        if (token.topic_id, token.partition) != (self._topic_id, 0):
            found = f"{token.topic_id}, partition {token.partition}"
            raise SchemaMismatchError(f"{self._topic_id}, partition 0", found, "The topic of a consistency token")
        if token.ordinal > self._recorded.ordinal:
            raise StaleProjectionError(0, token.ordinal, self._recorded.ordinal)
