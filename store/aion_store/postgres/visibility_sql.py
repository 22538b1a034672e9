"""Conditions as SQL: text of ours only, every value and every attribute's name a parameter.

`{generation}` stays open in the text, as in the statements of `queries/` that it is put into.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, assert_never

from aion_store.visibility.conditions import (
    AllOf,
    AnyOf,
    AttributeMissing,
    ByType,
    Condition,
    Equals,
    HasKeyword,
    Missing,
    Negated,
    Ordered,
    fields_of,
)
from aion_store.visibility.cursors import Place
from aion_store.visibility.fields import AttributeType, Column, FieldType
from aion_store.visibility.filters import Order

_BUILTIN: Final[Mapping[str, str]] = {
    "WorkflowId": "w.workflow_id",
    "WorkflowType": "w.workflow_type",
    "Status": "w.status",
    "StartedAt": "w.started_at",
    "EndedAt": "w.ended_at",
    "LastEventAt": "w.last_event_at",
    "FailedStep": 'w.failed_step collate "C"',
    "Quarantined": 'w.quarantined collate "C"',
}
_EXTRACTED: Final[Mapping[AttributeType, tuple[str, str]]] = {
    AttributeType.STRING: ("attribute_text", ' collate "C"'),
    AttributeType.INT: ("attribute_int", ""),
    AttributeType.FLOAT: ("attribute_float", ""),
    AttributeType.BOOL: ("attribute_bool", ""),
    AttributeType.DATETIME: ("attribute_time", ""),
    AttributeType.KEYWORD_LIST: ("attribute_keywords", ""),
}
_SQL_TYPE: Final[Mapping[AttributeType | FieldType, str]] = {
    AttributeType.STRING: "text",
    AttributeType.INT: "bigint",
    AttributeType.FLOAT: "float8",
    AttributeType.BOOL: "boolean",
    AttributeType.DATETIME: "timestamptz",
    AttributeType.KEYWORD_LIST: "text",
    FieldType.ID: "uuid",
    FieldType.STATUS: "text",
}
_COUNTED: Final = frozenset({"Status", "WorkflowType"})

EVERYTHING: Final = "true"


class Clause(NamedTuple):
    """A condition's text and its parameters."""

    text: str
    parameters: dict[str, Any]


def where(condition: Condition | None) -> Clause:
    """The condition as it follows `where`, on rows of workflows named w."""
    if condition is None:
        return Clause(EVERYTHING, {})
    writer = _Writer()
    return Clause(writer.write(condition), writer.parameters)


def is_counted(condition: Condition | None) -> bool:
    """Whether the counters answer it."""
    return condition is None or all(
        isinstance(field, Column) and field.builtin and field.name in _COUNTED for field in fields_of(condition)
    )


def extraction(of: AttributeType, name: str) -> str:
    """How a search attribute's value of that type is taken from a row; `name` is SQL that gives its name."""
    function, collation = _EXTRACTED[of]
    return f"{{generation}}.{function}(w.search_attributes, {name}){collation}"


def order_by(order: Order) -> str:
    """What follows `order by`."""
    way = " desc" if order.descending else ""
    return f"w.workflow_id{way}" if order.by == "WorkflowId" else f"w.started_at{way}, w.workflow_id{way}"


def after(place: Place | None, order: Order) -> Clause:
    """That a row follows a place in that order."""
    if place is None:
        return Clause(EVERYTHING, {})
    way = "<" if order.descending else ">"
    if order.by == "WorkflowId":
        return Clause(f"w.workflow_id {way} %(after_id)s::uuid", {"after_id": place.workflow_id})
    return Clause(
        f"(w.started_at, w.workflow_id) {way} (%(after_at)s::timestamptz, %(after_id)s::uuid)",
        {"after_at": place.started_at, "after_id": place.workflow_id},
    )


class _Writer:
    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {}

    def write(self, condition: Condition) -> str:
        match condition:
            case Equals(column=column, values=values):
                return self._equals(column, values)
            case Ordered(column=column, operator=operator, value=value):
                return f"{self._column(column)} {operator} {self._value(value, _SQL_TYPE[column.type])}"
            case HasKeyword(column=column, keywords=keywords):
                return f"{self._column(column)} && {self._value(list(keywords), 'text[]')}"
            case Missing(column=column):
                return f"({self._column(column)}) is null"
            case AttributeMissing(name=name):
                return f"(w.search_attributes -> {self._value(name, 'text')}) is null"
            case ByType(name=name, options=options):
                return self._by_type(name, options)
            case AllOf(parts=parts):
                return _joined(self.write, parts, " and ")
            case AnyOf(parts=parts):
                return _joined(self.write, parts, " or ")
            case Negated(part=part):
                return f"(not {self.write(part)})"
            case _:
                assert_never(condition)

    def _equals(self, column: Column, values: tuple[Any, ...]) -> str:
        of = _SQL_TYPE[column.type]
        if len(values) == 1:
            return f"{self._column(column)} = {self._value(values[0], of)}"
        return f"{self._column(column)} = any({self._value(list(values), f'{of}[]')})"

    def _by_type(self, name: str, options: tuple[tuple[AttributeType, Condition], ...]) -> str:
        cases = [f"when '{of.value}' then {self.write(part)}" for of, part in options]
        return f"(case w.search_attributes -> {self._value(name, 'text')} ->> 'type' {' '.join(cases)} end)"

    def _column(self, column: Column) -> str:
        if column.builtin:
            return _BUILTIN[column.name]
        if isinstance(column.type, FieldType):
            raise TypeError(f"no search attribute has the type {column.type}")
        return extraction(column.type, self._value(column.name, "text"))

    def _value(self, value: Any, of: str) -> str:
        name = f"v{len(self.parameters)}"
        self.parameters[name] = value
        return f"%({name})s::{of}"


def _joined(write: Callable[[Condition], str], parts: tuple[Condition, ...], by: str) -> str:
    return f"({by.join(write(part) for part in parts)})"
