"""Schedules: when each job runs by itself, over which months. All are off until somebody switches them on."""

from collections.abc import Iterator
from dataclasses import dataclass

from dagster import (
    DefaultScheduleStatus,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._utils.schedules import is_valid_cron_string

from timix_assets import environment
from timix_assets.automation import jobs
from timix_assets.automation.jobs import range_tags, unfinished_run
from timix_assets.automation.partitions import MONTHLY
from timix_assets.automation.windows import Reach, clipped, closed, recent, swept
from timix_assets.environment import Setting, SettingError, time_zone


@dataclass(frozen=True, slots=True)
class Timetable:
    """One schedule. reach: the months of each run, from the day of its tick; None for a job without months."""

    name: str
    job: UnresolvedAssetJobDefinition
    setting: Setting
    description: str
    reach: Reach | None = None

    def schedule(self) -> ScheduleDefinition:
        return ScheduleDefinition(
            name=self.name,
            job=self.job,
            cron_schedule=cron_line(self.setting),
            execution_timezone=str(time_zone()),
            description=f"{self.description} Cron line: {self.setting.name}.",
            default_status=DefaultScheduleStatus.STOPPED,
            execution_fn=self._tick,
        )

    def _tick(self, context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        busy = unfinished_run(context.instance, self.job.name)
        if busy:
            yield SkipReason(
                f"{self.job.name} is already queued or running (run {busy[:8]}), so this tick starts no other."
            )
            return
        due = context.scheduled_execution_time.astimezone(time_zone())
        tags = {"timix/started_by": self.name}
        if self.reach is not None:
            months = clipped(self.reach(due.date()), MONTHLY.start.date())
            if months is None:
                yield SkipReason(
                    f"The months of this tick lie before {environment.START_MONTH.name} ({MONTHLY.start:%Y-%m}), so there "
                    "is nothing to read."
                )
                return
            tags |= range_tags(months)
        yield RunRequest(run_key=f"{self.name} {due.isoformat()}", tags=tags)


def cron_line(setting: Setting) -> str:
    """The cron line that the environment names; SettingError when it is none."""
    line = setting.read(environment.ENVIRON)
    if not is_valid_cron_string(line):
        raise SettingError(
            f"{setting.name} is {line!r}, which is no cron line; write minute, hour, day, month and weekday, e.g. "
            f"{setting.default!r}."
        )
    return line


def _recent() -> Reach:
    return recent(environment.whole_number(environment.RECENT_MONTHS, at_least=0))


TIMETABLES = (
    Timetable(
        "recent_hourly",
        jobs.refresh_recent,
        environment.CRON_RECENT,
        "Keeps the running month and those just before it fresh during working hours.",
        _recent(),
    ),
    Timetable(
        "everything_nightly",
        jobs.refresh_everything,
        environment.CRON_NIGHTLY,
        "Everything once a night, over the recent months: people, calendars, invoices and exports too.",
        _recent(),
    ),
    Timetable(
        "close_month_monthly",
        jobs.close_month,
        environment.CRON_CLOSE_MONTH,
        "Reads the month before once more, with the three before it. Choose the day on which your books are closed.",
        closed,
    ),
    Timetable(
        "deep_sweep_weekly",
        jobs.refresh_everything,
        environment.CRON_SWEEP,
        "Reads the trailing 12 months again: entries that were edited, approved or deleted late.",
        swept,
    ),
    Timetable(
        "compact_weekly",
        jobs.compact_lake,
        environment.CRON_COMPACT,
        "Compacts the tables, deletes files that no recent version needs, and old runs. It asks Timix for nothing.",
    ),
)

SCHEDULES = [timetable.schedule() for timetable in TIMETABLES]
