"""The progress of a long read, in the run's log."""

import logging
import secrets
from datetime import date
from itertools import count

import pytest

from timix_assets.api.client import TimixClient
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.ingest.fetch import fetch
from timix_assets.ingest.progress import Progress, progress_log
from timix_assets.lake.months import Months
from timix_assets.lake.spool import Spool
from timix_assets_tests.api.scripted import BRISK, Script, listing, serving

REPORT = BY_NAME["customer_billing_report"]
LOG = logging.getLogger("a run")


def logged(caplog: pytest.LogCaptureFixture, progress: Progress, waited: float = 0.0) -> list[str]:
    clock = count(0, 60)
    with caplog.at_level(logging.INFO, LOG.name):
        progress_log(LOG, lambda: waited, lambda: float(next(clock)))(progress)
    return caplog.messages


def test_line_has_pages_rows_and_rate_limit_wait(caplog: pytest.LogCaptureFixture) -> None:
    assert logged(caplog, Progress("time_reports", 12_000, 1_482_340, 60, 7_412), 135.4) == [
        "time_reports: 60 of 7,412 pages and 12,000 of 1,482,340 rows read, 135 s waited for the rate limit"
    ]


def test_listing_without_total_logs_what_was_read(caplog: pytest.LogCaptureFixture) -> None:
    assert logged(caplog, Progress("customers", 4_000, None, 20)) == [
        "customers: 20 pages and 4,000 rows read, 0 s waited for the rate limit"
    ]


def test_dated_report_counts_months(caplog: pytest.LogCaptureFixture) -> None:
    assert logged(caplog, Progress("revenue_report", 900, None, 3, 24, parts="months")) == [
        "revenue_report: 3 of 24 months and 900 rows read, 0 s waited for the rate limit"
    ]


def test_finished_read_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert logged(caplog, Progress("customers", 3, 3, 1, 1, finished=True)) == []


def reported(script: Script, name: str, months: Months | None = None) -> list[Progress]:
    heard: list[Progress] = []
    with (
        serving(script) as server,
        TimixClient(server.base_url, "bbl_" + secrets.token_hex(16), limits=BRISK) as client,
        Spool(BY_NAME[name].schema, BY_NAME[name].key) as spool,
    ):
        fetch(client, BY_NAME[name], spool, months, on_progress=heard.append)
    return heard


def test_listing_reports_pages_read_and_due() -> None:
    rows = [{"id": f"c{number}", "name": "Firm"} for number in range(4_600)]
    assert [
        (at.pages, at.pages_due, at.rows, at.total) for at in reported(listing("/customers", rows), "customers")
    ] == [
        (20, 23, 4_000, 4_600),
        (23, 23, 4_600, 4_600),
        (23, 23, 4_600, 4_600),
    ]


def test_report_of_several_months_reports_months() -> None:
    months = Months(date(2026, 1, 1), date(2026, 3, 1))
    script = listing(REPORT.path, [{"customerId": "c1", "currency": "EUR"}])
    *under_way, _ = reported(script, REPORT.name, months)
    assert [(at.pages, at.pages_due, at.parts) for at in under_way] == [(n, 3, "months") for n in (1, 2, 3)]
