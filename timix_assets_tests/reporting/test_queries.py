"""SQL over a lake: exact, lazy, read-only, with messages that name what was meant."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from timix_assets.lake import small_tables
from timix_assets.lake.errors import LakeError
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake
from timix_assets.reporting.errors import QueryError
from timix_assets.reporting.queries import query

JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)
AMOUNT = pl.Decimal(38, 10)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    entries = pl.DataFrame(
        [("a", "p", JANUARY, Decimal("0.1")), ("b", "p", FEBRUARY, Decimal("0.2")), ("c", "q", FEBRUARY, Decimal("7"))],
        schema={"id": pl.String, "project_id": pl.String, "month": pl.Date, "hours": AMOUNT},
        orient="row",
    )
    lake.replace("timix/time_reports", entries, key=["id"], months=Months(JANUARY, FEBRUARY), partitioned=True)
    lake.replace("timix/projects", pl.DataFrame({"id": ["p", "q"], "name": ["Tower", "מגדל"]}), key=["id"])
    return lake


def test_joins_tables_and_adds_up_exactly(lake: Lake) -> None:
    rows = query(
        lake,
        """-- a comment first
        with hours as (select project_id, sum(hours) as hours from timix.time_reports group by project_id)
        select p.name, h.hours, h.hours * 3 as triple from hours as h join "timix"."projects" as p on p.id = h.project_id
        order by p.name""",
    )
    assert rows.rows()[0] == ("Tower", Decimal("0.3"), Decimal("0.9"))
    assert rows["hours"].dtype == AMOUNT


def test_months_are_calendar_dates(lake: Lake) -> None:
    sql = "select id from timix.time_reports where month = date '2026-01-01' + interval '1 month' order by id"
    assert query(lake, sql)["id"].to_list() == ["b", "c"]


def test_reads_only_files_of_the_months_asked_for(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    # As a large table, which is not read whole.
    monkeypatch.setattr(small_tables, "MAX_CELLS", 1)
    plan = "\n".join(
        query(lake, "explain select hours from timix.time_reports where month >= '2026-02-01'").to_series()
    )
    assert "month=2026-02-01" in plan
    assert "month=2026-01-01" not in plan


def test_table_that_is_not_named_may_be_damaged(lake: Lake) -> None:
    [file] = Path(lake.url, "timix", "projects").glob("*.parquet")
    file.write_bytes(b"")
    assert query(lake, "select count(*) from timix.time_reports").item() == 3
    with pytest.raises(LakeError, match="is truncated"):
        query(lake, "select * from timix.projects")


@pytest.mark.parametrize(
    "sql", ["drop table timix.projects", "delete from timix.projects", "truncate table timix.projects", ""]
)
def test_only_queries_are_accepted(lake: Lake, sql: str) -> None:
    with pytest.raises(QueryError, match="is not a query; begin with SELECT or WITH. Tables are only read here"):
        query(lake, sql)
    assert lake.scan("timix/projects").collect().height == 2


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "describe timix.projects",
            "is not a query; `timix-assets tables` lists the tables, and `timix-assets tables timix.",
        ),
        ("-- all\nShow tables", "is not a query; `timix-assets tables` lists the tables"),
        ("select * from timix.project", "there is no table timix.project; did you mean timix.projects?"),
        ("select * from projects", "there is no table projects; did you mean timix.projects?"),
        ("select * from zzzz", "there is no table zzzz; `timix-assets tables` lists them all."),
        ("select nmae from timix.projects", "there is no column nmae. Did you mean name? timix.projects has id, name."),
        ("select p.nmae from timix.projects as p", "there is no column nmae. Did you mean name?"),
        (
            "select * from timix/projects",
            "found: / at Line: 1, Column: 20. Tables are written like rollups.budget_health.",
        ),
        ("select twice(name) from timix.projects", "the query cannot be read: unsupported function 'twice'."),
        ("select 1; select 2", "one (and only one) statement"),
        ("select hours * hours * hours * hours from timix.time_reports", "write cast(… as double) where"),
    ],
)
def test_wrong_query_says_what_is_wrong(lake: Lake, sql: str, message: str) -> None:
    with pytest.raises(QueryError) as raised:
        query(lake, sql)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
