"""What `timix-assets refresh` prints: progress while it runs, then the closing table and each message."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from dagster import get_dagster_logger
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from timix_assets.commands.refresh_outcome import Outcome, cause_of
from timix_assets.commands.skipped_downstream import describe
from timix_assets.ingest.progress import OnProgress, Progress
from timix_assets.text.printable import printable
from timix_assets.text.wording import count_noun

MAX_NAMED_FIRST = 3
"""Failed assets that are listed before their common message; more are counted there and listed after it."""


def show(outcome: Outcome, console: Console, errors: Console) -> None:
    """Prints the closing table, and failures on `errors`."""
    table = Table(header_style="bold")
    table.add_column("asset", no_wrap=True)
    for heading in ("rows", "requests", "seconds"):
        table.add_column(heading, justify="right")
    for line in outcome.lines:
        rows = "" if line.rows is None else f"{line.rows:,}"
        table.add_row(line.asset, rows, f"{line.requests:,}" if line.requests else "", f"{line.seconds:.1f}")
    if outcome.lines:
        console.print(table)
    for asset, message in outcome.skipped:
        _print_message(console, "[yellow]skipped[/]", asset, message)
    for group in outcome.not_computed:
        message = describe(group, max_named=MAX_NAMED_FIRST)
        console.print(f"[yellow]not computed[/] {message}", highlight=False, soft_wrap=True)
    for asset, message in outcome.warnings:
        _print_message(console, "[yellow]warning[/]", asset, message)
    assets_of: dict[str, list[str]] = {}
    for asset, message in outcome.failures:
        assets_of.setdefault(cause_of(asset, message), []).append(asset)
    for message, assets in assets_of.items():
        if len(assets) <= MAX_NAMED_FIRST:
            _print_message(errors, "[red]failed[/]", ", ".join(assets), message)
        else:
            # Many names would hide the cause: they come after it.
            text = f"{message} These assets failed: {', '.join(assets)}."
            _print_message(errors, "[red]failed[/]", f"{len(assets)} assets", text)


def _print_message(console: Console, label: str, asset: str, message: str) -> None:
    """One line about an asset, which is not named twice if the message starts with it."""
    name = "" if message.startswith(asset) else f"{asset}: "
    console.print(f"{label} {name}", end="", highlight=False, soft_wrap=True)
    console.print(printable(message), markup=False, highlight=False, soft_wrap=True)


class _LogLines(logging.Handler):
    """Prints log lines: waits for the lake or the rate limit, listings that are read again."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(printable(record.getMessage()), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def printed_logs(console: Console) -> Iterator[None]:
    """Prints what the run logs with Dagster's logger."""
    logger, handler = get_dagster_logger(), _LogLines(console)
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextmanager
def printed_progress(console: Console) -> Iterator[OnProgress]:
    """Prints a progress bar for each table on a terminal; elsewhere a line when one is complete."""
    if not console.is_terminal:

        def line(progress: Progress) -> None:
            if progress.finished:
                console.print(f"read {progress.table}: {count_noun(progress.rows, 'record')}", highlight=False)

        yield line
        return

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        tasks = {}

        def bar(progress: Progress) -> None:
            if progress.table not in tasks:
                tasks[progress.table] = bars.add_task(progress.table, total=progress.total)
            bars.update(tasks[progress.table], completed=progress.rows, total=progress.total or progress.rows)
            if progress.finished:
                bars.remove_task(tasks.pop(progress.table))

        yield bar
