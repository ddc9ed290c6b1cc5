"""Runs that are killed, stopped or cancelled, and runs that meet: rows 37 and 38 of docs/reliability.md.

The source has grown forty times since the lake was filled, so that every refresh here has something to write and every
moment of it lasts long enough to be met. What a refresh that nobody disturbs makes of it is what every other one must make.
"""

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from timix_assets.lake.liveness import is_dead
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake
from timix_assets.partitions import range_tags
from timix_assets.runs.tags import PROCESS
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets.vendor import REQUESTS_PER_MINUTE
from timix_assets_tests.automation.dagster_dev import REPOSITORY, DagsterDev, tags_of
from timix_assets_tests.commands.conftest import Project, settings_of
from timix_assets_tests.commands.test_refresh import recorded_runs

from .conftest import TIME, Workplace, contents, rows_of

pytestmark = pytest.mark.timeout(600)

COPIES = 40
"""Enough entries that they are spooled to disk, which begins at 20,000."""

HELD_UP_PAGE, SPOOLED_BEFORE_PAGE = 10, 120
ENDS_WITHIN_SECONDS = 10
STARTS_WITHIN_SECONDS = 20
"""A run needs some seconds before its first request on a busy machine; a wait for a turn is 3600."""

LONGEST_SECONDS = 60
CLOSING_LINE = "The tables are in"
"""Of what a refresh says when all is done and its process has only to go."""

LOOK_EVERY_SECONDS = 0.002
MOST_DRAWS = 10

Tables = Mapping[str, list[str] | bytes]


def held_in(project: Project) -> Tables:
    """Every table's rows, and the bytes of every export."""
    lake = Path(project.lake.url)
    exports = {str(path.relative_to(lake)): path.read_bytes() for path in lake.glob("exports/**/*.csv")}
    return {name: rows for name, (_, rows) in contents(project.lake).items()} | exports


@dataclass(frozen=True)
class Grown:
    """The grown source. old: what the lake held before; new: what a refresh that nobody disturbs makes of it.

    seconds: how long that refresh takes from its first request to its end.
    """

    sandbox: Sandbox
    filled: Path
    old: Tables
    new: Tables
    seconds: float


@dataclass
class Scene:
    """A project whose lake holds what was there before the source grew, with a temporary folder of its own."""

    grown: Grown
    project: Project
    temporary: Path

    def start(self, *words: str, **settings: str) -> subprocess.Popen[str]:
        return self.project.start("refresh", *words, **settings)

    def requests_since(self, mark: int, path: str = "") -> int:
        return sum(seen.path.endswith(path) for seen in self.grown.sandbox.requests[mark:])

    def assert_every_table_is_old_or_new(self) -> None:
        now, old, new = held_in(self.project), self.grown.old, self.grown.new
        assert now.keys() >= old.keys()
        assert [name for name, rows in now.items() if rows not in (old.get(name), new.get(name))] == []

    def assert_the_next_refresh_is_right(self) -> None:
        """It waits for nobody, asks soon, and makes what an undisturbed one makes."""
        sandbox, mark, began = self.grown.sandbox, len(self.grown.sandbox.requests), time.time()
        done = self.project.run("refresh")

        assert (done.returncode, done.stderr) == (0, "")
        assert "Waiting" not in done.stdout
        assert sandbox.requests[mark].time - began < STARTS_WITHIN_SECONDS
        now = held_in(self.project)
        assert now.keys() == self.grown.new.keys()
        assert [name for name, rows in now.items() if rows != self.grown.new[name]] == []
        assert "STARTED" not in [status for _, status in recorded_runs(self.project.folder)]


def copied(filled: Path, folder: Path, sandbox: Sandbox, **settings: str) -> Project:
    shutil.copytree(filled, folder)
    return Project(folder, {**settings_of(sandbox), **settings})


@pytest.fixture(scope="module")
def grown(firm: Firm, filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grown]:
    # The limit is not what these tests are about: each project folder counts its requests by itself, all with one key.
    with Sandbox(firm, copies=COPIES, requests_per_minute=1_000_000) as sandbox:
        for name in ("customers", "projects", "subtasks"):
            sandbox.workspace.insert_first(name, sandbox.workspace.rows(name)[:2])
        project = copied(filled, tmp_path_factory.mktemp("undisturbed") / "project", sandbox)
        old = held_in(project)
        done = project.run_in_a_process("refresh")
        seconds = time.time() - sandbox.requests[0].time
        assert (done.returncode, done.stderr) == (0, "")
        yield Grown(sandbox, filled, old, held_in(project), seconds)


@pytest.fixture
def scene(grown: Grown, tmp_path: Path) -> Iterator[Scene]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    project = copied(grown.filled, tmp_path / "project", grown.sandbox, TMPDIR=str(temporary))
    yield Scene(grown, project, temporary)
    grown.sandbox.faults.clear()


def until(what: str, happened: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Returns as soon as it has happened; fails when the process ends before."""
    give_up_at = time.monotonic() + LONGEST_SECONDS
    while not happened():
        assert process.poll() is None, f"it ended before {what}: {process.communicate()[0]}"
        assert time.monotonic() < give_up_at, f"waited in vain for {what}"
        time.sleep(LOOK_EVERY_SECONDS)


def ended(process: subprocess.Popen[str], how: signal.Signals) -> str:
    """Sends the signal, and gives what the process had said when it was gone; fails when that takes too long."""
    process.send_signal(how)
    said, _ = process.communicate(timeout=ENDS_WITHIN_SECONDS)
    return said


def ended_under_way(scene: Scene, chance: random.Random, how: signal.Signals) -> tuple[str, int]:
    """What a refresh said that was ended at a random moment of its work, and its exit status.

    One that was quicker than the moment drawn is none: then the lake is put back, and another moment drawn.
    """
    for _ in range(MOST_DRAWS):
        mark = len(scene.grown.sandbox.requests)
        process = scene.start()
        until("its first request", lambda mark=mark: scene.requests_since(mark), process)
        try:
            process.communicate(timeout=chance.uniform(0, scene.grown.seconds))
        except subprocess.TimeoutExpired:
            said = ended(process, how)
            if process.returncode != 0 and CLOSING_LINE not in said:
                return said, process.returncode
        else:
            assert process.returncode == 0
        shutil.rmtree(scene.project.folder)
        shutil.copytree(scene.grown.filled, scene.project.folder)
    raise AssertionError(f"{MOST_DRAWS} refreshes were over before they could be ended")


# What can be seen from outside of the stage that a refresh has reached: requests that arrived, and files that are there.


def fetching(scene: Scene, mark: int) -> bool:
    """A page in the middle of the listing was asked for, and its answer does not come."""
    asked = (seen for seen in scene.grown.sandbox.requests[mark:] if seen.path.endswith("/time-reports"))
    return any(f"page={HELD_UP_PAGE}" in seen.query.split("&") for seen in asked)


def decoding(scene: Scene, mark: int) -> bool:
    """Decoded rows lie on disk, and the listing is not at its end."""
    return any(scene.temporary.glob("timix-spool-*/*.parquet"))


def staging(scene: Scene, mark: int) -> bool:
    """Time entries are being written into files by month."""
    spooled = any(scene.temporary.glob("timix-spool-*/*.parquet"))
    return spooled and any(scene.temporary.glob("timix-staging-*/month=*/*"))


def storing(scene: Scene, mark: int) -> bool:
    """The first of them is in the table's folder, where no version names it yet."""
    return len(list((Path(scene.project.lake.url) / TIME).glob("month=*/*"))) > _files_before(scene)


def _files_before(scene: Scene) -> int:
    return len(list((scene.grown.filled / "data" / "lake" / TIME).glob("month=*/*")))


def committing(scene: Scene, mark: int) -> bool:
    """The table's log has a new version, and nothing has been said of it yet: not which months were read, nor in the run."""
    return (Path(scene.project.lake.url) / TIME / "_delta_log" / f"{1:020}.json").exists()


def computing(scene: Scene, mark: int) -> bool:
    """Some rollups are computed from the new tables and others are not."""
    return (Path(scene.project.lake.url) / "rollups/capacity_daily/_delta_log").exists() and any(
        (Path(scene.project.lake.url) / "rollups").glob(f"*/_delta_log/{1:020}.json")
    )


STAGES = {stage.__name__: stage for stage in (fetching, decoding, staging, storing, committing, computing)}
HELD_UP = {
    "fetching": Fault("silence", path="/time-reports", page=HELD_UP_PAGE, seconds=30),
    "decoding": Fault("silence", path="/time-reports", page=SPOOLED_BEFORE_PAGE, seconds=30),
}


@pytest.mark.fault(37)
@pytest.mark.parametrize(
    ("stage", "how"),
    [*((stage, signal.SIGKILL) for stage in STAGES), ("fetching", signal.SIGTERM), ("committing", signal.SIGTERM)],
)
def test_a_refresh_ended_at_any_stage_leaves_whole_tables(scene: Scene, stage: str, how: signal.Signals) -> None:
    sandbox = scene.grown.sandbox
    sandbox.faults.add(*([HELD_UP[stage]] if stage in HELD_UP else []))
    mark = len(sandbox.requests)
    process = scene.start()
    until(stage, lambda: STAGES[stage](scene, mark), process)
    said = ended(process, how)
    sandbox.faults.clear()

    assert process.returncode == (-signal.SIGKILL if how is signal.SIGKILL else 1), said
    assert "Traceback" not in said
    scene.assert_every_table_is_old_or_new()
    scene.assert_the_next_refresh_is_right()


@pytest.mark.fault(37)
@pytest.mark.parametrize("seed", range(4))
def test_refreshes_ended_at_random_moments_leave_whole_tables(scene: Scene, seed: int) -> None:
    chance = random.Random(seed)
    for how in chance.choices([signal.SIGKILL, signal.SIGTERM], k=3):
        said, status = ended_under_way(scene, chance, how)
        assert status == (-signal.SIGKILL if how is signal.SIGKILL else 1), said
        assert "Traceback" not in said
        scene.assert_every_table_is_old_or_new()
    scene.assert_the_next_refresh_is_right()


@pytest.mark.fault(37)
def test_a_reader_during_a_refresh_sees_only_whole_tables(scene: Scene) -> None:
    lake, watched = scene.project.lake, ("timix/time_reports", "timix/customers", "rollups/utilization_daily")
    process = scene.start()
    looks = 0
    while process.poll() is None:
        for name in watched:
            assert rows_of(lake, name) in (scene.grown.old[name], scene.grown.new[name])
        looks += 1
    process.communicate()

    assert (process.returncode, looks > 3) == (0, True)


@pytest.mark.fault(37)
def test_a_run_cancelled_in_the_ui_ends_in_seconds(grown: Grown, tmp_path: Path) -> None:
    sandbox = grown.sandbox
    folder = tmp_path / "project"
    shutil.copytree(grown.filled, folder)
    dev = DagsterDev(folder, settings_of(sandbox))
    scene = Scene(grown, Project(folder, dict(settings_of(sandbox))), tmp_path)
    sandbox.faults.add(HELD_UP["fetching"])
    try:
        dev.start()
        mark = len(sandbox.requests)
        run_id = launched(dev, sandbox)
        dev.wait_for("the run to fetch", lambda: fetching(scene, mark))
        [run] = dev.runs(statuses=["STARTED"])
        process = tags_of(run)[PROCESS].removeprefix(f"{run_id} ")
        cancel(dev, run_id)
        dev.wait_for("the run's process to end", lambda: is_dead(folder / ".dagster", process), ENDS_WITHIN_SECONDS)
        dev.wait_for("the run to be cancelled", lambda: dev.runs(statuses=["CANCELED"]), ENDS_WITHIN_SECONDS)
    finally:
        dev.kill()
        sandbox.faults.clear()

    scene.assert_every_table_is_old_or_new()
    scene.assert_the_next_refresh_is_right()


def launched(dev: DagsterDev, sandbox: Sandbox) -> str:
    """The id of a run over all months, started as the launchpad does."""
    months = Months(sandbox.firm.first_day.replace(day=1), sandbox.firm.today.replace(day=1))
    tags = [{"key": key, "value": value} for key, value in range_tags(months).items()]
    selector = {**REPOSITORY, "pipelineName": "refresh_everything"}
    answer = dev.ask(
        """mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename
          ... on LaunchRunSuccess { run { id } } ... on PythonError { message } } }""",
        p={"selector": selector, "runConfigData": {}, "executionMetadata": {"tags": tags}},
    )
    return str(answer["run"]["id"])


def cancel(dev: DagsterDev, run_id: str) -> None:
    dev.ask("""mutation($id: String!) { terminateRun(runId: $id) { __typename } }""", id=run_id)


def spans(scene: Scene, mark: int) -> list[str]:
    """The listings of one run after another, as the source saw them: /me begins each."""
    return [seen.path.rsplit("/", 1)[-1] for seen in scene.grown.sandbox.requests[mark:]]


@pytest.mark.fault(38)
def test_two_refreshes_on_one_lake_run_one_after_the_other(scene: Scene) -> None:
    mark = len(scene.grown.sandbox.requests)
    both = [scene.start(), scene.start()]
    said = [process.communicate(timeout=200)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    assert sum("held by refresh_everything (run " in text for text in said) == 1
    asked = spans(scene, mark)
    again = asked.index("me", 1)
    assert sorted(asked[:again]) == sorted(asked[again:])
    assert held_in(scene.project) == scene.grown.new


@pytest.mark.fault(38)
def test_a_run_that_waits_too_long_names_the_lakes_holder(workplace: Workplace) -> None:
    sandbox, project = workplace.sandbox, workplace.project
    sandbox.faults.add(Fault("silence", path="/customers", times=1, seconds=30))
    first = project.start("refresh", "--only", "timix/customers")
    until("it asks", lambda: any(seen.path.endswith("/customers") for seen in sandbox.requests), first)
    second = project.run("refresh", "--only", "timix/projects", TIMIX_LOCK_TIMEOUT_SECONDS="1")
    first.kill()
    first.communicate()

    assert second.returncode == 1
    [said] = second.stderr.strip().splitlines()
    timed_out = f"timix/projects: Timed out after 1 s waiting for the lock of the lake {workplace.lake.url}, held by "
    assert f"{timed_out}refresh_everything (run " in said
    assert "Run it again when that has ended, or end it." in said
    assert not any(seen.path.endswith("/projects") for seen in sandbox.requests)


@pytest.mark.fault(38)
def test_of_two_machines_the_one_with_older_data_fails(workplace: Workplace, tmp_path: Path) -> None:
    """Their folders, and so their turns, are their own; nothing but the tables' own versions stands between them."""
    sandbox, slow = workplace.sandbox, workplace.project
    quick = Project(tmp_path / "another", {**slow.settings, "TIMIX_LAKE": slow.lake.url})
    shutil.copytree(slow.folder, quick.folder)
    sandbox.faults.add(Fault("silence", path="/customers", times=1, seconds=15))
    first = slow.start("refresh", "--only", "timix/customers")
    until("it asks", lambda: any(seen.path.endswith("/customers") for seen in sandbox.requests), first)
    sandbox.workspace.insert_first("customers", sandbox.workspace.rows("customers")[:1])
    second = quick.run("refresh", "--only", "timix/customers")
    said, _ = first.communicate(timeout=60)

    assert (second.returncode, second.stderr, first.returncode) == (0, "", 1)
    assert "failed timix/customers: write conflict: these rows were committed by another writer at " in said
    assert "older data must not replace newer. Run it again." in said
    assert workplace.ids("customers") == workplace.truth("customers")


@pytest.mark.fault(38)
def test_two_runs_with_one_key_stay_under_the_limit_together(firm: Firm, filled: Path, tmp_path: Path) -> None:
    """Two lakes, so no turns; 130 requests for the pages of both, where the plan allows 120 in any minute."""
    with Sandbox(firm, plan="Starter", copies=20) as sandbox:
        project = copied(filled, tmp_path / "project", sandbox)
        lakes = [str(tmp_path / name) for name in ("one", "another")]
        both = [project.start("refresh", "--only", TIME, TIMIX_LAKE=lake) for lake in lakes]
        said = [process.communicate(timeout=200)[0] for process in both]

        assert [process.returncode for process in both] == [0, 0], said
        assert {seen.status for seen in sandbox.requests} == {200}
        assert len(sandbox.requests) > REQUESTS_PER_MINUTE["Starter"]
        assert any("Rate limit of the plan reached: waiting" in text for text in said)
        rows = sandbox.workspace.listing("time_reports").within(None, None)
        assert [Lake(lake).scan(TIME).select("id").collect()["id"].sort().to_list() for lake in lakes] == [
            sorted(rows)
        ] * 2
