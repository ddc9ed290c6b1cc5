"""A lake that something or somebody damaged: the lake's part of row 55 of docs/reliability.md."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from timix_assets.lake.metadata import MONTHS_READ, ORGANIZATION
from timix_assets.lake.tables import Lake
from timix_assets_tests.conftest import TODAY
from timix_assets_tests.lake.rows import JANUARY, numbered, only
from timix_assets_tests.workspace import RAW, Workspace, failures

CUSTOMERS, TIME = "timix/customers", "timix/time_reports"
PROFIT = "rollups/project_profitability"
NOBODY = 65534


@pytest.fixture(autouse=True)
def _as_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())


def files(lake: Lake, table: str) -> list[Path]:
    """The data files of a table as it is now."""
    return [Path(file) for file in DeltaTable(Path(lake.url, table)).file_uris()]


def overwrite(lake: Lake, table: str, rows: pl.DataFrame) -> None:
    """As a person or another tool does it."""
    write_deltalake(Path(lake.url, table), rows, mode="overwrite", schema_mode="overwrite")


@pytest.mark.fault(55)
@pytest.mark.parametrize("left", [0.0, 0.5, 0.99])
def test_a_cut_file_is_named_with_the_way_out(workspace: Workspace, left: float) -> None:
    workspace.refresh(RAW)
    [cut] = files(workspace.lake, CUSTOMERS)
    whole = cut.read_bytes()
    cut.write_bytes(whole[: int(left * len(whole))])

    failed = {**failures(workspace.refresh(CUSTOMERS)), **failures(workspace.refresh(PROFIT))}

    assert set(failed) == {CUSTOMERS, PROFIT}
    for why in failed.values():
        assert f"/{CUSTOMERS}: its file {cut} is truncated" in why
        assert "Restore the file from a backup, or an earlier version of the table" in why
    cut.write_bytes(whole)
    assert failures(workspace.refresh(CUSTOMERS, PROFIT)) == {}


@pytest.mark.fault(55)
def test_a_file_of_empty_blocks_is_named(workspace: Workspace) -> None:
    workspace.refresh(CUSTOMERS)
    [empty] = files(workspace.lake, CUSTOMERS)
    empty.write_bytes(bytes(empty.stat().st_size))
    assert f"its file {empty} is damaged" in failures(workspace.refresh(CUSTOMERS))[CUSTOMERS]


@pytest.mark.fault(55)
def test_a_cut_month_blocks_no_other_month(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    months = [JANUARY, JANUARY.replace(month=2)]
    for month in months:
        lake.replace(TIME, numbered(month, 3), key=["id"], months=only(month))
    for file in files(lake, TIME):
        if "month=2025-02" in str(file):
            file.write_bytes(b"")
    assert lake.scan(TIME, only(JANUARY)).collect().height == 3
    assert lake.replace(TIME, numbered(JANUARY, 4), key=["id"], months=only(JANUARY)).written


@pytest.mark.fault(55)
def test_an_emptied_organization_table_is_filled_again(workspace: Workspace) -> None:
    workspace.refresh(CUSTOMERS)
    known = workspace.table(ORGANIZATION)
    overwrite(workspace.lake, ORGANIZATION, known.clear())
    assert failures(workspace.refresh(CUSTOMERS)) == {}
    assert workspace.table(ORGANIZATION).equals(known)


@pytest.mark.fault(55)
def test_two_organizations_are_named_with_the_way_out(workspace: Workspace) -> None:
    workspace.refresh(CUSTOMERS)
    known = workspace.table(ORGANIZATION)
    overwrite(workspace.lake, ORGANIZATION, pl.concat([known, known.with_columns(id=pl.lit("org-x"))]))
    why = failures(workspace.refresh(CUSTOMERS))[CUSTOMERS]
    assert f"{ORGANIZATION} names 2 organizations (" in why
    assert f"or move {workspace.lake.url}/{ORGANIZATION} away" in why


@pytest.mark.fault(55)
@pytest.mark.parametrize("table", [ORGANIZATION, MONTHS_READ])
def test_a_meta_table_with_other_columns_is_named(workspace: Workspace, table: str) -> None:
    workspace.refresh(RAW)
    overwrite(workspace.lake, table, pl.DataFrame({"id": [1], "table": ["x"]}))
    reds = failures(workspace.refresh(TIME)) | failures(workspace.refresh(PROFIT))
    assert any(f"{table}: the column " in why and "is missing or has another type" in why for why in reds.values())
    assert "unexpected" not in "".join(reds.values())


@pytest.mark.fault(55)
def test_an_emptied_table_of_months_is_filled_by_reads(workspace: Workspace) -> None:
    workspace.refresh(RAW)
    known = workspace.lake.metadata.months_read(TIME)
    overwrite(workspace.lake, MONTHS_READ, workspace.table(MONTHS_READ).clear())
    assert failures(workspace.refresh(TIME)) == {}
    assert workspace.lake.metadata.months_read(TIME) == known


@pytest.mark.fault(55)
def test_an_append_only_table_says_what_to_unset(workspace: Workspace) -> None:
    workspace.refresh(CUSTOMERS)
    table = DeltaTable(Path(workspace.lake.url, CUSTOMERS))
    table.alter.set_table_properties({"delta.appendOnly": "true"})
    workspace.sandbox.workspace.insert_first("customers", [workspace.sandbox.workspace.rows("customers")[0]])

    why = failures(workspace.refresh(CUSTOMERS))[CUSTOMERS]
    assert "the table property delta.appendOnly is true, so rows cannot be replaced" in why

    DeltaTable(Path(workspace.lake.url, CUSTOMERS)).alter.set_table_properties({"delta.appendOnly": "false"})
    assert failures(workspace.refresh(CUSTOMERS)) == {}


@pytest.mark.fault(55)
def test_an_added_column_with_values_is_not_dropped_unasked(workspace: Workspace) -> None:
    workspace.refresh(CUSTOMERS)
    rows = workspace.table(CUSTOMERS)
    overwrite(workspace.lake, CUSTOMERS, rows.with_row_index().with_columns(note=pl.lit("ours")).drop("index"))

    why = failures(workspace.refresh(CUSTOMERS))[CUSTOMERS]

    assert f"would remove note ({rows.height} values): the column is not among those to write" in why
    assert workspace.table(CUSTOMERS)["note"].null_count() == 0
    workspace.tags["timix/accept_shrink"] = "true"
    assert failures(workspace.refresh(CUSTOMERS)) == {}


@pytest.mark.fault(55)
def test_an_added_column_without_values_breaks_nothing(workspace: Workspace) -> None:
    workspace.refresh(CUSTOMERS)
    rows = workspace.table(CUSTOMERS)
    overwrite(workspace.lake, CUSTOMERS, rows.with_columns(note=pl.lit(None, pl.String)))
    workspace.sandbox.workspace.insert_first("customers", [workspace.sandbox.workspace.rows("customers")[0]])
    assert failures(workspace.refresh(CUSTOMERS)) == {}
    assert workspace.table(CUSTOMERS).height == rows.height + 1


AS_NOBODY = """
import os, sys
from pathlib import Path
import polars as pl
from timix_assets.lake.errors import LakeError
from timix_assets.lake.liveness import remove_lock, dead_processes, claim_process_lock
from timix_assets.lake.tables import Lake
from timix_assets.lake.lock import LakeLock
from timix_assets_tests.lake.rows import JANUARY, numbered, only
folder = Path(sys.argv[2])
lake = Lake(str(folder / "lake"))
tries = {
    "write": lambda: lake.replace("timix/time_reports", numbered(JANUARY, 4), key=["id"], months=only(JANUARY)),
    "read": lambda: lake.scan("timix/time_reports").collect(),
    "check": lake.check,
    "turn": lambda: LakeLock(folder / "state", lake.url).acquire("run", timeout_seconds=0, notify=print),
    "sign": lambda: claim_process_lock(folder / "state"),
    "gone": lambda: [remove_lock(folder / "state", name) for name in dead_processes(folder / "state")],
}
pl.scan_parquet("/nonexistent")
os.setresuid(65534, 65534, 65534)
try:
    tries[sys.argv[1]]()
    print("well")
except LakeError as error:
    print(error)
"""


@pytest.fixture
def left_by_root() -> Iterator[Path]:
    """A lake and a state folder that root made; skips the test where this user is not root."""
    if os.geteuid() != 0:
        pytest.skip("files are made as root and used as another user for this, which needs root")
    with TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        lake = Lake(str(folder / "lake"))
        lake.replace(TIME, numbered(JANUARY, 3), key=["id"], months=only(JANUARY))
        subprocess.run([sys.executable, "-c", SIGN, str(folder / "state"), lake.url], check=True)
        yield folder


SIGN = """
import sys
from pathlib import Path
from timix_assets.lake.liveness import claim_process_lock
from timix_assets.lake.lock import LakeLock
claim_process_lock(Path(sys.argv[1]))
LakeLock(Path(sys.argv[1]), sys.argv[2]).acquire("run", timeout_seconds=0, notify=print)
"""


@pytest.mark.fault(55)
@pytest.mark.parametrize(
    ("what", "closed", "path"),
    [
        ("write", "", "lake/timix/time_reports"),
        ("check", "", "lake"),
        ("read", "lake/timix/time_reports", "lake/timix/time_reports"),
        ("read", "*.parquet", "lake/timix/time_reports"),
        ("turn", "", "state"),
        ("sign", "", "state"),
    ],
)
def test_files_left_by_sudo_are_named_with_their_owner(left_by_root: Path, what: str, closed: str, path: str) -> None:
    for each in left_by_root.rglob(closed) if "*" in closed else [left_by_root / closed] if closed else []:
        each.chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, what, str(left_by_root)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert " belongs to root and this process runs as nobody, as after a run with sudo" in done.stdout
    assert f"`sudo chown -R nobody {left_by_root}/{path}`" in done.stdout


@pytest.mark.fault(55)
def test_a_lock_left_by_sudo_fails_no_sensor(left_by_root: Path) -> None:
    for lock in (left_by_root / "state").iterdir():
        lock.chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, "gone", str(left_by_root)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("well\n", "")
