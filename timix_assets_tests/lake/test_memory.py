"""What the lake knows of itself."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from timix_assets.lake.errors import OtherOrganization
from timix_assets.lake.memory import MONTHS_READ, ORGANIZATION
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake

from .rows import FEBRUARY, JANUARY, MARCH, WINTER, entries, only

TABLE = "timix/time_reports"


def test_a_lake_remembers_the_first_organization(lake: Lake) -> None:
    assert lake.memory.organization() is None
    lake.memory.verify_organization("org_1", "Northwind")
    assert Lake(lake.url).memory.organization() == "org_1"


def test_the_key_of_another_organization_is_refused_with_both_names_and_a_way_out(lake: Lake) -> None:
    lake.memory.verify_organization("org_1", "Northwind")
    with pytest.raises(OtherOrganization, match=r"Northwind \(org_1\).*Southwind \(org_2\).*TIMIX_LAKE"):
        lake.memory.verify_organization("org_2", "Southwind")
    assert lake.memory.organization() == "org_1"


def test_an_organization_that_changes_its_name_is_the_same(lake: Lake) -> None:
    lake.memory.verify_organization("org_1", "Northwind")
    lake.memory.verify_organization("org_1", None)
    assert lake.version(ORGANIZATION) == 0


def test_an_empty_month_counts_as_read(lake: Lake) -> None:
    lake.memory.remember_months(TABLE, only(FEBRUARY))
    assert lake.memory.months_read(TABLE) == {FEBRUARY}
    assert lake.memory.months_read("timix/revenue_report") == set()


def test_months_add_up_by_table_and_are_written_only_when_new(lake: Lake) -> None:
    lake.memory.remember_months(TABLE, only(JANUARY))
    lake.memory.remember_months("timix/revenue_report", only(MARCH))
    lake.memory.remember_months(TABLE, Months(JANUARY, FEBRUARY))
    lake.memory.remember_months(TABLE, Months(JANUARY, FEBRUARY))
    assert lake.memory.months_read(TABLE) == {JANUARY, FEBRUARY}
    assert lake.version(MONTHS_READ) == 2


def test_a_month_with_rows_is_known_though_nobody_remembers_reading_it(lake: Lake) -> None:
    assert lake.memory.months_known(TABLE) == set()
    lake.replace(TABLE, entries(("a", MARCH, 1)), key=["id"], months=WINTER)
    lake.memory.remember_months(TABLE, only(JANUARY))
    assert lake.memory.months_known(TABLE) == {JANUARY, MARCH}


def test_months_remembered_at_once_are_all_remembered(lake: Lake) -> None:
    tables = [f"timix/table_{number}" for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda table: lake.memory.remember_months(table, WINTER), tables))
    assert [lake.memory.months_read(table) for table in tables] == [set(WINTER)] * 4
