"""One endpoint's answer on its way into a table: asked, paged, decoded, spooled. Joins api, contract and lake; no Dagster."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import chain
from typing import Any

import polars as pl

from timix_assets.api.client import TimixClient
from timix_assets.api.errors import ContractError, Invalid, NotFound
from timix_assets.api.parallel import unordered
from timix_assets.assets.progress import Progress, report
from timix_assets.contract.findings import Findings
from timix_assets.contract.records import REJECTED_SCHEMA, Decoded, decode
from timix_assets.contract.schema import MONTH, Endpoint, Shape, Window
from timix_assets.lake.months import Months
from timix_assets.lake.spool import Spool, Spooled

DECODE_ROWS = 4_000
"""Records decoded at once: enough that Polars' overhead vanishes, few enough that memory stays small."""

ENVELOPES = ("items", "data", "rows")


@dataclass(frozen=True, slots=True)
class Batch:
    """Records as the API sent them. A higher `reading` makes every batch of a lower one void: the listing is read anew."""

    records: Sequence[Any]
    month: date | None = None
    reading: int = 1
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an endpoint gave.

    spooled: its readable rows, each key once. rejected: the rows that could not be read (`REJECTED_SCHEMA`).
    outside: rows dropped because they lie outside the asked months. path: the path that answered.
    """

    spooled: Spooled
    rejected: pl.DataFrame
    findings: Findings
    outside: int
    path: str


@dataclass(slots=True)
class _Tally:
    """What the present reading has found so far."""

    findings: Findings = field(default_factory=Findings)
    rejected: list[pl.DataFrame] = field(default_factory=list)
    rows: int = 0
    outside: int = 0

    def count(self, decoded: Decoded, outside: int) -> None:
        self.findings += decoded.findings
        if not decoded.rejected.is_empty():
            self.rejected.append(decoded.rejected)
        self.outside += outside


def fetch(
    client: TimixClient,
    endpoint: Endpoint,
    spool: Spool,
    months: Months | None = None,
    customer_ids: Callable[[], Sequence[str]] = tuple,
) -> Fetched:
    """Reads the whole endpoint into `spool`, or the given months of a dated one.

    customer_ids: asked only when the server wants a report customer by customer.
    TimixError when the API refuses, cannot be reached, or gives a listing that does not hold still.
    """
    path, batches = _answer(client, endpoint, months, customer_ids)
    tally, reading = _Tally(), 1
    for batch in _gathered(batches):
        if batch.reading > reading:
            spool.restart()
            tally, reading = _Tally(), batch.reading
        decoded = decode(endpoint, batch.records, month=batch.month)
        inside = _inside(decoded.rows, endpoint, months)
        spool.add(inside)
        tally.count(decoded, outside=decoded.rows.height - inside.height)
        tally.rows += len(batch.records)
        report(Progress(endpoint.name, tally.rows, batch.total))
    report(Progress(endpoint.name, tally.rows, tally.rows, finished=True))
    rejected = pl.concat(tally.rejected) if tally.rejected else pl.DataFrame(schema=REJECTED_SCHEMA)
    return Fetched(spool.finish(), rejected, tally.findings, tally.outside, path)


def rows_of(answer: Any, path: str) -> list[Any]:
    """The records of an answer that is not paged: a list, a list in an envelope, or one bare object."""
    if isinstance(answer, list):
        return answer
    if isinstance(answer, dict):
        for envelope in ENVELOPES:
            if isinstance(answer.get(envelope), list):
                return list(answer[envelope])
        return [answer]
    raise ContractError(
        f"GET {path} answered with a bare {type(answer).__name__} where an object or a list belongs; "
        "check the path, and override it if your workspace uses another."
    )


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
    return last, _batches(client, endpoint, last, months, customer_ids)


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
    key = [endpoint.column(name).source for name in endpoint.key]
    for page in client.pages(path, params, key=key, names=endpoint.parameters):
        yield Batch(page.items, None, page.reading, page.total)


def _object(client: TimixClient, endpoint: Endpoint, path: str) -> Iterator[Batch]:
    answer = client.me() if path == "/me" else client.get(path)
    yield Batch(rows_of(answer, path))


def _reports(
    client: TimixClient,
    endpoint: Endpoint,
    path: str,
    months: Months | None,
    customer_ids: Callable[[], Sequence[str]],
) -> Iterator[Batch]:
    """Reports are aggregates: a dated one is asked once per month, several months at a time."""
    if months is None:
        yield Batch(_report(client, endpoint, path, {}, customer_ids))
        return

    def of_month(month: date) -> Batch:
        params = dates_between(endpoint, Months(month, month))
        return Batch(_report(client, endpoint, path, params, customer_ids), month)

    first, *others = months
    # The first alone: a path that is not there costs one request, not one a month.
    yield of_month(first)
    yield from unordered(lambda number: of_month(others[number]), range(len(others)), client.limits.concurrency)


def _report(
    client: TimixClient,
    endpoint: Endpoint,
    path: str,
    params: Mapping[str, str],
    customer_ids: Callable[[], Sequence[str]],
) -> list[Any]:
    try:
        return _whole(client, endpoint, path, params)
    except Invalid as refused:
        if not endpoint.per_customer_on_422 or refused.status != 422:
            raise
    customer = endpoint.parameters["customerId"]
    return [row for each in customer_ids() for row in _whole(client, endpoint, path, {**params, customer: each})]


def _whole(client: TimixClient, endpoint: Endpoint, path: str, params: Mapping[str, str]) -> list[Any]:
    """A report's rows; one that turns out to be paged is read page by page."""
    answer = client.get(path, params)
    rows = rows_of(answer, path)
    if not _has_more(answer, len(rows)):
        return rows
    readings: dict[int, list[Any]] = {}
    for page in client.pages(path, params, key=(), names=endpoint.parameters):
        readings.setdefault(page.reading, []).extend(page.items)
    return readings[max(readings)]


def _has_more(answer: Any, rows: int) -> bool:
    """Whether an answer says that it is only the first page of more."""
    if not isinstance(answer, dict):
        return False
    total = answer.get("totalCount")
    return answer.get("hasMore") is True or (isinstance(total, int) and total > rows)


def dates_between(endpoint: Endpoint, months: Months | None) -> dict[str, str]:
    """The query parameters for a range of months, both ends included, under the names that the endpoint wants."""
    if months is None:
        return {}
    end = (months.last + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    names = endpoint.parameters
    return {names["startDate"]: months.first.isoformat(), names["endDate"]: end.isoformat()}


def _gathered(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same records in batches of about DECODE_ROWS, never across two readings or two months."""
    held: list[Any] = []
    of: Batch | None = None
    for batch in batches:
        if of is not None and (batch.reading, batch.month) != (of.reading, of.month):
            if batch.reading == of.reading:
                yield Batch(held, of.month, of.reading, of.total)
            held = []
        held.extend(batch.records)
        of = batch
        if len(held) >= DECODE_ROWS:
            yield Batch(held, of.month, of.reading, of.total)
            held = []
    if of is not None:
        yield Batch(held, of.month, of.reading, of.total)


def _inside(rows: pl.DataFrame, endpoint: Endpoint, months: Months | None) -> pl.DataFrame:
    """Without the rows outside the asked months: a server may ignore a parameter that it does not know."""
    if endpoint.window is not Window.RANGE or months is None:
        return rows
    return rows.filter(pl.col(MONTH).is_between(months.first, months.last))
