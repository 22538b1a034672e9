"""Downloads Kafka's jars with jgo into a folder laid out as a local Maven repository.

It is run as a program of its own: jgo's downloads have no overall deadline, a process can be ended.
"""

from __future__ import annotations

import sys

import jgo


def main() -> None:
    """Resolve the coordinates, joined by `+`, with all they depend on, and fetch every jar (M2_REPO: where to)."""
    for artifact in jgo.resolve(sys.argv[1]):
        artifact.resolve()


if __name__ == "__main__":
    main()
