"""`timix-assets summary`: what a managing partner asks first, printed."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from timix_assets.metrics.budget_status import IN_WORDS, OVER_BUDGET
from timix_assets.summary import BUDGETS, MOST_PROJECTS, Project, Summary

UTILIZATION = ("utilization", "billable", "total", "hours", "capacity")
PROJECTS = ("running projects at risk or over", "customer", "budget", "status", "burn", "cap reached")
UNBILLED = ("unbilled, days old", "currency", "hours", "amount")

WORDS = {"running projects at risk or over", "customer"}
"""Columns that may be wrapped between words; the others are figures, and stand whole."""
NUMBERS = {"billable", "total", "hours", "capacity", "burn", "amount"}
NARROWEST_NAME = 16
BESIDE_A_CELL = 3

Cell = str | Text


def show(summary: Summary, console: Console) -> None:
    console.print()
    console.print(Text(f"{summary.name} as of {summary.as_of:%d %B %Y}", "bold"))
    console.print(Text(f"From the lake {summary.lake}", "dim"))
    if summary.age:
        console.print(Text(summary.age, "yellow"))
    console.print()
    periods = [
        (
            period.name,
            _percent(period.billable_utilization),
            _percent(period.total_utilization),
            f"{period.total_hours:,.0f}",
            f"{period.capacity_hours:,.0f}",
        )
        for period in summary.periods
    ]
    _print(console, UTILIZATION, periods)
    if summary.idle:
        console.print(Text(summary.idle.sentence, "yellow"))
    projects = [_project(project) for project in summary.projects[:MOST_PROJECTS]]
    _print(console, PROJECTS, projects, otherwise="No running project is at risk or over budget.")
    if len(summary.projects) > MOST_PROJECTS:
        console.print(Text(f"… and {len(summary.projects) - MOST_PROJECTS} more in {BUDGETS}"))
    if summary.cut:
        console.print(Text(summary.cut.sentence, "yellow"))
    unbilled = [
        (
            row["bucket"],
            row["currency"] or "unknown",
            f"{row['hours']:,.2f}",
            "unknown" if row["amount"] is None else f"{row['amount']:,.2f}",
        )
        for row in summary.unbilled.iter_rows(named=True)
    ]
    _print(console, UNBILLED, unbilled, otherwise="No approved work waits for an invoice.")


def _project(project: Project) -> Sequence[Cell]:
    return (
        project.project,
        project.customer,
        project.scope,
        Text(IN_WORDS[project.status], "red" if project.status == OVER_BUDGET else "yellow"),
        _percent(project.burn),
        f"{project.exhausted:%Y-%m-%d}" if project.exhausted else "",
    )


def _print(console: Console, headings: Sequence[str], rows: Sequence[Sequence[Cell]], *, otherwise: str = "") -> None:
    """A table where the terminal is wide enough for its figures, else a line for each of them; a sentence without rows."""
    if not rows:
        console.print(Text(otherwise))
        return
    if sum(map(_needed, headings, zip(*rows, strict=True))) < console.width:
        console.print(_table(headings, rows))
        return
    console.print(Text(headings[0], "underline"))
    for first, *others in rows:
        console.print(Text.assemble((f"{first}", "bold")))
        for heading, cell in zip(headings[1:], others, strict=True):
            console.print(Text.assemble(f"{heading}: ", cell))


def _needed(heading: str, cells: Sequence[Cell]) -> int:
    """Columns of the terminal that a column of the table takes at least, one border included."""
    widest = max(cell_len(str(cell)) for cell in (heading, *cells))
    return BESIDE_A_CELL + (NARROWEST_NAME if heading in WORDS else widest)


def _table(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Table:
    table = Table(header_style="bold")
    for heading in headings:
        is_words = heading in WORDS
        table.add_column(
            heading,
            justify="right" if heading in NUMBERS else "left",
            no_wrap=not is_words,
            min_width=NARROWEST_NAME if is_words else None,
            overflow="fold",
        )
    for row in rows:
        # As Text, so that a bracket in a name is no markup.
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    return table


def _percent(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.1%}"
