"""In a process of its own: all rollups from the lake, as a run computes them; timed without imports and writing.

As in a run, the pre-aggregates stay in memory and rollups do not: each is let go after the last formula that reads it. A run
would read it from the lake.
"""

from datetime import date

import polars as pl

from timix_assets.lake.tables import Lake
from timix_assets.metrics import FORMULAS, PRE_AGGREGATES
from timix_assets.metrics.entries import first_counted_day
from timix_assets.metrics.inputs import evaluate, inputs_of
from timix_assets.metrics.params import RollupParams
from timix_assets.metrics.restatements import CLOSED_MONTHS
from timix_assets.settings import Settings
from timix_assets.settings.firm import FirmConfig

from .child import report, timed
from .grow_lake import TODAY


def main() -> None:
    lake = Lake(Settings.from_environment().lake)
    months = tuple(pl.date_range(date(2024, 12, 1), TODAY.replace(day=1), "1mo", eager=True))
    made: dict[str, pl.LazyFrame] = {CLOSED_MONTHS.name: CLOSED_MONTHS.schema.to_frame().lazy()}
    with timed() as cost:
        first_entry = first_counted_day(lake.scan("timix/time_reports"), TODAY, FirmConfig())
        params = RollupParams(TODAY, months, first_entry)
        formulas = {**PRE_AGGREGATES, **FORMULAS}
        for position, (name, formula) in enumerate(formulas.items(), start=1):
            tables = {
                table: made[table] if table in made else lake.scan(f"timix/{table}") for table in inputs_of(formula)
            }
            made[name] = evaluate(formula, tables, params).lazy()
            del tables
            read_later = {table for later in list(formulas.values())[position:] for table in inputs_of(later)}
            for done in made.keys() - read_later - PRE_AGGREGATES.keys():
                del made[done]
    report(cost())


if __name__ == "__main__":
    main()
