"""The months: the partitions of every dated table."""

from collections.abc import Mapping
from datetime import date, timedelta

from dagster import AssetExecutionContext, AssetKey, DagsterError, Failure, MonthlyPartitionsDefinition, TimeWindow

from timix_assets.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
    CheckError,
)
from timix_assets.lake.months import Months
from timix_assets.settings import Settings

RANGE_START = ASSET_PARTITION_RANGE_START_TAG
RANGE_END = ASSET_PARTITION_RANGE_END_TAG

KEY_FORMAT = "%Y-%m-%d"

NO_PARTITION_ERRORS = (DagsterError, CheckError, ValueError, OverflowError)
"""What Dagster raises when a run names no partition, or one that does not exist."""


def monthly_partitions(settings: Settings) -> MonthlyPartitionsDefinition:
    """The months from the first one of the settings to the current one, which is a partition too."""
    return MonthlyPartitionsDefinition(
        start_date=settings.first_month().isoformat(), timezone=settings.zone_name, fmt=KEY_FORMAT, end_offset=1
    )


def partition_key(month: date) -> str:
    """The partition key of a month, given its first day."""
    return month.strftime(KEY_FORMAT)


def range_tags(months: Months) -> dict[str, str]:
    """The run tags that give a job its range of months."""
    return {RANGE_START: partition_key(months.first), RANGE_END: partition_key(months.last)}


def months_of(window: TimeWindow) -> Months:
    """The months of a half-open window of monthly partitions."""
    after = window.end.date()
    return Months(window.start.date(), (after.replace(day=1) - timedelta(days=1)).replace(day=1))


def months_in_tags(tags: Mapping[str, str]) -> list[date]:
    """The months that a run's tags name; none when they name none."""
    first = tags.get(RANGE_START) or tags.get(PARTITION_NAME_TAG)
    if first is None:
        return []
    last = tags.get(RANGE_END) or first
    return list(Months(date.fromisoformat(first), date.fromisoformat(last)))


def months_of_run(context: AssetExecutionContext) -> Months:
    """The months that this run is to read.

    Raises:
        Failure: The run's tags name no months, or months that do not exist.
    """
    try:
        window = context.partition_time_window
    except NO_PARTITION_ERRORS as error:
        raise missing_months_failure(context.asset_key) from error
    try:
        # Dagster itself would notice only after the months have been read.
        _ = context.partition_keys
        return months_of(window)
    except NO_PARTITION_ERRORS as error:
        raise Failure(
            f"{context.asset_key.to_user_string()}: the months in this run's tags do not exist; materialize it for months that "
            "the UI shows.",
            allow_retries=False,
        ) from error


def missing_months_failure(key: AssetKey) -> Failure:
    """The failure of a run that names no months for a partitioned asset."""
    return Failure(
        f"{key.to_user_string()}: the asset is partitioned by month but this run names no months; materialize it for a month or "
        f"a range of months. On the command line these are tags: {RANGE_START} and {RANGE_END}, each the first day of a month, "
        "YYYY-MM-DD.",
        allow_retries=False,
    )
