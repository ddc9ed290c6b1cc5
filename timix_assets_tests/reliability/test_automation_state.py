"""Row 55, what Dagster and the sensors keep beside the lake: its databases, cursors, the alerts' outboxs."""

from pathlib import Path

import pytest
from dagster import DagsterInstance, Failure

from timix_assets.automation.cursor import Cursor
from timix_assets_tests.alerts.watch import Watch, failure_alerts
from timix_assets_tests.reliability.conftest import Workplace

DATABASES = {
    name: f".dagster/storage/{name}" for name in ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
}


def damage(file: Path) -> None:
    for beside in ("-wal", "-shm"):
        file.with_name(f"{file.name}{beside}").unlink(missing_ok=True)
    file.write_bytes(b"\0" * 100 + file.read_bytes()[100:])


@pytest.mark.fault(55)
@pytest.mark.parametrize("database", DATABASES)
def test_a_damaged_run_database_gives_one_message(workplace: Workplace, untouched: None, database: str) -> None:
    file = workplace.project.folder / DATABASES[database]
    damage(file)
    refreshed = workplace.refresh_in_a_process("timix/customers")
    assert refreshed.status == 1
    assert (
        f"{file}, a part of Dagster's run storage, is damaged; the tables of the lake are not affected."
        in refreshed.sentence
    )
    assert f"`mv {file} {file}.damaged`" in refreshed.sentence
    file.rename(f"{file}.damaged")
    assert (done := workplace.refresh_in_a_process("timix/customers")).status == 0, done.stderr


@pytest.mark.fault(55)
def test_the_ui_refuses_a_damaged_run_database(workplace: Workplace) -> None:
    file = workplace.project.folder / DATABASES["history/runs.db"]
    damage(file)
    done = workplace.project.run("ui", "--port", "0")
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert f"`mv {file} {file}.damaged`" in line


@pytest.mark.fault(55)
def test_damaged_events_of_one_old_run_block_nothing(workplace: Workplace) -> None:
    runs = workplace.project.folder / ".dagster" / "storage" / "history" / "runs"
    [events] = [file for file in runs.glob("*.db") if file.name != "index.db"]
    damage(events)
    assert workplace.refresh_in_a_process("timix/customers").status == 0


@pytest.mark.fault(55)
@pytest.mark.parametrize("text", ["yesterday", '{"seen": {"customers": {"total": "many"}}}', '{"unread": ["rumours"]}'])
def test_an_edited_sensor_cursor_starts_again(text: str) -> None:
    assert Cursor.read(text) == Cursor()


@pytest.mark.fault(55)
@pytest.mark.parametrize("text", ["", '{"format": 1', '{"format": 1, "state": {"reported": 7}, "pending": []}'])
def test_a_damaged_alert_outbox_gives_one_message(tmp_path: Path, text: str) -> None:
    outbox = tmp_path / "alerts" / "failure_alerts.json"
    outbox.parent.mkdir()
    outbox.write_text(text)
    with DagsterInstance.ephemeral() as instance:
        watch = Watch(failure_alerts, {"url": str(tmp_path / "lake"), "state_folder": str(tmp_path)}, instance)
        with pytest.raises(Failure, match=f"The alert outbox {outbox} cannot be read; move it away"):
            watch.tick()
        outbox.unlink()
        watch.tick()
    assert "First tick" in watch.reason
