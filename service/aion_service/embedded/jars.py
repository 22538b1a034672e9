"""Kafka's jars: one pinned version, downloaded once per user, and every byte checked at every start.

The checked-in file `kafka-jars.sha256` is the whole list. Jars that agree with it are kept in the user's cache
folder, so a later start needs no network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from aion_service.embedded.directory import explained
from aion_service.embedded.lock_file import LockFile
from aion_service.embedded.process_table import ProcessTable
from aion_service.embedded.server_log import last_words
from aion_store.errors import ConfigurationError, UnavailableError

KAFKA_VERSION: Final = "4.3.1"
COORDINATES: Final = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
CHECKSUMS: Final = Path(__file__).with_name("kafka-jars.sha256")
DOWNLOAD_PROGRAM: Final = Path(__file__).with_name("jar_download.py")
DOWNLOAD_DEADLINE_S: Final = 300.0


def expected_jars() -> dict[str, str]:
    """Each jar's file name and its SHA-256 in hex, as checked in."""
    pairs = (line.split() for line in CHECKSUMS.read_text().splitlines())
    return {name: digest for digest, name in pairs}


def jar_folder(environ: Mapping[str, str]) -> Path:
    """Where this user's verified jars are kept; a folder of its own for each version of the list."""
    cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    edition = hashlib.sha256(CHECKSUMS.read_bytes()).hexdigest()[:8]
    return cache / "aion-store" / f"kafka-{KAFKA_VERSION}-{edition}"


def check_jars(jars: Sequence[Path], expected: Mapping[str, str]) -> None:
    """Compare the files with the list: none missing, none unknown, every hash the same.

    Raises ConfigurationError for the first difference. Hashing all of Kafka (44 MB) takes about 0.05 s.
    """
    found = {jar.name: jar for jar in jars}
    for name in sorted(found.keys() | expected.keys()):
        if name not in found:
            raise _refused(f"{name} is missing", found="no such file", expected=expected[name])
        with found[name].open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if name not in expected:
            raise _refused(f"{found[name]} is unknown", found=digest, expected="no such jar")
        if digest != expected[name]:
            raise _refused(f"{found[name]} isn't the jar it should be", found=digest, expected=expected[name])


async def kafka_jars(processes: ProcessTable, say: Callable[[str], None]) -> list[Path]:
    """The verified jars, sorted, downloaded first if this user has none yet.

    Raises ConfigurationError when a jar differs from the list, UnavailableError when the download fails.
    """
    folder = jar_folder(os.environ)
    with explained(folder):
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not folder.exists():
            lock = LockFile(folder.with_name(folder.name + ".lock"))
            await lock.take_within(DOWNLOAD_DEADLINE_S)
            try:
                if not folder.exists():
                    say(f"downloading Apache Kafka {KAFKA_VERSION} (44 MB, once)")
                    await _download(folder, processes)
            finally:
                lock.release()
    jars = sorted(folder.glob("*.jar"))
    check_jars(jars, expected_jars())
    return jars


async def _download(folder: Path, processes: ProcessTable) -> None:
    """Fill a fresh folder beside it, check that, and give it the final name only then."""
    fresh = folder.with_name(folder.name + ".download")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    try:
        code = await processes.run(
            "kafka-download",
            [sys.executable, "-I", str(DOWNLOAD_PROGRAM), COORDINATES],
            env={**os.environ, "M2_REPO": str(fresh / "repository")},
            directory=fresh,
            timeout_s=DOWNLOAD_DEADLINE_S,
        )
        if code:
            raise UnavailableError(
                "The download of Kafka's jars", f"it failed with {last_words(processes.logs / 'kafka-download.log')}"
            )
        jars = sorted((fresh / "repository").rglob("*.jar"))
        check_jars(jars, expected_jars())
        (fresh / "jars").mkdir(mode=0o700)
        for jar in jars:
            jar.replace(fresh / "jars" / jar.name)
        (fresh / "jars").replace(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _refused(subject: str, *, found: str, expected: str) -> ConfigurationError:
    return ConfigurationError(
        f"Kafka's jar {subject}: found {found}, expected {expected} (the SHA-256 in {CHECKSUMS.name}). Nothing was "
        f"started. Delete the folder {jar_folder(os.environ)} and start again: it is downloaded anew; if the "
        "difference stays, don't run it, and tell the maintainers."
    )
