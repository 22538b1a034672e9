"""What a list returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from aion_store.model.search_attributes import SearchAttributeValue
from aion_store.model.workflow import WorkflowSummary

CountedBy: TypeAlias = Literal["Status", "WorkflowType"]
"""What counts are kept by."""


@dataclass(frozen=True, slots=True)
class ListedWorkflow:
    """A workflow as a list shows it; `last_event_at` is the recorded_at of the event at the head."""

    summary: WorkflowSummary
    head: int
    last_event_at: datetime
    search_attributes: Mapping[str, SearchAttributeValue]


@dataclass(frozen=True, slots=True)
class WorkflowPage:
    """A page of a list, and the cursor of what follows; None: nothing does."""

    workflows: tuple[ListedWorkflow, ...]
    cursor: str | None
