"""What the arguments of every call but `append` must be: the checks that all stores share, pure.

Arguments of another type are a TypeError, values that make no sense a ValueError, sizes a LimitExceededError: each
before anything is written or asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from aion_store.errors import LimitExceededError
from aion_store.limits import MAX_ARCHIVE_BYTES, MAX_HISTORIES_PER_READ, MAX_ROUTES_PER_PUT
from aion_store.model.consistency import Consistency, ConsistencyToken
from aion_store.model.ids import AnonymousTimer, NamedTimer, RunId, TimerId, WorkflowId, checked_name
from aion_store.model.moments import AsOf
from aion_store.model.packages import PackageRecord, PackageRouteRecord
from aion_store.model.timers import TimerCancellation, TimerEntry
from aion_store.model.times import in_utc
from aion_store.model.workflow import WorkflowFilter


def check_workflow_id(value: object) -> None:
    """Raises TypeError for anything but a WorkflowId: ids are never bare text."""
    if type(value) is not WorkflowId:
        raise TypeError(f"a workflow is named by a WorkflowId, not {type(value).__name__}")


def check_run_id(value: object) -> None:
    """Raises TypeError for anything but a RunId or None, the latest run."""
    if value is not None and type(value) is not RunId:
        raise TypeError(f"a run is named by a RunId, not {type(value).__name__}")


def checked_workflow_ids(values: Collection[WorkflowId]) -> list[WorkflowId]:
    """The ids, each once, in order. Raises TypeError for one that is none, LimitExceededError for too many."""
    wanted = list(dict.fromkeys(values))
    for value in wanted:
        check_workflow_id(value)
    if len(wanted) > MAX_HISTORIES_PER_READ:
        raise LimitExceededError("histories per read", MAX_HISTORIES_PER_READ, len(wanted))
    return wanted


def check_consistency(value: object) -> None:
    """Raises TypeError for anything but a level or a token; a level's bare text or a token's is refused as well."""
    if not isinstance(value, Consistency | ConsistencyToken):
        raise TypeError(f"consistency is a Consistency or a ConsistencyToken, not {type(value).__name__}")


def check_filter(value: object) -> None:
    """Raises TypeError for anything but a WorkflowFilter."""
    if not isinstance(value, WorkflowFilter):
        raise TypeError(f"query takes a WorkflowFilter, not {type(value).__name__}")


def checked_time(value: object) -> datetime:
    """The same instant in UTC. Raises TypeError for anything but a datetime, ValueError for one without a zone."""
    if not isinstance(value, datetime):
        raise TypeError(f"a time is a datetime, not {type(value).__name__}")
    return in_utc(value)


def check_timer_id(value: object) -> None:
    """Raises TypeError for anything but a NamedTimer or an AnonymousTimer."""
    if not isinstance(value, NamedTimer | AnonymousTimer):
        raise TypeError(f"a timer is named by a NamedTimer or an AnonymousTimer, not {type(value).__name__}")


def checked_timer(workflow_id: WorkflowId, timer_id: TimerId, fire_at: datetime) -> TimerEntry:
    """The entry that schedule_timer records; errors as those of the other checks here."""
    check_workflow_id(workflow_id)
    check_timer_id(timer_id)
    return TimerEntry(workflow_id, timer_id, checked_time(fire_at))


def checked_cancellation(workflow_id: WorkflowId, timer_id: TimerId) -> TimerCancellation:
    """The call that cancel_timer records. Raises TypeError."""
    check_workflow_id(workflow_id)
    check_timer_id(timer_id)
    return TimerCancellation(workflow_id, timer_id)


def check_token(value: object) -> None:
    """Raises TypeError for anything but a token; its text has to be parsed first, which checks it."""
    if not isinstance(value, ConsistencyToken):
        raise TypeError(
            f"wait_for takes a ConsistencyToken (ConsistencyToken.parse its text), not {type(value).__name__}"
        )


def checked_sequence(value: object) -> int:
    """A sequence to read from: any integer. Raises TypeError for a bool or anything else."""
    if type(value) is not int:
        raise TypeError(f"a sequence is an int, not {type(value).__name__}")
    return value


def checked_page_place(value: object) -> int | None:
    """The sequence that a page follows, None for the end it begins at. Raises TypeError for anything else."""
    return None if value is None else checked_sequence(value)


def checked_as_of(value: object) -> AsOf | None:
    """The moment that a read is about, a time in UTC. Raises TypeError, or ValueError for a time without a zone."""
    if value is None or type(value) is int:
        return value
    if not isinstance(value, datetime):
        raise TypeError(f"as_of is a sequence or a datetime, not {type(value).__name__}")
    return in_utc(value)


def checked_limit(value: object) -> int | None:
    """At most how many to return: None for all, 0 for none. Raises TypeError, or ValueError below 0."""
    if value is None:
        return None
    if type(value) is not int:
        raise TypeError(f"a limit is an int or None, not {type(value).__name__}")
    if value < 0:
        raise ValueError(f"a limit isn't negative, this is {value}")
    return value


def checked_page_size(value: object) -> int:
    """How many to a page: at least 1, else ValueError. Raises TypeError for anything but an int."""
    if type(value) is not int:
        raise TypeError(f"a page size is an int, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"a page holds at least one, this is {value}")
    return value


def check_package(record: object) -> None:
    """Raises TypeError for anything but a PackageRecord, LimitExceededError for an archive that is too large."""
    if not isinstance(record, PackageRecord):
        raise TypeError(f"a package is a PackageRecord, not {type(record).__name__}")
    if len(record.archive) > MAX_ARCHIVE_BYTES:
        raise LimitExceededError("bytes per package archive", MAX_ARCHIVE_BYTES, len(record.archive))


def checked_routes(workflow_types: Iterable[str]) -> tuple[str, ...]:
    """The workflow types whose routes a put points at its package, in order.

    Raises TypeError for one text in place of several, ValueError for a text that is no name, LimitExceededError for
    too many.
    """
    if isinstance(workflow_types, str):
        raise TypeError("workflow_types is a sequence of workflow types, not one text")
    names = tuple(workflow_types)
    if len(names) > MAX_ROUTES_PER_PUT:
        raise LimitExceededError("routes per put", MAX_ROUTES_PER_PUT, len(names))
    return tuple([checked_name(name) for name in names])


def checked_route(workflow_type: str, content_hash: str) -> PackageRouteRecord:
    """What names a package, and where a route points. Raises ValueError for a text that is no name."""
    return PackageRouteRecord(workflow_type=workflow_type, content_hash=content_hash)
