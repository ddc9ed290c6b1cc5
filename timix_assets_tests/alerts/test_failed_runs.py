"""When run failure alerts fire, tick by tick without Dagster, and their message."""

from datetime import UTC, datetime, timedelta

import pytest

from timix_assets.alerts.failed_runs import (
    FAILURE_STATE,
    MAX_CAUSES_SHOWN,
    MAX_PER_TICK,
    RETRY_GRACE,
    SUPPRESS_FOR,
    FailedRun,
    FailureState,
    ReportedFailure,
    Retry,
    RunFailure,
    cause_id,
    run_failure_message,
    scan,
)

LINK = "http://127.0.0.1:3000/runs/x"
NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
START = NOON - 30 * MINUTE


def failed(run_id: str, minutes_ago: float = 1, retry: Retry = Retry.NEVER) -> FailedRun:
    return FailedRun(run_id, NOON - minutes_ago * MINUTE, retry)


def test_reports_failures_once_oldest_first() -> None:
    runs = [failed("b", 1), failed("a", 2), failed("known", 3)]
    found = scan(runs, {"known"}, {}, START, NOON)
    assert (found.due, found.waiting, found.until) == (["a", "b"], {}, NOON - MINUTE)
    assert scan(runs, {"known", "a", "b"}, {}, found.until, NOON).due == []


def test_empty_scan_does_not_advance() -> None:
    assert scan([], set(), {}, START, NOON).until == START


def test_awaited_retry_is_reported_after_grace() -> None:
    runs = [failed("waits", 20, Retry.EXPECTED), failed("news", 1)]
    found = scan(runs, set(), {}, START, NOON)
    assert (found.due, found.waiting, found.until) == (["news"], {"waits": NOON}, NOON - 20 * MINUTE)
    later = scan(runs, {"news"}, found.waiting, found.until, NOON + RETRY_GRACE)
    assert (later.due, later.waiting, later.until) == (["waits"], {}, NOON - MINUTE)


def test_grace_starts_at_first_scan() -> None:
    assert scan([failed("old", 25, Retry.EXPECTED)], set(), {}, START, NOON).due == []


def test_retried_run_is_not_reported() -> None:
    found = scan([failed("again", 20, Retry.STARTED)], set(), {"again": START}, START, NOON)
    assert (found.due, found.waiting) == ([], {})


def test_reports_at_most_max_per_tick() -> None:
    runs = [failed(str(n), 20 - n / 10, Retry.EXPECTED) for n in range(MAX_PER_TICK + 2)]
    waited = dict.fromkeys((each.run_id for each in runs), START)
    found = scan(runs, set(), waited, START, NOON)
    rest = scan(runs, set(found.due), found.waiting, found.until, NOON)
    assert found.due + rest.due == [each.run_id for each in runs]
    assert len(rest.due) == 2


def test_scan_position_never_goes_back() -> None:
    assert scan([failed("late", 60, Retry.EXPECTED)], set(), {}, START, NOON).until == START


REPORTED = ReportedFailure(NOON, frozenset({"key", "disk"}))


def test_reported_causes_are_suppressed_for_20_hours() -> None:
    assert REPORTED.covers(frozenset({"key"}), NOON + MINUTE, succeeded_since=False)
    assert REPORTED.covers(REPORTED.causes, NOON + SUPPRESS_FOR - MINUTE, succeeded_since=False)
    assert not REPORTED.covers(REPORTED.causes, NOON + SUPPRESS_FOR, succeeded_since=False)


def test_new_cause_is_not_suppressed() -> None:
    assert not REPORTED.covers(frozenset({"key", "other"}), NOON + MINUTE, succeeded_since=False)


def test_failure_after_success_is_not_suppressed() -> None:
    assert not REPORTED.covers(frozenset({"key"}), NOON + MINUTE, succeeded_since=True)


def test_nightly_failure_is_reported_every_morning() -> None:
    assert timedelta(hours=23) > SUPPRESS_FOR


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
def test_cause_ignores_figures_and_ids(once: str, again: str) -> None:
    assert cause_id("timix/customers", once) == cause_id("timix/customers", again)


def test_other_message_or_asset_is_another_cause() -> None:
    refused = cause_id("timix/customers", "the server answered 403; use another key.")
    assert refused != cause_id("timix/customers", "the server answered 500; try again later.")
    assert refused != cause_id("timix/projects", "the server answered 403; use another key.")


def test_message_lists_causes_and_counts_the_rest() -> None:
    causes = [(f"timix/t{n}", f"Table {n} was refused;\n  make a new key.") for n in range(MAX_CAUSES_SHOWN + 2)]
    message = run_failure_message(RunFailure("close_month", "2026-08 to 2026-11", causes), "http://ui/runs/x")
    assert message.title == "close_month failed (2026-08 to 2026-11)"
    assert "• timix/t0: Table 0 was refused; make a new key.\n" in message.text
    assert message.text.endswith("• and 2 more\n\nhttp://ui/runs/x")


def test_message_groups_assets_by_cause() -> None:
    causes = [(f"timix/t{n}", "The key was refused.") for n in range(7)]
    message = run_failure_message(RunFailure("close_month", "", causes), LINK)
    assert message.text == f"• timix/t0, timix/t1, timix/t2 and 4 more: The key was refused.\n\n{LINK}"


def test_message_names_run_without_job() -> None:
    message = run_failure_message(RunFailure("__ASSET_JOB", "2026-09", [("timix/me", "The key was refused.")]), LINK)
    assert message.title == "selected assets failed (2026-09)"


def test_message_truncates_long_error() -> None:
    message = run_failure_message(RunFailure("close_month", "", [("timix/me", "x" * 9_000)]), "http://ui/runs/x")
    assert len(message.text) < 600
    assert "…" in message.text


def test_reads_state_of_version_0_1() -> None:
    reported = {"at": NOON.isoformat(), "causes": ["key"]}
    stored = {"told": ["a"], "waiting": {}, "known": {"job": reported}, "failing": {}}
    expected = FailureState(["a"], {}, {"job": ReportedFailure(NOON, frozenset({"key"}))}, {})
    assert FAILURE_STATE.validate_python(stored) == expected
    assert FAILURE_STATE.validate_python(expected.to_json(1)) == expected
    assert FAILURE_STATE.validate_python(["a"]) == FailureState(["a"])
