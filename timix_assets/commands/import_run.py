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
from timix_assets.imports.errors import ImportRefused
from timix_assets.imports.mapping import READY_NAMES
from timix_assets.imports.outcome import UNWRITTEN
from timix_assets.imports.steps import Step
from timix_assets.lake.tables import Lake
from timix_assets.resources import import_resource
from timix_assets.runs.failure_messages import error_message, is_caused_by
from timix_assets.runs.ours import command_line_origin
from timix_assets.runs.tags import STARTED_BY
from timix_assets.settings import Settings, SettingsError


def run(
    settings: Settings, what: str, config: Mapping[str, Any], files: Mapping[str, str], console: Console
) -> str | None:
    """Runs the job.

    Args:
        what: `time_entries` or `structure`: the asset below `imports/`.
        config: Of the asset, as `ImportConfig`.
        files: Name -> path of the files that the config names.

    Returns:
        Why it failed; None if it did not.

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
        return None
    if is_caused_by(errors[0], ImportRefused, SettingsError):
        raise ImportRefused(error_message(errors[0]))
    return error_message(errors[0])


def files_of(file: Path | None, base: Path, mapping: str) -> tuple[dict[str, str], str]:
    """The files of an import by name, and what the config calls the mapping.

    Args:
        file: The file to import, if any.
        base: Where the path of a mapping starts.
    """
    files = {file.name: str(file)} if file else {}
    if not mapping or mapping in READY_NAMES:
        return files, mapping
    path = (base / mapping).resolve()
    return {**files, path.name: str(path)}, path.name


def latest(settings: Settings, what: str) -> pl.DataFrame:
    """The plan or outcome of the run, a line per row."""
    return Lake(settings.lake).scan(f"imports/{what}").sort("number").collect()


def leaves_rows_unwritten(lines: pl.DataFrame) -> bool:
    """Whether a row was refused by the plan, or not written though the plan was applied."""
    return lines.filter((pl.col("step") == Step.REFUSE.value) | pl.col("outcome").is_in(UNWRITTEN)).height > 0


def as_json(lines: pl.DataFrame) -> str:
    """The lines as JSON, a list of objects; numbers exactly, as text."""
    return json.dumps(lines.to_dicts(), default=str, ensure_ascii=False, indent=1)
