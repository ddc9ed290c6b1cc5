"""What docs/operations.md tells people to do works as it stands there."""

import re
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from timix_assets.api.limits import Quota
from timix_assets.lake.errors import SchemaChanged
from timix_assets.lake.months import Months
from timix_assets.lake.quarantine import quarantine
from timix_assets.lake.tables import Lake
from timix_assets.settings.environment import NAMES
from timix_assets.vendor import REQUESTS_PER_MINUTE

DOC = (Path(__file__).parent.parent.parent / "docs" / "operations.md").read_text()
MONTH = date(2026, 11, 1)
MONTHS = Months(MONTH, MONTH)


def code_of(section: str) -> str:
    """The Python below a heading."""
    [text] = [part for part in DOC.split("\n## ") if part.startswith(section)]
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found, section
    return found[1]


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """The one that .env names."""
    monkeypatch.chdir(tmp_path)
    # Set and unset, so that what the snippets load from .env is undone, too.
    monkeypatch.setenv("TIMIX_LAKE", "elsewhere")
    monkeypatch.delenv("TIMIX_LAKE")
    Path(".env").write_text("TIMIX_LAKE=data/workspace\n")
    return Lake("data/workspace")


def put(lake: Lake, hours: pl.Series) -> None:
    rows = pl.DataFrame({"id": ["a", "b"], "hours": hours, "month": [MONTH] * 2})
    lake.replace("timix/time_reports", rows, key=["id"], months=MONTHS)


def hours(lake: Lake) -> list[object]:
    return lake.scan("timix/time_reports").sort("id").collect()["hours"].to_list()


def test_documented_reserve_is_that_of_the_plans() -> None:
    *first, last = sorted({Quota.RESERVE.of(limit) for limit in REQUESTS_PER_MINUTE.values()})
    assert f"({', '.join(map(str, first))} or {last} requests a minute)" in " ".join(DOC.split())


def test_documented_restore_works(lake: Lake) -> None:
    for first in (1, 2, 3):
        put(lake, pl.Series([first, 8]))
    exec(code_of("Restore an older version"), {})
    assert hours(lake) == [1, 8]
    put(lake, pl.Series([4, 8]))
    assert hours(lake) == [4, 8]


def test_the_quarantine_is_read(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    rejected = pl.DataFrame({"reason": ["no id"], "column": ["id"], "value": ["?"], "record": ['{"hours": 8}']})
    quarantine(lake, "time_reports", rejected, months=MONTHS, run_id="r", seen_at=datetime(2026, 11, 18, tzinfo=UTC))
    exec(code_of("Read and clear the quarantine"), {})
    said = capsys.readouterr().out
    assert "no id" in said
    assert '{"hours": 8}' in said


def test_a_changed_type_is_migrated_with_every_row(lake: Lake) -> None:
    put(lake, pl.Series([1.5, 8.0]))
    exact = pl.Series([1, 8]).cast(pl.Decimal(38, 10))
    with pytest.raises(SchemaChanged):
        put(lake, exact)
    exec(code_of("Migrate a column"), {})
    assert lake.schema("timix/time_reports")["hours"] == pl.Decimal(38, 10)
    assert [float(str(value)) for value in hours(lake)] == [1.5, 8.0]
    put(lake, exact)
    assert [float(str(value)) for value in hours(lake)] == [1.0, 8.0]
    shutil.rmtree("data/workspace/timix/time_reports-before")


def test_every_variable_that_it_names_exists() -> None:
    assert set(re.findall(r"`(TIMIX_\w+)", DOC)) <= set(NAMES)
