"""Large listings: row 44 of docs/reliability.md, at a size that a test can wait for. `benchmarks/` has 1 and 3 million."""

from pathlib import Path

import pytest

from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.commands.conftest import Project
from timix_assets_tests.processes import run_measured

from .conftest import TIME
from .test_endings import copied

pytestmark = pytest.mark.timeout(600)

SMALL, LARGE = 60, 180
"""Copies of every entry: some 40,000 and 120,000 rows. More than 200,000 would wait for the plan's next minute."""

MOST_BYTES = 600_000_000
MOST_GROWTH_BYTES = 60_000_000
"""Between the two: 750 bytes for each row more. 32 MB were measured."""


def peak_bytes(project: Project) -> int:
    """The most memory that a refresh of the time entries had resident."""
    done, peak = run_measured(project.command("refresh", "--only", TIME), project.folder, project.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return peak


@pytest.mark.fault(44)
def test_three_times_the_rows_take_hardly_more_memory(firm: Firm, filled: Path, tmp_path: Path) -> None:
    peaks = []
    for copies in (SMALL, LARGE):
        with Sandbox(firm, copies=copies) as sandbox:
            project = copied(filled, tmp_path / str(copies), sandbox)
            peaks.append(peak_bytes(project))
            assert project.lake.scan(TIME).collect().height == len(sandbox.workspace.rows("time_reports")) * copies
    small, large = peaks

    assert large < MOST_BYTES
    assert large - small < MOST_GROWTH_BYTES
