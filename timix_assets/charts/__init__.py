"""Pictures of the rollups: pure functions from tables to PNG. No Dagster, no I/O, no clock; Altair is loaded on first use.

Parameters are named after the tables that a chart reads, collected, besides `settings`. A chart returns None where there is
nothing to draw.
"""

from collections.abc import Callable, Mapping

from .aging import unbilled_bars
from .budget_bars import budget_bars
from .budget_curves import budget_curves
from .money import revenue_and_margin
from .organization import utilization_lines
from .picture import as_markdown
from .utilization import utilization_heat_map

Chart = Callable[..., bytes | None]

CHARTS: Mapping[str, Chart] = {
    "utilization_weekly": utilization_heat_map,
    "budget_health": budget_bars,
    "budget_burn": budget_curves,
    "unbilled_aging": unbilled_bars,
    "organization_money": revenue_and_margin,
    "organization_kpis": utilization_lines,
}
"""The chart of each rollup that has one, by the rollup's name."""

__all__ = ["CHARTS", "Chart", "as_markdown"]
