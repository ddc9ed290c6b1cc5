"""deploy/compose.yaml without Docker: its very commands and health checks, as processes with folders of their own.

A process group stands for a container: what is left of it is killed when its first process ends, and `restart: always` starts
it again. Hosts, ports and paths of the containers become loopback, free ports and folders.
"""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import yaml

from timix_assets.lake.tables import Lake
from timix_assets_tests.automation.dagster_dev import DagsterDev

from .database import Database

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
PRODUCTION = ROOT / ".venv-production" / "bin"

COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
DATABASE = "database"
OURS = [name for name in SERVICES if name != DATABASE]

PORTS = {"code": 4000, "webserver": 3000, "webhooks": 8090}
SECRETS = "/run/secrets"
HOME = re.findall(r"DAGSTER_HOME=(\S+)", DOCKERFILE)[0]
ENTRYPOINT: list[str] = json.loads(re.findall(r"^ENTRYPOINT (.+)$", DOCKERFILE, re.MULTILINE)[0])

FIRST_PORT_OF_THE_KERNEL = 32_768
RESTART_AFTER_SECONDS = 0.2
PROBE_SECONDS = 60
LONGEST_SECONDS = 400
"""Until a service is healthy, on a busy machine."""


def free_port() -> int:
    """A port for a service that is killed and started again: none that the kernel gives to others meanwhile."""
    while True:
        port = random.randrange(10_000, FIRST_PORT_OF_THE_KERNEL)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@dataclass
class Container:
    """One service as a process. places: what stands for which text of its command, health check and environment."""

    name: str
    folder: Path
    environment: Mapping[str, str]
    places: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    started_at: float = 0.0
    _stopped: threading.Event = field(default_factory=threading.Event)
    _supervisor: threading.Thread | None = None

    @property
    def command(self) -> list[str]:
        return [*ENTRYPOINT, *self._mapped(SERVICES[self.name]["command"])]

    def start(self) -> None:
        self._start_process()
        self._supervisor = threading.Thread(target=self._restart_always, daemon=True)
        self._supervisor.start()

    def kill(self) -> None:
        """SIGKILL, as of a host without memory; the restart policy goes on."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)

    def stop(self) -> None:
        self._stopped.set()
        if self.process is not None:
            self._kill_group()
        if self._supervisor is not None:
            self._supervisor.join()

    def is_healthy(self) -> bool:
        """Whether the health check of compose.yaml passes."""
        kind, *probe = SERVICES[self.name]["healthcheck"]["test"]
        assert kind == "CMD"
        asked = subprocess.run(
            self._mapped(probe),
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
        return asked.returncode == 0

    def _mapped(self, words: list[str]) -> list[str]:
        return [mapped(word, self.places) for word in words]

    def _start_process(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self.starts += 1
        self.started_at = time.time()

    def _restart_always(self) -> None:
        assert SERVICES[self.name]["restart"] == "always"
        while not self._stopped.is_set():
            assert self.process is not None
            self.process.wait()
            self._kill_group()
            if not self._stopped.wait(RESTART_AFTER_SECONDS):
                self._start_process()
        self._kill_group()

    def _kill_group(self) -> None:
        assert self.process is not None
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait()


def mapped(text: str, places: Mapping[str, str]) -> str:
    """The text with each place of the containers replaced, where it is a word of its own."""
    for there, here in places.items():
        text = re.sub(rf"(?<![\w.-]){re.escape(there)}(?![\w.-])", here, text)
    return text


class Deployment(DagsterDev):
    """All services of compose.yaml, on a database and an object store that run already."""

    # A look costs the webserver and the database tens of milliseconds of CPU.
    look_every = 1.0

    def __init__(
        self, folder: Path, settings: Mapping[str, str], database: Database, secrets: Mapping[str, str]
    ) -> None:
        """Writes the folders.

        Args:
            settings: What timix.env would hold.
            secrets: Their values by their names in compose.yaml.
        """
        self.folder, self.settings, self.process = folder, settings, None
        self.log = folder / "deployment.log"
        self.log.touch()
        self.ports = {name: free_port() for name in PORTS}
        self.port = self.ports["webserver"]
        self._secrets = folder / "secrets"
        self._secrets.mkdir()
        for name in COMPOSE["secrets"]:
            (self._secrets / name).write_text(secrets[name] + "\n")
        self._places = {
            "0.0.0.0": "127.0.0.1",
            DATABASE: "127.0.0.1",
            "5432": str(database.port),
            **{str(port): str(self.ports[name]) for name, port in PORTS.items()},
        }
        self.containers = {name: self._container(name) for name in OURS}

    @cached_property
    def lake(self) -> Lake:
        aws = {name: value for name, value in self.settings.items() if name.startswith("AWS_")}
        keys = {
            name.upper(): (self._secrets / name).read_text().strip()
            for name in ("aws_access_key_id", "aws_secret_access_key")
        }
        return Lake(self.settings["TIMIX_LAKE"], aws | keys)

    def start(self) -> None:
        """Starts each service when those that it depends on are healthy. Returns when all are."""
        healthy: set[str] = set()
        in_order = sorted(OURS, key=lambda name: len(dependencies(name)))
        for name in in_order:
            for other in dependencies(name) - healthy:
                self.wait_until_healthy(other)
                healthy.add(other)
            self.containers[name].start()
        for name in in_order:
            if name not in healthy:
                self.wait_until_healthy(name)

    def stop(self) -> None:
        for container in self.containers.values():
            container.stop()

    def wait_until_healthy(self, *names: str) -> None:
        """Returns when the health checks pass."""
        for name in names:
            # Before, since a health check that imports Dagster takes seconds of CPU.
            self.wait_for(f"{name} to be up", partial(self._is_up, name), LONGEST_SECONDS)
            self.wait_for(f"{name} to be healthy", self.containers[name].is_healthy, LONGEST_SECONDS)

    def kill(self, *names: str) -> None:
        """Kills the services, and returns when other processes of them have started."""
        killed = [self.containers[name] for name in names]
        starts = sum(each.starts for each in killed)
        for each in killed:
            each.kill()
        self.wait_for(
            f"{', '.join(names)} to start again",
            lambda: sum(each.starts for each in killed) == starts + len(killed),
            LONGEST_SECONDS,
        )

    def _is_up(self, name: str) -> bool:
        try:
            match name:
                case "webserver":
                    return bool(self.repository()["jobs"])
                case "daemon":
                    return self._daemon_is_up()
                case _:
                    socket.create_connection(("127.0.0.1", self.ports[name]), timeout=1).close()
                    return True
        except Exception:  # noqa: BLE001  Whatever it says meanwhile: not yet.
            return False

    def _daemon_is_up(self) -> bool:
        """Whether each of its threads has reported since it was started. The health check accepts those of minutes before."""
        health = self.ask("{ instance { daemonHealth { allDaemonStatuses { required healthy lastHeartbeatTime } } } }")
        required = [each for each in health["daemonHealth"]["allDaemonStatuses"] if each["required"]]
        since = self.containers["daemon"].started_at
        return all(each["healthy"] and each["lastHeartbeatTime"] > since for each in required)

    def _container(self, name: str) -> Container:
        folder = self.folder / name
        home = folder / "project"
        for each in (home, folder / "tmp"):
            each.mkdir(parents=True)
        shutil.copy(DEPLOY / "dagster.yaml", home)
        workspace = yaml.safe_load((DEPLOY / "workspace.yaml").read_text())
        [served] = [each["grpc_server"] for each in workspace["load_from"]]
        assert served["host"] in SERVICES
        served["port"], served["host"] = self.ports[served["host"]], "127.0.0.1"
        (home / "workspace.yaml").write_text(yaml.safe_dump(workspace))
        for volume in SERVICES[name].get("volumes", []):
            source, place = volume.split(":")[:2]
            assert place.startswith(f"{HOME}/")
            kept, mounted = self.folder / "volumes" / source, home / place.removeprefix(f"{HOME}/")
            for each in (kept, mounted.parent):
                each.mkdir(parents=True, exist_ok=True)
            mounted.symlink_to(kept)
        (home / ".dagster").mkdir(exist_ok=True)
        return Container(name, home, self._environment_of(name, home, folder), self._places, self.log)

    def _environment_of(self, name: str, home: Path, folder: Path) -> dict[str, str]:
        assert SERVICES[name]["env_file"] == "timix.env"
        granted = SERVICES[name].get("secrets", [])
        declared = {}
        for variable, value in SERVICES[name]["environment"].items():
            if value.startswith(SECRETS):
                secret = value.removeprefix(f"{SECRETS}/")
                assert secret in granted, f"{name} has no secret {secret}"
                declared[variable] = str(self._secrets / secret)
            else:
                declared[variable] = mapped(value, self._places)
        return {
            "PATH": f"{PRODUCTION}:{DEPLOY}:/usr/bin:/bin",
            "HOME": str(folder),
            "TMPDIR": str(folder / "tmp"),
            "DAGSTER_HOME": str(home),
            "PYTHONUNBUFFERED": "1",
            **self.settings,
            **declared,
        }


def dependencies(name: str) -> set[str]:
    """The other services of ours that must be healthy before this one is started."""
    return set(SERVICES[name].get("depends_on", {})) - {DATABASE}


def missing() -> str | None:
    """What this machine lacks to start the deployment; None if nothing."""
    if sys.platform != "linux":
        return "process groups stand for containers on Linux only"
    if not (PRODUCTION / "dagster").exists():
        return "there is no .venv-production; `make production` creates it"
    return Database.missing()
