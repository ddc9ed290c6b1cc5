"""What a second Dagster daemon on one instance does to runs and tables: `python -m benchmarks.two_daemons` (five minutes)."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.automation.dagster_dev import DagsterDev, tags_of

SECONDS = 200
"""Three ticks of a schedule that starts every minute."""

TABLE = "timix/time_reports"


def main() -> None:
    """Prints how many runs each tick started, how they ended, and whether the table is right."""
    today = date.today()
    with TemporaryDirectory() as folder, Sandbox(Firm.generate(people=6, months=3, seed=7, today=today)) as sandbox:
        settings = {
            "TIMIX_API_KEY": sandbox.key,
            "TIMIX_BASE_URL": sandbox.base_url,
            "TIMIX_CRON_RECENT": "* * * * *",
            "DAGSTER_HOME": folder,
        }
        dev = DagsterDev(Path(folder), settings)
        second = None
        try:
            dev.refresh()
            dev.start()
            second = subprocess.Popen(
                [sys.executable, "-m", "dagster._daemon", "run", "-w", "workspace.yaml"],
                cwd=folder,
                env={**os.environ, **settings},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            dev.start_schedule("recent_hourly")
            time.sleep(SECONDS)
            dev.stop_schedule("recent_hourly")
            dev.wait_for("all runs to end", lambda: not dev.unfinished())
            runs = dev.runs(pipelineName="refresh_recent")
            of_tick = Counter(tags_of(run).get("dagster/run_key", "") for run in runs)
            print(f"runs of each tick: {sorted(of_tick.values())}; {dict(Counter(run['status'] for run in runs))}")
            rows = dev.lake.scan(TABLE).collect()
            print(f"{TABLE}: {rows.height:,} rows, {rows['id'].n_unique():,} ids")
        finally:
            if second is not None:
                os.killpg(second.pid, signal.SIGKILL)
                second.wait()
            dev.kill()


if __name__ == "__main__":
    main()
