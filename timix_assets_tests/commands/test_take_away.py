"""`timix-assets tables | sql | export`: output, exit codes, and what they need not import."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from rich.console import Console

from timix_assets.commands.result_table import show
from timix_assets_tests.conftest import TODAY

from .conftest import Project, new_project


@pytest.fixture
def filled(refreshed_once: Path, tmp_path: Path) -> Project:
    """A project whose lake was filled as of TODAY."""
    shutil.copytree(refreshed_once / "lake", tmp_path / "data" / "lake")
    return new_project(tmp_path, {"TIMIX_TIMEZONE": "UTC"})


def test_tables_lists_every_table(filled: Project) -> None:
    done = filled.run("tables")
    assert done.returncode == 0
    names = [line.split()[0] for line in done.stdout.splitlines()[1:-1]]
    assert sorted(names) == [name.replace("/", ".") for name in filled.lake.names()]
    [health] = [line.split() for line in done.stdout.splitlines() if line.startswith("rollups.budget_health")]
    assert health[1] == f"{filled.table('rollups/budget_health').height:,}"
    assert health[-1] == TODAY.isoformat()
    rows = json.loads(filled.run("tables", "--format", "json").stdout)
    assert {row["table"]: row["rows"] for row in rows}["timix.invoices"] == filled.table("timix/invoices").height


def test_tables_lists_the_columns_of_one(filled: Project) -> None:
    done = filled.run("tables", "timix.projects")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines() if line[0] != " "][:3] == [
        "column",
        "id",
        "customer_id",
    ]
    assert "decimal(38,10)" in done.stdout
    rows = json.loads(filled.run("tables", "timix/invoices", "--format", "json").stdout)
    assert [row["column"] for row in rows] == filled.table("timix/invoices").columns
    [total] = [row for row in rows if row["column"] == "total"]
    assert (total["type"], bool(total["description"])) == ("decimal(38,10)", True)
    assert any(row["type"].startswith("array<struct<") for row in rows)

    wrong = filled.run("tables", "timix.project")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "timix-assets: there is no table timix.project; did you mean timix.projects?\n"


@pytest.mark.parametrize(
    ("lake", "message"),
    [
        ("dagster.yaml", "dagster.yaml is a file, not a folder; set it to a folder, or to the URL of an object store."),
        ("s3:/bucket/lake", "s3:/bucket/lake is a URL with a missing slash"),
        ("ftp://host/lake", "ftp://host/lake is neither a folder nor a bucket"),
    ],
)
def test_location_that_no_lake_can_have_exits_2(filled: Project, lake: str, message: str) -> None:
    for command in (["tables"], ["summary"], ["digest"], ["export"], ["sql", "select * from timix.projects"]):
        done = filled.run(*command, TIMIX_LAKE=lake)
        assert (done.returncode, done.stdout) == (2, ""), command
        assert done.stderr.startswith("timix-assets: TIMIX_LAKE: ")
        assert message in done.stderr


def test_lake_without_tables_exits_1(filled: Project) -> None:
    for command in (["tables"], ["summary"], ["digest"], ["export"], ["sql", "select * from timix.projects"]):
        done = filled.run(*command, TIMIX_LAKE="data/lak")
        assert (done.returncode, done.stdout) == (1, ""), command
        assert "check TIMIX_LAKE" in done.stderr, command
    assert not (filled.folder / "data/lak").exists()


def test_unreadable_table_exits_1(filled: Project) -> None:
    [log] = (filled.folder / "data/lake/timix/customers/_delta_log").glob("*.json")
    log.write_text("{}\n")
    done = filled.run("tables")
    assert done.returncode == 1
    assert "timix/customers" in done.stderr
    assert "timix.projects" in done.stdout


def test_sql_prints_table_csv_and_json(filled: Project) -> None:
    sql = "select id as customer, '=1' as text, cast(1.5 as decimal(38, 10)) as amount from timix.customers order by id limit 1"
    first = filled.table("timix/customers")["id"].min()
    assert filled.run("sql", sql).stdout.split() == ["customer", "text", "amount", first, "=1", "1.5", "1", "row"]
    csv = filled.run("sql", sql, "--format", "csv")
    assert csv.stdout == f'"customer","text","amount"\n"{first}","\'=1",1.5000000000\n'
    rows = json.loads(filled.run("sql", sql, "--format", "json").stdout)
    assert rows == [{"customer": first, "text": "=1", "amount": "1.5000000000"}]


def test_sql_reads_standard_input(filled: Project) -> None:
    command = filled.command("sql", "-", "--format", "csv")
    done = subprocess.run(
        command,
        cwd=filled.folder,
        env=filled.environment,
        input="select count(*) as n from timix.customers",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f'"n"\n{filled.table("timix/customers").height}\n'


def test_wrong_query_exits_2(filled: Project) -> None:
    done = filled.run("sql", "select * from rollups.budget_helth")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "timix-assets: there is no table rollups.budget_helth; did you mean rollups.budget_health?\n"


def test_wide_result_is_a_block_for_each_row() -> None:
    result = pl.DataFrame({"customer": ["Acme [b]\x1b[31m"] * 101, "long": ["x" * 70] * 101, "empty": [None] * 101})
    console = Console(file=io.StringIO(), width=80)
    show(result, console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines[:4] == ["row 1", "  customer: Acme [b]\\x1b[31m", f"  long: {'x' * 70}", "  empty: "]
    assert lines[-1] == "the first 100 of 101 rows; --format csv or json prints all"
    assert max(map(len, lines)) <= 80


@pytest.mark.long
def test_export_writes_every_rollup_beside_the_caller(filled: Project, tmp_path: Path) -> None:
    done = filled.run("export")
    rollups = [name.replace("/", ".") for name in filled.lake.names() if name.startswith("rollups/")]
    assert done.returncode == 0, done.stderr
    assert sorted(openpyxl.load_workbook(tmp_path / "export.xlsx").sheetnames) == ["definitions", *rollups]
    again = filled.run("export")
    assert again.returncode == 2
    assert "export.xlsx exists; --force replaces it, --to chooses another place." in again.stderr


def test_export_of_all_includes_raw_tables(filled: Project, tmp_path: Path) -> None:
    assert filled.run("export", "--all", "--format", "parquet", "--to", "out").returncode == 0
    names = {name.replace("/", ".") for name in filled.lake.names()}
    assert {file.stem for file in (tmp_path / "out").iterdir()} == names
    assert filled.run("export", "--all", "timix.customers").returncode == 2


def test_digest_writes_the_page_into_the_lake_or_to_a_file(filled: Project, tmp_path: Path) -> None:
    done = filled.run("digest")
    assert done.returncode == 0, done.stderr
    page = Path(filled.lake.url) / "reports/weekly_digest.html"
    assert done.stdout.strip() == str(page)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert page.stat().st_size <= 400_000
    assert filled.run("digest", "--to", "out/monday.html").returncode == 0
    assert (tmp_path / "out/monday.html").read_bytes() == page.read_bytes()


def test_digest_of_an_empty_lake_says_what_to_do(tmp_path: Path) -> None:
    done = new_project(tmp_path, {"TIMIX_TIMEZONE": "UTC"}).run("digest")
    assert done.returncode == 1
    assert "run `timix-assets refresh`" in done.stderr
    assert not list(tmp_path.rglob("*.html"))


@pytest.mark.long
def test_reading_commands_start_without_dagster(filled: Project) -> None:
    code = """
import sys
from timix_assets.cli import main
for words in (["tables"], ["sql", "select 1"], ["export", "timix.me"], ["digest"], ["summary"]):
    try:
        main(words)
    except SystemExit as ended:
        assert not ended.code, words
print([name for name in ("dagster", "numpy", "pandas", "pyarrow") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=filled.folder,
        env=filled.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
