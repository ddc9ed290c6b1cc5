"""What `timix-assets import structure` prints."""

import polars as pl
from rich.console import Console
from rich.text import Text

from timix_assets.imports.steps import WORDS
from timix_assets.imports.structure.table import changes
from timix_assets.imports.structure.tree import tree
from timix_assets.text.wording import count_noun

TABLE = "imports/structure"

MAX_LINES = 200
"""Lines of the tree that are printed; the others are counted."""

LEGEND = "+ create   ~ update   - delete   ! refused"


def show(lines: pl.DataFrame, console: Console, *, applied: bool) -> None:
    """Prints the tree of changes, how many rows have which step and, of an applied plan, how many which outcome."""
    text = tree(changes(lines))
    for line in [LEGEND, *text[:MAX_LINES]] if text else []:
        console.print(Text(line))
    if len(text) > MAX_LINES:
        console.print(f"… and {len(text) - MAX_LINES:,} more, in the table {TABLE}", highlight=False)
    for step, words in WORDS.items():
        of_step = lines.filter(pl.col("step") == step.value)
        outcomes = of_step["outcome"].drop_nulls().value_counts(sort=True).rows() if applied else []
        became = f": {', '.join(f'{count:,} {outcome}' for outcome, count in outcomes)}" if outcomes else ""
        if not of_step.is_empty():
            console.print(f"[bold]{count_noun(of_step.height, 'row')} {words}{became}[/]", highlight=False)
