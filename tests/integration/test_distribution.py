"""The wheel and the sdist: they build, and work in an empty environment beside a foreign `store/` folder."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"aion_store", "aion_producers", "aion_projectors", "aion_service"}
PROGRAM = """
import asyncio, store
from aion_store import Consistency, EventEnvelope, Payload, SignalReceived, WorkflowId, WriteToken, open_store
from aion_store.conformance import SCENARIOS, run_scenario

async def main():
    async with open_store("memory:") as opened:
        await run_scenario(SCENARIOS[0], lambda: open_store("memory:"))
        print(type(opened).__name__, store.OWN)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), cwd=ROOT)
    return out


def run(*command: str, cwd: Path) -> str:
    """Run a command to its end; its output, or a failure that shows it."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def locked_versions() -> list[str]:
    """What the lock pins, without its hashes: a wheel that was just built has none to give."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return [line.removesuffix("\\").strip() for line in lines if line and not line.startswith((" ", "#"))]


def test_the_wheel_holds_the_four_packages_with_their_data_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == PACKAGES
    for data in ("aion_store/schema/0001_initial.sql", "aion_service/embedded/kafka-jars.sha256"):
        assert data in names
    for package in PACKAGES:
        assert f"{package}/py.typed" in names


def test_the_sdist_has_what_its_tests_and_demo_need(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "tests/conftest.py", "examples/permits/permits.csv.gz", "Makefile"} <= names


def test_it_works_in_an_empty_environment_beside_a_foreign_store_folder(built: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = str(tmp_path / "env" / "bin" / "python")
    (wheel,) = built.glob("*.whl")
    (tmp_path / "constraints.txt").write_text("\n".join(locked_versions()))
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", "constraints.txt", str(wheel))
    run(python, *install, cwd=tmp_path)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "__init__.py").write_text("OWN = 'the store of somebody else'\n")
    (tmp_path / "program.py").write_text(PROGRAM)
    assert run(python, "program.py", cwd=tmp_path) == "MemoryStore the store of somebody else\n"
