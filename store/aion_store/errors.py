"""The errors of the store, one tree; fields carry the facts, the message says what to do next.

    StoreError
    ├─ SequenceConflictError(workflow_id, expected, found)      the head moved
    ├─ InvalidAppendError(workflow_id, reason)                  the batch itself is wrong
    ├─ LimitExceededError(limit, maximum, actual)               too large or too many
    ├─ NotOwnerError(partition, owner)                          retryable: ask the owner
    ├─ UnavailableError(service, reason)                        retryable: nothing was written / read
    │   └─ StaleProjectionError(partition, wanted, reached)     retryable: the projection is behind
    ├─ OutcomeUnknownError(workflow_id, append_id)              repeat with the same append_id
    ├─ SchemaMismatchError(expected, found, subject)            topics or tables of another version
    │   └─ UnreadableRecordError(version, offset, expected)     a record of a format that this process doesn't read
    ├─ ConfigurationError(reason)                               settings, files, ports, Java: mend and start again
    │   └─ AccessDeniedError(service, refused)                  the log-in or a right is missing: grant it
    └─ CorruptHistoryError(workflow_id, reason)                 the recorded history contradicts itself
        ├─ UndecodableEventError(workflow_id, sequence, offset) one event's body can't be read
        └─ LogGapError(partition, expected, found)              a record is missing from the log

`retryable` says whether the same call may succeed later without anything else being changed. Nothing here
imports a client library: whoever wraps one raises these `from` its exception.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from aion_store.model.ids import WorkflowId


class StoreError(Exception):
    """The root of every error this store raises on purpose."""

    retryable: ClassVar[bool] = False


class SequenceConflictError(StoreError):
    """The workflow's head isn't `expected`; nothing was written. Read the history again before you decide."""

    def __init__(self, workflow_id: WorkflowId, expected: int, found: int) -> None:
        self.workflow_id, self.expected, self.found = workflow_id, expected, found
        super().__init__(
            f"Workflow {workflow_id} has its head at {found}, the append expected {expected}: nothing was written. "
            "Read the history again and decide anew."
        )


class InvalidAppendError(StoreError):
    """The batch itself is wrong; nothing was written, and the same batch will never be accepted."""

    def __init__(self, workflow_id: WorkflowId, reason: str) -> None:
        self.workflow_id, self.reason = workflow_id, reason
        super().__init__(f"The append to workflow {workflow_id} was refused, nothing was written: {reason}.")


class LimitExceededError(StoreError):
    """Something is larger than `aion_store.limits` allows; nothing was sent."""

    def __init__(self, limit: str, maximum: int, actual: int) -> None:
        self.limit, self.maximum, self.actual = limit, maximum, actual
        super().__init__(
            f"{limit} may be at most {maximum}, this is {actual}: nothing was sent. Split it, or store it elsewhere."
        )


class NotOwnerError(StoreError):
    """Another process writes this partition (`owner` names it where known); nothing was written here."""

    retryable: ClassVar[bool] = True

    def __init__(self, partition: int, owner: str | None) -> None:
        self.partition, self.owner = partition, owner
        holder = f"{owner} does" if owner else "its owner isn't known yet"
        super().__init__(
            f"This process doesn't write partition {partition}; {holder}. Nothing was written: ask the owner."
        )


class UnavailableError(StoreError):
    """A service didn't answer in time; nothing was written or read. Try again."""

    retryable: ClassVar[bool] = True

    def __init__(self, service: str, reason: str) -> None:
        self.service, self.reason = service, reason
        super().__init__(f"{service} is unavailable: {reason}. Nothing was written or read; try again.")


class StaleProjectionError(UnavailableError):
    """The tables didn't reach what the read asked for before its deadline. Try again, or read `eventual`."""

    def __init__(self, partition: int, wanted: int, reached: int, *, halted: str | None = None) -> None:
        self.partition, self.wanted, self.reached, self.halted = partition, wanted, reached, halted
        why = f"it is halted: {halted}" if halted else "is a projector running?"
        super().__init__(
            "The projection", f"partition {partition} has reached {reached}, the read needs {wanted}; {why}"
        )


class OutcomeUnknownError(StoreError):
    """The append may or may not be in the log. Repeating it with the same append_id is safe and tells."""

    retryable: ClassVar[bool] = True

    def __init__(self, workflow_id: WorkflowId | None, append_id: str) -> None:
        self.workflow_id, self.append_id = workflow_id, append_id
        what, advice = (
            (f"append {append_id} to workflow {workflow_id}", f"repeat the call with append_id={append_id!r}")
            if workflow_id
            else (f"write {append_id} to the packages", "repeat the call unless a newer one may have come between")
        )
        super().__init__(f"Whether {what} was written isn't known: {advice}. An append is written once at most.")


class SchemaMismatchError(StoreError):
    """Topics or tables are of another make than this version's; nothing was touched."""

    def __init__(self, expected: str, found: str, subject: str) -> None:
        self.expected, self.found, self.subject = expected, found, subject
        super().__init__(
            f"{subject}: found {found}, expected {expected}. Nothing was changed; mend it, then open again."
        )


class UnreadableRecordError(SchemaMismatchError):
    """A record is of a format that this process doesn't read, or its header `v` was altered: reading stops there."""

    def __init__(self, version: int, offset: int, expected: str) -> None:
        self.version, self.offset = version, offset
        super().__init__(expected, f"version {version} at offset {offset}", "The log's record format")


class ConfigurationError(StoreError):
    """Settings, files or the machine don't allow a start; the message says what was found and what to do."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class AccessDeniedError(ConfigurationError):
    """Kafka or Postgres refuses the log-in or the deed; nothing was written. Open again once the right is granted."""

    def __init__(self, service: str, refused: str) -> None:
        self.service, self.refused = service, refused
        command, what = ("aion-store acls", "ACLs") if service == "Kafka" else ("aion-store grants", "grants")
        super().__init__(
            f"{service} refused: {refused}. Check the user, its secret and the certificates in the settings; "
            f"`{command}` prints the {what} that each role needs."
        )


class CorruptHistoryError(StoreError):
    """What is recorded contradicts itself. Retrying doesn't help: someone must look at it."""

    def __init__(self, workflow_id: WorkflowId | None, reason: str) -> None:
        self.workflow_id, self.reason = workflow_id, reason
        subject = f"The history of workflow {workflow_id}" if workflow_id else "The log"
        super().__init__(f"{subject} is corrupt: {reason}.")


class UndecodableEventError(CorruptHistoryError):
    """One recorded event can't be decoded; its bytes are kept as they are."""

    def __init__(self, workflow_id: WorkflowId | None, sequence: int | None, offset: int | None, reason: str) -> None:
        self.sequence, self.offset = sequence, offset
        where = f"event {sequence}" if sequence is not None else "an event"
        at = f" at offset {offset}" if offset is not None else ""
        super().__init__(workflow_id, f"{where}{at} can't be decoded ({reason})")


class LogGapError(CorruptHistoryError):
    """A record is missing from a partition: its ordinals aren't dense. The partition is halted, never skipped."""

    def __init__(self, partition: int, expected: int, found: int) -> None:
        self.partition, self.expected, self.found = partition, expected, found
        super().__init__(None, f"partition {partition} goes from ordinal {expected - 1} to {found}")
