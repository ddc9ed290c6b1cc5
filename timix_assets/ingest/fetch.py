"""Reads one endpoint into a spool: requests, pages, decodes."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import chain
from typing import Any

import polars as pl

from timix_assets.api.client import TimixClient
from timix_assets.api.concurrency import map_unordered
from timix_assets.api.errors import Forbidden
from timix_assets.api.listing import envelope_of
from timix_assets.contract.decode_report import DecodeReport
from timix_assets.contract.identity import key_reader
from timix_assets.contract.records import REJECTED_SCHEMA, Decoded, decode
from timix_assets.contract.schema import MONTH, Endpoint, Shape, Window
from timix_assets.ingest.endpoint_paths import first_answer
from timix_assets.ingest.identical_months import content_hash, identical_months
from timix_assets.ingest.progress import OnProgress, Progress, ignore_progress
from timix_assets.ingest.report_reader import ReportReader
from timix_assets.lake.months import Months
from timix_assets.lake.spool import Spool, Spooled

DECODE_BATCH_ROWS = 4_000
"""Records decoded at a time: enough that Polars' overhead vanishes, few enough that memory stays small."""

MAX_REJECTED_KEPT = 100
"""Rejected rows that are kept by default; the others are only counted."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records as the API sent them.

    Args:
        attempt: a higher one makes every batch of a lower one void: the listing is read again.
        total: records in all, if known.
        pages: pages of a listing, or months of a dated report, in this batch.
        pages_due: pages or months in all, if known.
    """

    records: Sequence[Any]
    month: date | None = None
    attempt: int = 1
    total: int | None = None
    pages: int = 1
    pages_due: int | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """The result of reading an endpoint.

    Args:
        spooled: the readable rows, each key once.
        rejected: the first of the rows that could not be read (`REJECTED_SCHEMA`).
        reasons: why rows could not be read -> how many rows.
        report: how the records differ from the contract.
        identical_months: months whose content equals that of another month.
    """

    spooled: Spooled
    rejected: pl.DataFrame
    reasons: Counter[str]
    report: DecodeReport
    rows_outside_window: int
    identical_months: tuple[date, ...]
    path: str

    @property
    def rejected_rows(self) -> int:
        return self.reasons.total()


@dataclass(slots=True)
class _FetchStats:
    """What the current attempt has found so far. max_rejected: rejected rows that are kept."""

    max_rejected: int
    report: DecodeReport = field(default_factory=DecodeReport)
    rejected: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECTED_SCHEMA))
    reasons: Counter[str] = field(default_factory=Counter)
    month_hashes: Counter[date] = field(default_factory=Counter)
    rows_outside_window: int = 0
    pages: int = 0

    def count(self, decoded: Decoded, rows_outside_window: int, pages: int) -> None:
        self.pages += pages
        self.report += decoded.report
        self.rows_outside_window += rows_outside_window
        if not decoded.rejected.is_empty():
            self.reasons.update(decoded.rejected["reason"].to_list())
            room = max(0, self.max_rejected - self.rejected.height)
            self.rejected = pl.concat([self.rejected, decoded.rejected.head(room)])


def fetch(
    client: TimixClient,
    endpoint: Endpoint,
    spool: Spool,
    months: Months | None = None,
    customer_ids: Callable[[], Sequence[str]] = tuple,
    *,
    max_rejected: int = MAX_REJECTED_KEPT,
    on_progress: OnProgress = ignore_progress,
) -> Fetched:
    """Reads the whole endpoint into `spool`, or the given months of a dated one.

    It stops early when no record so far has a field that every row needs, since none could be stored.

    Args:
        months: the months to read, of a dated endpoint.
        customer_ids: called at most once, if the server gives a report for one customer at a time.
        max_rejected: rejected rows that are kept.

    Raises:
        TimixError: the API refuses, cannot be reached, or the listing keeps changing.
    """
    path, batches = first_answer(
        endpoint, lambda path: _started(_batches(client, endpoint, path, months, customer_ids))
    )
    stats, attempt = _FetchStats(max_rejected), 1
    for batch in _rebatched(batches):
        if batch.attempt > attempt:
            spool.restart()
            stats, attempt = _FetchStats(max_rejected), batch.attempt
        decoded = decode(endpoint, batch.records, month=batch.month)
        inside = decoded.rows
        if endpoint.window is Window.RANGE and months is not None:
            # A server may ignore a parameter that it does not know.
            inside = inside.filter(pl.col(MONTH).is_between(months.first, months.last))
        spool.add(inside)
        stats.count(decoded, rows_outside_window=decoded.rows.height - inside.height, pages=batch.pages)
        if batch.month is not None:
            stats.month_hashes[batch.month] += content_hash(endpoint, decoded.rows)
        parts = "pages" if batch.month is None else "months"
        on_progress(Progress(endpoint.name, stats.report.records, batch.total, stats.pages, batch.pages_due, parts))
        if stats.report.missing_required(endpoint):
            break
    read = stats.report.records
    on_progress(Progress(endpoint.name, read, read, stats.pages, stats.pages, finished=True))
    return Fetched(
        spool.finish(),
        stats.rejected,
        stats.reasons,
        stats.report,
        stats.rows_outside_window,
        identical_months(stats.month_hashes),
        path,
    )


def skipped_message(refused: Forbidden) -> str:
    """Why an asset was skipped that the key may not read."""
    reason = f" (“{refused.server_message}”)" if refused.server_message else ""
    return f"not read because of skip_forbidden: the server answered 403{reason}."


def records_in(answer: Any, path: str) -> list[Any]:
    """The records of one answer: a list, a list in an envelope, or one bare object."""
    return envelope_of(f"GET {path}", answer, {}, object_is_row=True).items


def _started(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, after the first request was made."""
    return chain([next(batches)], batches)


def _batches(
    client: TimixClient,
    endpoint: Endpoint,
    path: str,
    months: Months | None,
    customer_ids: Callable[[], Sequence[str]],
) -> Iterator[Batch]:
    if endpoint.shape is Shape.LIST:
        return _listing(client, endpoint, path, months)
    if endpoint.shape is Shape.OBJECT:
        return iter([Batch(records_in(client.get(path), path))])
    return _reports(client, endpoint, path, months, customer_ids)


def _listing(client: TimixClient, endpoint: Endpoint, path: str, months: Months | None) -> Iterator[Batch]:
    params = dates_between(endpoint, months) if endpoint.window is Window.RANGE else {}
    for page in client.pages(path, params, key=key_reader(endpoint), names=endpoint.parameters):
        yield Batch(page.items, None, page.attempt, page.total, pages_due=page.pages)


def _reports(
    client: TimixClient,
    endpoint: Endpoint,
    path: str,
    months: Months | None,
    customer_ids: Callable[[], Sequence[str]],
) -> Iterator[Batch]:
    """Reports are aggregates: a dated one is requested once per month, several months in parallel."""
    reader = ReportReader(client, endpoint, path, customer_ids)
    if months is None:
        yield Batch(reader.rows({}))
        return

    def of_month(month: date) -> Batch:
        return Batch(reader.rows(dates_between(endpoint, Months(month, month))), month, pages_due=len(list(months)))

    first, *others = months
    # The first month alone, so that what the server refuses costs one request, not one a month.
    yield of_month(first)
    if reader.by_customer:
        yield from map(of_month, others)  # its customers are requested in parallel, so the months are not
    else:
        yield from map_unordered(lambda number: of_month(others[number]), range(len(others)), client.limits.concurrency)


def dates_between(endpoint: Endpoint, months: Months | None) -> dict[str, str]:
    """The query parameters for a range of months, under the endpoint's names."""
    if months is None:
        return {}
    end = (months.last + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return days_between(endpoint, months.first, end)


def days_between(endpoint: Endpoint, first: date, last: date) -> dict[str, str]:
    """The query parameters for a range of days, both included; the day after if the server excludes the end."""
    end = last + timedelta(days=1) if endpoint.end_exclusive else last
    names = endpoint.parameters
    return {names["startDate"]: first.isoformat(), names["endDate"]: end.isoformat()}


def _rebatched(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same records in batches of about DECODE_BATCH_ROWS, never across two attempts or two months."""
    records: list[Any] = []
    pages = 0
    of: Batch | None = None
    for batch in batches:
        if of is not None and (batch.attempt, batch.month) != (of.attempt, of.month):
            if batch.attempt == of.attempt:
                yield replace(of, records=records, pages=pages)
            records, pages = [], 0
        records.extend(batch.records)
        pages += batch.pages
        of = batch
        if len(records) >= DECODE_BATCH_ROWS:
            yield replace(of, records=records, pages=pages)
            records, pages = [], 0
    if of is not None:
        yield replace(of, records=records, pages=pages)
