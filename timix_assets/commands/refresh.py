"""`timix-assets refresh`: runs the job `refresh_everything` in this process, recorded in the instance that the UI reads."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from dagster import AssetKey, DagsterInstance, Definitions
from rich.console import Console
from sqlalchemy.exc import DatabaseError, OperationalError

from timix_assets.commands.damaged_storage import EVERY_PAGE, advice_for, damaged_file
from timix_assets.commands.refresh_outcome import Outcome, outcome_of
from timix_assets.commands.refresh_output import printed_logs, printed_progress
from timix_assets.dagster_internals import MAX_RETRIES_TAG, execute_job
from timix_assets.lake.errors import WriteFailed
from timix_assets.lake.months import Months
from timix_assets.partitions import range_tags
from timix_assets.quick_imports import quick_imports
from timix_assets.resources import TimixResource
from timix_assets.runs.ours import command_line_origin
from timix_assets.runs.tags import ACCEPT_SHRINK, MONTHS, STARTED_BY
from timix_assets.settings import Settings, SettingsError
from timix_assets.settings.environment import parse_month
from timix_assets.state.locks import exclusive_lock
from timix_assets.text.near_miss import hint

JOB = "refresh_everything"


def months_between(settings: Settings, first: str | None, last: str | None) -> Months:
    """The months to read; by default from the start month to the current one.

    Raises:
        SettingsError: A month is not YYYY-MM, or out of range.
    """
    start, current = settings.first_month(), settings.today().replace(day=1)
    begin = parse_month(first, "--from") if first else start
    end = parse_month(last, "--to") if last else current
    for option, month in (("--from", begin), ("--to", end)):
        if month < start:
            raise SettingsError(
                f"{option} {month:%Y-%m} is before the first month, {start:%Y-%m}; set TIMIX_START_MONTH to read earlier months."
            )
        if month > current:
            raise SettingsError(f"{option} {month:%Y-%m} is in the future; the current month is {current:%Y-%m}.")
    if begin > end:
        raise SettingsError(f"--from {begin:%Y-%m} is after --to {end:%Y-%m}; swap them.")
    return Months(begin, end)


def next_step(only: Sequence[str]) -> str:
    """What to do after a refresh that succeeded. only: as for `run`."""
    if any(name.startswith("timix/") for name in only):
        return "`timix-assets refresh` computes the rollups from them again; until then they are those of before."
    return "`timix-assets ui` or `timix-assets summary`."


def run(
    settings: Settings, months: Months, only: Sequence[str], console: Console, *, accept_shrink: bool = False
) -> Outcome:
    """Runs the job over the months.

    Args:
        only: Keys of the only assets to materialize; empty for all.
        accept_shrink: Whether tables may lose most rows or a column in this run.

    Raises:
        SettingsError: `only` names an asset that does not exist.
        WriteFailed: The run cannot be recorded.
    """
    # Not at the top: it builds the definitions from the environment, which the command completes from .env first.
    with quick_imports():
        from timix_assets.definitions import defs  # noqa: PLC0415

    known = {key.to_user_string() for key in defs.resolve_job_def(JOB).asset_layer.executable_asset_keys}
    for name in only:
        if name not in known:
            raise SettingsError(f"--only {name} is not an asset; {hint(name, known)}")
    with project_instance(settings.state_folder) as instance:
        return execute(defs, instance, months, only, console, accept_shrink=accept_shrink)


def execute(
    definitions: Definitions,
    instance: DagsterInstance,
    months: Months,
    only: Sequence[str],
    console: Console,
    *,
    accept_shrink: bool = False,
) -> Outcome:
    """Runs the job of any definitions on any instance; otherwise as `run`."""
    job = definitions.resolve_job_def(JOB)
    timix = cast("TimixResource", (definitions.resources or {})["timix"])
    with printed_progress(console) as on_progress, printed_logs(console):
        result = execute_job(
            job,
            instance,
            command_line_origin(Path("workspace.yaml"), JOB),
            tags={
                **range_tags(months),
                MONTHS: str(months),
                STARTED_BY: "timix-assets refresh",
                # Whoever started the command decides; the daemon's retry would have another environment, such as no sandbox.
                MAX_RETRIES_TAG: "0",
                **({ACCEPT_SHRINK: "true"} if accept_shrink else {}),
            },
            asset_selection=[AssetKey.from_user_string(name) for name in only],
            resources={"timix": timix.model_copy(update={"on_progress": on_progress})},
            run_config={
                # The outcome is printed below; Dagster's own log is in the UI.
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
        )
        return outcome_of(result)


@contextmanager
def project_instance(folder: Path) -> Iterator[DagsterInstance]:
    """The project's instance. Two first commands must not create its storage at the same time.

    Raises:
        WriteFailed: A run cannot be recorded there, or Dagster's storage is damaged.
    """
    try:
        with exclusive_lock(folder / "instance.lock", timeout=None):
            instance = DagsterInstance.get()
        with instance:
            yield instance
    except DatabaseError as error:
        damaged = damaged_file(folder / "storage", query=EVERY_PAGE)
        if damaged:
            raise WriteFailed(advice_for(damaged)) from error
        if not isinstance(error, OperationalError):
            raise
        is_locked = "locked" in str(error.orig)
        advice = (
            "another process has it locked: wait for it or stop it"
            if is_locked
            else "free disk space or make it writable"
        )
        raise WriteFailed(
            f"cannot record the run in {folder / 'storage'} ({error.orig}), so it was stopped; every table is at its last "
            f"committed version. Next: {advice}, then run it again."
        ) from error
