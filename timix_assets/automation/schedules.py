"""Schedules: when each job runs, and over which months. All are off by default."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import date

from dagster import (
    DefaultScheduleStatus,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
)

from timix_assets.assets.closing import CLOSE_MONTH
from timix_assets.automation.jobs import Jobs, jobs
from timix_assets.automation.month_ranges import MonthRange, clip, closed_months, recent_months, sweep_months
from timix_assets.dagster_internals import is_valid_cron_string
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.partitions import range_tags
from timix_assets.runs.ours import unfinished_run
from timix_assets.runs.tags import MONTHS, STARTED_BY, workspace_tags
from timix_assets.settings import Settings, SettingsError
from timix_assets.text.wording import quoted


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """One schedule. months: those that a run reads, given the day of its tick; None for a job without months."""

    name: str
    job: str
    cron_setting: str
    description: str
    months: MonthRange | None = None

    def schedule(self, settings: Settings, jobs: Jobs, names: Namespace) -> ScheduleDefinition:
        """The schedule under these settings; SettingsError if its cron expression is not valid."""
        first_month, job = settings.first_month(), jobs[self.job]
        moved_by = f"`schedules`, {self.name}" if names.name else f"TIMIX_{self.cron_setting.upper()}"

        def tick(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
            yield self._tick(context, settings, first_month, job.name, names)

        return ScheduleDefinition(
            name=names.named(self.name),
            job=job,
            cron_schedule=cron_expression(settings, self.cron_setting),
            execution_timezone=settings.zone_name,
            description=f"{self.description} Cron expression: {moved_by}.",
            default_status=DefaultScheduleStatus.STOPPED,
            execution_fn=tick,
            tags=workspace_tags(names),
        )

    def _tick(
        self, context: ScheduleEvaluationContext, settings: Settings, first_month: date, job: str, names: Namespace
    ) -> RunRequest | SkipReason:
        busy = unfinished_run(context.instance, job)
        if busy:
            return SkipReason(f"{job} is already queued or running (run {busy[:8]}), so this tick starts no run.")
        due = context.scheduled_execution_time.astimezone(settings.zone)
        tags = {STARTED_BY: names.named(self.name)}
        if self.months is not None:
            months = clip(self.months(due.date()), first_month)
            if months is None:
                return SkipReason(
                    f"The months of this tick are before TIMIX_START_MONTH ({first_month:%Y-%m}); nothing to read."
                )
            tags |= range_tags(months) | {MONTHS: str(months)}
        return RunRequest(run_key=f"{self.name} {due.isoformat()}", tags=tags)


def cron_expression(settings: Settings, setting: str) -> str:
    """The cron expression of a setting; SettingsError if Dagster does not accept it."""
    line: str = getattr(settings, setting)
    if not is_valid_cron_string(line):
        raise SettingsError(
            f"TIMIX_{setting.upper()}: {quoted(line)} is not a cron expression; write minute, hour, day, month and weekday, "
            f"e.g. {quoted(Settings.model_fields[setting].default)}."
        )
    return line


def schedule_specs(settings: Settings) -> list[ScheduleSpec]:
    """Every schedule."""
    return [
        ScheduleSpec(
            "recent_hourly",
            "refresh_recent",
            "cron_recent",
            "Refreshes the current and the most recent months during working hours.",
            recent_months(settings.recent_months),
        ),
        ScheduleSpec(
            "everything_nightly",
            "refresh_everything",
            "cron_nightly",
            "Refreshes everything over the recent months every night, with users, calendars and exports.",
            recent_months(settings.recent_months),
        ),
        ScheduleSpec(
            "close_month_monthly",
            CLOSE_MONTH,
            "cron_close_month",
            "Reads the previous month and the three before it again. Schedule it for the day after your books are closed.",
            closed_months,
        ),
        ScheduleSpec(
            "deep_sweep_weekly",
            "refresh_everything",
            "cron_sweep",
            "Reads the last 12 months again, for entries that were edited, approved or deleted late.",
            sweep_months,
        ),
        ScheduleSpec(
            "compact_weekly",
            "compact_lake",
            "cron_compact",
            "Compacts the tables, and deletes unneeded files and old runs. Makes no requests to Timix.",
        ),
    ]


def schedules(
    settings: Settings,
    of: Jobs | None = None,
    names: Namespace = PROJECT,
    only: Container[str] | None = None,
) -> list[ScheduleDefinition]:
    """Every schedule as Dagster takes it; SettingsError if a cron expression is not valid.

    Args:
        settings: Of the workspace.
        of: Its jobs.
        names: Of the workspace.
        only: The plain names of those that it has; None for all.
    """
    of = jobs(names) if of is None else of
    specs = [spec for spec in schedule_specs(settings) if only is None or spec.name in only]
    return [spec.schedule(settings, of, names) for spec in specs]
