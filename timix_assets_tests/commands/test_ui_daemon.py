"""`python -m timix_assets.commands.ui_daemon`: how Dagster's daemon ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

MORE_THAN_WORKERS = 6
SENSORS = f"""
import time
from pathlib import Path

import dagster as dg


def slow(name):
    @dg.sensor(name=name, job=nothing, minimum_interval_seconds=3_600, default_status=dg.DefaultSensorStatus.RUNNING)
    def looks(context):
        Path(name).touch()
        time.sleep(2)
        return dg.SkipReason("nothing to do")

    return looks


@dg.op
def does_nothing():
    pass


@dg.job
def nothing():
    does_nothing()


defs = dg.Definitions(jobs=[nothing], sensors=[slow(f"looks_{{n}}") for n in range({MORE_THAN_WORKERS})])
"""
INSTANCE = "sensors: {use_threads: true, num_workers: 2}\ntelemetry: {enabled: false}\n"


@pytest.mark.long
def test_daemon_ends_between_ticks(tmp_path: Path) -> None:
    """Dagster's own command closes the code locations first, and what still ticks then fails with a traceback."""
    (tmp_path / "dagster.yaml").write_text(INSTANCE)
    (tmp_path / "workspace.yaml").write_text("load_from: [python_file: sensors.py]\n")
    (tmp_path / "sensors.py").write_text(SENSORS)
    with subprocess.Popen(
        [sys.executable, "-m", "timix_assets.commands.ui_daemon", "workspace.yaml"],
        cwd=tmp_path,
        env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
        stdin=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
    ) as daemon:
        deadline = time.monotonic() + 60
        while not [*tmp_path.glob("looks_*")]:
            assert daemon.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        daemon.send_signal(signal.SIGTERM)
        said, _ = daemon.communicate(timeout=60)

    assert daemon.returncode == 0
    assert "Traceback" not in said
    assert len([*tmp_path.glob("looks_*")]) < MORE_THAN_WORKERS
