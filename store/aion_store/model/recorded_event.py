"""What all events share: their envelope, and the bytes that they were decoded from.

An event that was decoded from bytes keeps them, so that it is stored again byte for byte. The kinds are in `events`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Self, TypeAlias

from pydantic import BaseModel, Field

from aion_store.limits import MAX_INTEGER
from aion_store.model.ids import WorkflowId
from aion_store.model.payload import VALUE_CONFIG
from aion_store.model.times import UtcTime

_put_private: Final = BaseModel.__dict__["__pydantic_private__"].__set__

Sequence: TypeAlias = Annotated[int, Field(ge=1, le=MAX_INTEGER)]


class EventEnvelope(BaseModel):
    """Where an event stands: its sequence in its workflow (from 1), when the caller recorded it, whose it is."""

    model_config = VALUE_CONFIG

    seq: Sequence
    recorded_at: UtcTime
    workflow_id: WorkflowId


class RecordedEvent(BaseModel):
    """What all events share. Equality compares the kind and the fields, not the bytes an event came from."""

    model_config = VALUE_CONFIG

    envelope: EventEnvelope

    @property
    def kind(self) -> str:
        """The event's kind, as it stands in the log."""
        return type(self).__name__

    @property
    def seq(self) -> int:
        """The event's sequence in its workflow, from 1."""
        return self.envelope.seq

    @property
    def body(self) -> bytes | None:
        """The bytes that the event was decoded from; None when it was built."""
        private = self.__pydantic_private__
        return None if private is None else private["body"]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), self.envelope))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any = None) -> Self:
        return self

    def model_copy(self, *, update: Any = None, deep: bool = False) -> Self:
        """As pydantic's; a changed copy no longer stands for the bytes the event was decoded from."""
        return type(self)(**{**self.__dict__, **update}) if update else self

    @classmethod
    def model_construct(cls, _fields_set: set[str] | None = None, **values: Any) -> Self:
        """Refused with TypeError: an event is never built without its validation."""
        raise TypeError(f"{cls.__name__} is validated whenever it is built")


def keep_body(event: RecordedEvent, body: bytes) -> None:
    """Let an event stand for the bytes it was decoded from; for the codec only, which knows that they are its own."""
    _put_private(event, {"body": body})
