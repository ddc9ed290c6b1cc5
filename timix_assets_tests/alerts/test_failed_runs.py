"""When a failed run is told, look by look, without any Dagster."""

from datetime import UTC, datetime, timedelta

import pytest

from timix_assets.alerts.failed_runs import GRACE, MOST_A_LOOK, TOLD_FOR, Failed, Retry, Told, cause_of, look

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
START = NOON - 30 * MINUTE


def failed(run_id: str, minutes_ago: float = 1, retry: Retry = Retry.NEVER) -> Failed:
    return Failed(run_id, NOON - minutes_ago * MINUTE, retry)


def test_failures_are_told_the_oldest_first_and_never_again() -> None:
    runs = [failed("b", 1), failed("a", 2), failed("known", 3)]
    found = look(runs, {"known"}, {}, START, NOON)
    assert (found.tell, found.waiting, found.until) == (["a", "b"], {}, NOON - MINUTE)
    assert look(runs, {"known", "a", "b"}, {}, found.until, NOON).tell == []


def test_a_look_that_finds_nothing_settles_nothing() -> None:
    assert look([], set(), {}, START, NOON).until == START


def test_what_is_waited_for_is_not_passed_by_and_told_when_the_grace_is_over() -> None:
    runs = [failed("waits", 20, Retry.EXPECTED), failed("news", 1)]
    found = look(runs, set(), {}, START, NOON)
    assert (found.tell, found.waiting, found.until) == (["news"], {"waits": NOON}, NOON - 20 * MINUTE)
    later = look(runs, {"news"}, found.waiting, found.until, NOON + GRACE)
    assert (later.tell, later.waiting, later.until) == (["waits"], {}, NOON - MINUTE)


def test_the_grace_begins_with_the_first_look_for_the_daemon_may_have_been_off_since_the_failure() -> None:
    assert look([failed("old", 25, Retry.EXPECTED)], set(), {}, START, NOON).tell == []


def test_a_run_that_was_started_again_is_not_told_however_long_it_was_waited_for() -> None:
    found = look([failed("again", 20, Retry.STARTED)], set(), {"again": START}, START, NOON)
    assert (found.tell, found.waiting) == ([], {})


def test_one_look_tells_of_so_many_and_the_next_of_the_rest() -> None:
    runs = [failed(str(n), 20 - n / 10, Retry.EXPECTED) for n in range(MOST_A_LOOK + 2)]
    waited = dict.fromkeys((each.run_id for each in runs), START)
    found = look(runs, set(), waited, START, NOON)
    rest = look(runs, set(found.tell), found.waiting, found.until, NOON)
    assert found.tell + rest.tell == [each.run_id for each in runs]
    assert len(rest.tell) == 2


def test_what_is_settled_never_goes_back() -> None:
    assert look([failed("late", 60, Retry.EXPECTED)], set(), {}, START, NOON).until == START


def test_what_was_told_is_no_news_for_most_of_a_day_unless_the_job_ended_well_or_fails_for_another_reason_too() -> None:
    told = Told(NOON, frozenset({"key", "disk"}))
    key, both, more = frozenset({"key"}), told.causes, frozenset({"key", "other"})
    assert told.covers(key, NOON + MINUTE, ended_well=False)
    assert told.covers(both, NOON + TOLD_FOR - MINUTE, ended_well=False)
    assert not told.covers(both, NOON + TOLD_FOR, ended_well=False)
    assert not told.covers(more, NOON + MINUTE, ended_well=False)
    assert not told.covers(key, NOON + MINUTE, ended_well=True)


def test_a_nightly_failure_is_told_every_morning() -> None:
    assert timedelta(hours=23) > TOLD_FOR


@pytest.mark.parametrize(
    ("once", "again"),
    [
        (
            "GET /customers, page 3: the server answered 503 (tried 5 times).",
            "GET /customers, page 12: the server answered 500 (tried 2 times).",
        ),
        ("it answered 500 (“reference 4bf92f35”)", "it answered 500 (“reference a1c0de77”)"),
        ("in use by refresh_recent (run 1a2b3c4d)", "in use by refresh_recent (run 9f8e7d6c)"),
        ("would remove 999 of 1,000 rows", "would remove 1,200 of 14,000 rows"),
    ],
)
def test_figures_and_ids_make_no_other_cause(once: str, again: str) -> None:
    assert cause_of("timix/customers", once) == cause_of("timix/customers", again)


def test_other_words_or_another_asset_are_another_cause() -> None:
    refused = cause_of("timix/customers", "the server answered 403; use another key.")
    assert refused != cause_of("timix/customers", "the server answered 500; try again later.")
    assert refused != cause_of("timix/projects", "the server answered 403; use another key.")
