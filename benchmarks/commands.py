"""How long the commands that read the lake take, each as a process of its own, on the lake that the demo fills."""

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .child import run
from .figures import Figure
from .project import empty_project

ROUNDS = 5
MOST_SUMMARY_SECONDS, MOST_TABLES_SECONDS, MOST_SQL_SECONDS, MOST_EXPORT_SECONDS = 1.2, 0.5, 0.5, 5

_SQL = """
select p.name, t.billing_type, sum(t.hours) as hours from timix.time_reports as t
join timix.projects as p on p.id = t.project_id group by p.name, t.billing_type order by hours desc limit 10
"""


def figures() -> list[Figure]:
    with empty_project() as folder:
        _seconds(folder, "demo")
        return [
            Figure("summary", _rounds(folder, "summary"), "s", MOST_SUMMARY_SECONDS),
            Figure("tables", _rounds(folder, "tables"), "s", MOST_TABLES_SECONDS),
            Figure("sql, a join", _rounds(folder, "sql", _SQL), "s", MOST_SQL_SECONDS),
            Figure("export of all tables, xlsx", _rounds(folder, *_export("xlsx")), "s", MOST_EXPORT_SECONDS),
            Figure("export of all tables, csv", _rounds(folder, *_export("csv")), "s"),
            Figure("export of all tables, parquet", _rounds(folder, *_export("parquet")), "s"),
        ]


def _export(form: str) -> Sequence[str]:
    return ("export", "--all", "--force", "--format", form, "--to", "out.xlsx" if form == "xlsx" else "out")


def _rounds(folder: Path, *words: str) -> list[float]:
    seconds = [_seconds(folder, *words) for _ in range(ROUNDS)]
    shutil.rmtree(folder / "out", ignore_errors=True)
    return seconds


def _seconds(folder: Path, *words: str) -> float:
    began = time.perf_counter()
    run([sys.executable, "-m", "timix_assets.cli", *words], folder, {})
    return time.perf_counter() - began
