"""How old a table may be before the UI calls it stale: the one place that says so, for all of them."""

from datetime import timedelta

from dagster import AssetSpec, FreshnessPolicy

DAILY = FreshnessPolicy.time_window(fail_window=timedelta(hours=26))
"""A nightly refresh, and two hours for it to be late. A backfill of old months makes a table kept by month fresh in this
sense too, so those have the check `latest_month_read` besides."""

TABLES = ("timix", "rollups")


def with_freshness(spec: AssetSpec) -> AssetSpec:
    """The spec with its policy, when it is a table."""
    return spec.replace_attributes(freshness_policy=DAILY) if spec.key.path[0] in TABLES else spec
