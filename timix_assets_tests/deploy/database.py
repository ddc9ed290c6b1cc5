"""A PostgreSQL of a test: a cluster in a temporary folder, on loopback, of an unprivileged user."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")
SYSTEM_USER = "postgres"
START_SECONDS = 60


def binaries() -> Path | None:
    """The folder of the server's programs: the newest where Debian has them, which no PATH names, else that on the PATH."""
    versions = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    found = shutil.which("initdb")
    if versions:
        return versions[-1].parent
    return Path(found).resolve().parent if found else None


@dataclass(frozen=True)
class Database:
    """A running server with a database and its owner of the same name. kill: SIGKILL; it returns when it runs again."""

    port: int
    name: str
    password: str
    kill: Callable[[], None]

    @staticmethod
    def missing() -> str | None:
        """What this machine lacks to start one; None if nothing."""
        if binaries() is None:
            return "PostgreSQL is not installed (`apt-get install postgresql`)"
        if os.geteuid() == 0 and SYSTEM_USER not in {user.pw_name for user in pwd.getpwall()}:
            return f"PostgreSQL does not run as root, and there is no user {SYSTEM_USER}"
        return None

    def execute(self, sql: str) -> str:
        """Runs statements; returns the rows of the last one, a line each."""
        folder = binaries()
        assert folder is not None
        done = subprocess.run(
            [folder / "psql", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", sql],
            env={
                "PGHOST": "127.0.0.1",
                "PGPORT": str(self.port),
                "PGUSER": self.name,
                "PGDATABASE": self.name,
                "PGPASSWORD": self.password,
                "PATH": os.environ["PATH"],
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout


@contextmanager
def running(name: str, port: int, probe: list[str]) -> Iterator[Database]:
    """A server while the block lasts. probe: the health check, which passes before the block begins."""
    folder = binaries()
    assert folder is not None
    # PostgreSQL does not run as root.
    user = pwd.getpwnam(SYSTEM_USER) if os.geteuid() == 0 else None
    password = secrets.token_hex(16)
    cluster = Path(tempfile.mkdtemp(prefix="timix-postgres-"))
    given = cluster / "password"
    given.write_text(password)
    if user is not None:
        for path in (cluster, given):
            os.chown(path, user.pw_uid, user.pw_gid)

    def run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [folder / command[0], *command[1:]],
            user=None if user is None else user.pw_uid,
            group=None if user is None else user.pw_gid,
            cwd=cluster,
            text=True,
            check=check,
            # A pipe would stay open as long as the server runs.
            stdout=subprocess.DEVNULL,
        )

    data = str(cluster / "data")
    settings = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"

    def start() -> bool:
        return (
            run("pg_ctl", "-D", data, "-w", "-l", str(cluster / "log"), "-o", settings, "start", check=False).returncode
            == 0
        )

    def kill() -> None:
        os.kill(int((cluster / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        until = time.monotonic() + START_SECONDS
        # It refuses while processes of the one before are left.
        while not start():
            assert time.monotonic() < until, (cluster / "log").read_text()[-2000:]

    try:
        # Dagster connects anew for each statement, and scram-sha-256 costs milliseconds of CPU a time.
        run("initdb", "-D", data, "-U", name, "-A", "md5", f"--pwfile={given}", "--no-sync")
        assert start(), (cluster / "log").read_text()[-2000:]
        database = Database(port, name, password, kill)
        try:
            run(*probe)
            subprocess.run(
                [folder / "createdb", name],
                env={
                    "PGHOST": "127.0.0.1",
                    "PGPORT": str(port),
                    "PGUSER": name,
                    "PGPASSWORD": password,
                    "PATH": os.environ["PATH"],
                },
                check=True,
            )
            yield database
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop", check=False)
    finally:
        shutil.rmtree(cluster, ignore_errors=True)
