"""The check `current_month_read`: whether the current month of a monthly table was read recently.

Dagster's freshness policies are of a whole asset, so a backfill of old months makes it fresh. This check looks at the
partition of the month that is current in the firm's time zone alone.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetKey,
    AssetRecordsFilter,
    DagsterInstance,
    MetadataValue,
    ResourceParam,
    asset_check,
)

from timix_assets.assets.checks.outcome import check_result
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.contract.schema import Window
from timix_assets.lake.tables import Lake
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.partitions import partition_key
from timix_assets.resources import LakeResource
from timix_assets.runs.failure_messages import as_dagster_failure
from timix_assets.settings import Settings

CURRENT_MONTH_READ = "current_month_read"

STALE_AFTER = timedelta(hours=26)
"""A nightly refresh, and two hours of delay."""

MONTHLY_TABLES = tuple(f"timix/{endpoint.name}" for endpoint in ENDPOINTS if endpoint.window is not Window.NONE)

Clock = Callable[[Settings], datetime]


def local_time(settings: Settings) -> datetime:
    """The time in the zone that decides the current month."""
    return datetime.now(settings.zone)


def fresh_until(last_read: datetime | None, now: datetime) -> datetime:
    """Until when the current month is fresh; a month that has just begun counts as just read.

    Args:
        last_read: when the current month was last read, timezone-aware; None if never.
        now: timezone-aware, in the zone that decides the current month.

    Returns:
        A time in UTC.
    """
    began = datetime(now.year, now.month, 1, tzinfo=now.tzinfo).astimezone(UTC)
    return (began if last_read is None else max(began, last_read.astimezone(UTC))) + STALE_AFTER


def current_month_result(table: AssetKey, last_read: datetime | None, now: datetime) -> AssetCheckResult:
    """The result at `now`; its message stays the same until the result, the month or the last read changes.

    Args:
        table: the asset.
        last_read: as for `fresh_until`.
        now: as for `fresh_until`.
    """
    fresh, month = now.astimezone(UTC) <= fresh_until(last_read, now), f"{now:%Y-%m}"
    read = f"was last read on {last_read.astimezone(now.tzinfo):%Y-%m-%d %H:%M %Z}" if last_read else "was never read"
    if fresh:
        until = f"{fresh_until(last_read, now).astimezone(now.tzinfo):%Y-%m-%d %H:%M %Z}"
        message = f"{month}, the current month, {read}; it is fresh until {until}."
    else:
        late = f", more than {STALE_AFTER // timedelta(hours=1)} hours ago" if last_read else ""
        message = f"{month}, the current month, {read}{late}; materialize {table.to_user_string()} for it."
    return check_result(
        table,
        CURRENT_MONTH_READ,
        passed=fresh,
        lines=[message],
        metadata={
            "current_month": MetadataValue.text(month),
            **({"last_read": MetadataValue.timestamp(last_read)} if last_read else {}),
        },
    )


def evaluate_current_month(
    instance: DagsterInstance, lake: Lake, table: AssetKey, now: datetime, names: Namespace = PROJECT
) -> AssetCheckResult:
    """The result for a table, from the lake's metadata and Dagster's event log. names: of the lake.

    Raises:
        LakeError: the lake cannot be read.
    """
    return current_month_result(table, _last_read(instance, lake, table, now, names), now)


def _last_read(
    instance: DagsterInstance, lake: Lake, table: AssetKey, now: datetime, names: Namespace
) -> datetime | None:
    current = now.date().replace(day=1)
    # The event log may be of another lake, such as the demo's.
    if current not in lake.metadata.months_read(names.table(table)):
        return None
    filters = AssetRecordsFilter(asset_key=table, asset_partitions=[partition_key(current)])
    found = instance.fetch_materializations(filters, limit=1).records
    return datetime.fromtimestamp(found[0].timestamp, UTC) if found else None


def current_month_check(
    table: AssetKey, clock: Clock = local_time, names: Namespace = PROJECT
) -> AssetChecksDefinition:
    """The check as a step of every run that reads the table, whichever months that is."""

    @asset_check(
        asset=table,
        name=CURRENT_MONTH_READ,
        description=f"The current month was read, or began, in the last {STALE_AFTER // timedelta(hours=1)} hours. Evaluated "
        "by every run of the table, and by the sensor current_month_freshness.",
    )
    @names.bound
    def current_month_read(
        context: AssetCheckExecutionContext, lake: LakeResource, settings: ResourceParam[Settings]
    ) -> AssetCheckResult:
        with as_dagster_failure():
            return evaluate_current_month(context.instance, lake.store, table, clock(settings), names)

    return current_month_read


def check_definitions(names: Namespace = PROJECT) -> list[AssetChecksDefinition]:
    """The check of every monthly table."""
    return [current_month_check(names.key(table), names=names) for table in MONTHLY_TABLES]
