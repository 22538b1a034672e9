"""An event store for durable-workflow engines: the truth in a Kafka log, the answers in Postgres.

    async with open_store("memory:") as store:
        await store.append(token, workflow_id, events, expected_seq=0)
        history = await store.read_history(workflow_id)

The public names are those of `__all__`. They are loaded when the first of them is used: importing this package alone
costs nothing, so that its pytest plugin doesn't slow the test runs of projects that don't use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aion_store.contract import (
        AppendBatch,
        EventStore,
        PackageStore,
        ReadableEventStore,
        WritableEventStore,
        WriteToken,
    )
    from aion_store.errors import (
        AccessDeniedError,
        ConfigurationError,
        CorruptHistoryError,
        InvalidAppendError,
        LimitExceededError,
        LogGapError,
        NotOwnerError,
        OutcomeUnknownError,
        SchemaMismatchError,
        SequenceConflictError,
        StaleProjectionError,
        StoreError,
        UnavailableError,
        UndecodableEventError,
        UnreadableRecordError,
    )
    from aion_store.log.codec import DecodeError, decode_event, encode_event
    from aion_store.memory import MemoryStore
    from aion_store.model.consistency import Consistency, ConsistencyToken, ReadConsistency
    from aion_store.model.description import (
        ChildWorkflow,
        PendingActivity,
        WorkflowDescription,
        WorkflowQuarantine,
    )
    from aion_store.model.events import (
        EVENT_TYPES,
        ActivityCancelled,
        ActivityCompleted,
        ActivityFailed,
        ActivityScheduled,
        ActivityStarted,
        ChildWorkflowCancelled,
        ChildWorkflowCompleted,
        ChildWorkflowFailed,
        ChildWorkflowStarted,
        ContractEvent,
        Event,
        OtherEvent,
        ScheduleCreated,
        ScheduleDeleted,
        SchedulePaused,
        ScheduleResumed,
        ScheduleTriggered,
        ScheduleUpdated,
        SearchAttributesUpdated,
        SignalReceived,
        SignalSent,
        TimerCancelled,
        TimerFired,
        TimerStarted,
        WithTimeoutCompleted,
        WorkflowCancelled,
        WorkflowCompleted,
        WorkflowContinuedAsNew,
        WorkflowFailed,
        WorkflowPaused,
        WorkflowReopened,
        WorkflowResumed,
        WorkflowStarted,
        WorkflowTimedOut,
    )
    from aion_store.model.ids import (
        ActivityId,
        AnonymousTimer,
        NamedTimer,
        PackageVersion,
        RunId,
        ScheduleId,
        TimerId,
        WorkflowId,
        parse_timer_id,
    )
    from aion_store.model.moments import AsOf
    from aion_store.model.ownership import OwnershipChange
    from aion_store.model.packages import PackageRecord, PackageRouteRecord
    from aion_store.model.payload import ActivityError, EncryptedPayload, Payload, WorkflowError
    from aion_store.model.recorded_event import EventEnvelope
    from aion_store.model.schedules import CronTrigger, IntervalTrigger, Period, ScheduleConfig
    from aion_store.model.search_attributes import (
        BoolAttribute,
        DatetimeAttribute,
        FloatAttribute,
        IntAttribute,
        KeywordListAttribute,
        SearchAttributeValue,
        StringAttribute,
    )
    from aion_store.model.timers import TimerCancellation, TimerEntry
    from aion_store.model.workflow import RunSummary, WorkflowFilter, WorkflowStatus, WorkflowSummary
    from aion_store.open import StoreSettings, open_store
    from aion_store.sharing import PartitionedStore
    from aion_store.streams.contract import EventStreams, Subscription, SubscriptionStart
    from aion_store.streams.event import StreamedEvent
    from aion_store.streams.position import PartitionPosition, Start, StreamPosition
    from aion_store.visibility.errors import CursorError, FilterError
    from aion_store.visibility.fields import AttributeType
    from aion_store.visibility.filters import Field, Filter, Order
    from aion_store.visibility.listing import ListedWorkflow, WorkflowPage
    from aion_store.visibility.parsing import parse_filter

__all__ = [
    "EVENT_TYPES",
    "AccessDeniedError",
    "ActivityCancelled",
    "ActivityCompleted",
    "ActivityError",
    "ActivityFailed",
    "ActivityId",
    "ActivityScheduled",
    "ActivityStarted",
    "AnonymousTimer",
    "AppendBatch",
    "AsOf",
    "AttributeType",
    "BoolAttribute",
    "ChildWorkflow",
    "ChildWorkflowCancelled",
    "ChildWorkflowCompleted",
    "ChildWorkflowFailed",
    "ChildWorkflowStarted",
    "ConfigurationError",
    "Consistency",
    "ConsistencyToken",
    "ContractEvent",
    "CorruptHistoryError",
    "CronTrigger",
    "CursorError",
    "DatetimeAttribute",
    "DecodeError",
    "EncryptedPayload",
    "Event",
    "EventEnvelope",
    "EventStore",
    "EventStreams",
    "Field",
    "Filter",
    "FilterError",
    "FloatAttribute",
    "IntAttribute",
    "IntervalTrigger",
    "InvalidAppendError",
    "KeywordListAttribute",
    "LimitExceededError",
    "ListedWorkflow",
    "LogGapError",
    "MemoryStore",
    "NamedTimer",
    "NotOwnerError",
    "Order",
    "OtherEvent",
    "OutcomeUnknownError",
    "OwnershipChange",
    "PackageRecord",
    "PackageRouteRecord",
    "PackageStore",
    "PackageVersion",
    "PartitionPosition",
    "PartitionedStore",
    "Payload",
    "PendingActivity",
    "Period",
    "ReadConsistency",
    "ReadableEventStore",
    "RunId",
    "RunSummary",
    "ScheduleConfig",
    "ScheduleCreated",
    "ScheduleDeleted",
    "ScheduleId",
    "SchedulePaused",
    "ScheduleResumed",
    "ScheduleTriggered",
    "ScheduleUpdated",
    "SchemaMismatchError",
    "SearchAttributeValue",
    "SearchAttributesUpdated",
    "SequenceConflictError",
    "SignalReceived",
    "SignalSent",
    "StaleProjectionError",
    "Start",
    "StoreError",
    "StoreSettings",
    "StreamPosition",
    "StreamedEvent",
    "StringAttribute",
    "Subscription",
    "SubscriptionStart",
    "TimerCancellation",
    "TimerCancelled",
    "TimerEntry",
    "TimerFired",
    "TimerId",
    "TimerStarted",
    "UnavailableError",
    "UndecodableEventError",
    "UnreadableRecordError",
    "WithTimeoutCompleted",
    "WorkflowCancelled",
    "WorkflowCompleted",
    "WorkflowContinuedAsNew",
    "WorkflowDescription",
    "WorkflowError",
    "WorkflowFailed",
    "WorkflowFilter",
    "WorkflowId",
    "WorkflowPage",
    "WorkflowPaused",
    "WorkflowQuarantine",
    "WorkflowReopened",
    "WorkflowResumed",
    "WorkflowStarted",
    "WorkflowStatus",
    "WorkflowSummary",
    "WorkflowTimedOut",
    "WritableEventStore",
    "WriteToken",
    "decode_event",
    "encode_event",
    "open_store",
    "parse_filter",
    "parse_timer_id",
]

_HOMES = (
    "contract",
    "errors",
    "log.codec",
    "memory",
    "model.consistency",
    "model.description",
    "model.events",
    "model.ids",
    "model.moments",
    "model.ownership",
    "model.packages",
    "model.payload",
    "model.recorded_event",
    "model.schedules",
    "model.search_attributes",
    "model.timers",
    "model.workflow",
    "open",
    "sharing",
    "visibility.errors",
    "visibility.fields",
    "visibility.filters",
    "visibility.listing",
    "visibility.parsing",
    "streams.contract",
    "streams.event",
    "streams.position",
)

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Load all public names when the first one is used."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        for home in _HOMES:
            module = import_module(f"{__name__}.{home}")
            globals().update({public: getattr(module, public) for public in __all__ if hasattr(module, public)})
        return globals()[name]

    def __dir__() -> list[str]:
        """The public names."""
        return __all__
