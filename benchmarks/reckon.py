"""In a process of its own: all ten rollups from the lake, as a run computes them; timed without imports and writing."""

from datetime import date

import polars as pl

from timix_assets import environment
from timix_assets.assets.reckoning import evaluate, tables_read_by
from timix_assets.lake.tables import Lake
from timix_assets.metrics.formulas import FORMULAS, PREPARED
from timix_assets.metrics.settings import Settings

from .child import tell, timed
from .grow_lake import TODAY


def main() -> None:
    lake = Lake(environment.LAKE.read(environment.ENVIRON))
    settings = Settings(TODAY, date(2024, 12, 1))
    made: dict[str, pl.LazyFrame] = {}
    with timed() as cost:
        for name, formula in {**PREPARED, **FORMULAS}.items():
            tables = {
                table: made[table] if table in made else lake.scan(f"timix/{table}")
                for table in tables_read_by(formula)
            }
            made[name] = evaluate(formula, tables, settings).lazy()
    tell(cost())


if __name__ == "__main__":
    main()
