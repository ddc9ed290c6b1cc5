"""Faults of the rate limit: rows 5 to 8 of docs/reliability.md. What is waited is read from the sandbox's log of requests."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from timix_assets.contract.endpoints import BY_NAME
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.firm import Firm
from timix_assets_tests.commands.conftest import wait_for_request

from .conftest import Refreshed, Workplace, opened

TIME_REPORTS = "timix/time_reports"
SLACK = 0.2
"""Seconds by which the log's times, taken when an answer is ready, may miss those of the client."""


def pause_after_429(workplace: Workplace) -> float:
    """Seconds from the first 429 to the next request of any path."""
    seen = workplace.sandbox.requests
    at = next(number for number, request in enumerate(seen) if request.status == 429)
    return seen[at + 1].time - seen[at].time


def limited(retry_after: str, *, page: int | None = 1, times: int = 1, **more: float) -> tuple[Fault, ...]:
    return (Fault("rate_limited", path="/time-reports", page=page, times=times, retry_after=retry_after, **more),)  # type: ignore[arg-type]


def assert_read_whole(workplace: Workplace, done: Refreshed) -> None:
    assert (done.status, done.stderr) == (0, "")
    assert workplace.ids("time_reports") == workplace.truth("time_reports")


@pytest.mark.fault(5)
def test_a_429_pauses_the_key_as_long_as_it_says(workplace: Workplace) -> None:
    done = workplace.refresh(TIME_REPORTS, faults=limited("2"))

    assert_read_whole(workplace, done)
    assert pause_after_429(workplace) >= 2 - SLACK
    assert done.requests.count("/time-reports") == 5, "four pages, and the one that was refused again"
    told = workplace.metadata(TIME_REPORTS)
    assert (told["requests"], told["retries"], told["rate_limited"]) == (5, 1, 1)
    assert float(str(told["seconds_waited"])) >= 2 - SLACK


@pytest.mark.fault(5)
def test_pages_limited_in_flight_wait_together_and_none_is_lost(workplace: Workplace) -> None:
    done = workplace.refresh(TIME_REPORTS, faults=limited("2", page=None, times=3))

    assert_read_whole(workplace, done)
    seen = workplace.sandbox.requests
    refused = [request.time for request in seen if request.status == 429]
    assert len(refused) == 3
    assert not [r for r in seen if r.status == 200 and refused[0] + SLACK < r.time < refused[0] + 2 - SLACK]
    assert workplace.metadata(TIME_REPORTS)["rate_limited"] == 3


@pytest.mark.fault(5)
def test_a_429_pauses_another_process_with_the_same_key(workplace: Workplace) -> None:
    """With a lake of its own, the other does not wait for its turn: only the rate limit can hold it."""
    sandbox, project = workplace.sandbox, workplace.project
    sandbox.faults.add(*limited("20"))
    first = project.start("refresh", "--only", TIME_REPORTS)
    wait_for_request(sandbox, "/time-reports", first)
    other = project.run("refresh", "--only", "timix/customers", TIMIX_LAKE="data/other")
    said, _ = first.communicate(timeout=90)

    assert (first.returncode, other.returncode) == (0, 0), said + other.stderr
    [refused] = [request.time for request in sandbox.requests if request.status == 429]
    assert not [request for request in sandbox.requests if refused < request.time < refused + 20 - SLACK]
    # It came before the wait was over, and stood still for the rest of it.
    assert re.search(r"Rate limit of the plan reached: waiting \d+ s", other.stdout)
    assert workplace.ids("time_reports") == workplace.truth("time_reports")


@pytest.mark.fault(6)
@pytest.mark.parametrize("skew", [0.0, 7200.0, -7200.0])
def test_a_retry_after_date_is_measured_by_the_servers_clock(workplace: Workplace, skew: float) -> None:
    done = workplace.refresh(TIME_REPORTS, faults=limited("date", seconds=3, skew=skew))

    assert_read_whole(workplace, done)
    # Both dates are cut to whole seconds, so that three may be one less.
    assert 2 - SLACK <= pause_after_429(workplace) < 30


@pytest.mark.fault(6)
@pytest.mark.parametrize("skew", [0.0, 7200.0, -7200.0])
def test_a_retry_after_date_in_the_past_waits_one_second(workplace: Workplace, skew: float) -> None:
    done = workplace.refresh(TIME_REPORTS, faults=limited("past", skew=skew))

    assert_read_whole(workplace, done)
    assert 1 - SLACK <= pause_after_429(workplace) < 30


@pytest.mark.fault(7)
def test_a_429_without_retry_after_waits_a_whole_window(firm: Firm, filled: Path, tmp_path: Path) -> None:
    """The one test that waits a real minute: both forms at once, each with a server and a key of its own."""

    def refreshed(retry_after: str) -> tuple[Workplace, Refreshed]:
        with opened(firm, filled, tmp_path / retry_after) as workplace:
            return workplace, workplace.refresh_in_a_process(TIME_REPORTS, faults=limited(retry_after))

    with ThreadPoolExecutor() as pool:
        both = list(pool.map(refreshed, ("missing", "garbage")))

    for workplace, done in both:
        assert_read_whole(workplace, done)
        assert 60 <= pause_after_429(workplace) < 90
        assert "Rate limited (429): pausing requests for 61 s." in done.stdout


@pytest.mark.fault(7)
@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("retry_after", ["missing", "garbage"])
def test_a_window_beyond_the_wait_budget_fails_immediately(workplace: Workplace, retry_after: str) -> None:
    done = workplace.refresh(TIME_REPORTS, faults=limited(retry_after, times=9), TIMIX_WAIT_BUDGET_SECONDS="30")

    assert (done.status, done.requests) == (1, ["/me", "/time-reports"])
    assert "GET /time-reports, page 1: the server answered 429, and the limit resets in 61 s" in done.sentence


@pytest.mark.fault(8)
@pytest.mark.usefixtures("untouched")
def test_an_absurd_retry_after_fails_immediately(workplace: Workplace) -> None:
    done = workplace.refresh(TIME_REPORTS, faults=limited("absurd", times=9))

    assert (done.status, done.requests) == (1, ["/me", "/time-reports"])
    assert done.sentence == (
        "failed timix/time_reports: GET /time-reports, page 1: the server answered 429, and the limit resets in "
        "86,400 s, longer than the 900 s that this run may still wait; run it again after that."
    )


@pytest.mark.fault(8)
@pytest.mark.usefixtures("untouched")
def test_an_absurd_retry_after_stops_all_requests_of_the_run(workplace: Workplace) -> None:
    every_path_but_me = tuple(
        Fault("rate_limited", path=endpoint.path, retry_after="absurd")
        for endpoint in BY_NAME.values()
        if endpoint.path != "/me"
    )
    # Once the first has struck, the others have nobody left to strike.
    done = workplace.refresh(faults=every_path_but_me, all_strike=False)

    assert done.status == 1
    answers = [request.status for request in workplace.sandbox.requests]
    assert answers.index(429) == len(answers) - 1, "official exports are no listings, and came before"
    assert done.stderr.count("and the limit resets in 86,") == len(done.stderr.splitlines()) > 1
    assert "Traceback" not in done.stderr


@pytest.mark.fault(8)
@pytest.mark.usefixtures("untouched")
def test_waits_that_exceed_the_budget_together_fail(workplace: Workplace) -> None:
    """A server that says 2 s for ever must not hold a run for ever."""
    done = workplace.refresh(TIME_REPORTS, faults=limited("2", times=999), TIMIX_WAIT_BUDGET_SECONDS="5")

    assert done.status == 1
    assert done.requests.count("/time-reports") == 3, "two waits of 2 s fit into 5 s, the third does not"
    assert "the limit resets in 2 s, longer than the 1 s that this run may still wait" in done.sentence


@pytest.mark.fault(8)
def test_a_negative_retry_after_waits_one_second(workplace: Workplace) -> None:
    done = workplace.refresh(TIME_REPORTS, faults=limited("negative"))

    assert_read_whole(workplace, done)
    assert 1 - SLACK <= pause_after_429(workplace) < 30
