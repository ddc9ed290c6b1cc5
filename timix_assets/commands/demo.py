"""`timix-assets demo`: everything once, on the built-in sandbox, for somebody who has no Timix account."""

import os
import time

from rich.console import Console

from timix_assets import environment
from timix_assets.commands import project, refresh, summary
from timix_assets.commands.sandbox_process import running_sandbox
from timix_assets.lake.tables import Lake
from timix_assets.summary import summarize
from timix_assets.wording import counted


def run(console: Console, errors: Console) -> bool:
    """Runs the main job against a sandbox and says where the tables are and what to do next. False when an asset failed."""
    began = time.monotonic()
    console.print(
        "Starting the sandbox: a simulated services firm behind the Timix API, on this machine …", highlight=False
    )
    with running_sandbox() as sandbox:
        os.environ.update(sandbox.environment)
        project.check_settings()
        months = refresh.months_between(None, None)
        console.print(f"Reading {months} from {sandbox.base_url} …", highlight=False)
        refreshing = time.monotonic()
        outcome = refresh.run(months, [], console)
        refreshed = time.monotonic() - refreshing
    refresh.show(outcome, console, errors)
    lake = environment.LAKE.read(os.environ)
    console.print(
        f"\n{counted(len(outcome.lines), 'asset')}, {counted(outcome.requests, 'request')}, "
        f"{refreshed:.1f} s for the refresh, {time.monotonic() - began:.1f} s in all.",
        highlight=False,
    )
    if outcome.ok:
        summary.show(summarize(Lake(lake), environment.as_of()), console)
        console.print(
            f"""
The tables are Delta tables under {lake}/, e.g. polars.scan_delta("{lake}/timix/time_reports").

Next:
  make ui                      the lineage, every column described, backfills and schedules, on http://127.0.0.1:3000
  a real workspace             cp .env.example .env, put your key into it, then
                               .venv/bin/timix-assets doctor    what of our contract holds for your workspace
                               .venv/bin/timix-assets refresh   the same run, on your data""",
            highlight=False,
            markup=False,
        )
    return outcome.ok
