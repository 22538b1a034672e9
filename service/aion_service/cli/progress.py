"""Progress of long work on stderr: bars with an estimate on a terminal, nothing elsewhere."""

from __future__ import annotations

from collections.abc import Generator, Hashable
from contextlib import contextmanager
from threading import Lock

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class Bars:
    """Bars by name; any thread may move them."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[Hashable, TaskID] = {}
        self._lock = Lock()

    def move(self, name: str, done: int, total: int) -> None:
        """Show how much of something is done; the bar of what is complete goes."""
        with self._lock:
            if name not in self._bars:
                self._bars[name] = self._progress.add_task(name, total=total)
            self._progress.update(self._bars[name], completed=done, total=max(total, 1), visible=done < total)


@contextmanager
def bars(*, quiet: bool = False) -> Generator[Bars]:
    """Bars while the block runs."""
    console = Console(stderr=True, quiet=quiet)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        yield Bars(progress)
