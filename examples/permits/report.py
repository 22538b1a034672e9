"""The demo's findings as tables for people, in at most 100 columns: only how things look, nothing is judged here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from checks import Answers, Check
from expectations import Expectations
from loading import LoadReport
from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from aion_store import (
    ActivityCompleted,
    ActivityScheduled,
    Event,
    Payload,
    RunSummary,
    SearchAttributesUpdated,
    TimerCancelled,
    TimerEntry,
    TimerFired,
    TimerStarted,
    WorkflowCompleted,
    WorkflowContinuedAsNew,
    WorkflowId,
    WorkflowStarted,
    WorkflowSummary,
)

WIDTH = 100
ROWS_SHOWN = 9
DIFFERENCES_SHOWN = 5

_STATUS_STYLES = {"Completed": "green", "Running": "yellow", "ContinuedAsNew": "cyan"}


def console(*, to_stderr: bool = False) -> Console:
    """Where tables (or, to stderr, progress and errors) go; text of the log is never taken as markup."""
    plain = Console(stderr=to_stderr, markup=False, highlight=False, emoji=False)
    width = min(plain.width, WIDTH) if plain.is_terminal else WIDTH
    return Console(stderr=to_stderr, markup=False, highlight=False, emoji=False, width=width)


def show(out: Console, expected: Expectations, load: LoadReport, found: Answers, specimen: WorkflowId) -> None:
    """All tables; `specimen` is the workflow whose history is shown."""
    out.print(_load_table(load, found))
    out.print(_history_table(expected.name_of(specimen), found.histories.get(specimen, ())))
    out.print(_chain_table(expected.name_of(expected.continued), found.chain))
    tables = Table.grid(padding=(0, 3, 0, 0))
    tables.add_row(_found_table(expected, found.found), _due_table(expected, found.due))
    out.print(tables)


def show_checks(out: Console, checks: Sequence[Check]) -> None:
    """A line per check, under it what differs."""
    out.print(_title("Checked against the log"))
    for check in checks:
        out.print(Text.assemble(("  ✓ ", "bold green") if check.holds else ("  ✗ ", "bold red"), check.promise))
        for difference in check.differences[:DIFFERENCES_SHOWN]:
            out.print(Padding(Text(difference, style="red"), (0, 0, 0, 6)))
        if len(check.differences) > DIFFERENCES_SHOWN:
            out.print(Text(f"      and {len(check.differences) - DIFFERENCES_SHOWN:,} more", style="red"))
    failed = sum(not check.holds for check in checks)
    verdict = f"{failed} of {len(checks)} checks found differences." if failed else f"All {len(checks)} checks hold."
    out.print(Text(f"\n{verdict}", style="bold red" if failed else "bold green"))


def _title(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _table(*columns: str, right: Sequence[str] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=True, overflow="ellipsis")
    return table


def _time(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else "-"


def _status(status: str) -> Text:
    return Text(status, style=_STATUS_STYLES.get(status, "red"))


def _load_table(load: LoadReport, found: Answers) -> RenderableType:
    stored = sum(len(history) for history in found.histories.values())
    lines = Table.grid(padding=(0, 3, 0, 0))
    lines.add_column(style="dim")
    lines.add_column()
    kept = f"{stored:,} events of {len(found.ids):,} workflows; {len(found.active):,} are active"
    lines.add_row("in the store", kept)
    if found.others:
        lines.add_row("", f"{found.others:,} other workflow{'s' if found.others > 1 else ''}, left out here")
    lines.add_row("found there", f"{load.found_events:,} events" if load.found_events else "nothing: a fresh store")
    if load.append_s:
        lines.add_row("went in", f"{load.events:,} events in {len(load.append_s):,} appends, {load.timers:,} timers")
        lines.add_row(
            "how fast",
            f"{load.events / load.seconds:,.0f} events/s, {len(load.append_s) / load.seconds:,.0f} appends/s"
            f" ({load.seconds:.1f} s)",
        )
        lines.add_row(
            "an append took",
            f"{_percentile_ms(load.append_s, 50):,.1f} ms (p50), {_percentile_ms(load.append_s, 99):,.1f} ms (p99)",
        )
    else:
        lines.add_row("went in", "nothing: all is there already")
    lag = "" if found.lag is None else f"; the tables are {found.lag:,} events behind the log"
    lines.add_row("tables fresh", f"first strong read after the load: {found.first_read_s * 1_000:,.0f} ms{lag}")
    return Group(_title("The load"), lines)


def _percentile_ms(seconds: Sequence[float], percent: int) -> float:
    return sorted(seconds)[(len(seconds) - 1) * percent // 100] * 1_000


def _history_table(name: str, history: Sequence[Event]) -> RenderableType:
    table = _table("seq", "recorded at (UTC)", "event", "", right=("seq",))
    for event in history:
        table.add_row(str(event.seq), _time(event.envelope.recorded_at), event.kind, _details(event))
    return Group(_title(f"One history: {name}"), table)


def _details(event: Event) -> str:
    match event:
        case WorkflowStarted(workflow_type=workflow_type, run_id=run_id):
            return f"{workflow_type}, run {_short(run_id)}"
        case SearchAttributesUpdated(attributes=attributes):
            texts = [str(value.data) for value in attributes.values() if not isinstance(value.data, datetime)]
            return ", ".join(texts)
        case TimerStarted(timer_id=timer_id, fire_at=fire_at):
            return f"{timer_id}, due {_time(fire_at)}"
        case TimerFired(timer_id=timer_id) | TimerCancelled(timer_id=timer_id):
            return str(timer_id)
        case ActivityScheduled(activity_type=activity_type):
            return activity_type
        case ActivityCompleted(result=Payload() as payload):
            return _joined(payload.to_value())
        case WorkflowCompleted(result=Payload() as payload) | WorkflowContinuedAsNew(input=Payload() as payload):
            return payload.data.decode(errors="replace")
        case _:
            return ""


def _joined(result: dict[str, Any]) -> str:
    return "by " + ", ".join(str(value) for value in result.values() if value is not None)


def _short(identifier: object) -> str:
    return f"{identifier}"[:8]


def _chain_table(name: str, chain: Sequence[RunSummary]) -> RenderableType:
    table = _table("run", "follows", "started (UTC)", "closed (UTC)", "status")
    for run in chain:
        follows = _short(run.parent_run_id) if run.parent_run_id else "-"
        table.add_row(_short(run.run_id), follows, _time(run.started_at), _time(run.closed_at), _status(run.status))
    return Group(_title(f"One run chain: {name}"), table)


def _found_table(expected: Expectations, summaries: Sequence[WorkflowSummary]) -> RenderableType:
    table = _table("case", "received (UTC)", "status")
    for summary in summaries[:ROWS_SHOWN]:
        table.add_row(expected.name_of(summary.workflow_id), _time(summary.started_at), _status(summary.status))
    title = f"A query: {len(summaries)} received in Sept. 2011, still open"
    return Group(_title(title), table, _rest(len(summaries)))


def _due_table(expected: Expectations, timers: Sequence[TimerEntry]) -> RenderableType:
    table = _table("case", "deadline (UTC)", "days ago", right=("days ago",))
    for timer in timers[:ROWS_SHOWN]:
        days = (expected.log_end - timer.fire_at).days
        table.add_row(expected.name_of(timer.workflow_id), _time(timer.fire_at), f"{days:,}")
    return Group(_title(f"{len(timers)} timers due at {_time(expected.log_end)}"), table, _rest(len(timers)))


def _rest(count: int) -> Text:
    return Text(f"and {count - ROWS_SHOWN} more" if count > ROWS_SHOWN else "", style="dim")
