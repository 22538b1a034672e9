"""The stack's directory: what can go wrong with it, and who still works in it."""

from __future__ import annotations

import asyncio
import errno
import stat
from pathlib import Path

import pytest

from aion_service.embedded import directory as module
from aion_service.embedded.directory import check_free_space, explained, prepare_directory, residents
from aion_store.errors import ConfigurationError


def test_what_is_created_is_for_this_user_only(tmp_path: Path) -> None:
    home = prepare_directory(tmp_path / "a" / "b")

    for path in (tmp_path / "a", home.path, home.logs, home.sockets):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_file_in_the_directorys_place_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match=r"directory .*file can't be used: Not a directory .*Name a directory"):
        prepare_directory(tmp_path / "file")


def test_too_little_room_is_said_with_both_amounts(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"has \d+ MiB free; .* only with 1073741824 MiB or more\. Make room"):
        check_free_space(tmp_path, 2**50)


def test_enough_room_passes(tmp_path: Path) -> None:
    check_free_space(tmp_path, 1)


def test_a_full_disk_is_explained(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match=r"can't be used: No space left on device .*Make room"),
        explained(tmp_path),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_real_full_device_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Make room"), explained(tmp_path):
        Path("/dev/full").write_text("anything")


def test_only_server_programs_count_as_residents(tmp_path: Path) -> None:
    async def scenario() -> list[int]:
        shell = await asyncio.create_subprocess_exec("sleep", "60", cwd=tmp_path)
        try:
            return residents(tmp_path)
        finally:
            shell.kill()
            await shell.wait()

    assert "sleep" not in module.SERVER_PROGRAMS
    assert asyncio.run(scenario()) == []
