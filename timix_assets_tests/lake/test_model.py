"""Any sequence of replacements equals the same operations on a dictionary."""

from datetime import date
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake, ShrinkGuard

from .rows import entries, sorted_rows

TABLE = "timix/time_reports"
YEAR = [date(2025, month, 1) for month in range(1, 5)]
RANGES = st.tuples(st.sampled_from(YEAR), st.sampled_from(YEAR)).map(lambda ends: Months(min(ends), max(ends)))


@st.composite
def replacements(draw: st.DrawFn) -> tuple[Months, dict[tuple[str, date], int | None]]:
    """A range, and rows by id and month, all within it."""
    months = draw(RANGES)
    keys = st.tuples(st.sampled_from("abc"), st.sampled_from(list(months)))
    return months, draw(st.dictionaries(keys, st.none() | st.integers(0, 2), max_size=6))


@pytest.mark.long
@settings(max_examples=25, deadline=None)
@given(st.lists(replacements(), min_size=1, max_size=5))
def test_table_equals_a_dictionary_after_any_writes(
    steps: list[tuple[Months, dict[tuple[str, date], int | None]]],
) -> None:
    model: dict[tuple[str, date], int | None] = {}
    with TemporaryDirectory() as folder:
        lake = Lake(folder)
        for months, rows in steps:
            replaced = {key: hours for key, hours in model.items() if key[1] in months}
            frame = entries(*((name, month, hours) for (name, month), hours in rows.items()))
            first = not lake.exists(TABLE)
            change = lake.replace(TABLE, frame, key=["id", "month"], months=months, guard=ShrinkGuard(accept=True))
            assert change.added == len(rows.keys() - replaced.keys())
            assert change.removed == len(replaced.keys() - rows.keys())
            assert change.changed == sum(rows[key] != replaced[key] for key in rows.keys() & replaced.keys())
            assert change.written == (first or rows != replaced)
            for month in months:
                of = change.by_month[month]
                now = {key: hours for key, hours in rows.items() if key[1] == month}
                before = {key: hours for key, hours in replaced.items() if key[1] == month}
                assert of.rows == len(now)
                assert (of.added, of.removed) == (len(now.keys() - before.keys()), len(before.keys() - now.keys()))
                assert of.changed == sum(now[key] != before[key] for key in now.keys() & before.keys())
            model = {key: hours for key, hours in model.items() if key[1] not in months} | rows
            assert sorted_rows(lake.scan(TABLE).select("id", "month", "hours")) == sorted(
                ((name, month, hours) for (name, month), hours in model.items()), key=str
            )
            assert lake.version(TABLE) == change.version
