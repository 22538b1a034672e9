"""What a server's own log says about why it failed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aion_store.errors import ConfigurationError

TAIL_BYTES: Final = 64 * 1024
TELLING_LINES: Final = 3


def last_words(log: Path) -> str:
    """The last lines of a log that say something (a stack trace's frames don't), as one line of text."""
    lines = [line.strip() for line in tail(log).splitlines() if line.strip() and not line.startswith((" ", "\t"))]
    return " | ".join(lines[-TELLING_LINES:]) or "nothing"


def tail(log: Path) -> str:
    """The end of a log, at most 64 KiB; empty when there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def start_new(log: Path) -> None:
    """Make room for the log of a new start: the last one's is kept as `.1`, earlier ones are dropped."""
    if log.exists():
        log.replace(log.with_name(log.name + ".1"))


def start_failure(server: str, exit_code: int, log: Path) -> ConfigurationError:
    """The error for a server that ended instead of becoming ready, with what its log says and what to do."""
    if "No space left on device" in tail(log):
        advice = "The disk is full: make room, then start again."
    else:
        advice = (
            "Mend what it names, then start again; data that is damaged or of another version has to be restored "
            "or moved away."
        )
    said = last_words(log).rstrip(".")
    return ConfigurationError(
        f"{server} ended with exit code {exit_code} instead of starting. Its log {log} ends with: {said}. {advice}"
    )
