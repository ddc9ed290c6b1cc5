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


# Row 14


def test_14_has_more_for_ever_ends_where_the_total_is_met(workplace: Workplace) -> None:
    done = workplace.refresh(TIME, faults=(Fault("has_more_forever", path=ENTRIES),))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert pages_asked(done.requests) == PAGES + 1  # one page beyond the end tells whether the total was right


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
            "page 5 is empty and says that more follow",
            PAGES + 1,
            id="more for ever, no total",
        ),
        pytest.param(
            (Fault("has_more_forever"), Fault("total_off", count=1000)),
            "page 4 has 68 rows where 200 were due",
            9,
            id="more for ever, total never met",
        ),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_14_a_listing_without_an_end_is_red_after_three_readings(
    workplace: Workplace, faults: tuple[Fault, ...], reason: str, most_requests: int
) -> None:
    done = workplace.refresh(
        TIME, faults=tuple(replace(fault, path=ENTRIES) for fault in faults), TIMIX_CONCURRENCY="1"
    )

    assert done.status == 1
    assert done.sentence == (
        f"failed {TIME}: GET /time-reports: the rows did not add up in 3 readings (in the last one, {reason}), "
        "so nothing of them is kept; run it again at a quieter time, and report it to Timix when that does not help."
    )
    assert pages_asked(done.requests) <= READINGS * most_requests
    assert "so the listing is read again (3 of at most 3 readings)" in done.stdout


# Row 15


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param((Fault("has_more_false_early"),), id="total in the body"),
        pytest.param((Fault("has_more_false_early"), Fault("total_missing", value="header")), id="in the header alone"),
    ],
)
def test_15_has_more_false_too_early_loses_nothing_because_the_total_counts(
    workplace: Workplace, faults: tuple[Fault, ...]
) -> None:
    done = workplace.refresh(TIME, faults=tuple(replace(fault, path=ENTRIES) for fault in faults))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert pages_asked(done.requests) == PAGES


@pytest.mark.parametrize(
    ("count", "reason"),
    [
        pytest.param(5, "page 4 has 68 rows where 73 were due", id="five rows are not sent"),
        pytest.param(-5, "page 4 has 68 rows where 63 were due", id="five rows are not counted"),
        pytest.param(200, "page 4 has 68 rows where 200 were due", id="a page is not sent"),
        pytest.param(-68, "page 4 holds rows beyond the 600 that were counted", id="a page is not counted"),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_15_rows_that_do_not_make_up_the_total_are_red(workplace: Workplace, count: int, reason: str) -> None:
    early = Fault("has_more_false_early", path=ENTRIES) if count > 0 else Fault("has_more_forever", path=ENTRIES)
    done = workplace.refresh(TIME, faults=(Fault("total_off", path=ENTRIES, count=count), early), TIMIX_CONCURRENCY="1")

    assert done.status == 1
    assert f"did not add up in 3 readings (in the last one, {reason})" in done.sentence


def test_15_doubles_are_counted_against_the_total_before_they_are_dropped(workplace: Workplace) -> None:
    faults = (Fault("duplicate_rows", path=ENTRIES, count=3), Fault("has_more_false_early", path=ENTRIES))
    done = workplace.refresh(TIME, faults=faults)

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")


# Row 16


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param((Fault("small_pages", count=60),), id="said in the envelope"),
        pytest.param((Fault("silent_small_pages", count=60),), id="silent"),
        pytest.param((Fault("silent_small_pages", count=60), Fault("total_missing")), id="silent, no total"),
    ],
)
def test_16_smaller_pages_than_asked_are_read_to_the_last_row(workplace: Workplace, faults: tuple[Fault, ...]) -> None:
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


def test_16_a_list_that_tells_nothing_of_its_smaller_pages_is_read_until_one_is_empty(workplace: Workplace) -> None:
    done = workplace.refresh(TIME, faults=BARE)

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert pages_asked(done.requests) == -(-len(workplace.truth("time_reports")) // 60) + 1


@pytest.mark.parametrize("refusal", [Fault("not_found", path=ENTRIES, page=4), Fault("invalid", path=ENTRIES, page=4)])
def test_16_a_refusal_in_the_middle_of_such_a_list_is_no_end(workplace: Workplace, refusal: Fault) -> None:
    before = workplace.stored("time_reports")
    done = workplace.refresh(TIME, faults=(*BARE, refusal))

    assert done.status == 1
    assert "GET /time-reports, page 4: the server answered 4" in done.sentence
    assert workplace.stored("time_reports") == before


def test_16_one_page_that_is_smaller_than_the_others_is_not_taken_for_the_whole(workplace: Workplace) -> None:
    short = Fault("silent_small_pages", path=ENTRIES, page=2, count=60, times=1)
    done = workplace.refresh(TIME, faults=(short,))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert "page 2 has 60 rows where 200 were due, so the listing is read again" in done.stdout


# Rows 17 and 18. One request at a time, so that "after page 3" has a meaning.


@pytest.mark.parametrize("count", [1, 200])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_17_rows_inserted_between_pages_are_all_there_each_once(workplace: Workplace, after: int, count: int) -> None:
    before = workplace.truth("time_reports")
    done = workplace.refresh(
        TIME,
        faults=(Fault("insert_between_pages", path=ENTRIES, page=after, times=1, count=count),),
        TIMIX_CONCURRENCY="1",
    )

    assert (done.status, done.stderr) == (0, "")
    assert len(workplace.truth("time_reports")) == len(before) + count
    assert workplace.stored("time_reports") == workplace.sent("time_reports")


def test_17_rows_inserted_after_the_last_page_come_with_the_next_refresh(workplace: Workplace) -> None:
    before = workplace.sent("time_reports")
    inserted = Fault("insert_between_pages", path=ENTRIES, page=PAGES, times=1)

    assert workplace.refresh(TIME, faults=(inserted,), TIMIX_CONCURRENCY="1").status == 0
    assert workplace.stored("time_reports") == before
    assert workplace.refresh(TIME).status == 0
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert len(workplace.stored("time_reports")) == len(before) + 1


@pytest.mark.parametrize("count", [1, 70, 200])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_18_rows_deleted_between_pages_take_no_other_row_with_them(
    workplace: Workplace, after: int, count: int
) -> None:
    before = workplace.truth("time_reports")
    done = workplace.refresh(
        TIME,
        faults=(Fault("delete_between_pages", path=ENTRIES, page=after, times=1, count=count),),
        TIMIX_CONCURRENCY="1",
    )

    assert (done.status, done.stderr) == (0, "")
    assert len(workplace.truth("time_reports")) == len(before) - count
    assert workplace.stored("time_reports") == workplace.sent("time_reports")


def test_18_rows_deleted_after_the_last_page_go_with_the_next_refresh(workplace: Workplace) -> None:
    before = workplace.sent("time_reports")
    deleted = Fault("delete_between_pages", path=ENTRIES, page=PAGES, times=1)

    assert workplace.refresh(TIME, faults=(deleted,), TIMIX_CONCURRENCY="1").status == 0
    assert workplace.stored("time_reports") == before
    assert workplace.refresh(TIME).status == 0
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert len(workplace.stored("time_reports")) == len(before) - 1


@pytest.mark.parametrize("kind", ["insert_between_pages", "delete_between_pages"])
def test_17_18_rows_that_move_while_pages_are_asked_at_once_are_right_too(workplace: Workplace, kind: str) -> None:
    moved = [Fault(kind, path=ENTRIES, page=page, times=1, count=page) for page in (1, 3)]
    done = workplace.refresh(TIME, faults=tuple(moved))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")


def test_17_18_a_deletion_is_seen_though_more_rows_were_inserted(workplace: Workplace) -> None:
    moved = (
        Fault("delete_between_pages", path=ENTRIES, page=1, times=1, count=2),
        Fault("insert_between_pages", path=ENTRIES, page=2, times=1, count=3),
    )
    done = workplace.refresh(TIME, faults=moved, TIMIX_CONCURRENCY="1")

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")


@pytest.mark.parametrize("kind", ["insert_between_pages", "delete_between_pages"])
@pytest.mark.usefixtures("untouched")
def test_17_18_a_listing_that_never_holds_still_is_red(workplace: Workplace, kind: str) -> None:
    done = workplace.refresh(TIME, faults=(Fault(kind, path=ENTRIES, page=1),), TIMIX_CONCURRENCY="1")

    assert done.status == 1
    assert "GET /time-reports: the rows did not add up in 3 readings (in the last one, page 2 counts" in done.sentence
    assert done.sentence.endswith(
        "so nothing of them is kept; run it again at a quieter time, and report it to Timix when that does not help."
    )


# Row 19


@pytest.mark.parametrize("count", [1, 3])
def test_19_the_same_row_twice_is_read_again_and_kept_once(workplace: Workplace, count: int) -> None:
    done = workplace.refresh(TIME, faults=(Fault("duplicate_rows", path=ENTRIES, count=count),))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert pages_asked(done.requests) == 2 * PAGES
    assert not [warning for warning in done.warnings if "doubles_agree" in warning]


@pytest.mark.parametrize(("second_copy_is", "kept"), [("later", 1), ("earlier", 0)])
def test_19_of_two_different_rows_with_one_id_the_later_updated_is_kept(
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
    assert f"warning {TIME}: doubles_agree: {first['id']} came twice with different content" in done.warnings


def test_19_doubles_that_are_gone_in_the_second_reading_were_drift(workplace: Workplace) -> None:
    drift = Fault("duplicate_rows_differ", path=ENTRIES, value="later", times=PAGES)
    done = workplace.refresh(TIME, faults=(drift,))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")
    assert pages_asked(done.requests) == 2 * PAGES
    assert not [warning for warning in done.warnings if "doubles_agree" in warning]
