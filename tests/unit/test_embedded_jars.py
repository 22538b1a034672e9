"""The list of Kafka's jars and the check against it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from aion_service.embedded.jars import KAFKA_VERSION, check_jars, expected_jars, jar_folder
from aion_store.errors import ConfigurationError


@pytest.fixture
def jars(tmp_path: Path) -> list[Path]:
    for name in ("one.jar", "two.jar"):
        (tmp_path / name).write_bytes(name.encode())
    return sorted(tmp_path.iterdir())


@pytest.fixture
def hashes(jars: list[Path]) -> dict[str, str]:
    return {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in jars}


def test_the_checked_in_list_has_kafka_and_a_logger_and_whole_hashes() -> None:
    expected = expected_jars()

    assert f"kafka_2.13-{KAFKA_VERSION}.jar" in expected
    assert any(name.startswith("slf4j-simple-") for name in expected)
    assert all(name.endswith(".jar") and len(bytes.fromhex(digest)) == 32 for name, digest in expected.items())


def test_jars_as_listed_pass(jars: list[Path], hashes: dict[str, str]) -> None:
    check_jars(jars, hashes)


def test_a_changed_jar_is_refused_with_both_hashes(jars: list[Path], hashes: dict[str, str]) -> None:
    jars[1].write_bytes(b"changed")
    found = hashlib.sha256(b"changed").hexdigest()

    with pytest.raises(
        ConfigurationError, match=f"two.jar isn't .*found {found}, expected {hashes['two.jar']}.*Delete"
    ):
        check_jars(jars, hashes)


def test_an_unknown_jar_is_refused(jars: list[Path], hashes: dict[str, str]) -> None:
    del hashes["two.jar"]

    with pytest.raises(ConfigurationError, match=r"two\.jar is unknown"):
        check_jars(jars, hashes)


def test_a_missing_jar_is_refused(jars: list[Path], hashes: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"one\.jar is missing"):
        check_jars(jars[1:], hashes)


def test_the_cache_folder_follows_the_environment(tmp_path: Path) -> None:
    assert jar_folder({"XDG_CACHE_HOME": str(tmp_path)}).is_relative_to(tmp_path)
    assert jar_folder({}).is_relative_to(Path.home() / ".cache")
