"""One endpoint's answer on its way into a table: asked, paged, decoded, spooled. Joins api, contract and lake; no Dagster."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import chain
from typing import Any

import polars as pl

from timix_assets.api.client import TimixClient
from timix_assets.api.errors import Forbidden, NotFound
from timix_assets.api.listing import envelope_of
from timix_assets.api.parallel import unordered
from timix_assets.assets.alike import alike, content_of
from timix_assets.assets.progress import Progress, report
from timix_assets.assets.reports import ReportReader
from timix_assets.contract.findings import Findings
from timix_assets.contract.identity import key_reader
from timix_assets.contract.records import REJECTED_SCHEMA, Decoded, decode
from timix_assets.contract.schema import MONTH, Endpoint, Shape, Window
from timix_assets.lake.months import Months
from timix_assets.lake.spool import Spool, Spooled

DECODE_ROWS = 4_000
"""Records decoded at once: enough that Polars' overhead vanishes, few enough that memory stays small."""

MOST_REJECTED = 100
"""Rejected rows that are held to be looked at, unless more are asked for; the others are counted."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records as the API sent them. A higher `reading` makes every batch of a lower one void: the listing is read anew.

    pages: how many of a listing these are, or months of a dated report; pages_due and total: how many there are in all.
    """

    records: Sequence[Any]
    month: date | None = None
    reading: int = 1
    total: int | None = None
    pages: int = 1
    pages_due: int | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an endpoint gave.

    spooled: its readable rows, each key once. rejected: the first of the rows that could not be read
    (`REJECTED_SCHEMA`). reasons: why rows could not be read -> how many, all of them counted.
    outside: rows dropped because they lie outside the asked months. alike: months that hold just what another one holds.
    path: the path that answered.
    """

    spooled: Spooled
    rejected: pl.DataFrame
    reasons: Counter[str]
    findings: Findings
    outside: int
    alike: tuple[date, ...]
    path: str

    @property
    def rejected_rows(self) -> int:
        return self.reasons.total()


@dataclass(slots=True)
class _Tally:
    """What the present reading has found so far. most_rejected: rejected rows that are held."""

    most_rejected: int
    findings: Findings = field(default_factory=Findings)
    rejected: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECTED_SCHEMA))
    reasons: Counter[str] = field(default_factory=Counter)
    contents: Counter[date] = field(default_factory=Counter)
    outside: int = 0
    pages: int = 0

    def count(self, decoded: Decoded, outside: int, pages: int) -> None:
        self.pages += pages
        self.findings += decoded.findings
        self.outside += outside
        if not decoded.rejected.is_empty():
            self.reasons.update(decoded.rejected["reason"].to_list())
            room = max(0, self.most_rejected - self.rejected.height)
            self.rejected = pl.concat([self.rejected, decoded.rejected.head(room)])


def fetch(
    client: TimixClient,
    endpoint: Endpoint,
    spool: Spool,
    months: Months | None = None,
    customer_ids: Callable[[], Sequence[str]] = tuple,
    *,
    most_rejected: int = MOST_REJECTED,
) -> Fetched:
    """Reads the whole endpoint into `spool`, or the given months of a dated one.

    It ends early when no record so far has a field that every row needs: nothing of it could become a table.
    customer_ids: asked at most once, when the server wants a report customer by customer.
    TimixError when the API refuses, cannot be reached, or gives a listing that does not hold still.
    """
    path, batches = _answer(client, endpoint, months, customer_ids)
    tally, reading = _Tally(most_rejected), 1
    for batch in _gathered(batches):
        if batch.reading > reading:
            spool.restart()
            tally, reading = _Tally(most_rejected), batch.reading
        decoded = decode(endpoint, batch.records, month=batch.month)
        inside = _inside(decoded.rows, endpoint, months)
        spool.add(inside)
        tally.count(decoded, outside=decoded.rows.height - inside.height, pages=batch.pages)
        if batch.month is not None:
            tally.contents[batch.month] += content_of(endpoint, decoded.rows)
        parts = "pages" if batch.month is None else "months"
        report(Progress(endpoint.name, tally.findings.records, batch.total, tally.pages, batch.pages_due, parts))
        if tally.findings.missing_required(endpoint):
            break
    records = tally.findings.records
    report(Progress(endpoint.name, records, records, tally.pages, tally.pages, finished=True))
    return Fetched(
        spool.finish(),
        tally.rejected,
        tally.reasons,
        tally.findings,
        tally.outside,
        alike(tally.contents),
        path,
    )


def why_skipped(refused: Forbidden) -> str:
    """What an asset says that is skipped because the key may not read it."""
    said = f" (“{refused.server_message}”)" if refused.server_message else ""
    return f"not read, as skip_forbidden says: the server answered 403{said}."


def rows_of(answer: Any, path: str) -> list[Any]:
    """The records of one answer, without the pages after it: a list, a list in an envelope, or one bare object."""
    return envelope_of(f"GET {path}", answer, {}, object_is_row=True).items


def _answer(
    client: TimixClient, endpoint: Endpoint, months: Months | None, customer_ids: Callable[[], Sequence[str]]
) -> tuple[str, Iterator[Batch]]:
    """The first path that exists, and its batches. Only a 404 on the first request tries the next path."""
    *earlier, last = (endpoint.path, *endpoint.fallback_paths)
    for path in earlier:
        batches = _batches(client, endpoint, path, months, customer_ids)
        try:
            first = next(batches)
        except NotFound:
            continue
        return path, chain([first], batches)
    batches = _batches(client, endpoint, last, months, customer_ids)
    return last, _or_nowhere(endpoint, batches) if earlier else batches


def _or_nowhere(endpoint: Endpoint, batches: Iterator[Batch]) -> Iterator[Batch]:
    """The batches of the last path; when it does not exist either, the error names all that were tried."""
    try:
        yield next(batches)
    except NotFound as nowhere:
        raise NotFound(
            f"GET {endpoint.path}: the server answered 404, and for {' and '.join(endpoint.fallback_paths)} too; check "
            "TIMIX_BASE_URL, and run `timix-assets doctor` to put another path into TIMIX_OVERRIDES.",
            status=nowhere.status,
            code=nowhere.code,
            server_message=nowhere.server_message,
        ) from None
    yield from batches


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
        return _object(client, endpoint, path)
    return _reports(client, endpoint, path, months, customer_ids)


def _listing(client: TimixClient, endpoint: Endpoint, path: str, months: Months | None) -> Iterator[Batch]:
    params = dates_between(endpoint, months) if endpoint.window is Window.RANGE else {}
    for page in client.pages(path, params, key=key_reader(endpoint), names=endpoint.parameters):
        yield Batch(page.items, None, page.reading, page.total, pages_due=page.pages)


def _object(client: TimixClient, endpoint: Endpoint, path: str) -> Iterator[Batch]:
    yield Batch(rows_of(client.get(path), path))


def _reports(
    client: TimixClient,
    endpoint: Endpoint,
    path: str,
    months: Months | None,
    customer_ids: Callable[[], Sequence[str]],
) -> Iterator[Batch]:
    """Reports are aggregates: a dated one is asked once per month, several months at a time."""
    reader = ReportReader(client, endpoint, path, customer_ids)
    if months is None:
        yield Batch(reader.rows({}))
        return

    def of_month(month: date) -> Batch:
        return Batch(reader.rows(dates_between(endpoint, Months(month, month))), month, pages_due=len(list(months)))

    first, *others = months
    # The first alone: what the server refuses is learnt with one request, not with one a month.
    yield of_month(first)
    if reader.by_customer:
        yield from map(of_month, others)  # its customers are asked at once, so the months are not
    else:
        yield from unordered(lambda number: of_month(others[number]), range(len(others)), client.limits.concurrency)


def dates_between(endpoint: Endpoint, months: Months | None) -> dict[str, str]:
    """The query parameters for a range of months, under the names that the endpoint wants."""
    if months is None:
        return {}
    end = (months.last + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return days_between(endpoint, months.first, end)


def days_between(endpoint: Endpoint, first: date, last: date) -> dict[str, str]:
    """The query parameters for a range of days, both included: the day after is sent where the end is not."""
    end = last + timedelta(days=1) if endpoint.end_exclusive else last
    names = endpoint.parameters
    return {names["startDate"]: first.isoformat(), names["endDate"]: end.isoformat()}


def _gathered(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same records in batches of about DECODE_ROWS, never across two readings or two months."""
    held: list[Any] = []
    pages = 0
    of: Batch | None = None
    for batch in batches:
        if of is not None and (batch.reading, batch.month) != (of.reading, of.month):
            if batch.reading == of.reading:
                yield replace(of, records=held, pages=pages)
            held, pages = [], 0
        held.extend(batch.records)
        pages += batch.pages
        of = batch
        if len(held) >= DECODE_ROWS:
            yield replace(of, records=held, pages=pages)
            held, pages = [], 0
    if of is not None:
        yield replace(of, records=held, pages=pages)


def _inside(rows: pl.DataFrame, endpoint: Endpoint, months: Months | None) -> pl.DataFrame:
    """Without the rows outside the asked months: a server may ignore a parameter that it does not know."""
    if endpoint.window is not Window.RANGE or months is None:
        return rows
    return rows.filter(pl.col(MONTH).is_between(months.first, months.last))
