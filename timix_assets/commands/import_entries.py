"""What `timix-assets import time-entries` prints."""

from collections.abc import Iterable
from decimal import Decimal

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from timix_assets.imports.outcome import UNWRITTEN
from timix_assets.imports.steps import UNCHANGED, WORDS, Step
from timix_assets.text.wording import count_noun

TABLE = "imports/time_entries"

MAX_SHOWN = 20
"""Lines of each step that are printed, equal reasons in one; the rows of the others are counted."""

MAX_RANGES = 3
"""Ranges of row numbers of one line."""

_REFUSED_FIRST = (Step.REFUSE, *(step for step in WORDS if step is not Step.REFUSE))


def show(lines: pl.DataFrame, console: Console, *, applied: bool) -> None:
    """Prints the plan or the outcome in 80 columns: what is refused, then what changes; of the unchanged, how many."""
    # What an applied plan did not write stands first in its step.
    unwritten = pl.col("outcome").is_in(UNWRITTEN).fill_null(value=False)
    lines = lines.sort(~unwritten, maintain_order=True)
    for step in _REFUSED_FIRST:
        of_step = lines.filter(pl.col("step") == step.value)
        if of_step.is_empty():
            continue
        console.print(f"[bold]{_heading(of_step, WORDS[step], applied=applied)}[/]", highlight=False)
        listed = of_step.filter(pl.col("reason").ne_missing(UNCHANGED)) if step is Step.LEAVE else of_step
        is_problem = step is Step.REFUSE or listed.select(unwritten.any()).item()
        groups = _by_reason(listed) if is_problem else [listed[at] for at in range(listed.height)]
        if groups:
            console.print(_table(groups[:MAX_SHOWN], with_reason=is_problem or step is not Step.CREATE))
        if more := sum(group.height for group in groups[MAX_SHOWN:]):
            console.print(f"… and {count_noun(more, 'more row', 'more rows')}, in the table {TABLE}", highlight=False)


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


def _by_reason(lines: pl.DataFrame) -> list[pl.DataFrame]:
    """The lines of each reason and outcome, in the order of their first ones."""
    return lines.partition_by("reason", "outcome", maintain_order=True)


def _table(groups: Iterable[pl.DataFrame], *, with_reason: bool) -> Table:
    table = Table(header_style="bold")
    table.add_column("row", justify="right", max_width=16)
    table.add_column("person", max_width=16, overflow="ellipsis", no_wrap=True)
    table.add_column("date", no_wrap=True, min_width=10)
    table.add_column("hours", justify="right")
    table.add_column("why" if with_reason else "subtask", overflow="fold")
    for group in groups:
        hours, why = Decimal(group["hours"].sum()), group["reason"][0] or group["outcome"][0] or ""
        count = f"{group.height:,} rows: " if group.height > 1 else ""
        cells = (
            _ranges(group["row"].drop_nulls().to_list()),
            _common(group["person"]),
            _common(group["date"]),
            f"{hours.normalize():f}" if group["hours"].count() else "",
            f"{count}{why}" if with_reason else group["subtask"][0] or "",
        )
        # As Text, so that a bracket in a name, or the mark of a text, is not markup.
        table.add_row(*map(Text, cells))
    return table


def _common(values: pl.Series) -> str:
    """The value that all of them have; empty if they differ."""
    return str(values[0] or "") if values.n_unique() == 1 else ""


def _ranges(numbers: list[int]) -> str:
    """`2–301`; `2, 5–7, 9, …`."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = ranges[-1][0], number
        else:
            ranges.append((number, number))
    shown = [str(first) if first == last else f"{first}–{last}" for first, last in ranges[:MAX_RANGES]]
    return ", ".join([*shown, *(["…"] if len(ranges) > MAX_RANGES else [])])
