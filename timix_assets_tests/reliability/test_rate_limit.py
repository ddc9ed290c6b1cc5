"""Faults of the rate limit: rows 5 to 8 of docs/reliability.md. What is waited is read from the sandbox's log of requests."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance

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


def told_of(workplace: Workplace, asset: str) -> dict[str, object]:
    """The metadata that the UI shows of the asset's latest materialization."""
    # The storage folders in dagster.yaml are relative.
    with chdir(workplace.project.folder), DagsterInstance.from_config(".") as instance:
        event = instance.get_latest_materialization_event(AssetKey(asset.split("/")))
    assert event is not None
    assert event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def assert_read_whole(workplace: Workplace, done: Refreshed) -> None:
    assert (done.status, done.stderr) == (0, "")
    assert workplace.ids("time_reports") == workplace.truth("time_reports")


def test_05_a_429_holds_every_request_of_the_key_as_long_as_it_says_and_is_counted(workplace: Workplace) -> None:
    done = workplace.refresh(TIME_REPORTS, faults=limited("2"))

    assert_read_whole(workplace, done)
    assert pause_after_429(workplace) >= 2 - SLACK
    assert done.requests.count("/time-reports") == 5, "four pages, and the one that was refused again"
    told = told_of(workplace, TIME_REPORTS)
    assert (told["requests"], told["retries"], told["rate_limited"]) == (5, 1, 1)
    assert float(str(told["seconds_waited"])) >= 2 - SLACK


def test_05_pages_that_are_limited_in_flight_wait_together_and_none_is_lost(workplace: Workplace) -> None:
    done = workplace.refresh(TIME_REPORTS, faults=limited("2", page=None, times=3))

    assert_read_whole(workplace, done)
    seen = workplace.sandbox.requests
    refused = [request.time for request in seen if request.status == 429]
    assert len(refused) == 3
    assert not [r for r in seen if r.status == 200 and refused[0] + SLACK < r.time < refused[0] + 2 - SLACK]
    assert told_of(workplace, TIME_REPORTS)["rate_limited"] == 3


def test_05_the_wait_holds_for_another_process_of_the_same_key_too(workplace: Workplace) -> None:
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
    assert re.search(r"Waiting \d+ s for the plan's limit on requests a minute", other.stdout)
    assert workplace.ids("time_reports") == workplace.truth("time_reports")


@pytest.mark.parametrize("skew", [0.0, 7200.0, -7200.0])
def test_06_a_date_is_measured_by_the_clock_of_the_answer_and_not_by_ours(workplace: Workplace, skew: float) -> None:
    done = workplace.refresh(TIME_REPORTS, faults=limited("date", seconds=3, skew=skew))

    assert_read_whole(workplace, done)
    # Both dates are cut to whole seconds, so that three may be one less.
    assert 2 - SLACK <= pause_after_429(workplace) < 30


@pytest.mark.parametrize("skew", [0.0, 7200.0, -7200.0])
def test_06_a_date_in_the_past_is_a_wait_of_one_second(workplace: Workplace, skew: float) -> None:
    done = workplace.refresh(TIME_REPORTS, faults=limited("past", skew=skew))

    assert_read_whole(workplace, done)
    assert 1 - SLACK <= pause_after_429(workplace) < 30


def test_07_a_429_without_a_readable_retry_after_outlasts_a_whole_window_and_goes_on(
    firm: Firm, filled: Path, tmp_path: Path
) -> None:
    """The one test that waits a real minute: both forms at once, each with a server and a key of its own."""

    def refreshed(retry_after: str) -> tuple[Workplace, Refreshed]:
        with opened(firm, filled, tmp_path / retry_after) as workplace:
            return workplace, workplace.refresh(TIME_REPORTS, faults=limited(retry_after))

    with ThreadPoolExecutor() as pool:
        both = list(pool.map(refreshed, ("missing", "garbage")))

    for workplace, done in both:
        assert_read_whole(workplace, done)
        assert 60 <= pause_after_429(workplace) < 90
        assert "Timix asks to slow down (429): no request for 61 s." in done.stdout


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("retry_after", ["missing", "garbage"])
def test_07_a_window_that_the_budget_does_not_cover_is_red_at_once(workplace: Workplace, retry_after: str) -> None:
    done = workplace.refresh(TIME_REPORTS, faults=limited(retry_after, times=9), TIMIX_WAIT_BUDGET_SECONDS="30")

    assert (done.status, done.requests) == (1, ["/me", "/time-reports"])
    assert "GET /time-reports, page 1: the server answered 429, and the limit resets in 61 s" in done.sentence


@pytest.mark.usefixtures("untouched")
def test_08_an_absurd_retry_after_is_red_at_once_and_says_when_the_limit_resets(workplace: Workplace) -> None:
    done = workplace.refresh(TIME_REPORTS, faults=limited("absurd", times=9))

    assert (done.status, done.requests) == (1, ["/me", "/time-reports"])
    assert done.sentence == (
        "failed timix/time_reports: GET /time-reports, page 1: the server answered 429, and the limit resets in "
        "86,400 s, longer than the 900 s that this run may still wait; run it again then."
    )


@pytest.mark.usefixtures("untouched")
def test_08_after_an_absurd_retry_after_the_rest_of_the_run_asks_nothing(workplace: Workplace) -> None:
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


@pytest.mark.usefixtures("untouched")
def test_08_waits_that_add_up_to_more_than_the_budget_are_red(workplace: Workplace) -> None:
    """A server that says 2 s for ever must not hold a run for ever."""
    done = workplace.refresh(TIME_REPORTS, faults=limited("2", times=999), TIMIX_WAIT_BUDGET_SECONDS="5")

    assert done.status == 1
    assert done.requests.count("/time-reports") == 3, "two waits of 2 s fit into 5 s, the third does not"
    assert "the limit resets in 2 s, longer than the 1 s that this run may still wait" in done.sentence


def test_08_a_negative_retry_after_is_a_wait_of_one_second(workplace: Workplace) -> None:
    done = workplace.refresh(TIME_REPORTS, faults=limited("negative"))

    assert_read_whole(workplace, done)
    assert 1 - SLACK <= pause_after_429(workplace) < 30
