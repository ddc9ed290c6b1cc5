"""How far a long read is."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from logging import Logger

LOG_INTERVAL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of a table has been read.

    Args:
        rows: records read.
        total: records in all; None if the API does not say.
        pages: pages of a listing, or months of a dated report, read.
        pages_due: pages or months in all; None if unknown.
        parts: what is counted, `pages` or `months`.
    """

    table: str
    rows: int
    total: int | None
    pages: int
    pages_due: int | None = None
    parts: str = "pages"
    finished: bool = False


OnProgress = Callable[[Progress], None]


def ignore_progress(_: Progress) -> None:
    """For a read that nobody watches."""


def progress_log(
    log: Logger, waited_seconds: Callable[[], float], clock: Callable[[], float] = time.monotonic
) -> OnProgress:
    """Logs a line every few seconds of a long read, and nothing of a short one.

    Args:
        waited_seconds: how long the read has waited for the rate limit so far.
    """
    logged_at = clock()

    def on_progress(progress: Progress) -> None:
        nonlocal logged_at
        if not progress.finished and clock() - logged_at >= LOG_INTERVAL_SECONDS:
            logged_at = clock()
            log.info(
                f"{progress.table}: {_of(progress.pages, progress.pages_due)} {progress.parts} and "
                f"{_of(progress.rows, progress.total)} rows read, {waited_seconds():,.0f} s waited for the rate limit"
            )

    return on_progress


def _of(read: int, due: int | None) -> str:
    return f"{read:,}" if due is None else f"{read:,} of {due:,}"
