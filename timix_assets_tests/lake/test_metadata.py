"""The organization and the months read are stored with the data."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake

from timix_assets.lake.errors import LakeError, OtherOrganization
from timix_assets.lake.metadata import MONTHS_READ, ORGANIZATION
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake

from .rows import FEBRUARY, JANUARY, MARCH, WINTER, entries, only

TABLE = "timix/time_reports"


def test_new_lake_belongs_to_the_first_organization(lake: Lake) -> None:
    assert lake.metadata.organization() is None
    lake.metadata.verify_organization("org_1", "Northwind")
    assert Lake(lake.url).metadata.organization() == "org_1"


def test_key_of_another_organization_is_refused(lake: Lake) -> None:
    lake.metadata.verify_organization("org_1", "Northwind")
    with pytest.raises(OtherOrganization, match=r"Northwind \(org_1\).*Southwind \(org_2\).*TIMIX_LAKE"):
        lake.metadata.verify_organization("org_2", "Southwind")
    assert lake.metadata.organization() == "org_1"


def test_organization_can_change_its_name(lake: Lake) -> None:
    lake.metadata.verify_organization("org_1", "Northwind")
    lake.metadata.verify_organization("org_1", None)
    assert lake.version(ORGANIZATION) == 0


def test_empty_month_counts_as_read(lake: Lake) -> None:
    lake.metadata.add_months_read(TABLE, only(FEBRUARY))
    assert lake.metadata.months_read(TABLE) == {FEBRUARY}
    assert lake.metadata.months_read("timix/revenue_report") == set()


def test_months_read_are_added_by_table_once(lake: Lake) -> None:
    lake.metadata.add_months_read(TABLE, only(JANUARY))
    lake.metadata.add_months_read("timix/revenue_report", only(MARCH))
    lake.metadata.add_months_read(TABLE, Months(JANUARY, FEBRUARY))
    lake.metadata.add_months_read(TABLE, Months(JANUARY, FEBRUARY))
    assert lake.metadata.months_read(TABLE) == {JANUARY, FEBRUARY}
    assert lake.version(MONTHS_READ) == 2


def test_month_with_rows_is_known_without_a_record_of_its_read(lake: Lake) -> None:
    assert lake.metadata.months_known(TABLE) == set()
    lake.replace(TABLE, entries(("a", MARCH, 1)), key=["id"], months=WINTER)
    lake.metadata.add_months_read(TABLE, only(JANUARY))
    assert lake.metadata.months_known(TABLE) == {JANUARY, MARCH}


def test_months_added_concurrently_are_all_recorded(lake: Lake) -> None:
    tables = [f"timix/table_{number}" for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda table: lake.metadata.add_months_read(table, WINTER), tables))
    assert [lake.metadata.months_read(table) for table in tables] == [set(WINTER)] * 4


def test_month_added_by_another_process_in_between_is_kept(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.metadata.add_months_read(TABLE, only(JANUARY))
    replace, between = lake.replace, [lambda: Lake(lake.url).metadata.add_months_read(TABLE, only(FEBRUARY))]

    def after_another(*given: Any, **named: Any) -> object:
        while between:
            between.pop()()
        return replace(*given, **named)

    monkeypatch.setattr(lake, "replace", after_another)
    lake.metadata.add_months_read(TABLE, only(MARCH))
    assert lake.metadata.months_read(TABLE) == {JANUARY, FEBRUARY, MARCH}


@pytest.mark.parametrize("emptied", [ORGANIZATION, MONTHS_READ])
def test_emptied_metadata_table_is_filled_again(lake: Lake, emptied: str) -> None:
    lake.metadata.verify_organization("org_1", "Northwind")
    lake.metadata.add_months_read(TABLE, only(JANUARY))
    write_deltalake(f"{lake.url}/{emptied}", lake.scan(emptied).collect().clear(), mode="overwrite")
    lake.metadata.verify_organization("org_1", "Northwind")
    lake.metadata.add_months_read(TABLE, only(JANUARY))
    assert (lake.metadata.organization(), lake.metadata.months_read(TABLE)) == ("org_1", {JANUARY})


def test_two_stored_organizations_are_refused(lake: Lake) -> None:
    lake.replace(ORGANIZATION, pl.DataFrame({"id": ["org_1", "org_2"], "name": ["N", "S"]}), key=["id"])
    with pytest.raises(LakeError, match=r"names 2 organizations \(org_1, org_2\).* move .*meta/organization away"):
        lake.metadata.organization()


def test_metadata_column_of_another_type_is_refused(lake: Lake) -> None:
    lake.replace(MONTHS_READ, pl.DataFrame({"table": [TABLE], "month": ["2025-01"]}), key=["table"])
    with pytest.raises(LakeError, match=r"meta/months_read: the column month is missing or has another type"):
        lake.metadata.months_read(TABLE)
