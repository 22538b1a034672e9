"""Whether the tables were made by the folds of this build, and what to do if not."""

from __future__ import annotations

from aion_projectors import folds
from aion_store.postgres.progress import Progress


def needed_rebuild(progress: Progress) -> str | None:
    """What to do about tables that older folds made; None when these folds made them, or newer ones."""
    if progress.folds >= folds.VERSION:
        return None
    return (
        f"the tables were made by folds of version {progress.folds}, this build's are version {folds.VERSION}: what "
        "was applied before may differ from what this build makes of the log. Once no older projector runs, run "
        "aion-store rebuild"
    )
