"""Files that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path


def put_in_place(partial: Path, path: Path) -> None:
    """Give a file that is written to its end the name by which it is found, once its content is on the disk."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def write_whole(path: Path, text: str) -> None:
    """Write a file, or leave the one that is there as it is."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    put_in_place(partial, path)
