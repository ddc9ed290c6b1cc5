"""What `timix-assets import time-entries` prints."""

from decimal import Decimal

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from timix_assets.imports.outcome import UNWRITTEN
from timix_assets.imports.steps import WORDS, Step
from timix_assets.text.wording import count_noun

TABLE = "imports/time_entries"

MAX_SHOWN = 20
"""Lines of each step that are printed; the others are counted. Refused ones are all printed."""


def show(lines: pl.DataFrame, console: Console, *, applied: bool) -> None:
    """Prints the plan or the outcome in 80 columns: what is refused last, so that it stands right above the prompt."""
    for step, words in WORDS.items():
        of_step = lines.filter(pl.col("step") == step.value)
        if of_step.is_empty():
            continue
        console.print(f"[bold]{_heading(of_step, words, applied=applied)}[/]", highlight=False)
        # What an applied plan did not write stands first, and all of it is shown.
        unwritten = of_step.filter(pl.col("outcome").is_in(UNWRITTEN))
        of_step = pl.concat([unwritten, of_step.filter(~pl.col("outcome").is_in(UNWRITTEN).fill_null(value=False))])
        shown = of_step if step is Step.REFUSE else of_step.head(max(MAX_SHOWN, unwritten.height))
        console.print(_table(shown, with_reason=step is not Step.CREATE or not unwritten.is_empty()))
        if of_step.height > shown.height:
            console.print(f"… and {of_step.height - shown.height:,} more, in the table {TABLE}", highlight=False)


def _heading(lines: pl.DataFrame, words: str, *, applied: bool) -> str:
    """`40 rows to create`; of an applied plan, how many had which outcome."""
    hours = Decimal(lines["hours"].sum())
    heading = f"{count_noun(lines.height, 'row')} {words}" + (f", {hours.normalize():f} hours" if hours else "")
    outcomes = lines["outcome"].drop_nulls().value_counts(sort=True).rows()
    return (
        f"{heading}: {', '.join(f'{count:,} {outcome}' for outcome, count in outcomes)}"
        if applied and outcomes
        else heading
    )


def _table(lines: pl.DataFrame, *, with_reason: bool) -> Table:
    table = Table(header_style="bold")
    table.add_column("row", justify="right")
    table.add_column("person", max_width=16, overflow="ellipsis", no_wrap=True)
    table.add_column("date", no_wrap=True, min_width=10)
    table.add_column("hours", justify="right")
    table.add_column("why" if with_reason else "subtask", overflow="fold")
    for line in lines.iter_rows(named=True):
        hours = line["hours"]
        cells = (
            str(line["row"] or ""),
            line["person"] or "",
            str(line["date"] or ""),
            f"{hours.normalize():f}" if hours is not None else "",
            (line["reason"] or line["outcome"] or "") if with_reason else line["subtask"] or "",
        )
        # As Text, so that a bracket in a name, or the mark of a text, is not markup.
        table.add_row(*map(Text, cells))
    return table
