"""Statuses that ask to come back, parts of answers, packed answers: rows 56 and 57 of docs/reliability.md."""

import pytest

from timix_assets.sandbox.faults import Fault

from .conftest import TIME, Workplace

CUSTOMERS = "timix/customers"
LISTING = "/customers"
ENTRIES = "/time-reports"
SLACK = 0.2
"""Seconds by which the sandbox's log, taken when an answer is ready, may miss the client's times."""


@pytest.fixture
def workplace(workplace: Workplace) -> Workplace:
    """The lake is a little behind: what a refresh reads is not what is there already."""
    workplace.move_on("customers")
    workplace.move_on("time_reports")
    return workplace


def pause_before_the_repeat(workplace: Workplace, path: str) -> float:
    """Seconds between the first two requests of a path since the last /me."""
    seen = workplace.sandbox.requests
    begin = max(number for number, request in enumerate(seen) if request.path.endswith("/me"))
    first, second, *_ = (request.time for request in seen[begin:] if request.path.endswith(path))
    return second - first


@pytest.mark.fault(56)
@pytest.mark.parametrize("status", [408, 425])
def test_a_408_or_425_is_retried(workplace: Workplace, status: int) -> None:
    done = workplace.refresh(TIME, faults=(Fault("server_error", path=ENTRIES, page=3, status=status, times=2),))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert done.requests.count(ENTRIES) == 4 + 2


@pytest.mark.fault(56)
@pytest.mark.parametrize("status", [408, 425])
@pytest.mark.usefixtures("untouched")
def test_a_permanent_408_or_425_fails_after_five_requests(workplace: Workplace, status: int) -> None:
    done = workplace.refresh(CUSTOMERS, faults=(Fault("server_error", path=LISTING, status=status),))

    assert (done.status, done.requests) == (1, ["/me", *[LISTING] * 5])
    assert f"answered {status} " in done.sentence
    assert done.sentence.endswith("; try again later (tried 5 times).")


@pytest.mark.fault(56)
def test_a_503_pauses_as_long_as_it_says(workplace: Workplace) -> None:
    done = workplace.refresh(
        CUSTOMERS, faults=(Fault("server_error", path=LISTING, status=503, retry_after="2", times=1),)
    )

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("customers") == workplace.sent("customers")
    assert pause_before_the_repeat(workplace, LISTING) >= 2 - SLACK


@pytest.mark.fault(56)
@pytest.mark.usefixtures("untouched")
def test_a_503_beyond_the_wait_budget_fails_immediately(workplace: Workplace) -> None:
    done = workplace.refresh(CUSTOMERS, faults=(Fault("server_error", path=LISTING, status=503, retry_after="3600"),))

    assert (done.status, done.requests) == (1, ["/me", LISTING])
    assert (
        "asks to wait 3,600 s, longer than the 900 s that this run may still wait; run it again after that."
        in done.sentence
    )


@pytest.mark.fault(57)
def test_a_gzip_of_several_members_is_read_whole(workplace: Workplace) -> None:
    done = workplace.refresh(TIME, faults=(Fault("gzip_members", path=ENTRIES),))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")


@pytest.mark.fault(57)
def test_a_gzip_whose_second_member_is_cut_is_retried(workplace: Workplace) -> None:
    done = workplace.refresh(TIME, faults=(Fault("gzip_members", path=ENTRIES, page=2, share=0.5, times=1),))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert done.requests.count(ENTRIES) == 4 + 1


@pytest.mark.fault(57)
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("partial_content", "206 (partial content) to a request for the whole"),
        ("not_modified", "304 (not modified) to an unconditional request"),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_a_206_or_304_fails_by_name_after_one_request(workplace: Workplace, kind: str, said: str) -> None:
    done = workplace.refresh(CUSTOMERS, faults=(Fault(kind, path=LISTING),))

    assert (done.status, done.requests) == (1, ["/me", LISTING])
    assert done.sentence == (
        f"failed {CUSTOMERS}: GET /customers, page 1: the server answered {said}; look for a proxy or a cache in between."
    )
