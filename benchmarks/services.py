"""The memory of the processes of a `dagster dev` that stays, over many refreshes that its daemon launches."""

import os
from datetime import date
from pathlib import Path

from timix_assets.lake.months import Months
from timix_assets.partitions import range_tags
from timix_assets_tests.automation.dagster_dev import DagsterDev
from timix_assets_tests.processes import tree

from .child import MeasurementFailedError
from .edits import edit_an_entry
from .figures import Figure
from .live import filled_project, small_firm

REFRESHES, LOOKS = 200, 10

SERVICES = {
    "daemon": "dagster._daemon",
    "webserver": "dagster_webserver",
    "code server": "grpc",
    "code server's proxy": "code-server",
}
"""Each process by a word of its command."""


def figures(refreshes: int = REFRESHES) -> list[Figure]:
    """The runs of a figure are its values at each look, from the first refresh to the last."""
    with filled_project(small_firm()) as (dev, sandbox):
        dev.start()
        dev.start_sensor("timix_changes")
        months = Months(sandbox.firm.first_day, date.today().replace(day=1))
        looks = []
        for number in range(1, refreshes + 1):
            edit_an_entry(sandbox)
            _refresh(dev, months)
            if number == 1 or number % (refreshes // LOOKS) == 0:
                looks.append(_resident_mb(dev))
    return [
        *(Figure(f"memory of the {name}", [look[name] for look in looks], "MB") for name in SERVICES),
        # From the look in the middle on: what is loaded at first use is loaded by then.
        *(
            Figure(f"memory of the {name}, last by middle", [looks[-1][name] / looks[len(looks) // 2][name]], "")
            for name in SERVICES
        ),
    ]


def _refresh(dev: DagsterDev, months: Months) -> None:
    run_id = dev.launch("refresh_recent", range_tags(months))
    status = dev.wait_for(
        "a refresh to end", lambda: found if (found := dev.status(run_id)) in ("SUCCESS", "FAILURE", "CANCELED") else ""
    )
    if status != "SUCCESS":
        raise MeasurementFailedError(f"refresh_recent ended as {status}.")


def _resident_mb(dev: DagsterDev) -> dict[str, float]:
    assert dev.process is not None
    return {name: _resident(pid) / 1e6 for pid in tree(dev.process.pid) if (name := _service(pid))}


def _service(pid: int) -> str:
    """Which of the services a process is; empty for any other, such as that of a run, which may have ended meanwhile."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return next((name for name, word in SERVICES.items() if word in command), "")


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
