"""`dagster dev` as a user has it, in a project folder of its own, driven by the GraphQL that the UI speaks."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import httpx

from timix_assets.dagster_internals import NOT_FINISHED_STATUSES
from timix_assets.lake.tables import Lake

ROOT = Path(__file__).parent.parent.parent
REPOSITORY = {"repositoryLocationName": "timix_assets", "repositoryName": "__repository__"}
LOOK_EVERY_SECONDS = 0.3
LONGEST_SECONDS = 180

T = TypeVar("T")


@dataclass
class DagsterDev:
    """The processes of `dagster dev`, and questions to them. settings: environment variables of theirs."""

    folder: Path
    settings: Mapping[str, str]
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(init=False)
    look_every: ClassVar[float] = LOOK_EVERY_SECONDS

    def __post_init__(self) -> None:
        self.log = self.folder / "dagster-dev.log"
        for name in ("dagster.yaml", "workspace.yaml"):
            shutil.copy(ROOT / name, self.folder)

    @property
    def lake(self) -> Lake:
        return Lake(str(self.folder / "data" / "lake"))

    def start(self) -> None:
        """Returns once the code location is loaded."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_for("the code location to load", self._is_loaded)

    @property
    def _command(self) -> list[str]:
        return [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(self.port)]

    def refresh(self, *options: str) -> None:
        """`timix-assets refresh`, before the services are started."""
        command = [sys.executable, "-m", "timix_assets.cli", "refresh", *options]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TIMIX_", "DAGSTER_"))}
        # The firms of the sandbox live by the clock of this machine, not by that of their organization.
        return inherited | {"TIMIX_TIMEZONE": "UTC"} | dict(self.settings)

    def kill(self) -> None:
        """Every process of it at once, as a power cut would."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
            self._client.close()
            del self._client

    @cached_property
    def _client(self) -> httpx.Client:
        """One for all questions, as making one takes 20 ms of CPU. It closes an idle connection before the server does."""
        return httpx.Client(timeout=30, limits=httpx.Limits(keepalive_expiry=2))

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of a GraphQL answer, which has one field."""
        answer = self._client.post(
            f"http://127.0.0.1:{self.port}/graphql", json={"query": query, "variables": variables}
        ).json()
        assert "errors" not in answer, answer["errors"]
        [data] = answer["data"].values()
        assert not isinstance(data, dict) or "Error" not in data.get("__typename", ""), data
        return data

    def wait_for(self, what: str, look: Callable[[], T | None], seconds: float = LONGEST_SECONDS) -> T:
        until = time.monotonic() + seconds
        while True:
            found = look()
            if found:
                return found
            assert time.monotonic() < until, f"waited {seconds} s for {what}; {self.log.read_text()[-3000:]}"
            time.sleep(self.look_every)

    def repository(self) -> Any:
        return self.ask(
            """query($s: RepositorySelector!) { repositoryOrError(repositorySelector: $s) { __typename ... on Repository {
              jobs { name } schedules { name scheduleState { status } executionTimezone cronSchedule }
              sensors { name sensorType sensorState { status } } } } }""",
            s=REPOSITORY,
        )

    def launch(self, job: str, tags: Mapping[str, str], assets: Sequence[str] = ()) -> str:
        """The UI's *Launch run*: the id of the new run. assets: the only ones of the job, if any."""
        launched = self.ask(
            """mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename
              ... on LaunchRunSuccess { run { id } } ... on PythonError { message } } }""",
            p={
                "selector": {
                    **REPOSITORY,
                    "jobName": job,
                    "assetSelection": [{"path": asset.split("/")} for asset in assets] or None,
                },
                "mode": "default",
                "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
            },
        )
        return str(launched["run"]["id"])

    def run(self, run_id: str) -> Any:
        """Its status, when it began and ended, and the same of each step; times in seconds since the epoch."""
        return self.ask(
            """query($id: ID!) { runOrError(runId: $id) { __typename ... on Run {
              id status startTime endTime stepStats { stepKey startTime endTime } } } }""",
            id=run_id,
        )

    def status(self, run_id: str) -> str:
        found = self.ask(
            """query($id: ID!) { runOrError(runId: $id) { __typename ... on Run { status } } }""", id=run_id
        )
        return str(found["status"])

    def backfill_job(self, job: str, partitions: Sequence[str]) -> str:
        selector = {"partitionSetName": f"{job}_partition_set", "repositorySelector": REPOSITORY}
        return self._backfill({"selector": selector, "partitionNames": list(partitions)})

    def backfill_assets(self, assets: Sequence[str], partitions: Sequence[str]) -> str:
        """The UI's *Materialize selected*."""
        selection = [{"path": asset.split("/")} for asset in assets]
        return self._backfill({"assetSelection": selection, "partitionNames": list(partitions)})

    def backfill(self, backfill_id: str) -> Any:
        """Its status and its runs."""
        return self.ask(
            """query($id: String!) { partitionBackfillOrError(backfillId: $id) { __typename ... on PartitionBackfill {
              status runs { id status tags { key value } assetSelection { path } } } } }""",
            id=backfill_id,
        )

    def wait_for_backfill(self, backfill_id: str, seconds: float = LONGEST_SECONDS) -> Any:
        def ended() -> Any:
            found = self.backfill(backfill_id)
            return found if found["status"].startswith(("COMPLETED", "FAILED", "CANCELED")) else None

        return self.wait_for(f"the backfill {backfill_id}", ended, seconds)

    def runs(self, **wanted: Any) -> list[Any]:
        """Runs by `pipelineName`, `statuses`, `tags`; the youngest first."""
        found = self.ask(
            """query($f: RunsFilter!) { runsOrError(filter: $f) { __typename ... on Runs { results {
              id status startTime endTime tags { key value } assetSelection { path } } } } }""",
            f=wanted,
        )
        return list(found["results"])

    def unfinished(self) -> list[Any]:
        """Runs that are queued, starting or under way."""
        return self.runs(statuses=[status.value for status in NOT_FINISHED_STATUSES])

    def start_sensor(self, name: str) -> None:
        self.ask(
            """mutation($s: SensorSelector!) { startSensor(sensorSelector: $s) { __typename } }""",
            s={**REPOSITORY, "sensorName": name},
        )

    def start_schedule(self, name: str) -> None:
        self.ask(
            """mutation($s: ScheduleSelector!) { startSchedule(scheduleSelector: $s) { __typename } }""",
            s={**REPOSITORY, "scheduleName": name},
        )

    def stop_sensor(self, name: str) -> None:
        state = self.ask(
            """query($s: SensorSelector!) { sensorOrError(sensorSelector: $s) { __typename ... on Sensor {
              sensorState { id } } } }""",
            s={**REPOSITORY, "sensorName": name},
        )
        self.ask("""mutation($id: String!) { stopSensor(id: $id) { __typename } }""", id=state["sensorState"]["id"])

    def stop_schedule(self, name: str) -> None:
        state = self.ask(
            """query($s: ScheduleSelector!) { scheduleOrError(scheduleSelector: $s) { __typename ... on Schedule {
              scheduleState { id } } } }""",
            s={**REPOSITORY, "scheduleName": name},
        )
        self.ask(
            """mutation($id: String!) { stopRunningSchedule(id: $id) { __typename } }""",
            id=state["scheduleState"]["id"],
        )

    def try_sensor(self, name: str, cursor: str | None = None) -> Any:
        """The UI's *Test sensor*: one tick's result, which starts no run and keeps no cursor."""
        tried = self.ask(
            """mutation($s: SensorSelector!, $c: String) { sensorDryRun(selectorData: $s, cursor: $c) { __typename
              ... on DryRunInstigationTick { evaluationResult { cursor skipReason error { message } } } } }""",
            s={**REPOSITORY, "sensorName": name},
            c=cursor,
        )
        return tried["evaluationResult"]

    def ticks(self, sensor: str) -> list[Any]:
        state = self.ask(
            """query($s: SensorSelector!) { sensorOrError(sensorSelector: $s) { __typename ... on Sensor {
              sensorState { ticks(limit: 500) { status skipReason error { message } runIds cursor } } } } }""",
            s={**REPOSITORY, "sensorName": sensor},
        )
        return list(state["sensorState"]["ticks"])

    def _backfill(self, parameters: Mapping[str, Any]) -> str:
        launched = self.ask(
            """mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) { __typename
              ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }""",
            p=parameters,
        )
        return str(launched["backfillId"])

    def _is_loaded(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            return bool(self.repository()["jobs"])
        except (httpx.TransportError, AssertionError):
            return False


class TimixUi(DagsterDev):
    """The same with `timix-assets ui`."""

    @property
    def _command(self) -> list[str]:
        return [sys.executable, "-m", "timix_assets.cli", "ui", "--port", str(self.port)]


def assets_of(run: Any) -> set[str]:
    return {"/".join(key["path"]) for key in run["assetSelection"] or []}


def tags_of(run: Any) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["tags"]}
