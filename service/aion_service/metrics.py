"""What an observation comes to in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from aion_service.observation import Observation, PartitionState

_GAUGES: Final = (
    ("behind_records", "Committed records that are not in the tables."),
    ("behind_seconds", "Age of the first record that is not in the tables."),
    ("checkpoint_offset", "Offset up to which the tables hold the log."),
    ("checkpoint_ordinal", "Records that the tables hold."),
    ("checkpoint_unmoved_seconds", "Time since the tables moved."),
    ("log_start_offset", "First offset that the log still holds."),
    ("log_end_offset", "Offset after the log's last record."),
    ("halted", "1 where the tables no longer move."),
    ("stalled", "1 where the log went on and the tables did not."),
)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def metrics(observation: Observation | None) -> str:
    """The text; without an observation (a server is away) it only says so."""
    lines = list(_metric("up", "1 when Kafka and Postgres answered.", [("", int(observation is not None))]))
    if observation is not None:
        values = [(_labels(state), _values(state)) for state in observation.partitions]
        for name, text in _GAUGES:
            samples = [(labels, of_state[name]) for labels, of_state in values]
            lines += _metric(name, text, ((labels, value) for labels, value in samples if value is not None))
        progress = observation.progress
        lines += _metric("quarantined_workflows", "Workflows whose folds stopped.", [("", progress.quarantined)])
        lines += _metric("rejected_records", "Records in the log that no table takes.", [("", progress.rejected)])
    return "".join(f"{line}\n" for line in lines)


def _labels(state: PartitionState) -> str:
    return f'{{log="{state.place.log}",partition="{state.place.partition}"}}'


def _values(state: PartitionState) -> dict[str, float | None]:
    return {
        "behind_records": state.behind,
        "behind_seconds": state.behind_s,
        "checkpoint_offset": state.checkpoint.position,
        "checkpoint_ordinal": state.checkpoint.ordinal,
        "checkpoint_unmoved_seconds": state.unmoved_s,
        "log_start_offset": state.bounds.start,
        "log_end_offset": state.bounds.end,
        "halted": int(state.checkpoint.halted is not None),
        "stalled": int(state.stalled),
    }


def _metric(name: str, text: str, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP aion_store_{name} {text}"
    yield f"# TYPE aion_store_{name} gauge"
    for labels, value in samples:
        yield f"aion_store_{name}{labels} {value:.10g}"
