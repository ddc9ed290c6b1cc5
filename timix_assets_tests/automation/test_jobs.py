"""What each job reads: a run has exactly the assets that its description promises."""

from datetime import date

import pytest
from dagster import FreshnessPolicy

from timix_assets.automation.month_ranges import clip, closed_months, months_before, recent_months, sweep_months
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.definitions import defs
from timix_assets.lake.months import Months
from timix_assets.metrics import ROLLUPS

TODAY = date(2026, 11, 18)


def assets_of(job: str) -> set[str]:
    return {key.to_user_string() for key in defs.resolve_job_def(job).asset_layer.executable_asset_keys}


def all_but(*prefixes: str) -> set[str]:
    every = {key.to_user_string() for key in defs.resolve_asset_graph().executable_asset_keys}
    return {name for name in every if not name.startswith(prefixes)}


@pytest.mark.parametrize("job", ["refresh_everything", "close_month", "refresh_changed"])
def test_refresh_jobs_select_all_but_maintenance_and_imports(job: str) -> None:
    closing = {"meta/closed_months"}
    assert assets_of(job) == all_but("maintenance/", "imports/") - (set() if job == "close_month" else closing)


def test_refresh_recent_reads_what_changes_during_the_day() -> None:
    raw = {name for name in assets_of("refresh_recent") if name.startswith("timix/")}
    assert raw == {f"timix/{endpoint.name}" for endpoint in ENDPOINTS if endpoint.changes_during_day}
    assert {"timix/time_reports", "timix/customers", "timix/invoices"} <= raw
    assert "timix/org_users" not in raw
    assert assets_of("refresh_recent") - raw == {
        *(f"rollups/{table.name}" for table in ROLLUPS),
        "reports/weekly_digest",
    }


def test_maintenance_makes_no_requests_and_has_its_own_job() -> None:
    assert assets_of("compact_lake") == {"maintenance/compact", "maintenance/run_history"}


def test_every_job_has_a_description_and_its_name_as_tag() -> None:
    for job in defs.resolve_all_job_defs():
        if not job.name.startswith("__"):
            assert job.description, job.name
            assert job.tags["timix/job"] == job.name


def test_tables_fail_freshness_26_hours_after_a_read() -> None:
    for spec in defs.resolve_all_asset_specs():
        policy: FreshnessPolicy | None = spec.freshness_policy
        is_table = spec.key.path[0] in ("timix", "rollups")
        assert (policy is not None) == is_table, spec.key
        if policy is not None:
            assert policy.fail_window.to_timedelta().total_seconds() == 26 * 3600  # type: ignore[attr-defined]


def test_recent_months_are_the_current_and_the_trail() -> None:
    assert recent_months(2)(TODAY) == (date(2026, 9, 1), date(2026, 11, 1))
    assert recent_months(0)(TODAY) == (date(2026, 11, 1), date(2026, 11, 1))


def test_closed_months_are_the_previous_and_three_before() -> None:
    assert closed_months(TODAY) == (date(2026, 7, 1), date(2026, 10, 1))
    assert closed_months(date(2027, 1, 3)) == (date(2026, 9, 1), date(2026, 12, 1))


def test_sweep_months_are_twelve_with_the_current() -> None:
    assert sweep_months(TODAY) == (date(2025, 12, 1), date(2026, 11, 1))
    assert len(list(Months(*sweep_months(TODAY)))) == 12


def test_months_before_cross_the_year() -> None:
    assert [months_before(date(2026, 2, 28), n) for n in (0, 1, 2)] == [
        date(2026, 2, 1),
        date(2026, 1, 1),
        date(2025, 12, 1),
    ]


def test_month_range_is_clipped_to_existing_months() -> None:
    assert clip(sweep_months(TODAY), date(2026, 10, 1)) == Months(date(2026, 10, 1), date(2026, 11, 1))
    assert clip(closed_months(TODAY), date(2026, 11, 1)) is None
