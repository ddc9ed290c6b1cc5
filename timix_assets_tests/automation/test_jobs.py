"""What each job reads: a run has exactly the assets that its description promises."""

from datetime import date

import pytest
from dagster import FreshnessPolicy

from timix_assets.automation.windows import clipped, closed, months_before, recent, swept
from timix_assets.definitions import defs
from timix_assets.lake.months import Months
from timix_assets.metrics.tables import ROLLUPS

TODAY = date(2026, 11, 18)


def assets_of(job: str) -> set[str]:
    return {key.to_user_string() for key in defs.resolve_job_def(job).asset_layer.executable_asset_keys}


def all_but(*prefixes: str) -> set[str]:
    every = {key.to_user_string() for key in defs.resolve_asset_graph().executable_asset_keys}
    return {name for name in every if not name.startswith(prefixes)}


@pytest.mark.parametrize("job", ["refresh_everything", "close_month", "refresh_changed"])
def test_these_jobs_read_everything_and_leave_upkeep_to_its_own_job(job: str) -> None:
    assert assets_of(job) == all_but("maintenance/")


def test_recent_reads_what_moves_and_the_structure_and_computes_every_rollup() -> None:
    raw = {name for name in assets_of("refresh_recent") if name.startswith("timix/")}
    assert raw == {
        f"timix/{name}"
        for name in (
            "time_reports",
            "revenue_report",
            "customer_billing_report",
            "budget_health_report",
            "unbilled_time_report",
            "customers",
            "projects",
            "tasks",
            "subtasks",
        )
    }
    assert assets_of("refresh_recent") - raw == {f"rollups/{table.name}" for table in ROLLUPS}


def test_upkeep_asks_timix_for_nothing_and_has_a_job_of_its_own() -> None:
    assert assets_of("compact_lake") == {"maintenance/compact", "maintenance/run_history"}


def test_every_job_says_what_it_does_and_carries_its_name_as_a_tag() -> None:
    for job in defs.resolve_all_job_defs():
        if not job.name.startswith("__"):
            assert job.description, job.name
            assert job.tags["timix/job"] == job.name


def test_every_table_fails_its_freshness_policy_26_hours_after_anything_of_it_was_read() -> None:
    for spec in defs.resolve_all_asset_specs():
        policy: FreshnessPolicy | None = spec.freshness_policy
        is_table = spec.key.path[0] in ("timix", "rollups")
        assert (policy is not None) == is_table, spec.key
        if policy is not None:
            assert policy.fail_window.to_timedelta().total_seconds() == 26 * 3600  # type: ignore[attr-defined]


def test_recent_is_the_running_month_and_the_trail_before_it() -> None:
    assert recent(2)(TODAY) == (date(2026, 9, 1), date(2026, 11, 1))
    assert recent(0)(TODAY) == (date(2026, 11, 1), date(2026, 11, 1))


def test_closed_is_the_month_before_with_three_before_it_and_never_the_running_one() -> None:
    assert closed(TODAY) == (date(2026, 7, 1), date(2026, 10, 1))
    assert closed(date(2027, 1, 3)) == (date(2026, 9, 1), date(2026, 12, 1))


def test_swept_are_twelve_months_with_the_running_one() -> None:
    assert swept(TODAY) == (date(2025, 12, 1), date(2026, 11, 1))
    assert len(list(Months(*swept(TODAY)))) == 12


def test_months_before_cross_the_year() -> None:
    assert [months_before(date(2026, 2, 28), n) for n in (0, 1, 2)] == [
        date(2026, 2, 1),
        date(2026, 1, 1),
        date(2025, 12, 1),
    ]


def test_a_window_is_clipped_to_the_months_that_there_are() -> None:
    assert clipped(swept(TODAY), date(2026, 10, 1)) == Months(date(2026, 10, 1), date(2026, 11, 1))
    assert clipped(closed(TODAY), date(2026, 11, 1)) is None
