"""`timix-assets demo`: runs everything once against the built-in sandbox; no Timix account is needed."""

import os
import shutil
import time
from pathlib import Path

from rich.console import Console

from timix_assets.commands import refresh, refresh_output, settings_check, summary
from timix_assets.commands.sandbox_process import RunningSandbox
from timix_assets.lake.tables import Lake
from timix_assets.reporting.summary import summarize
from timix_assets.settings import Settings
from timix_assets.text.wording import count_noun


def run(sandbox: RunningSandbox, console: Console, errors: Console) -> bool:
    """Runs the main job against the sandbox and prints where the tables are and what to do next.

    Returns:
        False if an asset failed.
    """
    os.environ.update(sandbox.environment)
    settings = Settings.from_environment()
    settings_check.check_settings(settings)
    months = refresh.months_between(settings, None, None)
    console.print(f"Reading {months} from {sandbox.base_url} …", highlight=False)
    refreshing = time.monotonic()
    outcome = refresh.run(settings, months, [], console)
    refreshed = time.monotonic() - refreshing
    refresh_output.show(outcome, console, errors)
    console.print(
        f"\n{count_noun(len(outcome.lines), 'asset')}, {count_noun(outcome.requests, 'request')}, "
        f"{refreshed:.1f} s for the refresh.",
        highlight=False,
    )
    if outcome.ok:
        program = _program()
        summary.show(summarize(Lake(settings.lake), settings.as_of_date()), console)
        console.print(
            f"""
The weekly digest, one page for Monday: {settings.lake}/reports/weekly_digest.html
The tables are Delta tables under {settings.lake}/, e.g. polars.scan_delta("{settings.lake}/timix/time_reports").

Next:
  {_ui_command():<27}  lineage, column descriptions, backfills and schedules on http://127.0.0.1:3000
  a real workspace             cp .env.example .env, set TIMIX_API_KEY in it, then
                               {program} doctor    check how your workspace matches the contract
                               {program} refresh   the same run on your data""",
            highlight=False,
            markup=False,
        )
    return outcome.ok


def _program() -> str:
    """How to call this program from the working directory."""
    local = Path(".venv/bin/timix-assets")
    return "timix-assets" if shutil.which("timix-assets") or not local.exists() else str(local)


def _ui_command() -> str:
    return "make ui" if Path("Makefile").is_file() else f"{_program()} ui"
