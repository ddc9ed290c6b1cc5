"""What refreshes cost when nobody looks: requests and seconds of a real `dagster dev` on the demo's sandbox."""

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from timix_assets.automation.month_ranges import clip
from timix_assets.automation.schedules import schedule_specs
from timix_assets.lake.months import Months
from timix_assets.partitions import range_tags
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets.settings import Settings
from timix_assets.vendor import MAX_PAGE_SIZE
from timix_assets_tests.automation.dagster_dev import DagsterDev

from .child import MeasurementFailedError
from .edits import edit_an_entry
from .figures import Figure
from .live import filled_project

ROUNDS = 3
ENTRIES = "timix/time_reports"
CHANGES = "timix_changes"

MOST_RECENT_REQUESTS, MOST_RECENT_SECONDS, MOST_EVERYTHING_SECONDS = 60, 3, 6
MOST_IDLE_REQUESTS = 14
MOST_ROLLUP_SECONDS = 2


def figures() -> list[Figure]:
    today = date.today()
    with filled_project(Firm.generate(today=today)) as (dev, sandbox):
        dev.start()
        return _Live(dev, sandbox, today).figures()


@dataclass(frozen=True)
class _Cost:
    """Of one run. rollups: seconds of the steps that compute rollups, added up."""

    requests: int
    seconds: float
    rollups: float


@dataclass(frozen=True)
class _Live:
    """A lake that holds everything, kept fresh by a running Dagster."""

    dev: DagsterDev
    sandbox: Sandbox
    today: date

    def figures(self) -> list[Figure]:
        recent = [self._scheduled("recent_hourly") for _ in range(ROUNDS)]
        others = ("everything_nightly", "close_month_monthly", "deep_sweep_weekly")
        everything = [self._everything(edited=True) for _ in range(ROUNDS)]
        unchanged = [self._everything(edited=False) for _ in range(ROUNDS)]
        changed = self._changed()
        return [
            Figure("requests of refresh_recent", [run.requests for run in recent], "", MOST_RECENT_REQUESTS),
            Figure("run time of refresh_recent", [run.seconds for run in recent], "s", MOST_RECENT_SECONDS),
            *(Figure(f"requests of {name}", [self._scheduled(name).requests], "") for name in others),
            *self._backfill(),
            Figure("run time of refresh_changed, from the change sensor", changed, "s", MOST_RECENT_SECONDS),
            Figure("requests of an idle look for changes", [self._idle_look()], "", MOST_IDLE_REQUESTS),
            Figure("rollup steps, an entry edited", [run.rollups for run in everything], "s", MOST_ROLLUP_SECONDS),
            Figure("rollup steps, nothing changed", [run.rollups for run in unchanged]),
            Figure(
                "run time of refresh_everything, 24 months",
                [run.seconds for run in everything],
                at_most=MOST_EVERYTHING_SECONDS,
            ),
        ]

    def _scheduled(self, name: str) -> _Cost:
        """A run such as that schedule starts today."""
        [spec] = [each for each in schedule_specs(Settings()) if each.name == name]
        assert spec.months is not None
        months = clip(spec.months(self.today), self.sandbox.firm.first_day)
        assert months is not None
        edit_an_entry(self.sandbox)
        return self._run(spec.job, months)

    def _everything(self, *, edited: bool) -> _Cost:
        if edited:
            edit_an_entry(self.sandbox)
        return self._run("refresh_everything", self._all_months)

    def _run(self, job: str, months: Months) -> _Cost:
        before = len(self.sandbox.requests)
        run_id = self.dev.launch(job, range_tags(months))
        self.dev.wait_for(f"{job} to end", lambda: self._has_ended(run_id))
        ended = self.dev.run(run_id)
        if ended["status"] != "SUCCESS":
            raise MeasurementFailedError(f"{job} over {months} ended as {ended['status']}.")
        steps = [step for step in ended["stepStats"] if step["stepKey"].startswith("rollups__")]
        return _Cost(
            requests=len(self.sandbox.requests) - before,
            seconds=ended["endTime"] - ended["startTime"],
            rollups=sum(step["endTime"] - step["startTime"] for step in steps),
        )

    def _has_ended(self, run_id: str) -> bool:
        # The status alone: the times of its steps are computed from all of its events, each time they are asked for.
        return self.dev.status(run_id) in ("SUCCESS", "FAILURE", "CANCELED")

    def _backfill(self) -> list[Figure]:
        rows = len(self.sandbox.workspace.rows("time_reports"))
        before = len(self.sandbox.requests)
        months = [month.isoformat() for month in self._all_months]
        ended = self.dev.wait_for_backfill(self.dev.backfill_assets([ENTRIES], months))
        if ended["status"] != "COMPLETED_SUCCESS":
            raise MeasurementFailedError(f"the backfill of {ENTRIES} ended as {ended['status']}.")
        asked = [seen.path for seen in self.sandbox.requests[before:]]
        due = math.ceil(rows / MAX_PAGE_SIZE)
        pages = sum(path.endswith("/time-reports") for path in asked)
        return [
            Figure(f"runs of a backfill of {len(months)} months of entries", [len(ended["runs"])], "", 1),
            Figure(f"its pages for {rows:,} entries", [pages], "", due),
            Figure("all its requests, with `/me`", [len(asked)], "", due + 1),
        ]

    def _changed(self) -> list[float]:
        """Of the runs that the change sensor starts, each for an entry that was edited."""
        self.dev.start_sensor(CHANGES)
        self.dev.wait_for("the first look for changes", lambda: self.dev.ticks(CHANGES))
        seconds: list[float] = []
        for _ in range(ROUNDS):
            edit_an_entry(self.sandbox)
            found = self.dev.wait_for("the run of the change sensor", lambda: self._ended_since(len(seconds)))
            seconds.append(found["endTime"] - found["startTime"])
        self.dev.stop_sensor(CHANGES)
        return seconds

    def _ended_since(self, known: int) -> Any:
        """The run of the change sensor that ended after so many others."""
        ended = [run for run in self.dev.runs(pipelineName="refresh_changed") if run["endTime"]]
        if any(run["status"] != "SUCCESS" for run in ended):
            raise MeasurementFailedError(f"refresh_changed ended as {ended[0]['status']}.")
        return ended[0] if len(ended) > known else None

    def _idle_look(self) -> int:
        first = self.dev.try_sensor(CHANGES)
        before = len(self.sandbox.requests)
        idle = self.dev.try_sensor(CHANGES, first["cursor"])
        if "Nothing changed" not in (idle["skipReason"] or ""):
            raise MeasurementFailedError(f"the look for changes was not idle: {idle}.")
        return len(self.sandbox.requests) - before

    @property
    def _all_months(self) -> Months:
        return Months(self.sandbox.firm.first_day, self.today - timedelta(days=self.today.day - 1))
