"""When a failed run is told, look by look, without any Dagster."""

from datetime import UTC, datetime, timedelta

from timix_assets.alerts.failed_runs import GRACE, MOST_A_LOOK, TOLD_FOR, Failed, Retry, cause_of, is_known, look

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


def test_a_cause_that_was_told_is_no_news_for_a_day_unless_its_job_ended_well_in_between() -> None:
    assert not is_known(None, NOON, None)
    assert is_known(NOON - MINUTE, NOON, None)
    assert not is_known(NOON - TOLD_FOR, NOON, None)
    assert not is_known(NOON - 3 * MINUTE, NOON, succeeded_at=NOON - MINUTE)
    assert is_known(NOON - 3 * MINUTE, NOON, succeeded_at=NOON - 9 * MINUTE)


def test_figures_make_no_other_cause_and_words_do() -> None:
    page_3 = "GET /customers, page 3: the server answered 503 (tried 5 times)."
    assert cause_of(page_3) == cause_of(page_3.replace("3", "12"))
    assert cause_of(page_3) != cause_of(page_3.replace("customers", "projects"))
