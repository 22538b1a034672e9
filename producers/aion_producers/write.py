"""One write on its way: what a caller handed in, until it is answered."""

from __future__ import annotations

from asyncio import Future
from typing import TypeAlias

from aion_store.append_rules import PreparedAppend
from aion_store.errors import OutcomeUnknownError, StoreError, UnavailableError
from aion_store.log.record import Draft
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.ids import WorkflowId

RECORD_BYTES = 512
"""What a record takes beside its value: counted against the bounds, so that many tiny ones don't escape them."""


class Write:
    """An append of events (`append`), or one record without a head (`draft`): exactly one of the two is set.

    `future` belongs to the event loop. `in_flight` changes under the inbox's lock: before it is set a write can be
    withdrawn for certain, after it only the log knows. `trouble` says what a queued write waits for, if for anything.
    """

    __slots__ = (
        "append",
        "append_id",
        "deadline",
        "draft",
        "future",
        "in_flight",
        "key",
        "record_count",
        "repeatable",
        "size_bytes",
        "trouble",
        "workflow_id",
    )

    def __init__(
        self,
        *,
        key: bytes | None,
        append_id: str,
        workflow_id: WorkflowId | None,
        append: PreparedAppend | None = None,
        draft: Draft | None = None,
        repeatable: bool = False,
    ) -> None:
        self.append, self.draft = append, draft
        self.key, self.append_id, self.workflow_id = key, append_id, workflow_id
        self.repeatable = repeatable
        count, content = 1, 0
        if append is not None:
            count, content = len(append.events), append.size_bytes
        elif draft is not None:
            content = len(draft.value)
        self.record_count, self.size_bytes = count, content + RECORD_BYTES * (1 + count)
        self.in_flight = False
        self.trouble: UnavailableError | None = None
        self.future: Future[ConsistencyToken]
        self.deadline: float

    @property
    def name(self) -> Name:
        """What its append is found by in the log."""
        return self.key, self.append_id, None if self.append is None else self.append.expected_seq + 1

    @property
    def bodies(self) -> list[bytes]:
        """The values of its records."""
        if self.append is not None:
            return [event.body for event in self.append.events]
        return [] if self.draft is None else [self.draft.value]

    @property
    def answered(self) -> bool:
        """Whether its caller has an answer, or has gone: then it must not be written any more."""
        return self.future.done()

    def drop_content(self) -> None:
        """It won't be written: what waits to be noticed as such shall not take memory."""
        self.append = self.draft = None

    def unavailable(self, reason: str) -> UnavailableError:
        """The answer when it wasn't written and won't be, for this reason."""
        subject = "the packages" if self.workflow_id is None else f"workflow {self.workflow_id}"
        return UnavailableError(f"The writer of {subject}", reason)

    def outcome_unknown(self) -> OutcomeUnknownError:
        """The answer when only the log knows."""
        return OutcomeUnknownError(self.workflow_id, self.append_id)


Name: TypeAlias = tuple[bytes | None, str, int | None]
"""A record key, an append id and the first event's sequence (None for records without one)."""

Answer: TypeAlias = tuple[Write, ConsistencyToken | StoreError]
