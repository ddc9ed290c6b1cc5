"""Jobs: each is one run over a range of months, so that one run is one consistent picture."""

from dagster import AssetKey, AssetSelection, DagsterInstance, DagsterRunStatus, RunsFilter, define_asset_job

from timix_assets.automation.partitions import partition_key
from timix_assets.lake.months import Months

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]

MAINTENANCE = AssetSelection.groups("maintenance")
EVERYTHING = AssetSelection.all() - MAINTENANCE
STRUCTURE = ("customers", "projects", "tasks", "subtasks")
MOVING = (
    "time_reports",
    "revenue_report",
    "customer_billing_report",
    "budget_health_report",
    "unbilled_time_report",
)
"""What changes as people log time, approve it and bill it."""

_LAUNCHED_BY_HAND = "By hand: a backfill of the job over a range of months is one run."

refresh_everything = define_asset_job(
    "refresh_everything",
    EVERYTHING,
    description="Reads every resource, report and export of the chosen months and computes all that hangs below them. "
    f"{_LAUNCHED_BY_HAND}",
    tags={"timix/job": "refresh_everything"},
)

refresh_recent = define_asset_job(
    "refresh_recent",
    AssetSelection.assets(*(AssetKey(["timix", name]) for name in (*MOVING, *STRUCTURE))).downstream(),
    description="Reads what moves during the day (time reports, the reports on them, customers, projects, tasks and "
    "subtasks) and computes every rollup. People, calendars, invoices and exports wait for the night. "
    f"{_LAUNCHED_BY_HAND}",
    tags={"timix/job": "refresh_recent"},
)

close_month = define_asset_job(
    "close_month",
    # With the exports: the CSVs of a month are what an auditor asks for, so the last ones belong to its closing.
    EVERYTHING,
    description="Reads the month that was closed once more, with the three before it, everything in them: approvals, "
    f"invoices and corrections that came late, and the official exports as they are now. {_LAUNCHED_BY_HAND}",
    tags={"timix/job": "close_month"},
)

refresh_changed = define_asset_job(
    "refresh_changed",
    EVERYTHING,
    description="What the sensor timix_changes starts: only the assets of what changed in Timix, and all that hangs below "
    "them. By hand, refresh_recent is the better choice.",
    tags={"timix/job": "refresh_changed"},
)

compact_lake = define_asset_job(
    "compact_lake",
    MAINTENANCE,
    description="Compacts every table, deletes files that no version of the last 30 days needs, sweeps what killed runs "
    "left in the temporary folder, and deletes old runs. It reads nothing from Timix.",
    tags={"timix/job": "compact_lake"},
)

JOBS = [refresh_everything, refresh_recent, close_month, refresh_changed, compact_lake]


def range_tags(months: Months) -> dict[str, str]:
    """The run tags that give a job its range of months."""
    return {RANGE_START: partition_key(months.first), RANGE_END: partition_key(months.last)}


def unfinished_run(instance: DagsterInstance, job: str) -> str | None:
    """The id of a run of the job that is queued or running."""
    found = instance.get_run_records(RunsFilter(job_name=job, statuses=UNFINISHED), limit=1)
    return found[0].dagster_run.run_id if found else None
