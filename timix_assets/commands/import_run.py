"""`timix-assets import`: runs the job of an import in this process, recorded in the instance that the UI reads."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console

from timix_assets.commands.refresh import project_instance
from timix_assets.commands.refresh_output import printed_logs
from timix_assets.dagster_internals import MAX_RETRIES_TAG, execute_job
from timix_assets.imports.entry import TIME_ENTRY
from timix_assets.imports.errors import ImportRefused
from timix_assets.imports.ledger import TABLE as LEDGER
from timix_assets.imports.mapping import READY_NAMES
from timix_assets.imports.outcome import UNWRITTEN
from timix_assets.imports.steps import Step
from timix_assets.lake.tables import Lake
from timix_assets.resources import import_resource
from timix_assets.runs.failure_messages import error_message, is_caused_by
from timix_assets.runs.ours import command_line_origin
from timix_assets.runs.tags import STARTED_BY
from timix_assets.settings import Settings, SettingsError
from timix_assets.text.wording import excerpt


def run(
    settings: Settings, what: str, config: Mapping[str, Any], files: Mapping[str, str], console: Console
) -> tuple[str, str | None]:
    """Runs the job.

    Args:
        what: `time_entries` or `structure`: the asset below `imports/`.
        config: Of the asset, as `ImportConfig`.
        files: Name -> path of the files that the config names.

    Returns:
        The run's id, and why it failed; None if it did not.

    Raises:
        ImportRefused: It did not begin: the file, the mapping, the key or a setting does not fit.
    """
    # Not at the top: it builds the definitions from the environment, which the command completes from .env first.
    from timix_assets.definitions import defs  # noqa: PLC0415

    job = f"import_{what}"
    with project_instance(settings.state_folder) as instance, printed_logs(console):
        result = execute_job(
            defs.resolve_job_def(job),
            instance,
            command_line_origin(Path("workspace.yaml"), job),
            tags={STARTED_BY: "timix-assets import", MAX_RETRIES_TAG: "0"},
            resources={"imports": import_resource(settings, files)},
            run_config={
                "ops": {f"imports__{what}": {"config": dict(config)}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
        )
    errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    if not errors:
        if not any(event.is_step_materialization for event in result.all_events):
            raise ImportRefused("nothing was planned; name a file, or the import to undo.")
        return result.run_id, None
    if is_caused_by(errors[0], ImportRefused, SettingsError):
        raise ImportRefused(error_message(errors[0]))
    return result.run_id, error_message(errors[0])


def files_of(file: Path | None, base: Path, mapping: str) -> tuple[dict[str, str], dict[str, str]]:
    """The files of an import by name, and what the config calls them: its `file` and `mapping`.

    Args:
        file: The file to import, if any.
        base: Where the paths start.
    """
    files: dict[str, str] = {}

    def named(given: str | Path) -> str:
        # Not resolved: a link has a name of its own, and `.` none.
        path = base / given
        files[path.name] = str(path)
        return path.name

    names = {"mapping": mapping if not mapping or mapping in READY_NAMES else named(mapping)}
    return files, names if file is None else {**names, "file": named(file)}


def check_kind(settings: Settings, what: str, name: str) -> None:
    """ImportRefused if the import to undo is one of the other kind."""
    lake = Lake(settings.lake)
    if not lake.exists(LEDGER):
        return
    kinds = set(lake.scan(LEDGER).filter(pl.col("name") == name).select("kind").collect()["kind"])
    if what == "time_entries" and kinds and TIME_ENTRY not in kinds:
        raise ImportRefused(f"{excerpt(name)} is an import of structure: add --structure.")
    if what == "structure" and kinds == {TIME_ENTRY}:
        raise ImportRefused(f"{excerpt(name)} is an import of time entries: leave --structure out.")


def planned_by(settings: Settings, what: str, run_id: str) -> pl.DataFrame:
    """The plan or outcome of a run, a line per row."""
    return Lake(settings.lake).scan(f"imports/{what}").filter(pl.col("run_id") == run_id).sort("number").collect()


def missing_to_write(lines: pl.DataFrame, settings: Settings) -> str:
    """What a run needs to write its plan; empty when the plan was applied."""
    if lines["outcome"].is_null().all():
        return "Nothing to write."
    if not lines["outcome"].eq("planned").any():
        return ""
    return f"Nothing was written. To write it: --apply{'' if settings.allow_writes else ', with TIMIX_ALLOW_WRITES=1'}."


def leaves_rows_unwritten(lines: pl.DataFrame) -> bool:
    """Whether a row was refused by the plan, or not written though the plan was applied."""
    return lines.filter((pl.col("step") == Step.REFUSE.value) | pl.col("outcome").is_in(UNWRITTEN)).height > 0


def as_json(lines: pl.DataFrame) -> str:
    """The lines as JSON, a list of objects; numbers exactly, as text."""
    return json.dumps(lines.to_dicts(), default=str, ensure_ascii=False, indent=1)
