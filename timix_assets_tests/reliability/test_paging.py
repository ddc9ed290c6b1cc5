"""Faults of paging, and of rows that come, go or come twice: rows 14 to 19 of docs/reliability.md."""

from dataclasses import replace

import pytest

from timix_assets.sandbox.faults import Fault

from .conftest import TIME, Workplace

ENTRIES = "/time-reports"
PAGES = 4
"""Of the entries that the sandbox holds, at 200 a page."""

READINGS = 3


@pytest.fixture
def workplace(workplace: Workplace) -> Workplace:
    """The lake is a little behind: what a refresh reads is not what is there already."""
    workplace.move_on("time_reports")
    assert workplace.ids("time_reports") != workplace.truth("time_reports")
    return workplace


def pages_asked(requests: list[str]) -> int:
    return requests.count(ENTRIES)


def rows_of_last_page(workplace: Workplace) -> int:
    return len(workplace.truth("time_reports")) % 200


def said(workplace: Workplace, reason: str) -> str:
    last = rows_of_last_page(workplace)
    return reason.format(last=last, five_more=last + 5, five_fewer=last - 5)


@pytest.mark.fault(14)
def test_has_more_forever_ends_where_the_total_is_reached(workplace: Workplace) -> None:
    done = workplace.refresh(TIME, faults=(Fault("has_more_forever", path=ENTRIES),))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert pages_asked(done.requests) == PAGES + 1  # one page beyond the end tells whether the total was right


@pytest.mark.fault(14)
@pytest.mark.parametrize(
    ("faults", "reason", "most_requests"),
    [
        pytest.param((Fault("same_page"),), "page 2 is the same as another page", PAGES, id="same page"),
        pytest.param(
            (Fault("same_page"), Fault("has_more_forever")),
            "page 2 is the same as another page",
            PAGES,
            id="same page, more for ever",
        ),
        pytest.param(
            (Fault("same_page"), Fault("has_more_forever"), Fault("total_missing")),
            "page 2 is the same as another page",
            2,
            id="same page, more for ever, no total",
        ),
        pytest.param(
            (Fault("has_more_forever"), Fault("total_missing")),
            "page 5 is empty but says that more follow",
            PAGES + 1,
            id="more for ever, no total",
        ),
        pytest.param(
            (Fault("has_more_forever"), Fault("total_off", count=1000)),
            "page 4 has {last} rows, expected 200",
            9,
            id="more for ever, total never met",
        ),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_an_endless_listing_fails_after_three_attempts(
    workplace: Workplace, faults: tuple[Fault, ...], reason: str, most_requests: int
) -> None:
    done = workplace.refresh(
        TIME, faults=tuple(replace(fault, path=ENTRIES) for fault in faults), TIMIX_CONCURRENCY="1"
    )

    assert done.status == 1
    assert done.sentence == (
        f"failed {TIME}: GET /time-reports: the listing changed during all 3 attempts (in the last one, "
        f"{said(workplace, reason)}); "
        "no rows were kept. Run it again when fewer edits are made, and report it to Timix if that does not help."
    )
    assert pages_asked(done.requests) <= READINGS * most_requests
    assert "reading the listing again (attempt 3 of 3)" in done.stdout


@pytest.mark.fault(15)
@pytest.mark.parametrize(
    "faults",
    [
        pytest.param((Fault("has_more_false_early"),), id="total in the body"),
        pytest.param((Fault("has_more_false_early"), Fault("total_missing", value="header")), id="in the header alone"),
    ],
)
def test_has_more_false_too_early_loses_no_row(workplace: Workplace, faults: tuple[Fault, ...]) -> None:
    done = workplace.refresh(TIME, faults=tuple(replace(fault, path=ENTRIES) for fault in faults))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert pages_asked(done.requests) == PAGES


@pytest.mark.fault(15)
@pytest.mark.parametrize(
    ("count", "reason"),
    [
        pytest.param(5, "page 4 has {last} rows, expected {five_more}", id="five rows are not sent"),
        pytest.param(-5, "page 4 has {last} rows, expected {five_fewer}", id="five rows are not counted"),
        pytest.param(200, "page 4 has {last} rows, expected 200", id="a page is not sent"),
        pytest.param(None, "page 4 has rows beyond the total of 600", id="a page is not counted"),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_rows_that_do_not_reach_the_total_fail(workplace: Workplace, count: int | None, reason: str) -> None:
    count = -rows_of_last_page(workplace) if count is None else count
    early = Fault("has_more_false_early", path=ENTRIES) if count > 0 else Fault("has_more_forever", path=ENTRIES)
    done = workplace.refresh(TIME, faults=(Fault("total_off", path=ENTRIES, count=count), early), TIMIX_CONCURRENCY="1")

    assert done.status == 1
    assert f"listing changed during all 3 attempts (in the last one, {said(workplace, reason)})" in done.sentence


@pytest.mark.fault(15)
def test_duplicates_count_towards_the_total_before_removal(workplace: Workplace) -> None:
    faults = (Fault("duplicate_rows", path=ENTRIES, count=3), Fault("has_more_false_early", path=ENTRIES))
    done = workplace.refresh(TIME, faults=faults)

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")


@pytest.mark.fault(16)
@pytest.mark.parametrize(
    "faults",
    [
        pytest.param((Fault("small_pages", count=60),), id="said in the envelope"),
        pytest.param((Fault("silent_small_pages", count=60),), id="silent"),
        pytest.param((Fault("silent_small_pages", count=60), Fault("total_missing")), id="silent, no total"),
    ],
)
def test_smaller_pages_than_requested_are_read_to_the_last_row(workplace: Workplace, faults: tuple[Fault, ...]) -> None:
    done = workplace.refresh(TIME, faults=tuple(replace(fault, path=ENTRIES) for fault in faults))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert pages_asked(done.requests) == -(-len(workplace.truth("time_reports")) // 60)


BARE = (
    Fault("silent_small_pages", path=ENTRIES, count=60),
    Fault("bare_list", path=ENTRIES, value="page"),
    Fault("total_missing", path=ENTRIES),
)
"""Lists that tell nothing: neither how many rows there are nor whether more follow, nor how large their pages are."""


@pytest.mark.fault(16)
def test_a_bare_list_of_small_pages_is_read_to_the_empty_page(workplace: Workplace) -> None:
    done = workplace.refresh(TIME, faults=BARE)

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert pages_asked(done.requests) == -(-len(workplace.truth("time_reports")) // 60) + 1


@pytest.mark.fault(16)
@pytest.mark.parametrize("refusal", [Fault("not_found", path=ENTRIES, page=4), Fault("invalid", path=ENTRIES, page=4)])
def test_a_refusal_within_a_bare_list_is_not_its_end(workplace: Workplace, refusal: Fault) -> None:
    before = workplace.stored("time_reports")
    done = workplace.refresh(TIME, faults=(*BARE, refusal))

    assert done.status == 1
    assert "GET /time-reports, page 4: the server answered 4" in done.sentence
    assert workplace.stored("time_reports") == before


@pytest.mark.fault(16)
def test_one_short_page_makes_the_listing_be_read_again(workplace: Workplace) -> None:
    short = Fault("silent_small_pages", path=ENTRIES, page=2, count=60, times=1)
    done = workplace.refresh(TIME, faults=(short,))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert "page 2 has 60 rows, expected 200; reading the listing again" in done.stdout


# One request at a time, so that "after page 3" has a meaning.


@pytest.mark.fault(17)
@pytest.mark.parametrize("count", [1, 200])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_rows_inserted_between_pages_are_stored_once_each(workplace: Workplace, after: int, count: int) -> None:
    before = workplace.truth("time_reports")
    done = workplace.refresh(
        TIME,
        faults=(Fault("insert_between_pages", path=ENTRIES, page=after, times=1, count=count),),
        TIMIX_CONCURRENCY="1",
    )

    assert (done.status, done.stderr) == (0, "")
    assert len(workplace.truth("time_reports")) == len(before) + count
    assert workplace.stored("time_reports") == workplace.sent("time_reports")


@pytest.mark.fault(17)
def test_rows_inserted_after_the_last_page_come_next_time(workplace: Workplace) -> None:
    before = workplace.sent("time_reports")
    inserted = Fault("insert_between_pages", path=ENTRIES, page=PAGES, times=1)

    assert workplace.refresh(TIME, faults=(inserted,), TIMIX_CONCURRENCY="1").status == 0
    assert workplace.stored("time_reports") == before
    assert workplace.refresh(TIME).status == 0
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert len(workplace.stored("time_reports")) == len(before) + 1


@pytest.mark.fault(18)
@pytest.mark.parametrize("count", [1, 70, 200])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_rows_deleted_between_pages_take_no_other_row_along(workplace: Workplace, after: int, count: int) -> None:
    before = workplace.truth("time_reports")
    done = workplace.refresh(
        TIME,
        faults=(Fault("delete_between_pages", path=ENTRIES, page=after, times=1, count=count),),
        TIMIX_CONCURRENCY="1",
    )

    assert (done.status, done.stderr) == (0, "")
    assert len(workplace.truth("time_reports")) == len(before) - count
    assert workplace.stored("time_reports") == workplace.sent("time_reports")


@pytest.mark.fault(18)
def test_rows_deleted_after_the_last_page_go_next_time(workplace: Workplace) -> None:
    before = workplace.sent("time_reports")
    deleted = Fault("delete_between_pages", path=ENTRIES, page=PAGES, times=1)

    assert workplace.refresh(TIME, faults=(deleted,), TIMIX_CONCURRENCY="1").status == 0
    assert workplace.stored("time_reports") == before
    assert workplace.refresh(TIME).status == 0
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert len(workplace.stored("time_reports")) == len(before) - 1


@pytest.mark.fault(17)
@pytest.mark.fault(18)
@pytest.mark.parametrize("kind", ["insert_between_pages", "delete_between_pages"])
def test_rows_that_move_between_parallel_pages_are_all_right(workplace: Workplace, kind: str) -> None:
    moved = [Fault(kind, path=ENTRIES, page=page, times=1, count=page) for page in (1, 3)]
    done = workplace.refresh(TIME, faults=tuple(moved))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")


@pytest.mark.fault(17)
@pytest.mark.fault(18)
def test_a_deletion_is_seen_although_more_rows_were_inserted(workplace: Workplace) -> None:
    moved = (
        Fault("delete_between_pages", path=ENTRIES, page=1, times=1, count=2),
        Fault("insert_between_pages", path=ENTRIES, page=2, times=1, count=3),
    )
    done = workplace.refresh(TIME, faults=moved, TIMIX_CONCURRENCY="1")

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")


@pytest.mark.fault(17)
@pytest.mark.fault(18)
@pytest.mark.parametrize("kind", ["insert_between_pages", "delete_between_pages"])
@pytest.mark.usefixtures("untouched")
def test_a_listing_that_changes_in_every_attempt_fails(workplace: Workplace, kind: str) -> None:
    done = workplace.refresh(TIME, faults=(Fault(kind, path=ENTRIES, page=1),), TIMIX_CONCURRENCY="1")

    assert done.status == 1
    assert "GET /time-reports: the listing changed during all 3 attempts (in the last one, page 2 says" in done.sentence
    assert done.sentence.endswith(
        "no rows were kept. Run it again when fewer edits are made, and report it to Timix if that does not help."
    )


@pytest.mark.fault(19)
@pytest.mark.parametrize("count", [1, 3])
def test_a_duplicate_row_is_read_again_and_stored_once(workplace: Workplace, count: int) -> None:
    done = workplace.refresh(TIME, faults=(Fault("duplicate_rows", path=ENTRIES, count=count),))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert pages_asked(done.requests) == 2 * PAGES
    assert not [warning for warning in done.warnings if "no_conflicting_duplicates" in warning]


@pytest.mark.fault(19)
@pytest.mark.parametrize(("second_copy_is", "kept"), [("later", 1), ("earlier", 0)])
def test_the_later_of_two_different_rows_with_one_id_is_kept(
    workplace: Workplace, second_copy_is: str, kept: int
) -> None:
    first = workplace.sandbox.workspace.rows("time_reports")[0]
    texts = (first["text"], f"{first['text'] or ''} (changed)")
    done = workplace.refresh(TIME, faults=(Fault("duplicate_rows_differ", path=ENTRIES, value=second_copy_is),))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.ids("time_reports") == workplace.truth("time_reports")
    row = next(row for row in workplace.stored("time_reports") if row["id"] == first["id"])
    assert row["text"] == texts[kept]
    others = [row for row in workplace.sent("time_reports") if row["id"] != first["id"]]
    assert [row for row in workplace.stored("time_reports") if row["id"] != first["id"]] == others
    assert pages_asked(done.requests) == 2 * PAGES
    assert (
        f"warning {TIME}: no_conflicting_duplicates: {first['id']} was sent twice with different content"
        in done.warnings
    )


@pytest.mark.fault(19)
def test_duplicates_gone_in_the_second_attempt_are_not_reported(workplace: Workplace) -> None:
    drift = Fault("duplicate_rows_differ", path=ENTRIES, value="later", times=PAGES)
    done = workplace.refresh(TIME, faults=(drift,))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert pages_asked(done.requests) == 2 * PAGES
    assert not [warning for warning in done.warnings if "no_conflicting_duplicates" in warning]
