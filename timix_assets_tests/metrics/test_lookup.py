"""Values of small tables beside rows: what a left join would say, by one column alone."""

import polars as pl

from timix_assets.metrics.lookup import lookup


def looked_up(keys: list[str | None], tasks: list[tuple[str, str | None]]) -> list[str | None]:
    table = pl.LazyFrame(tasks, {"id": pl.String, "project_id": pl.String}, orient="row")
    rows = pl.LazyFrame({"task_id": keys}, {"task_id": pl.String})
    return rows.select(lookup("task_id", table, "project_id")).collect().to_series().to_list()


def test_each_row_gets_the_value_of_its_key():
    assert looked_up(["b", "a", "b"], [("a", "one"), ("b", "two")]) == ["two", "one", "two"]


def test_an_unknown_key_a_null_key_and_an_unknown_value_are_null():
    assert looked_up(["c", None, "b", "a"], [("a", "one"), ("b", None)]) == [None, None, None, "one"]


def test_an_empty_table_knows_nothing():
    assert looked_up(["a", None], []) == [None, None]
