"""The months that dated tables are read by."""

from datetime import date

from dagster import MonthlyPartitionsDefinition

from timix_assets.environment import start_month, time_zone

KEY_FORMAT = "%Y-%m-%d"

# end_offset 1: the running month is read too, and read again until it is over.
MONTHLY = MonthlyPartitionsDefinition(
    start_date=start_month().isoformat(), timezone=str(time_zone()), fmt=KEY_FORMAT, end_offset=1
)


def partition_key(month: date) -> str:
    """The partition key of a month, given its first day."""
    return month.strftime(KEY_FORMAT)
