"""`timix-assets summary`: what a managing partner asks first, printed."""

from rich.console import Console
from rich.table import Table

from timix_assets.summary import Summary, summarize

__all__ = ["show", "summarize"]

MOST_PROJECTS = 15
LONGEST_NAME = 30


def show(summary: Summary, console: Console) -> None:
    console.print(f"\n[bold]The firm as of {summary.as_of:%d %B %Y}[/]\n", highlight=False)
    utilization = Table(header_style="bold", pad_edge=False)
    for heading in ("utilization", "billable", "total", "hours", "capacity"):
        utilization.add_column(heading, justify="left" if heading == "utilization" else "right", no_wrap=True)
    for period in summary.periods:
        utilization.add_row(
            period.name,
            _percent(period.billable_utilization),
            _percent(period.total_utilization),
            f"{period.total_hours:,.0f}",
            f"{period.capacity_hours:,.0f}",
        )
    console.print(utilization)

    budgets = Table(header_style="bold", pad_edge=False)
    for heading in ("running projects at risk or over", "customer", "budget", "status", "burn", "cap reached"):
        budgets.add_column(heading, justify="right" if heading == "burn" else "left", no_wrap=True, overflow="ellipsis")
    for project in summary.projects[:MOST_PROJECTS]:
        colour = "red" if project.status == "over_budget" else "yellow"
        budgets.add_row(
            _short(project.project),
            _short(project.customer),
            project.scope,
            f"[{colour}]{project.status.replace('_', ' ')}[/]",
            _percent(project.burn),
            f"{project.exhausted:%Y-%m-%d}" if project.exhausted else "",
        )
    console.print(budgets)
    if len(summary.projects) > MOST_PROJECTS:
        console.print(f"… and {len(summary.projects) - MOST_PROJECTS} more in rollups/budget_health", highlight=False)

    unbilled = Table(header_style="bold", pad_edge=False)
    for heading in ("unbilled, days old", "currency", "hours", "amount"):
        unbilled.add_column(heading, justify="right" if heading in ("hours", "amount") else "left", no_wrap=True)
    for row in summary.unbilled.iter_rows(named=True):
        amount = "unknown" if row["amount"] is None else f"{row['amount']:,.2f}"
        unbilled.add_row(row["bucket"], row["currency"], f"{row['hours']:,.2f}", amount)
    console.print(unbilled)


def _short(name: str) -> str:
    """A name that leaves room for the figures beside it."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _percent(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.1%}"
