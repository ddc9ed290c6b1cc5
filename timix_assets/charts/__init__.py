"""Charts of the rollups: pure functions from tables to SVG. No Dagster, no I/O, no clock.

The names of a chart's parameters choose its inputs: collected tables or pre-aggregates, besides `params`. A chart returns None
where there is nothing to draw.
"""

from collections.abc import Callable, Mapping

from .aging import receivable_bars, unbilled_bars
from .budgets import budget_bars, budget_curves
from .fixed_price import earned_and_cost_bars
from .lockup import lockup_lines
from .money import revenue_and_margin
from .organization import utilization_lines
from .projects import margin_bars
from .realization import realization_bars
from .rendering import as_markdown, message_of
from .timesheets import timesheet_map
from .utilization import monthly_heat_map, utilization_heat_map

Chart = Callable[..., str | None]

CHARTS: Mapping[str, Chart] = {
    "utilization_weekly": utilization_heat_map,
    "utilization_monthly": monthly_heat_map,
    "timesheet_compliance": timesheet_map,
    "budget_health": budget_bars,
    "budget_burn": budget_curves,
    "project_profitability": margin_bars,
    "fixed_price_progress": earned_and_cost_bars,
    "person_economics": realization_bars,
    "unbilled_aging": unbilled_bars,
    "receivables_aging": receivable_bars,
    "working_capital": lockup_lines,
    "organization_money": revenue_and_margin,
    "organization_kpis": utilization_lines,
}
"""The chart of each rollup that has one, by the rollup's name."""

__all__ = ["CHARTS", "Chart", "as_markdown", "message_of"]
