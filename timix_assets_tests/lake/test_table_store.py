"""Replacing tables whole and by months: content, counts, schema, refusals."""

import resource
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from timix_assets.lake.diff import ROWS_COMPARED_AT_ONCE
from timix_assets.lake.errors import (
    DuplicateKeys,
    LakeError,
    MonthsMissing,
    RowsOutsideRange,
    SchemaChanged,
    ShrinkRefused,
    TableMissing,
    UnstorableColumn,
    WriteFailed,
)
from timix_assets.lake.tables import Change, Lake, ShrinkGuard

from .rows import FEBRUARY, JANUARY, MARCH, WINTER, entries, numbered, only, sorted_rows

TABLE = "timix/time_reports"
CUSTOMERS = "timix/customers"


def customers(**names: str) -> pl.DataFrame:
    return pl.DataFrame({"id": list(names), "name": list(names.values())}, schema={"id": pl.String, "name": pl.String})


def test_table_has_the_rows_last_written(lake: Lake) -> None:
    lake.replace(CUSTOMERS, customers(a="Acme", b="Bolt"), key=["id"])
    lake.replace(CUSTOMERS, customers(b="Bolt", c="Cord").lazy(), key=["id"])
    assert sorted_rows(lake.scan(CUSTOMERS)) == [("b", "Bolt"), ("c", "Cord")]
    assert lake.version(CUSTOMERS) == 1


def test_added_changed_and_removed_rows_are_counted_by_key(lake: Lake) -> None:
    first = lake.replace(CUSTOMERS, customers(a="Acme", b="Bolt", c="Cord"), key=["id"])
    assert (first.rows, first.added, first.changed, first.removed, first.version) == (3, 3, 0, 0, 0)
    second = lake.replace(CUSTOMERS, customers(b="Bolt", c="Cord Ltd", d="Dune"), key=["id"])
    assert (second.rows, second.added, second.changed, second.removed, second.version) == (3, 1, 1, 1, 1)


def test_same_content_is_not_written_again(lake: Lake) -> None:
    first = lake.replace(CUSTOMERS, customers(a="Acme", b="Bolt"), key=["id"])
    again = lake.replace(CUSTOMERS, customers(b="Bolt", a="Acme").select("name", "id"), key=["id"])
    assert again.fingerprint == first.fingerprint
    assert (again.written, again.added, again.changed, again.removed, again.version) == (False, 0, 0, 0, 0)


def test_fingerprint_does_not_depend_on_earlier_content(lake: Lake) -> None:
    first = lake.replace(TABLE, numbered(JANUARY, 3), key=["id"], months=WINTER)
    lake.replace(TABLE, numbered(FEBRUARY, 2), key=["id"], months=WINTER)
    back = lake.replace(TABLE, numbered(JANUARY, 3), key=["id"], months=WINTER)
    assert back.written
    assert back.fingerprint == first.fingerprint


def test_null_and_zero_are_different_content(lake: Lake) -> None:
    hours = pl.Schema({"id": pl.String, "hours": pl.Int64})
    zero = lake.replace("rollups/hours", pl.DataFrame([("a", 0)], schema=hours, orient="row"), key=["id"])
    null = lake.replace("rollups/hours", pl.DataFrame([("a", None)], schema=hours, orient="row"), key=["id"])
    assert (null.written, null.changed) == (True, 1)
    assert null.fingerprint != zero.fingerprint


def test_every_column_type_is_stored_and_compared(lake: Lake) -> None:
    frame = pl.DataFrame(
        {
            "id": ["a", "b", "c"],
            "hours": [Decimal("1.2345678901"), None, Decimal("-10000000000000000000000000.5")],
            "day": [date(2024, 2, 29), None, date(1999, 12, 31)],
            "at": [datetime(2025, 1, 1, 12, 0, 0, 1, tzinfo=UTC), None, datetime(1969, 1, 1, tzinfo=UTC)],
            "flag": [True, None, False],
            "name": ["שלום 🙂", None, ""],
            "schedule": [{"monday": {"start": "09:00"}}, None, {"monday": None}],
            "lines": [[{"rate": Decimal("1.5")}], None, []],
        },
        schema_overrides={
            "hours": pl.Decimal(38, 10),
            "at": pl.Datetime("us", "UTC"),
            "lines": pl.List(pl.Struct({"rate": pl.Decimal(38, 10)})),
        },
    )
    lake.replace(CUSTOMERS, frame, key=["id"])
    assert_frame_equal(lake.scan(CUSTOMERS).collect().sort("id"), frame)
    assert not lake.replace(CUSTOMERS, frame, key=["id"]).written
    other_rate = pl.Series([[{"rate": Decimal("1.6")}], None, []], dtype=frame.schema["lines"])
    assert lake.replace(CUSTOMERS, frame.with_columns(lines=other_rate), key=["id"]).changed == 1


def test_types_without_counterpart_are_widened(lake: Lake) -> None:
    frame = pl.DataFrame(
        {
            "id": ["a"],
            "count": pl.Series([4_000_000_000], dtype=pl.UInt32),
            "status": pl.Series(["x"], dtype=pl.Categorical),
        }
    )
    lake.replace(CUSTOMERS, frame, key=["id"])
    assert lake.schema(CUSTOMERS) == pl.Schema({"id": pl.String, "count": pl.Int64, "status": pl.String})
    assert sorted_rows(lake.scan(CUSTOMERS)) == [("a", 4_000_000_000, "x")]


def test_one_month_is_replaced_and_the_others_stay(lake: Lake) -> None:
    lake.replace(TABLE, entries(("a", JANUARY, 1), ("b", FEBRUARY, 2), ("c", MARCH, 3)), key=["id"], months=WINTER)
    change = lake.replace(TABLE, entries(("d", FEBRUARY, 4)), key=["id"], months=only(FEBRUARY))
    assert sorted_rows(lake.scan(TABLE)) == [("a", JANUARY, 1), ("c", MARCH, 3), ("d", FEBRUARY, 4)]
    assert (change.rows, change.added, change.removed) == (1, 1, 1)
    assert list(change.by_month) == [FEBRUARY]


def test_range_written_twice_has_its_rows_once(lake: Lake) -> None:
    rows = entries(("a", JANUARY, 1), ("b", FEBRUARY, 2))
    lake.replace(TABLE, rows, key=["id"], months=WINTER)
    lake.replace(TABLE, rows.with_columns(hours=pl.lit(9, pl.Int64)), key=["id"], months=WINTER)
    assert sorted_rows(lake.scan(TABLE).select("id", "hours")) == [("a", 9), ("b", 9)]


def test_month_without_rows_becomes_empty(lake: Lake) -> None:
    lake.replace(TABLE, entries(("a", JANUARY, 1), ("b", FEBRUARY, 2)), key=["id"], months=WINTER)
    change = lake.replace(TABLE, entries(), key=["id"], months=only(JANUARY))
    assert sorted_rows(lake.scan(TABLE).select("id")) == [("b",)]
    assert (change.rows, change.removed) == (0, 1)
    assert (change.by_month[JANUARY].rows, change.by_month[JANUARY].removed) == (0, 1)


def test_empty_read_creates_an_empty_table_once(lake: Lake) -> None:
    assert lake.replace(TABLE, entries(), key=["id"], months=WINTER).written
    assert not lake.replace(TABLE, entries(), key=["id"], months=WINTER).written
    assert lake.scan(TABLE).collect().schema == entries().schema
    lake.replace(TABLE, numbered(JANUARY, 2), key=["id"], months=only(JANUARY))
    assert lake.scan(TABLE).collect().height == 2


def test_row_moved_within_the_range_is_changed(lake: Lake) -> None:
    lake.replace(TABLE, entries(("a", JANUARY, 1), ("b", FEBRUARY, 2)), key=["id"], months=WINTER)
    change = lake.replace(TABLE, entries(("a", MARCH, 1), ("b", FEBRUARY, 2)), key=["id"], months=WINTER)
    assert (change.added, change.changed, change.removed) == (0, 1, 0)


def by_month(change: Change) -> dict[date, tuple[int, int, int, int]]:
    return {month: (of.rows, of.added, of.changed, of.removed) for month, of in change.by_month.items()}


def test_every_month_of_the_range_has_its_own_counts(lake: Lake) -> None:
    rows = entries(("a", JANUARY, 1), ("b", JANUARY, 1), ("c", FEBRUARY, 1))
    first = lake.replace(TABLE, rows, key=["id"], months=WINTER)
    assert by_month(first) == {JANUARY: (2, 2, 0, 0), FEBRUARY: (1, 1, 0, 0), MARCH: (0, 0, 0, 0)}
    rows = entries(("a", JANUARY, 2), ("c", FEBRUARY, 1), ("d", MARCH, 1))
    second = lake.replace(TABLE, rows, key=["id"], months=WINTER)
    assert by_month(second) == {JANUARY: (1, 0, 1, 1), FEBRUARY: (1, 0, 0, 0), MARCH: (1, 1, 0, 0)}


def test_moved_row_is_added_and_removed_by_month(lake: Lake) -> None:
    lake.replace(TABLE, entries(("a", JANUARY, 1)), key=["id"], months=WINTER)
    change = lake.replace(TABLE, entries(("a", MARCH, 1)), key=["id"], months=WINTER)
    assert by_month(change) == {JANUARY: (0, 0, 0, 1), FEBRUARY: (0, 0, 0, 0), MARCH: (1, 1, 0, 0)}


@pytest.mark.long
def test_counts_are_right_beyond_one_comparison_slice(lake: Lake) -> None:
    half = ROWS_COMPARED_AT_ONCE
    lake.replace(TABLE, pl.concat([numbered(JANUARY, half), numbered(FEBRUARY, half)]), key=["id"], months=WINTER)
    new = pl.concat([numbered(JANUARY, half).slice(1), numbered(FEBRUARY, half + 2, hours=2)])
    change = lake.replace(TABLE, new, key=["id"], months=WINTER)
    assert by_month(change) == {
        JANUARY: (half - 1, 0, 0, 1),
        FEBRUARY: (half + 2, 2, half, 0),
        MARCH: (0, 0, 0, 0),
    }


def test_only_months_that_differ_get_new_files(lake: Lake) -> None:
    lake.replace(TABLE, entries(("a", JANUARY, 1), ("b", FEBRUARY, 2)), key=["id"], months=WINTER)
    before = set(DeltaTable(f"{lake.url}/{TABLE}").file_uris())
    lake.replace(TABLE, entries(("a", JANUARY, 1), ("b", FEBRUARY, 3)), key=["id"], months=WINTER)
    after = set(DeltaTable(f"{lake.url}/{TABLE}").file_uris())
    assert [JANUARY.isoformat() in kept for kept in before & after] == [True]


def test_each_month_has_its_own_fingerprint(lake: Lake) -> None:
    first = lake.replace(TABLE, entries(("a", JANUARY, 1), ("b", FEBRUARY, 2)), key=["id"], months=WINTER).by_month
    second = lake.replace(TABLE, entries(("a", JANUARY, 1), ("b", FEBRUARY, 3)), key=["id"], months=WINTER).by_month
    assert first[JANUARY].fingerprint == second[JANUARY].fingerprint
    assert first[FEBRUARY].fingerprint != second[FEBRUARY].fingerprint


def test_key_can_contain_the_month(lake: Lake) -> None:
    rows = entries(("p", JANUARY, 1), ("p", FEBRUARY, 2))
    assert lake.replace("timix/revenue_report", rows, key=["month", "id"], months=WINTER).added == 2


def test_months_are_read_from_their_files_only(lake: Lake) -> None:
    lake.replace(TABLE, entries(("a", JANUARY, 1), ("b", FEBRUARY, 2)), key=["id"], months=WINTER)
    january = lake.scan(TABLE, only(JANUARY))
    assert FEBRUARY.isoformat() not in january.explain()
    assert january.collect()["id"].to_list() == ["a"]


def test_lazy_frame_is_evaluated_once(lake: Lake) -> None:
    evaluations = []

    def counted(frame: pl.DataFrame) -> pl.DataFrame:
        evaluations.append(frame.height)
        return frame

    rows = numbered(JANUARY, 3)
    lake.replace(TABLE, rows.lazy().map_batches(counted, schema=rows.schema), key=["id"], months=only(JANUARY))
    assert evaluations == [3]


def test_partitioned_table_cannot_be_replaced_whole(lake: Lake) -> None:
    with pytest.raises(MonthsMissing, match="partitioned by month but no months were given"):
        lake.replace(TABLE, numbered(JANUARY, 1), key=["id"], partitioned=True)
    assert not lake.exists(TABLE)
    lake.replace(TABLE, numbered(JANUARY, 1), key=["id"], months=WINTER)
    with pytest.raises(MonthsMissing, match="partitioned by month but no months were given"):
        lake.replace(TABLE, numbered(JANUARY, 1), key=["id"])


def test_unpartitioned_table_cannot_be_replaced_by_months(lake: Lake) -> None:
    lake.replace(TABLE, numbered(JANUARY, 1), key=["id"])
    with pytest.raises(MonthsMissing, match="not partitioned by month"):
        lake.replace(TABLE, numbered(JANUARY, 1), key=["id"], months=WINTER)


@pytest.mark.parametrize("month", [date(2025, 4, 1), date(2025, 1, 2), None])
def test_row_outside_the_range_is_refused(lake: Lake, month: date) -> None:
    with pytest.raises(RowsOutsideRange, match="1 row with a month outside 2025-01 to 2025-03"):
        lake.replace(TABLE, entries(("a", JANUARY, 1), ("b", month, 1)), key=["id"], months=WINTER)
    assert not lake.exists(TABLE)


def test_duplicate_key_is_refused(lake: Lake) -> None:
    with pytest.raises(DuplicateKeys, match=r"1 duplicate key \(first: id a"):
        lake.replace(TABLE, entries(("a", JANUARY, 1), ("a", FEBRUARY, 2)), key=["id"], months=WINTER)


def test_changed_type_is_refused_with_the_way_to_migrate(lake: Lake) -> None:
    lake.replace(TABLE, entries(("a", JANUARY, 5)), key=["id"], months=WINTER)
    with pytest.raises(SchemaChanged, match=r"column hours is Int64 in the table but Float64 .* away and materialize"):
        lake.replace(
            TABLE, entries(("a", JANUARY, 5)).with_columns(hours=pl.lit(5.5)), key=["id"], months=only(JANUARY)
        )
    assert sorted_rows(lake.scan(TABLE).select("hours")) == [(5,)]


def test_changed_type_in_a_struct_is_refused(lake: Lake) -> None:
    lake.replace(CUSTOMERS, pl.DataFrame({"id": ["a"], "hours": [{"monday": 8}]}), key=["id"])
    with pytest.raises(SchemaChanged, match="column hours"):
        lake.replace(CUSTOMERS, pl.DataFrame({"id": ["a"], "hours": [{"monday": "8"}]}), key=["id"])


def test_new_column_is_null_in_older_rows(lake: Lake) -> None:
    lake.replace(TABLE, entries(("a", JANUARY, 1)), key=["id"], months=only(JANUARY))
    rows = entries(("b", FEBRUARY, 2)).with_columns(text=pl.lit("new"))
    lake.replace(TABLE, rows, key=["id"], months=only(FEBRUARY), descriptions={"text": "What was done."})
    assert sorted_rows(lake.scan(TABLE).select("id", "text")) == [("a", None), ("b", "new")]
    assert not lake.replace(TABLE, rows, key=["id"], months=only(FEBRUARY)).written


@pytest.mark.parametrize("name", ["text", "_text"])
def test_unwritten_column_with_values_is_refused(lake: Lake, name: str) -> None:
    own = entries(("a", JANUARY, 1), ("b", FEBRUARY, 2)).with_columns(pl.lit("old").alias(name))
    lake.replace(TABLE, own, key=["id"], months=WINTER)
    february = entries(("b", FEBRUARY, 2))

    with pytest.raises(ShrinkRefused, match=rf"would remove {name} \(1 value\): .* your own tables.*--accept-shrink"):
        lake.replace(TABLE, february, key=["id"], months=only(FEBRUARY))
    assert lake.version(TABLE) == 0

    change = lake.replace(TABLE, february, key=["id"], months=only(FEBRUARY), guard=ShrinkGuard(accept=True))
    assert change.changed == 1
    assert sorted_rows(lake.scan(TABLE).select("id", name)) == [("a", "old"), ("b", None)]
    assert not lake.replace(TABLE, february, key=["id"], months=only(FEBRUARY)).written


def test_exact_columns_drops_unwritten_columns(lake: Lake) -> None:
    rows = pl.DataFrame({"id": ["a", "b"], "old": [1, 2], "kept": [3, 4]})
    lake.replace(CUSTOMERS, rows, key=["id"])
    renamed = rows.select("kept", "id", new=pl.col("old"))

    change = lake.replace(CUSTOMERS, renamed, key=["id"], exact_columns=True)

    assert (change.written, change.version, change.rows) == (True, 1, 2)
    assert lake.schema(CUSTOMERS).names() == ["id", "kept", "new"]
    assert sorted_rows(lake.scan(CUSTOMERS)) == [("a", 3, 1), ("b", 4, 2)]
    assert not lake.replace(CUSTOMERS, renamed, key=["id"], exact_columns=True).written


def test_exact_columns_drops_columns_of_an_empty_table(lake: Lake) -> None:
    lake.replace(CUSTOMERS, customers(), key=["id"])
    lake.replace(CUSTOMERS, customers().drop("name"), key=["id"], exact_columns=True)
    assert lake.schema(CUSTOMERS).names() == ["id"]


def test_exact_columns_keeps_an_untyped_column(lake: Lake) -> None:
    lake.replace(CUSTOMERS, customers(a="Acme"), key=["id"])
    lake.replace(CUSTOMERS, pl.DataFrame({"id": ["a"], "name": [None]}), key=["id"], exact_columns=True)
    assert lake.schema(CUSTOMERS) == {"id": pl.String, "name": pl.String}


def test_fingerprint_does_not_depend_on_column_order(lake: Lake, tmp_path: Path) -> None:
    rows = customers(a="Acme", b="Bolt").with_columns(size=pl.lit(3))
    other = Lake(str(tmp_path / "other"))
    assert (
        lake.replace(CUSTOMERS, rows, key=["id"]).fingerprint
        == other.replace(CUSTOMERS, rows.select("size", "name", "id"), key=["id"]).fingerprint
    )


def test_new_empty_column_keeps_all_rows(lake: Lake) -> None:
    lake.replace(CUSTOMERS, customers(a="Acme", b="Bolt"), key=["id"])
    lake.replace(CUSTOMERS, customers(a="Acme", b="Bolt").with_columns(text=pl.lit(None, pl.String)), key=["id"])
    assert sorted_rows(lake.scan(CUSTOMERS)) == [("a", "Acme", None), ("b", "Bolt", None)]


def test_untyped_column_needs_a_type_from_the_table(lake: Lake) -> None:
    untyped = entries(("a", JANUARY, 1)).with_columns(text=None)
    with pytest.raises(UnstorableColumn, match="column text has the Polars type Null"):
        lake.replace(TABLE, untyped, key=["id"], months=WINTER)
    lake.replace(TABLE, untyped.with_columns(text=pl.lit("x")), key=["id"], months=WINTER)
    lake.replace(TABLE, untyped, key=["id"], months=WINTER)
    assert lake.schema(TABLE)["text"] == pl.String
    assert sorted_rows(lake.scan(TABLE).select("text")) == [(None,)]


def test_datetime_without_time_zone_is_refused(lake: Lake) -> None:
    with pytest.raises(UnstorableColumn, match="column at"):
        lake.replace(CUSTOMERS, pl.DataFrame({"id": ["a"], "at": [datetime(2025, 1, 1)]}), key=["id"])


def test_descriptions_become_column_comments(lake: Lake) -> None:
    lake.replace(CUSTOMERS, customers(a="Acme"), key=["id"], comment="Clients.", descriptions={"name": "Its name."})
    table = DeltaTable(f"{lake.url}/{CUSTOMERS}")
    assert table.metadata().description == "Clients."
    assert {field.name: field.metadata for field in table.schema().fields} == {
        "id": {},
        "name": {"comment": "Its name."},
    }


def test_missing_table_names_the_next_step(lake: Lake) -> None:
    for ask in (lake.scan, lake.schema, lake.version):
        with pytest.raises(
            TableMissing,
            match=r"table timix/customers does not exist .* run `timix-assets refresh` or materialize it first",
        ):
            ask(CUSTOMERS)
    assert not lake.exists(CUSTOMERS)
    assert not Path(lake.url).exists()


def test_table_name_outside_the_lake_is_refused(lake: Lake) -> None:
    with pytest.raises(LakeError, match="is not a table name"):
        lake.replace("../customers", customers(a="Acme"), key=["id"])


def test_folder_name_can_have_spaces_and_any_letters(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "My lake 100% [new] שלום"))
    lake.replace(TABLE, numbered(JANUARY, 2), key=["id"], months=WINTER)
    lake.replace(TABLE, numbered(JANUARY, 3), key=["id"], months=WINTER)
    assert lake.scan(TABLE, only(JANUARY)).collect().height == 3


def test_folder_can_be_a_file_url(tmp_path: Path) -> None:
    Lake(f"file://{tmp_path}/lake").replace(CUSTOMERS, customers(a="Acme"), key=["id"])
    assert Lake(str(tmp_path / "lake")).exists(CUSTOMERS)


def test_failed_upload_leaves_the_last_version_readable(lake: Lake) -> None:
    lake.replace(TABLE, numbered(JANUARY, 2), key=["id"], months=only(JANUARY))
    Path(f"{lake.url}/{TABLE}/month={FEBRUARY}").touch()
    with pytest.raises(WriteFailed, match="Free space"):
        lake.replace(TABLE, numbered(FEBRUARY, 2), key=["id"], months=only(FEBRUARY))
    assert lake.version(TABLE) == 0
    assert lake.scan(TABLE).collect().height == 2


def test_full_disk_leaves_the_last_version_readable(lake: Lake) -> None:
    lake.replace(TABLE, numbered(JANUARY, 2), key=["id"], months=only(JANUARY))
    many = numbered(JANUARY, 20_000).with_columns(text=pl.col("id").hash().cast(pl.String))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(WriteFailed, match="Free space"):
            lake.replace(TABLE, many, key=["id"], months=only(JANUARY))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert lake.version(TABLE) == 0
    assert lake.scan(TABLE).collect().height == 2
