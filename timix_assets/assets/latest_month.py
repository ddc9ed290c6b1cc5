"""The check `latest_month_read`: whether the running month of a table kept by month was read lately.

Dagster's freshness policies look at an asset as a whole, so that a backfill of old months makes it look fresh. This looks at
the one partition that people look at: of the running month, by the clock of TIMIX_TIMEZONE.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetKey,
    AssetRecordsFilter,
    DagsterInstance,
    MetadataValue,
    asset_check,
)

from timix_assets import environment
from timix_assets.assets import timix
from timix_assets.automation.partitions import partition_key
from timix_assets.failures import plainly
from timix_assets.lake.io_manager import LakeResource
from timix_assets.lake.tables import Lake

LATEST_MONTH_READ = "latest_month_read"

STALE_AFTER = timedelta(hours=26)
"""A nightly refresh, and two hours for it to be late."""

KEPT_BY_MONTH = tuple(asset.key for asset in timix.ASSETS if asset.partitions_def is not None)

Clock = Callable[[], datetime]


def local_time() -> datetime:
    """The clock that decides the running month."""
    return datetime.now(environment.time_zone())


def due(last_read: datetime | None, now: datetime) -> datetime:
    """Until when the running month of `now` counts as fresh, in UTC; a month that has just begun has as long as one just read.

    now: aware, in the zone that decides the running month.
    """
    began = datetime(now.year, now.month, 1, tzinfo=now.tzinfo).astimezone(UTC)
    return (began if last_read is None else max(began, last_read.astimezone(UTC))) + STALE_AFTER


def judge(table: AssetKey, last_read: datetime | None, now: datetime) -> AssetCheckResult:
    """What the check says at `now`. The sentence stays the same until the verdict, the month or the last reading changes.

    last_read: when the running month was last materialized, aware; None: never. now: as for `due`.
    """
    fresh, month = now.astimezone(UTC) <= due(last_read, now), f"{now:%Y-%m}"
    read = f"was last read on {last_read.astimezone(now.tzinfo):%Y-%m-%d %H:%M %Z}" if last_read else "was never read"
    if fresh:
        until = f"{due(last_read, now).astimezone(now.tzinfo):%Y-%m-%d %H:%M %Z}"
        said = f"{month}, the running month, {read}; it is fresh until {until}."
    else:
        late = f", more than {STALE_AFTER // timedelta(hours=1)} hours ago" if last_read else ""
        said = f"{month}, the running month, {read}{late}; materialize {table.to_user_string()} for it."
    return AssetCheckResult(
        asset_key=table,
        check_name=LATEST_MONTH_READ,
        passed=fresh,
        severity=AssetCheckSeverity.WARN,
        description=said,
        metadata={
            "running_month": MetadataValue.text(month),
            **({"last_read": MetadataValue.timestamp(last_read)} if last_read else {}),
        },
    )


def look(instance: DagsterInstance, lake: Lake, table: AssetKey, now: datetime) -> AssetCheckResult:
    """The verdict on a table of this lake, from its memory and Dagster's event log; LakeError when the lake cannot be read."""
    return judge(table, _last_read(instance, lake, table, now), now)


def _last_read(instance: DagsterInstance, lake: Lake, table: AssetKey, now: datetime) -> datetime | None:
    running = now.date().replace(day=1)
    # The event log may tell of another lake, such as the demo's; what was never read into this one is not there.
    if running not in lake.memory.months_read(table.to_user_string()):
        return None
    wanted = AssetRecordsFilter(asset_key=table, asset_partitions=[partition_key(running)])
    found = instance.fetch_materializations(wanted, limit=1).records
    return datetime.fromtimestamp(found[0].timestamp, UTC) if found else None


def check_of(table: AssetKey, clock: Clock = local_time) -> AssetChecksDefinition:
    """The check as a step of every run that reads the table, whichever months it reads."""

    @asset_check(
        asset=table,
        name=LATEST_MONTH_READ,
        description=f"The running month was read in the last {STALE_AFTER // timedelta(hours=1)} hours, or began in them. "
        "Other months do not count. Runs look at it, and so does the sensor latest_month_freshness when none runs.",
    )
    def latest_month_read(context: AssetCheckExecutionContext, lake: LakeResource) -> AssetCheckResult:
        with plainly():
            return look(context.instance, lake.lake, table, clock())

    return latest_month_read


CHECKS = [check_of(table) for table in KEPT_BY_MONTH]
