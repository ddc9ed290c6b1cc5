"""Answers that fail, break off, hold something else, or never end: rows 9 to 13, 29 and 30 of docs/reliability.md."""

import time
from dataclasses import replace

import pytest

from timix_assets.sandbox.faults import Fault
from timix_assets_tests.processes import run_measured

from .conftest import TIME, Workplace

CUSTOMERS = "timix/customers"
LISTING = "/customers"
ENTRIES = "/time-reports"
MOST_PAGES = 4
"""The entries take so many; those in flight when one is found wrong may be asked for or not."""


@pytest.fixture
def workplace(workplace: Workplace) -> Workplace:
    """The lake is a little behind: what a refresh reads is not what is there already."""
    workplace.move_on("customers")
    workplace.move_on("time_reports")
    return workplace


@pytest.mark.fault(9)
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_burst_of_server_errors_is_retried(workplace: Workplace, status: int) -> None:
    done = workplace.refresh(TIME, faults=(Fault("server_error", path=ENTRIES, page=3, status=status, times=3),))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert done.requests.count(ENTRIES) == 4 + 3


@pytest.mark.fault(9)
@pytest.mark.parametrize(
    ("status", "value", "said"),
    [
        (500, None, "500 (INTERNAL_ERROR, “Internal error.”)"),
        (502, "html", "502"),
        (503, None, "503 (UNAVAILABLE, “Internal error.”)"),
        (504, "html", "504"),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_permanent_server_errors_fail_after_five_requests(
    workplace: Workplace, status: int, value: str | None, said: str
) -> None:
    done = workplace.refresh(CUSTOMERS, faults=(Fault("server_error", path=LISTING, status=status, value=value),))

    assert (done.status, done.requests) == (1, ["/me", *[LISTING] * 5])
    assert done.sentence == (
        f"failed {CUSTOMERS}: GET /customers, page 1: the server answered {said}; try again later (tried 5 times)."
    )


@pytest.mark.fault(9)
@pytest.mark.usefixtures("untouched")
def test_a_server_that_is_down_gets_five_requests_in_all(
    workplace: Workplace,
) -> None:
    done = workplace.refresh(faults=(Fault("server_error", status=503),))

    assert (done.status, done.requests) == (1, ["/me"] * 5)
    assert done.sentence.startswith("failed 17 assets: GET /me: the server answered 503 ")


@pytest.mark.fault(9)
@pytest.mark.usefixtures("untouched")
def test_all_attempts_for_one_answer_share_one_time_budget(workplace: Workplace) -> None:
    slow_errors = (Fault("server_error", path=LISTING), Fault("silence", path=LISTING, seconds=1.2))
    done = workplace.refresh(CUSTOMERS, faults=slow_errors, TIMIX_RETRY_BUDGET_SECONDS="2")

    assert (done.status, done.requests) == (1, ["/me", LISTING, LISTING])
    assert "(tried 2 times)" in done.sentence


BROKEN = [
    pytest.param(
        Fault("reset_connection"), "the connection broke before the response was complete", id="reset before a byte"
    ),
    pytest.param(
        Fault("reset_connection", size=400), "the connection broke before the response was complete", id="reset in it"
    ),
    pytest.param(Fault("cut_body"), "the connection broke before the response was complete", id="body cut"),
    pytest.param(Fault("truncated_json"), "the JSON is truncated or invalid", id="JSON cut, honest length"),
    pytest.param(Fault("truncated_json", share=0.999), "the JSON is truncated or invalid", id="by a byte"),
]
SOMETHING_ELSE = [pytest.param(Fault("html"), "expected JSON, got text/html", id="HTML")]
NOTHING = [
    pytest.param(Fault("empty_body"), "expected JSON, got an empty response (200)", id="no body"),
    pytest.param(Fault("no_content"), "expected JSON, got an empty response (204)", id="204"),
]


def is_outlasted(workplace: Workplace, fault: Fault) -> None:
    done = workplace.refresh(TIME, faults=(replace(fault, path=ENTRIES, page=2, times=2),))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert done.requests.count(ENTRIES) == 4 + 2


def is_red(workplace: Workplace, fault: Fault, said: str) -> None:
    done = workplace.refresh(TIME, faults=(replace(fault, path=ENTRIES, page=4),), TIMIX_ATTEMPTS="3")

    assert done.status == 1
    assert done.sentence.startswith(f"failed {TIME}: GET /time-reports, page 4: {said}")
    assert done.sentence.endswith("(tried 3 times).")
    assert done.requests.count(ENTRIES) == 3 + 3


@pytest.mark.fault(10)
@pytest.mark.parametrize(("fault", "said"), BROKEN)
def test_a_broken_page_is_retried_and_never_read_in_part(workplace: Workplace, fault: Fault, said: str) -> None:
    is_outlasted(workplace, fault)


@pytest.mark.fault(10)
@pytest.mark.parametrize(("fault", "said"), BROKEN)
@pytest.mark.usefixtures("untouched")
def test_a_page_that_always_breaks_fails(workplace: Workplace, fault: Fault, said: str) -> None:
    is_red(workplace, fault, said)


@pytest.mark.fault(11)
@pytest.mark.parametrize(("fault", "said"), SOMETHING_ELSE)
def test_a_page_of_html_is_retried(workplace: Workplace, fault: Fault, said: str) -> None:
    is_outlasted(workplace, fault)


@pytest.mark.fault(11)
@pytest.mark.parametrize(("fault", "said"), SOMETHING_ELSE)
@pytest.mark.usefixtures("untouched")
def test_permanent_html_fails(workplace: Workplace, fault: Fault, said: str) -> None:
    is_red(workplace, fault, said)


@pytest.mark.fault(11)
@pytest.mark.parametrize("kind", ["text_plain_json", "bom"])
def test_json_sent_as_text_or_with_a_byte_order_mark_is_read(workplace: Workplace, kind: str) -> None:
    done = workplace.refresh(TIME, faults=(Fault(kind),))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert done.requests == ["/me", *[ENTRIES] * 4]


@pytest.mark.fault(12)
@pytest.mark.parametrize(("fault", "said"), NOTHING)
def test_an_empty_answer_is_retried(workplace: Workplace, fault: Fault, said: str) -> None:
    is_outlasted(workplace, fault)


@pytest.mark.fault(12)
@pytest.mark.parametrize(("fault", "said"), NOTHING)
@pytest.mark.usefixtures("untouched")
def test_a_permanently_empty_answer_fails_and_keeps_the_rows(workplace: Workplace, fault: Fault, said: str) -> None:
    is_red(workplace, fault, said)


@pytest.mark.fault(13)
@pytest.mark.parametrize(
    ("asset", "path", "page", "pages"),
    [
        (CUSTOMERS, LISTING, 1, 1),
        (TIME, ENTRIES, 3, MOST_PAGES),
        ("timix/revenue_report", "/financial-reports/revenue", 1, 1),
        ("timix/budget_health_report", "/financial-reports/budget-health", 1, 1),
    ],
)
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("items_missing", "the answer is an object without “items”"),
        ("items_null", "“items” is null"),
        ("items_object", "“items” is an object"),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_an_envelope_without_a_list_of_items_fails(
    workplace: Workplace, kind: str, said: str, asset: str, path: str, page: int, pages: int
) -> None:
    done = workplace.refresh(asset, faults=(Fault(kind, path=path, page=page),))

    assert done.status == 1
    asked = [seen.query for seen in workplace.sandbox.requests if seen.path.endswith(path)]
    assert len(asked) == len(set(asked)) <= pages, "each page once"
    assert done.requests == ["/me", *[path] * len(asked)]
    assert done.sentence == (
        f"failed {asset}: GET {path}, page {page}: expected a list of rows, but {said}; the API has changed or the path "
        "is not a listing: run `timix-assets doctor` to see what it sends now."
    )


@pytest.mark.fault(29)
def test_a_page_of_ten_megabytes_is_read(workplace: Workplace) -> None:
    done = workplace.refresh(TIME, faults=(Fault("big_page", path=ENTRIES, page=1, size=10_000_000),))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")


MOST_BYTES = 450_000_000
"""Measured: 260 MB, most of it Python, Dagster and Polars themselves."""


@pytest.mark.fault(29)
@pytest.mark.parametrize("value", [None, "length"], ids=["length not told", "length told"])
@pytest.mark.usefixtures("untouched")
def test_a_200_mb_body_fails_at_the_cap_in_bounded_memory(workplace: Workplace, value: str | None) -> None:
    workplace.sandbox.faults.add(Fault("huge_body", path=LISTING, value=value))
    project = workplace.project
    done, peak = run_measured(project.command("refresh", "--only", CUSTOMERS), project.folder, project.environment)

    assert done.returncode == 1
    assert (
        f"failed {CUSTOMERS}: GET /customers, page 1: the response is larger than 64 MB and was not read; "
        "check what the path sends, or raise TIMIX_MAX_ANSWER_MB."
    ) in done.stderr
    assert [seen.path.rpartition("/")[2] for seen in workplace.sandbox.requests] == ["me", "customers"]
    assert peak < MOST_BYTES


@pytest.mark.fault(30)
@pytest.mark.parametrize("kind", ["slow_drip", "silence"])
def test_a_dripping_answer_is_cut_off_and_retried(workplace: Workplace, kind: str) -> None:
    done = workplace.refresh(
        TIME, faults=(Fault(kind, path=ENTRIES, page=2, times=1),), TIMIX_REQUEST_DEADLINE_SECONDS="1.5"
    )

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert done.requests.count(ENTRIES) == 4 + 1


@pytest.mark.fault(30)
@pytest.mark.parametrize("kind", ["slow_drip", "silence"])
@pytest.mark.usefixtures("untouched")
def test_an_answer_that_always_drips_fails_at_the_deadline(workplace: Workplace, kind: str) -> None:
    began = time.monotonic()
    done = workplace.refresh(
        CUSTOMERS, faults=(Fault(kind, path=LISTING),), TIMIX_REQUEST_DEADLINE_SECONDS="1.5", TIMIX_ATTEMPTS="2"
    )

    assert (done.status, done.requests) == (1, ["/me", LISTING, LISTING])
    assert done.sentence == (
        f"failed {CUSTOMERS}: GET /customers, page 1: no complete response within 1.5 s; Timix may be overloaded, "
        "try again later (tried 2 times)."
    )
    assert time.monotonic() - began < 45
