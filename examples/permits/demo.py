"""The demo: a real permit log as durable workflows. `python examples/permits/demo.py [TARGET] [--log FILE]`.

It records the log's cases, asks the store about them, and holds the answers against the log. Exit codes: 0 all is
right, 1 a difference or an error of the store, 2 bad input or settings, 130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

try:
    import report
    from checks import ask, check_all
    from expectations import expect
    from loading import load
    from permit_log import PermitCase, PermitLogError, read_permit_log
    from permit_workflows import plan_cases, workflow_id_of
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from aion_store import ConfigurationError, EventStore, StoreError, open_store
except KeyboardInterrupt:  # loading all this takes a second, time enough for a Ctrl-C
    sys.exit(130)

TARGET_VARIABLE = "AION_DEMO_TARGET"
DEFAULT_TARGET = "embedded:./.aion"
LOG = Path(__file__).with_name("permits.csv.gz")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code; tables go to stdout, progress and errors to stderr."""
    options = _parser().parse_args(arguments)
    out, err = report.console(), report.console(to_stderr=True)
    try:
        cases = read_permit_log(options.log)
        return asyncio.run(_open_and_run(options.target, cases, out, err))
    except KeyboardInterrupt:
        err.print("Interrupted. What was acknowledged is kept: run it again to go on from there.")
        return 130
    except (PermitLogError, StoreError) as error:
        err.print(str(error), style="red")
        return 2 if isinstance(error, PermitLogError | ConfigurationError) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="A real permit log as durable workflows in an aion-store.")
    parser.add_argument(
        "target",
        nargs="?",
        default=os.environ.get(TARGET_VARIABLE) or DEFAULT_TARGET,
        help=f"the store to use, e.g. memory: (default: ${TARGET_VARIABLE}, else {DEFAULT_TARGET})",
    )
    parser.add_argument("--log", type=Path, default=LOG, help="the permit log (default: the one beside this file)")
    return parser


async def _open_and_run(target: str, cases: Sequence[PermitCase], out: Console, err: Console) -> int:
    async with AsyncExitStack() as opened:
        with err.status(f"Opening {target}"):
            store = await opened.enter_async_context(open_store(target))
        return await run(store, cases, out, err)


async def run(store: EventStore, cases: Sequence[PermitCase], out: Console, err: Console) -> int:
    """Record the cases, ask about them, show and check the answers: 0 when they are right, else 1."""
    tasks = sum(len(case.tasks) for case in cases)
    plans, expected = plan_cases(cases), expect(cases)
    with _progress(err) as progress:
        recorded = progress.add_task("recording", total=expected.events)
        loaded = await load(store, plans, lambda events: progress.advance(recorded, events))
        read = progress.add_task("reading back", total=expected.events)
        answers = await ask(store, expected, lambda events: progress.advance(read, events))
    period = f"{min(task.at for case in cases for task in case.tasks):%B %Y} to {expected.log_end:%B %Y}"
    out.print(f"Permit applications, {period}: {len(cases):,} cases with {tasks:,} tasks", style="bold")
    report.show(out, expected, loaded, answers, workflow_id_of(_specimen(cases).id))
    checks = check_all(expected, answers)
    report.show_checks(out, checks)
    return 0 if all(check.holds for check in checks) else 1


def _progress(err: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:>13}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TextColumn("events"),
        TimeElapsedColumn(),
        console=err,
    )


def _specimen(cases: Sequence[PermitCase]) -> PermitCase:
    """The case whose history is shown: a completed one that is short but not the shortest kind."""
    fit = [case for case in cases if case.ended and len(case.tasks) > 1] or cases
    return min(fit, key=lambda case: (len(case.tasks), case.id))


if __name__ == "__main__":
    sys.exit(main())
