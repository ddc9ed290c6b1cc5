"""`timix-assets summary`: prints the executive summary within 80 columns, with the figures of the weekly digest."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from timix_assets.metrics.budget_policy import LABELS, OVER_BUDGET, SCOPES
from timix_assets.metrics.budgets import unit_of
from timix_assets.reporting.summary import (
    BUDGETS,
    MAX_PEOPLE,
    MAX_PROJECTS,
    MONEY_FIGURES,
    OF_THE_MONTH,
    Budget,
    LateTime,
    Period,
    Summary,
    money_figure,
)
from timix_assets.text.figures import UNKNOWN, day_name, number, percent
from timix_assets.text.printable import printable
from timix_assets.text.wording import count_noun

MAX_WIDTH = 80
CURRENCIES_ACROSS = 4
MAX_CURRENCY_LENGTH, MAX_NAME_LENGTH = 12, 44

WRAPPED = "project, customer"
"""The column that wraps between words; figures do not wrap."""
MIN_NAME_WIDTH, CELL_PADDING = 16, 3

Cell = str | Text


def show(summary: Summary, console: Console) -> None:
    """Prints money, utilization, missing time, budgets and unbilled work, in tables of at most 80 columns where those fit."""
    console.print()
    console.print(Text(f"{printable(summary.name)} as of {summary.as_of:%d %B %Y}", "bold"))
    console.print(Text(f"From the lake {summary.lake}", "dim"))
    if summary.age:
        console.print(Text(summary.age, "yellow"))
    if summary.missing:
        console.print(Text(summary.missing, "yellow"), width=_width(console))
    _show_money(summary, console)
    _show_utilization(summary.periods, console)
    _show_late_time(summary.late_time, console)
    _show_budgets(summary, console)
    _show_unbilled(summary, console)


def _show_money(summary: Summary, console: Console) -> None:
    if not summary.money:
        if not summary.missing:
            _print(console, ("money",), (), otherwise="No money is earned, invoiced or owed.")
        return
    for start in range(0, len(summary.money), CURRENCIES_ACROSS):
        shown = summary.money[start : start + CURRENCIES_ACROSS]
        rows = [(heading, *(money_figure(money, name) for money in shown)) for name, heading, _ in MONEY_FIGURES]
        currencies = [_cut(money.currency or UNKNOWN, MAX_CURRENCY_LENGTH) for money in shown]
        _print(console, ("money", *currencies), rows, figures=len(shown), line_after=OF_THE_MONTH)
    when = f"{summary.periods[0].name}; from unbilled on " if len(summary.periods) > 1 else ""
    meanings = "; ".join(f"{heading} = {meaning}" for _, heading, meaning in MONEY_FIGURES)
    _note(f"{when}as of {day_name(summary.as_of)}. {meanings}.", console)


def _show_utilization(periods: Sequence[Period], console: Console) -> None:
    rows = [
        (
            period.name,
            *(
                "" if ratio is None else percent(ratio)
                for ratio in (
                    period.billable_utilization,
                    period.target,
                    period.before,
                    period.year_before,
                    period.total_utilization,
                )
            ),
        )
        for period in periods
    ]
    _print(console, ("utilization", "billable", "target", "month before", "year before", "all hours"), rows, figures=5)
    hours = [f"{p.name}: {number(p.total_hours)} of {number(p.capacity_hours)} hours of capacity." for p in periods]
    _note(" ".join(hours), console)


def _show_late_time(late: LateTime, console: Console) -> None:
    if late.week is None:
        return
    missing = [(printable(name), number(hours)) for name, hours in late.missing[:MAX_PEOPLE]]
    everybody = f"Everybody has logged the week of {day_name(late.week)}."
    _print(console, ("not logged", "hours missing"), missing, figures=1, otherwise=everybody)
    more, others = (len(names) - MAX_PEOPLE for names in (late.missing, late.unsubmitted))
    notes = [f"… and {count_noun(more, 'more person', 'more people')}." if more > 0 else ""]
    notes.append(f"Week of {day_name(late.week)}." if missing else "")
    notes.append(late.not_due_message)
    if late.unsubmitted:
        names = ", ".join(map(printable, late.unsubmitted[:MAX_PEOPLE]))
        notes.append(f"Logged, not submitted: {names}{f' and {others:,} more' if others > 0 else ''}.")
    if any(notes):
        _note(" ".join(filter(None, notes)), console)


def _show_budgets(summary: Summary, console: Console) -> None:
    rows = [_budget(budget) for budget in summary.projects[:MAX_PROJECTS]]
    nothing = "No running project is at risk or over budget."
    _print(console, (WRAPPED, "budget", "used of cap", "cap reached"), rows, otherwise=nothing)
    if len(summary.projects) > MAX_PROJECTS:
        _note(f"… and {len(summary.projects) - MAX_PROJECTS} more in {BUDGETS}.", console)
    if summary.late_start and summary.late_start.budgets_message:
        console.print(Text(summary.late_start.budgets_message, "yellow"), width=_width(console))


def _budget(budget: Budget) -> Sequence[Cell]:
    status = Text(LABELS[budget.status or ""], "red" if budget.status == OVER_BUDGET else "yellow")
    reached = "reached" if budget.is_used_up else "expected"
    return (
        Text.assemble(_cut(budget.project), "\n", (_cut(budget.customer), "dim")),
        Text.assemble(SCOPES[budget.scope], "\n", status),
        f"{'' if budget.burn is None else percent(budget.burn)}\n{_use(budget)}",
        f"{day_name(budget.exhaustion_date)}\n{reached}" if budget.exhaustion_date else "",
    )


def _use(budget: Budget) -> str:
    if budget.used is None or budget.cap is None:
        return UNKNOWN
    return f"{number(budget.used)} of {number(budget.cap)} {printable(unit_of(budget.scope, budget.currency))}"


def _show_unbilled(summary: Summary, console: Console) -> None:
    if summary.missing:
        return
    rows = [
        (
            f"{printable(row['currency'] or UNKNOWN)}, {row['bucket']} days",
            number(row["hours"]),
            UNKNOWN if row["amount"] is None else number(row["amount"]),
        )
        for row in summary.unbilled.iter_rows(named=True)
    ]
    nothing = "No approved work is waiting for an invoice."
    _print(console, ("unbilled, by age", "hours", "amount"), rows, figures=2, otherwise=nothing)
    if summary.late_start and summary.late_start.unbilled_message:
        console.print(Text(summary.late_start.unbilled_message, "yellow"), width=_width(console))


def _cut(name: str, length: int = MAX_NAME_LENGTH) -> str:
    shown = printable(name)
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"


def _width(console: Console) -> int:
    return min(console.width, MAX_WIDTH)


def _note(text: str, console: Console) -> None:
    console.print(Text(text, "dim"), width=_width(console))


def _print(
    console: Console,
    headings: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    figures: int = 0,
    line_after: int = 0,
    otherwise: str = "",
) -> None:
    """A table where it fits, else a line for each cell.

    Args:
        figures: How many columns, the last ones, are numbers.
        line_after: The row below which a line is drawn.
        otherwise: What to print without rows.
    """
    console.print()
    if not rows:
        console.print(Text(otherwise), width=_width(console))
        return
    if sum(map(_min_width, headings, zip(*rows, strict=True))) < _width(console):
        console.print(_table(headings, rows, figures, line_after), width=_width(console))
        return
    console.print(Text(headings[0], "underline"))
    for first, *others in rows:
        console.print(Text.assemble((f"{first}", "bold")))
        for heading, cell in zip(headings[1:], others, strict=True):
            label, (first_line, *_) = f"{heading}:", [*str(cell).splitlines(), ""]
            # A figure that fits into a line of its own is not broken.
            fits = cell_len(f"{label} {first_line}") <= _width(console)
            console.print(Text.assemble(label, " " if fits else "\n", cell))


def _min_width(heading: str, cells: Sequence[Cell]) -> int:
    """The minimum width of a column, one border included."""
    lines = [line for cell in (heading, *cells) for line in str(cell).splitlines()]
    return CELL_PADDING + (MIN_NAME_WIDTH if heading == WRAPPED else max(map(cell_len, lines), default=0))


def _table(headings: Sequence[str], rows: Sequence[Sequence[Cell]], figures: int, line_after: int) -> Table:
    table = Table(header_style="bold")
    for at, heading in enumerate(headings):
        is_wrapped = heading == WRAPPED
        table.add_column(
            Text(heading),
            justify="right" if at >= len(headings) - figures else "left",
            no_wrap=not is_wrapped,
            min_width=MIN_NAME_WIDTH if is_wrapped else None,
            overflow="fold",
        )
    for at, row in enumerate(rows, 1):
        # As Text, so that a bracket in a name is not markup.
        cells = (cell if isinstance(cell, Text) else Text(cell) for cell in row)
        table.add_row(*cells, end_section=at == line_after)
    return table
